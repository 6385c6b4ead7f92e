/**
 * Every kernel source compiles for the oldest and the newest GPU that native-cuda supports, where NVRTC or nvcc is installed. No
 * source branches on the architecture, so what compiles for both compiles for the H100 between them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

/**
 * The sources that nvcc compiles in one go: it reads the host's headers for each, which takes longer than most sources. Attention's
 * of f32 and of f16 define macros of the same names. That each source includes what it uses, the shim sees (test/cudaShim).
 */
const GOES: readonly string[][] = [
  sources.filter((source) => !source.includes('attention')),
  sources.filter((source) => source.includes('attention') && !source.includes('f16')),
  sources.filter((source) => source.includes('attention') && source.includes('f16')),
];

const nvcc = spawnSync('nvcc', ['--version'], { encoding: 'utf8' }).status === 0;
// nvcc adds the host's headers, which define what common.cuh defines for NVRTC; it is the check where NVRTC is not installed.
describe.skipIf(!nvcc || missing === undefined)(
  `nvcc${nvcc ? '' : ' (SKIPPED: no nvcc on the PATH)'}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'reasvqa-nvcc-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(GOES.map((go) => [go.join('.cu, '), go] as const))(
      'compiles %s.cu from the oldest architecture to the newest',
      (_, go) => {
        const file = join(folder, 'kernels.cu');
        const includes = ['cuda/runtime/common.cuh', ...go.map(pathOf)].map((path) => `#include "${path}"\n`);
        writeFileSync(file, `#include <cstdint>\n#define REASVQA_HOST_SHIM\n${includes.join('')}`);
        const targets = CAPABILITIES.flatMap((sm) => ['-gencode', `arch=compute_${sm},code=sm_${sm}`]);
        // What compiles does not depend on how well: optimized, attention's backward pass alone takes 25 s.
        const options = ['-std=c++17', '-fatbin', '-Xcicc', '-O1', '-Xptxas', '-O0', ...targets];
        const { status, stderr } = spawnSync(
          'nvcc',
          [...options, '-I', native, '-o', join(folder, 'out'), file],
          { encoding: 'utf8' },
        );
        expect({ status, stderr }).toMatchObject({ status: 0 });
      },
    );
  },
);
