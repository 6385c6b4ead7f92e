/** Pre-training of the small base model. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import { loadStudent, saveStudent } from '../../src/model/load.js';
import { PRETRAIN_STAGES, Pretraining, type PretrainStage } from '../../src/pretraining/pretrain.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

const folder = new URL('../../weights/shapes', import.meta.url).pathname;
let tokenizer: Tokenizer;

beforeAll(async () => {
  await selectEngine('auto');
  tokenizer = await Tokenizer.load(folder);
});

/** A stage of the real plan, made small. */
function small(name: string, steps = 3): PretrainStage {
  const stage = PRETRAIN_STAGES.find((candidate) => candidate.name === name)!;
  const few = (count: number) => Math.min(count, 2);
  const { lists, stories, single, clips, texts } = stage;
  return {
    ...stage,
    ...{ steps, warmupSteps: 1, lists: few(lists), stories: few(stories) },
    ...{ single: few(single), clips: few(clips), texts: few(texts) },
  };
}

type Values = Map<string, Float32Array>;

function valuesOf({ student }: Pretraining): Values {
  return new Map([...student.module.parameters()].map((p) => [p.name, p.value.dataSync() as Float32Array]));
}

/** Names of the parameters that are not the same to the last bit. */
function changed(before: Values, after: Values): string[] {
  expect([...after.keys()]).toEqual([...before.keys()]);
  const isChanged = ([name, values]: [string, Float32Array]) =>
    values.some((value, i) => value !== before.get(name)![i]);
  return [...after].filter(isChanged).map(([name]) => name);
}

async function run(pretraining: Pretraining, stage: PretrainStage): Promise<number[]> {
  pretraining.begin(stage);
  const losses: number[] = [];
  for (let i = 0; i < stage.steps; i++) losses.push(await pretraining.step());
  return losses;
}

/** Runs `use` with a fresh model, or a student taken over, and frees it. */
async function withModel<T>(use: (pretraining: Pretraining) => Promise<T>, from?: string): Promise<T> {
  const student = from === undefined ? undefined : (await loadStudent(from)).student;
  const pretraining = await Pretraining.open(tokenizer, 7, student);
  try {
    return await use(pretraining);
  } finally {
    pretraining.dispose();
  }
}

describe('pre-training', () => {
  it('trains the eye on frames, then the language model on symbols', () => {
    expect(PRETRAIN_STAGES.map(({ name, sees }) => [name, sees])).toEqual([
      ['sight', 'frames'],
      ['words', 'symbols'],
      ['language', 'symbols'],
    ]);
  });

  it.each([
    ['sight', false],
    ['words', true],
    ['language', true],
  ])(
    'moves in stage %s every parameter of its part and no other; the language model: %s',
    async (name, language) => {
      await withModel(async (pretraining) => {
        const before = valuesOf(pretraining);
        await run(pretraining, small(name));
        const isPart = (key: string) => key.startsWith('language_model.') === language;
        expect(changed(before, valuesOf(pretraining))).toEqual([...before.keys()].filter(isPart));
      });
    },
  );

  it.each(['sight', 'words'])('lowers the loss of stage %s', async (name) => {
    const losses = await withModel((pretraining) => run(pretraining, small(name, 16)));
    const mean = (some: number[]) => some.reduce((a, b) => a + b, 0) / some.length;
    expect(mean(losses.slice(-4))).toBeLessThan(0.9 * mean(losses.slice(0, 4)));
  });

  it('gives the same weights when it goes on from a kept stage as when it runs through', async () => {
    const kept = await mkdtemp(join(tmpdir(), 'pretrain-'));
    const through = await withModel(async (pretraining) => {
      await run(pretraining, small('words'));
      await saveStudent(pretraining.student, kept, { stage: 'words' });
      await run(pretraining, small('language'));
      return valuesOf(pretraining);
    });
    const resumed = await withModel(async (pretraining) => {
      await run(pretraining, small('language'));
      return valuesOf(pretraining);
    }, kept);
    expect(changed(through, resumed)).toEqual([]);
    await rm(kept, { recursive: true });
  });

  it('gives the same losses for the same seed, and others for another', async () => {
    const losses = async (seed: number) => {
      const pretraining = await Pretraining.open(tokenizer, seed);
      try {
        return await run(pretraining, small('language'));
      } finally {
        pretraining.dispose();
      }
    };
    const first = await losses(1);
    expect(await losses(1)).toEqual(first);
    expect(await losses(2)).not.toEqual(first);
  });

  it.each(['sight', 'language'])('scores stage %s without a change of the model', async (name) => {
    await withModel(async (pretraining) => {
      const stage = small(name);
      pretraining.begin(stage);
      const before = valuesOf(pretraining);
      const { scores, places } = await pretraining.evaluate(2);
      expect(changed(before, valuesOf(pretraining))).toEqual([]);
      const samples = stage.lists + stage.stories + stage.single + stage.clips * stage.texts;
      expect(Object.values(scores).reduce((sum, { count }) => sum + count, 0)).toBe(2 * samples);
      if (name === 'sight') expect(places).toBeGreaterThanOrEqual(0);
      else expect(places).toBeUndefined();
    });
  });

  it('frees everything', async () => {
    const before = tf.memory().numTensors;
    const parameters = await withModel(async (pretraining) => {
      for (const name of ['sight', 'words']) await run(pretraining, small(name, 1));
      return valuesOf(pretraining).size;
    });
    // What the engine keeps of its own is no more after three models than after one.
    const after = tf.memory().numTensors;
    await withModel((pretraining) => run(pretraining, small('words', 1)));
    await withModel((pretraining) => run(pretraining, small('sight', 1)));
    expect(tf.memory().numTensors).toBe(after);
    expect(after - before).toBeLessThan(parameters);
  });

  it('has to begin a stage first', async () => {
    await withModel(async (pretraining) => {
      await expect(pretraining.step()).rejects.toThrow('begin a stage first');
    });
  });
});
