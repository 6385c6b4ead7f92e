/** The adapter that a recipe starts from: a folder, or the best checkpoint of a run. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../../src/base/errors.js';
import type { Config } from '../../../src/config/schema.js';
import { adapterFolder } from '../../../src/training/run/adapter.js';
import { fileHashes } from '../../../src/training/run/provenance.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';

let scratch: string;
let runs = 0;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-adapter-'));
});
afterAll(() => rm(scratch, { recursive: true }));

const LORA = 'language_model.encoder.q.lora_A.weight';

async function runWith(steps: number[], evaluations: { step: number; accuracy: number }[], tensor = LORA) {
  const folder = join(scratch, `run-${runs++}`);
  await mkdir(folder);
  await writeFile(join(folder, 'config.yaml'), 'data: {}\n');
  for (const step of steps) {
    const checkpoint = join(folder, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
    await mkdir(checkpoint, { recursive: true });
    const data = async () => new Float32Array([step]);
    await writeSafetensors(
      join(checkpoint, 'trainable.safetensors'),
      new Map([[tensor, { dtype: 'F32', shape: [1], data }]]),
    );
  }
  if (evaluations.length > 0)
    await writeFile(
      join(folder, 'evaluations.json'),
      JSON.stringify(
        evaluations.map(({ step, accuracy }, epoch) => ({
          ...{ epoch, step, skipped: 0 },
          score: { total: { accuracy, correct: 0, count: 1 }, types: {}, groups: {} },
        })),
      ),
    );
  return folder;
}

describe('the adapter of a recipe', () => {
  it('is a folder as it is named, whether or not it is there', async () => {
    const plain = join(scratch, 'plain');
    await mkdir(plain);
    expect(await adapterFolder(plain)).toBe(plain);
    expect(await adapterFolder(join(scratch, 'none'))).toBe(join(scratch, 'none'));
    const both = await runWith([1], []);
    await writeFile(join(both, 'adapter_config.json'), '{}');
    expect(await adapterFolder(both)).toBe(both);
  });

  it('is the last checkpoint of a run without evaluations', async () => {
    const run = await runWith([3, 12], []);
    expect(await adapterFolder(run)).toBe(join(run, 'checkpoints', 'step-00000012'));
  });

  it('is the checkpoint that the evaluations of a run chose', async () => {
    const run = await runWith(
      [3, 6, 12],
      [
        { step: 3, accuracy: 40 },
        { step: 6, accuracy: 60 },
        { step: 12, accuracy: 50 },
      ],
    );
    expect(await adapterFolder(run)).toBe(join(run, 'checkpoints', 'step-00000006'));
  });

  it('is missing where a run has no checkpoint yet', async () => {
    const run = await runWith([], []);
    await expect(adapterFolder(run)).rejects.toThrow(DataError);
    await expect(adapterFolder(run)).rejects.toThrow(/has no checkpoint yet; train it first/);
  });

  it('is refused where the run learned more than it holds', async () => {
    const run = await runWith([1], [], 'qformer.layer.0.weight');
    await expect(adapterFolder(run)).rejects.toThrow(UsageError);
    await expect(adapterFolder(run)).rejects.toThrow(
      /learned qformer\.layer\.0\.weight too, .*model\.train=\[lora\]/,
    );
  });

  it('counts among the files that a run depends on', async () => {
    const run = await runWith([3, 12], []);
    const config = { data: {}, model: { base: join(scratch, 'none'), adapter: run } } as Config;
    const before = await fileHashes(config);
    expect(Object.keys(before)).toEqual([
      join(run, 'checkpoints', 'step-00000003', 'trainable.safetensors'),
      join(run, 'checkpoints', 'step-00000012', 'trainable.safetensors'),
    ]);
    await writeFile(join(run, 'evaluations.json'), '[]');
    expect(Object.keys(await fileHashes(config))).toContain(join(run, 'evaluations.json'));
  });
});
