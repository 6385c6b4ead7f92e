/** A small world, base model and recipe for the tests of training. */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Rng } from '../../src/base/random.js';
import { resolveConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { readAnnotations } from '../../src/data/annotations.js';
import type { Blip2 } from '../../src/model/blip2/blip2.js';
import { Blip2Student } from '../../src/model/blip2/student.js';
import { saveStudent } from '../../src/model/load.js';
import { makeShapes } from '../../src/shapes/dataset.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { TIMINGS } from '../../src/training/run/inputLog.js';
import { readMetrics } from '../../src/training/run/metrics.js';
import { randomise, tinyConfig } from '../model/support.js';

const TOKENIZER = fileURLToPath(new URL('../../weights/shapes', import.meta.url));

/** A folder with a small shapes dataset in `data` and a tiny random student in `base`. */
export interface World {
  folder: string;
  data: string;
  base: string;
}

/** @param dropout of Q-Former and T5; adapters have their own. */
export async function makeWorld(folder: string, dropout = 0.1): Promise<World> {
  const world = { folder, data: join(folder, 'data'), base: join(folder, 'base') };
  await makeShapes({ out: world.data, seed: 'training', train: 6, val: 3, test: 0, frames: 8, size: 16 });
  await writeReasoning(world.data);
  await makeBase(world.base, dropout);
  return world;
}

/** What refinement writes: a sentence a question, three of four said to be right. */
async function writeReasoning(data: string): Promise<void> {
  const { samples } = await readAnnotations({ dataset: 'shapes', file: join(data, 'train.csv') });
  const lines = samples.map(({ id, options, answer }, i) =>
    JSON.stringify({ id, reasoning: `the ${options[answer!]} moves and then stops`, correct: i % 4 !== 0 }),
  );
  await writeFile(join(data, 'refined.jsonl'), `${lines.join('\n')}\n`);
}

/** Makes a folder with the tokenizer of the shapes world; returns the size of its vocabulary. */
export async function copyTokenizer(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await copyFile(join(TOKENIZER, name), join(folder, name));
  return (await Tokenizer.load(folder)).vocabSize;
}

export async function makeBase(
  folder: string,
  dropout: number,
  change?: (model: Blip2) => void,
): Promise<void> {
  const vocabSize = await copyTokenizer(folder);
  const student = new Blip2Student(
    tinyConfig({
      vision_config: { image_size: 16, patch_size: 8 },
      qformer_config: { hidden_dropout_prob: dropout, attention_probs_dropout_prob: dropout },
      text_config: { vocab_size: vocabSize, dropout_rate: dropout },
    }),
  );
  randomise(student.module.parameters(), new Rng('base'));
  change?.(student.module);
  await saveStudent(student, folder);
  student.dispose();
}

/** A recipe for a world: two epochs of batches of four over everything, logged at every step. */
export async function worldConfig(world: World, ...overrides: string[]): Promise<Config> {
  return (await resolveConfig({ overrides: [...worldSettings(world), ...overrides] })).config;
}

/** The `--set` texts of {@link worldConfig}. */
export function worldSettings({ data, base, folder }: World): string[] {
  const settings = {
    'data.dataset': 'shapes',
    'data.videos': join(data, 'videos'),
    'data.train': join(data, 'train.csv'),
    'data.val': join(data, 'val.csv'),
    'data.reasoning': join(data, 'refined.jsonl'),
    'video.frames': 2,
    'video.sampling': 'uniform',
    'video.crop': 'none',
    'model.base': base,
    'model.lora.r': 2,
    'train.epochs': 2,
    'train.batch': 4,
    'train.learningRate': 0.003,
    'train.warmupSteps': 3,
    'train.schedule': 'cosine-step',
    'train.logEverySteps': 1,
    'features.cache': true,
    'features.folder': join(folder, 'features'),
  };
  return Object.entries(settings).map(([key, value]) => `${key}=${value}`);
}

/** The lines of metrics.jsonl without what two equal runs differ in. */
export function equalMetrics(run: string): Record<string, unknown>[] {
  return readMetrics(run).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !TIMINGS.includes(name))),
  );
}

/** Hashes of everything that a run learned: trainables and optimizer moments of its last checkpoint. */
export async function learned(run: string): Promise<Record<string, string>> {
  const checkpoints = join(run, 'checkpoints');
  const last = (await readdir(checkpoints))
    .filter((name) => name.startsWith('step-'))
    .sort()
    .at(-1);
  if (!last) throw new Error(`${run}: no checkpoint`);
  const hashes: Record<string, string> = { last };
  for (const name of await readdir(join(checkpoints, last)))
    if (name.endsWith('.safetensors'))
      hashes[name] = createHash('sha256')
        .update(await readFile(join(checkpoints, last, name)))
        .digest('hex');
  return hashes;
}

/**
 * A signal that fires at the n-th look at it. The loop looks after every update and after every batch of an
 * evaluation, so this stops a run at a chosen moment. `onLook` sees every look.
 */
export function signalAtLook(n: number, onLook: (look: number) => void = () => undefined): AbortSignal {
  let looks = 0;
  return {
    get aborted() {
      onLook(++looks);
      return looks >= n;
    },
  } as AbortSignal;
}
