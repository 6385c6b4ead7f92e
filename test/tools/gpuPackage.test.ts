/** tools/gpu/pack.sh makes a folder that runs on its own, here with the CUDA shim (or the GPU) that the tests use. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cudaMissing } from '../support/cuda.js';
import { type Outcome, watch } from './checkout.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const TINY = 'bench/speed/workloads/tiny.json';

function run(
  command: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Outcome> {
  return watch(
    spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }),
  ).done;
}

describe.skipIf(cudaMissing !== undefined)(
  `the folder for a GPU machine${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
  () => {
    let parent: string;
    let folder: string;
    let empty: string;
    const pack = (...args: string[]) => run('sh', ['tools/gpu/pack.sh', ...args], root);
    const steps = (args: string[], env: Record<string, string> = {}) =>
      run('./run.sh', args, folder, { LEARN_STEPS: '10', ...env });
    const result = async (name: string) =>
      JSON.parse(await readFile(join(folder, 'results', `${name}.json`), 'utf8'));

    beforeAll(async () => {
      parent = await mkdtemp(join(tmpdir(), 'reasvqa package '));
      folder = join(parent, 'folder');
      empty = join(parent, 'empty');
      await mkdir(empty);
      const made = join(parent, 'made');
      expect(await pack(made)).toMatchObject({ code: 0, stdout: expect.stringMatching(/made: \d\d MiB\n$/) });
      // Nothing in it may depend on where it was made.
      await rename(made, folder);
    });
    afterAll(() => rm(parent, { recursive: true, force: true }));

    it('is not made over another, nor of more than 60 MiB', async () => {
      const again = await pack(folder);
      expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('name a new folder') });
      const reference = join(parent, 'reference');
      await mkdir(reference);
      await writeFile(join(reference, 'model.safetensors'), Buffer.alloc(60 * 2 ** 20, 1));
      const large = await pack(join(parent, 'large'), reference);
      expect(large).toMatchObject({ code: 1, stderr: expect.stringMatching(/more than 60 MiB/) });
      await rm(join(parent, 'large'), { recursive: true });
    });

    it('runs the steps it is asked for, without the repository', async () => {
      const outcome = await steps([TINY, 'doctor', 'check-f32', 'check-bf16', 'learn-bf16']);
      expect(outcome).toMatchObject({ code: 0, stderr: expect.stringContaining('every step passed') });
      expect((await readdir(join(folder, 'results'))).sort()).toEqual([
        'check-bf16.json',
        'check-f32.json',
        'doctor.json',
        'learn-bf16.json',
      ]);
      expect((await result('doctor')).engine.name).toBe('native-cuda');
      for (const precision of ['f32', 'bf16']) {
        const check = await result(`check-${precision}`);
        expect(check.ok).toBe(true);
        expect(check.rows.length).toBeGreaterThan(50);
      }
      // learn-f32 differs in one word that is passed on.
      const learned = await result('learn-bf16');
      expect(learned).toMatchObject({
        ...{ workload: 'tiny', precision: 'bf16', steps: 10 },
        engine: { name: 'native-cuda' },
      });
      expect(learned.lastMean).toBeLessThan(learned.firstMean);
    });

    it("runs the project's tests", async () => {
      const outcome = await steps(['tests'], { TESTS: 'ops/activation' });
      const { passed, failed, skipped, failures, skips } = await result('tests');
      expect(failures).toEqual([]);
      const line = `${passed} passed, 0 failed, ${skips.length} skipped`;
      expect(outcome).toMatchObject({ code: 0, stdout: '' });
      expect(outcome.stderr).toContain(`\n${line}\n`);
      expect(outcome.stderr).toContain(`ops/activation.test.mjs: ${line} (`);
      expect({ failed, skipped }).toEqual({ failed: 0, skipped: skips.length });
      expect(passed).toBeGreaterThan(40);
    });

    it('goes on after a step that fails, and names it at the end', async () => {
      const outcome = await steps([TINY, 'check-f32', 'gemm'], { REASVQA_CUDA_PATH: empty });
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain('== check-f32 FAILED (exit code 4)');
      expect(outcome.stderr).toMatch(/failed: check-f32 gemm; results in /);
      // What an earlier run came to is not left there as if it were this one's.
      expect(await readdir(join(folder, 'results'))).not.toContain('check-f32.json');
    });

    it('fails when its tests find no GPU, or none of them ran', async () => {
      const blind = await steps(['tests'], { TESTS: 'ops/linear', REASVQA_CUDA_PATH: empty });
      expect(blind).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('0 passed, 1 failed, 0 skipped\n'),
      });
      expect(blind.stderr).toMatch(/FAILED ops\/linear\.test\.mjs\n.*libcuda/);
      expect((await result('tests.failed')).failures).toMatchObject([
        { file: 'ops/linear.test.mjs', name: '' },
      ]);
      const none = await steps(['tests'], { TESTS: 'no/such' });
      expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('no test ran') });
    });

    it('says which steps there are', async () => {
      const outcome = await steps(['lern']);
      expect(outcome).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/no step lern; the steps are doctor/),
      });
    });
  },
);
