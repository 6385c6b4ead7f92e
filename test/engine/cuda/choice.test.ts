/** Choosing native-cuda: with a GPU, without one, and with something missing. On the shim. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineError, UsageError } from '../../../src/base/errors.js';
import { currentDevice, selectEngine } from '../../../src/engine/engine.js';
import { openCuda } from '../../../src/engine/native/load.js';
import { engineReport } from '../../../src/engine/report.js';
import { reasvqa } from '../../commands/support.js';
import { buildCudaShim } from '../../cudaShim/build.mjs';

let shim: Record<string, string> | undefined;
let missing = '';
try {
  shim = buildCudaShim();
} catch (error) {
  missing = (error as Error).message;
}
const onGpu = process.env.REASVQA_TEST_GPU === '1';
const folder = mkdtempSync(join(tmpdir(), 'reasvqa-choice-'));
const messageOf = (work: Promise<unknown>, kind: typeof EngineError | typeof UsageError = EngineError) =>
  work.then(
    () => 'no error',
    (error: unknown) => {
      expect(error).toBeInstanceOf(kind);
      return (error as Error).message;
    },
  );

describe.skipIf(!shim || onGpu)(`choosing native-cuda${missing ? ` (SKIPPED: ${missing})` : ''}`, () => {
  beforeAll(() => {
    for (const name of ['libcuda.so.1', 'libcublasLt.so.12'])
      symlinkSync(join(shim!.REASVQA_CUDA_PATH!, name), join(folder, name));
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => rmSync(folder, { recursive: true }));

  // The failures come first: a device that was opened stays open.
  it('without NVRTC is an error that says what to install; auto goes on, and names the GPU', async () => {
    vi.stubEnv('REASVQA_CUDA_PATH', folder);
    expect(await messageOf(selectEngine('native-cuda'))).toMatch(/NVRTC 12 not found.*pip install/);
    const engine = await selectEngine('auto');
    expect(engine.name).toBe('native-cpu');
    expect(engine.reason).toMatch(/^native-cuda on the CUDA shim 0 is not proven yet/);
    expect(openCuda()).toBeUndefined();
    expect(await messageOf(selectEngine('auto', { device: 0 }))).toMatch(/NVRTC 12 not found/);
    expect(await messageOf(selectEngine('auto', { gpuMemory: 2 ** 30 }))).toMatch(/NVRTC 12 not found/);
    const report = engineReport();
    expect(report.gpu.missing).toMatch(/NVRTC/);
    expect(report.missing).toContainEqual(
      expect.objectContaining({ how: expect.stringMatching(/^pip install nvidia-cuda-nvrtc-cu12/) }),
    );
  });

  it('with exit code 4 on the command line', async () => {
    vi.stubEnv('REASVQA_CUDA_PATH', folder);
    const { code, stdout, stderr } = await reasvqa(['doctor', '--engine', 'native-cuda'], { cwd: folder });
    expect(code).toBe(4);
    expect(stderr).toMatch(/^reasvqa: NVRTC 12 not found/m);
    expect(stdout).toMatch(/^gpu +none: NVRTC 12 not found/m);
  });

  it('refuses settings that cannot be', async () => {
    for (const device of [-1, 0.5, Number.NaN]) {
      const message = await messageOf(selectEngine('native-cuda', { device }), UsageError);
      expect(message).toMatch(/--device .*number of a GPU/);
    }
    const message = await messageOf(selectEngine('native-cuda', { gpuMemory: 1 }), UsageError);
    expect(message).toMatch(/--gpu-memory 1: expected/);
    vi.stubEnv('REASVQA_GPU', 'two');
    expect(await messageOf(selectEngine('native-cuda'))).toMatch(/REASVQA_GPU=two: expected the number/);
    const { code, stderr } = await reasvqa(['doctor', '--gpu-memory', 'much'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(/expected a size such as 24GiB/);
  });

  it('gives the GPU back when it cannot be opened to the end', async () => {
    for (const [name, value] of Object.entries(shim!)) vi.stubEnv(name, value);
    vi.stubEnv('CUDA_SHIM_NO_STREAMS', '1');
    // The shim refuses a context that is still held.
    for (let attempt = 0; attempt < 2; attempt++)
      expect(await messageOf(selectEngine('native-cuda'))).toMatch(
        /^cuStreamCreate failed: CUDA_ERROR_OUT_OF_MEMORY/,
      );
    expect(openCuda()).toBeUndefined();
  });

  it('takes the GPU asked for by number, and auto says how to ask for it', async () => {
    for (const [name, value] of Object.entries(shim!)) vi.stubEnv(name, value);
    vi.stubEnv('CUDA_SHIM_DEVICES', '2');
    const engine = await selectEngine('native-cuda', { device: 1, gpuMemory: 2 ** 30 });
    expect(engine).toMatchObject({ name: 'native-cuda', device: 'CUDA shim 1', isa: 'sm_90' });
    expect(engine.description).toContain('CUDA shim 1, GPU 1 of 2');
    expect(tf.getBackend()).toBe('native-cuda');
    expect(currentDevice()?.memory()).toMatchObject({ limit: 2 ** 30 });
    expect(tf.tidy(() => [...tf.add(tf.tensor1d([1, 2]), 3).dataSync()])).toEqual([4, 5]);
    expect(await messageOf(selectEngine('native-cuda', { device: 0 }))).toMatch(/GPU 1 is in use already/);
    vi.stubEnv('REASVQA_GPU', '1');
    const auto = await selectEngine('auto');
    expect(auto).toMatchObject({ name: 'native-cpu' });
    expect(auto.reason).toMatch(/^native-cuda on the CUDA shim 1 is not proven yet .*--engine native-cuda$/);
    expect(await selectEngine('auto', { device: 1 })).toMatchObject({ name: 'native-cuda' });
    const report = engineReport();
    expect(report.gpu.found).toMatchObject({ name: 'CUDA shim 1', count: 2 });
    expect((await reasvqa(['doctor'], { cwd: folder })).stdout).toMatch(/^gpu +CUDA shim 1 \(1 of 2\)/m);
  });
});
