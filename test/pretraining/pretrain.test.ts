/** Pre-training of the small base model. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import { PRETRAIN_STAGES, Pretraining, type PretrainStage } from '../../src/pretraining/pretrain.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import type { Blip2Config } from '../../src/weights/config.js';

const folder = new URL('../../weights/shapes', import.meta.url).pathname;
let tokenizer: Tokenizer;

beforeAll(async () => {
  await selectEngine('auto');
  tokenizer = await Tokenizer.load(folder);
});

/** A stage of the real plan, made small. */
function small(name: string): PretrainStage {
  const stage = PRETRAIN_STAGES.find((candidate) => candidate.name === name)!;
  const few = (count: number) => Math.min(count, 2);
  const { reading, single, clips, captions } = stage;
  return {
    ...stage,
    steps: 3,
    warmupSteps: 1,
    reading: few(reading),
    single: few(single),
    clips: few(clips),
    captions: few(captions),
  };
}

function valuesOf({ student }: Pretraining): Map<string, Float32Array> {
  return new Map([...student.module.parameters()].map((p) => [p.name, p.value.dataSync() as Float32Array]));
}

async function run(pretraining: Pretraining, stage: PretrainStage): Promise<number[]> {
  pretraining.begin(stage);
  const losses: number[] = [];
  for (let i = 0; i < stage.steps; i++) losses.push(await pretraining.step());
  return losses;
}

describe('pre-training', () => {
  it.each([
    ['words', true, false],
    ['language', true, false],
    ['events', true, false],
    ['sight', false, true],
    ['both', true, true],
    ['choices', true, false],
    ['questions', true, false],
    ['reasons', true, false],
  ])('stage %s moves the language model: %s, the eye: %s', async (name, language, eye) => {
    const pretraining = await Pretraining.open(tokenizer, 7);
    try {
      const before = valuesOf(pretraining);
      await run(pretraining, small(name));
      const moved = [...valuesOf(pretraining)]
        .filter(([key, values]) => values.some((value, i) => value !== before.get(key)?.[i]))
        .map(([key]) => key);
      expect(moved.some((key) => key.startsWith('language_model.'))).toBe(language);
      expect(moved.some((key) => key.startsWith('vision_model.'))).toBe(eye);
      expect(moved.some((key) => key.startsWith('language_projection.'))).toBe(eye);
    } finally {
      pretraining.dispose();
    }
  });

  it('grows deeper without a change of its output, and trains the new layers', async () => {
    const pretraining = await Pretraining.open(tokenizer, 7);
    try {
      const { depth, ...shallow } = small('questions');
      pretraining.begin(shallow);
      const { scores } = await pretraining.evaluate(1);
      pretraining.begin({ ...shallow, depth });
      const text = (pretraining.student.config as Blip2Config).text_config;
      expect(text).toMatchObject({ num_layers: 4, num_decoder_layers: 6 });
      for (const [task, score] of Object.entries((await pretraining.evaluate(1)).scores))
        expect(score.loss).toBeCloseTo(scores[task]!.loss, 5);
      const added = [...valuesOf(pretraining)].filter(([name]) => /decoder\.block\.[345]\./.test(name));
      expect(added).toHaveLength(3 * 14);
      // The rate of the first step is nothing; the second moves what the layers put out, the third what is behind it.
      for (let i = 0; i < 3; i++) await pretraining.step();
      const now = valuesOf(pretraining);
      for (const [name, values] of added)
        expect({ name, same: values.every((value, i) => value === now.get(name)![i]) }).toEqual({
          name,
          same: false,
        });
      expect(() =>
        pretraining.begin({ ...shallow, depth: { num_layers: 4, num_decoder_layers: 13 } }),
      ).toThrow('the decoder cannot grow from 6 to 13 layers');
    } finally {
      pretraining.dispose();
    }
  });

  it('gives the same losses for the same seed, and others for another', async () => {
    const losses = async (seed: number) => {
      const pretraining = await Pretraining.open(tokenizer, seed);
      try {
        return await run(pretraining, small('both'));
      } finally {
        pretraining.dispose();
      }
    };
    const first = await losses(1);
    expect(await losses(1)).toEqual(first);
    expect(await losses(2)).not.toEqual(first);
  });

  it('continues from the model of an earlier stage, scores without changing it, and frees everything', async () => {
    const before = tf.memory().numTensors;
    const first = await Pretraining.open(tokenizer, 1);
    await run(first, small('words'));
    const second = await Pretraining.open(tokenizer, 1, first.student);
    second.begin(small('both'));
    const values = valuesOf(second);
    const { scores, places } = await second.evaluate(2);
    expect(Object.values(scores).reduce((sum, { count }) => sum + count, 0)).toBe(8);
    expect(places).toBeGreaterThanOrEqual(0);
    expect(valuesOf(second)).toEqual(values);
    second.dispose();
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2 * [...values.keys()].length);
  });
});
