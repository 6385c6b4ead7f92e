/** The shim that stands in for a GPU finds what it is there to find. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCudaShim } from '../../cudaShim/build.mjs';

let shim: Record<string, string> | undefined;
let missing = '';
try {
  shim = buildCudaShim();
} catch (error) {
  missing = (error as Error).message;
}

describe.skipIf(!shim)(`the CUDA shim${missing ? ` (SKIPPED: ${missing})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'reasvqa-shim-'));
  const said = new Map<string, string>();
  beforeAll(() => {
    const source = fileURLToPath(new URL('../../cudaShim/selfTest.cc', import.meta.url));
    const program = join(folder, 'selfTest');
    const flags = ['-std=c++17', '-Wall', '-Wextra', '-Werror', source, '-o', program, '-ldl'];
    const built = spawnSync(process.env.CXX || 'c++', flags, { encoding: 'utf8' });
    expect(built.stderr).toBe('');
    const { stdout } = spawnSync(program, [shim!.REASVQA_CUDA_PATH!], { encoding: 'utf8' });
    for (const line of stdout.trim().split('\n')) {
      const [title, ...rest] = line.split(': ');
      said.set(title!, rest.join(': '));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each<[string, RegExp]>([
    ['right', /^0 $/],
    ['half a warp with its mask', /^0 $/],
    ['behind the end', /^700 kernel kernel wrote outside of an allocation of 1024 bytes/],
    ['before the start', /^700 kernel kernel wrote outside of an allocation/],
    ['behind shared memory', /^719 kernel: a write behind the dynamic shared memory/],
    ['ended before the barrier', /^719 kernel: divergence: threads ended while others wait at __syncthreads/],
    ['half a warp shuffles', /^719 kernel: divergence: some lanes wait in a warp operation/],
    ['not in the mask', /^719 kernel: a lane calls a warp operation whose mask leaves it out/],
    ['a lane that is not there', /^719 kernel: a shuffle reads a lane that does not exist/],
    ['barrier or shuffle', /^719 kernel: divergence/],
    ['not aligned', /^719 kernel: an access at 0x\w+, which is not aligned to its size/],
    ['too many threads', /^0 $/],
    ['too much shared memory', /^0 $/],
    ['a float atomic', /^does not compile$/],
  ])('%s', (title, message) => {
    expect(said.get(title)).toMatch(message);
  });
});
