/** `doctor` and `weights` on the command line. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeSafetensors } from '../../src/weights/safetensorsWriter.js';
import { reasvqa } from './support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa engine '));
});
afterAll(() => rm(folder, { recursive: true }));
const run = (...argv: string[]) => reasvqa(argv, { cwd: folder, env: process.env });

describe('doctor', () => {
  it('reports the engine that was asked for', async () => {
    const { code, stdout } = await run('doctor', '--engine', 'cpu');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine +cpu \(/m);
    expect(stdout).toContain(`Node ${process.version}`);
    expect(JSON.parse((await run('doctor', '--engine', 'cpu', '--json')).stdout).engine.name).toBe('cpu');
  });

  it('an unknown engine is a usage error, an unusable one exit code 4; the report comes all the same', async () => {
    const unknown = await run('doctor', '--engine', 'gpu');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/^reasvqa: --engine gpu: expected one of auto, .*\n$/);
    vi.stubEnv('REASVQA_THREADS', '0');
    const unusable = await run('doctor', '--engine', 'cpu', '--json').finally(() => vi.unstubAllEnvs());
    expect(unusable.code).toBe(4);
    expect(JSON.parse(unusable.stdout).error).toContain('REASVQA_THREADS=0');
  });

  it('--fix passes on why setting an engine up stopped, and its options belong to it', async () => {
    const nothing = await run('doctor', '--fix', 'tensorflow');
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toMatch(/^setup-tensorflow: expected --python PYTHON or --libtensorflow FOLDER/);
    expect((await run('doctor', '--python', 'python3')).stderr).toMatch(/belong to --fix tensorflow\n$/);
    const missing = await run('doctor', '--fix', 'tensorflow', '--libtensorflow', 'nowhere');
    if (process.platform === 'linux') {
      expect(missing.code).toBe(4);
      expect(missing.stderr).toContain(`--libtensorflow ${join(folder, 'nowhere')}: no such folder`);
    }
  });
});

const reference = fileURLToPath(new URL('../fixtures/reference', import.meta.url));

describe('weights', () => {
  it('show lists tensors and totals', async () => {
    const tensors = new Map([
      ['b', { dtype: 'F32' as const, shape: [2, 3], data: new Float32Array(6) }],
      ['a.2', { dtype: 'I32' as const, shape: [4], data: new Int32Array(4) }],
    ]);
    await writeSafetensors(join(folder, 'some.safetensors'), tensors);
    const { code, stdout } = await run('weights', 'show', 'some.safetensors');
    expect(code).toBe(0);
    expect(stdout).toBe('a.2  I32  (4)     16 B\nb    F32  (2, 3)  24 B\n2 tensors, 10 values, 40 B\n');
    expect(JSON.parse((await run('weights', 'show', 'some.safetensors', '--json')).stdout).rows).toHaveLength(
      2,
    );
  });

  it('fetch without a name lists the checkpoints; an unknown name is a usage error', async () => {
    const { code, stdout } = await run('weights', 'fetch');
    expect(code).toBe(0);
    expect(stdout).toContain('blip2-flan-t5-xl');
    expect((await run('weights', 'fetch', 'blip3')).code).toBe(2);
  });

  it('check refuses a folder that is not one, and an unknown precision', async () => {
    expect((await run('weights', 'check', '.', '--engine', 'cpu')).code).toBe(3);
    const { code, stderr } = await run('weights', 'check', '.', '--precision', 'f16');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'reasvqa: --precision f16: expected f32 or bf16\n',
    });
  });

  it('check refuses a precision that no engine here computes in', async () => {
    const { code, stderr } = await run(
      ...['weights', 'check', reference, '--precision', 'bf16', '--engine', 'cpu'],
    );
    expect(code).toBe(4);
    expect(stderr).toMatch(/^reasvqa: --precision bf16: the engine cpu computes in f32 alone.*\n$/m);
  });

  it('check prints a table with a verdict for every tensor', async () => {
    const { code, stdout, stderr } = await run('weights', 'check', reference);
    expect(stderr).toMatch(/^engine: /);
    expect(stdout).toMatch(/^tensor +error +tolerance +verdict$/m);
    expect(stdout).toMatch(/^expect\.loss +\d\.\d\de[-+]\d+ +1e-4 +ok$/m);
    expect(stdout).toMatch(/^all \d+ inside the tolerance$/m);
    expect(code).toBe(0);
  });
});
