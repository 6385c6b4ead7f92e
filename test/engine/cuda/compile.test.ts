/**
 * Every kernel source compiles for the oldest and the newest GPU that native-cuda supports, where NVRTC or nvcc is installed. No
 * source branches on the architecture, so what compiles for both compiles for the H100 between them; a binary takes up to 12 s.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { messageOf } from '../../../src/base/errors.js';
import { nativeDevice } from '../../../src/engine/native/load.js';

const CAPABILITIES = [80, 120];
const { cuda } = nativeDevice();
const sources = cuda.sources();

/** Why NVRTC cannot compile here, or undefined. */
function nvrtcMissing(): string | undefined {
  try {
    cuda.compile(sources[0]!, CAPABILITIES[0]!);
    return undefined;
  } catch (error) {
    return /NVRTC .* not found/.test(messageOf(error)) ? messageOf(error) : undefined;
  }
}

const missing = nvrtcMissing();

describe.skipIf(missing !== undefined)(`NVRTC${missing ? ` (SKIPPED: ${missing})` : ''}`, () => {
  it.each(sources)('compiles %s.cu from the oldest architecture to the newest', (source) => {
    for (const capability of CAPABILITIES) {
      expect(cuda.compile(source, capability), `sm_${capability}`).toBeGreaterThan(500);
    }
  });
});

const native = fileURLToPath(new URL('../../../src/native/', import.meta.url));
const pathOf = (source: string): string =>
  ['cuda/ops', 'cuda/runtime']
    .map((room) => `${room}/${source}.cu`)
    .find((path) => existsSync(join(native, path)))!;
const nvcc = spawnSync('nvcc', ['--version'], { encoding: 'utf8' }).status === 0;
// nvcc adds the host's headers, which define what common.cuh defines for NVRTC; it is the check where NVRTC is not installed.
describe.skipIf(!nvcc || missing === undefined)(
  `nvcc${nvcc ? '' : ' (SKIPPED: no nvcc on the PATH)'}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'reasvqa-nvcc-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(sources)('compiles %s.cu from the oldest architecture to the newest', (source) => {
      const file = join(folder, `${source}.cu`);
      const text = readFileSync(join(native, pathOf(source)), 'utf8');
      writeFileSync(
        file,
        `#include <cstdint>\n#define REASVQA_HOST_SHIM\n#include "cuda/runtime/common.cuh"\n${text}`,
      );
      const targets = CAPABILITIES.flatMap((sm) => ['-gencode', `arch=compute_${sm},code=sm_${sm}`]);
      const { status, stderr } = spawnSync(
        'nvcc',
        ['-std=c++17', '-fatbin', ...targets, '-I', native, '-o', join(folder, 'out'), file],
        { encoding: 'utf8' },
      );
      expect({ status, stderr }).toMatchObject({ status: 0 });
    });
  },
);
