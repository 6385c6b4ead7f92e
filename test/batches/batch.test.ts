/** Batches of samples: clips, token rows, truncation, unreadable videos. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, MissingToolError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { BatchBuilder, disposeVisual, type Lesson } from '../../src/batches/batch.js';
import { resolveConfig } from '../../src/config/load.js';
import type { Sample } from '../../src/data/sample.js';
import type { FeatureSource } from '../../src/features/source.js';
import { framePrefixRows } from '../../src/text/encode.js';
import { qaPrompt } from '../../src/text/prompts.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { mtl } from '../../src/training/objectives/supervised.js';
import { useFastEngine } from '../model/support.js';
import { randomSample } from '../text/support.js';
import { writeTinyTokenizer } from '../text/tinyTokenizer.js';

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  await useFastEngine();
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-batch-'));
  tokenizer = await Tokenizer.load(await writeTinyTokenizer(folder));
});
afterAll(() => rm(folder, { recursive: true }));

/** Clips of one value, the number in the sample's id; what was drawn for each stands in `drawn`. */
class NumberedClips implements FeatureSource {
  readonly drawn = new Map<string, number | undefined>();

  constructor(private readonly errors: Record<string, Error> = {}) {}

  async load({ id }: Sample, rng?: Rng): Promise<Float32Array> {
    this.drawn.set(id, rng?.uint32());
    const error = this.errors[id];
    if (error) throw error;
    return Float32Array.of(Number(id));
  }

  visual(clips: readonly Float32Array[]) {
    return {
      features: tf.tensor3d(Float32Array.from(clips.flatMap((clip) => [...clip])), [clips.length, 1, 1]),
    };
  }
}

async function builderOf({
  overrides = [] as string[],
  source = new NumberedClips() as FeatureSource,
  teach = false,
} = {}): Promise<BatchBuilder> {
  const given = ['data.dataset=shapes', 'data.videos=videos', ...overrides];
  const { config } = await resolveConfig({ overrides: given });
  const objective = mtl({ config, tokenizer });
  const lesson = (samples: readonly Sample[]): Lesson => objective.encode(samples);
  return new BatchBuilder(config, tokenizer, source, teach ? lesson : undefined);
}

const red = (count: number) => Array.from({ length: count }, () => 'red').join(' ');
const numbered = (count: number): Sample[] =>
  Array.from({ length: count }, (_, i) => randomSample(new Rng(`sample ${i}`), { id: String(i) }));

describe('a batch', () => {
  it('has prompts of the reasoning task only where the recipe has a second prompt, with or without options', async () => {
    const sample = { ...randomSample(new Rng('reasoning prompt')), question: 'why?' };
    expect((await builderOf()).reasoningPrompts([sample])).toBeUndefined();
    for (const template of ['{question}', '{options} {question}']) {
      const builder = await builderOf({ overrides: [`text.reasoningPrompt=${template}`] });
      const expected = tokenizer.encode(qaPrompt(sample, template), { addEos: true });
      expect(builder.reasoningPrompts([sample])).toEqual([expected]);
      expect((await builder.prepare([{ ...sample, id: '1' }])).prompts).not.toEqual([expected]);
    }
  });

  it("has the prompt of each sample, whole with </s>, and the objective's targets", async () => {
    const samples = numbered(3);
    const builder = await builderOf({ overrides: ['text.maxPrompt=4096'], teach: true });
    const { prompts, lesson, clips } = await builder.prepare(samples);
    expect(prompts).toEqual(samples.map((sample) => tokenizer.encode(qaPrompt(sample), { addEos: true })));
    expect(lesson.targets.map(({ name, rows }) => [name, rows.length])).toEqual([
      ['qa', 3],
      ['reasoning', 3],
    ]);
    expect(clips.map(([value]) => value)).toEqual([0, 1, 2]);
    expect(builder.cutNotice()).toBeUndefined();
  });

  it('has no targets in evaluation, of which samples need no answer', async () => {
    const blind = numbered(2).map(({ answer: _, ...sample }) => sample);
    const { lesson, samples } = await (await builderOf()).prepare(blind);
    expect(lesson.targets).toEqual([]);
    expect(samples).toEqual(blind);
    await expect((await builderOf({ teach: true })).prepare(blind)).rejects.toThrow(/has no answer/);
  });

  it('counts truncated texts and says so once', async () => {
    const base = { question: red(5), options: ['red', 'blue'], answer: 0, reasoning: red(9) };
    const samples = [
      base,
      { ...base, question: red(90) },
      { ...base, reasoning: red(80) },
      { ...base, reasoning: red(10) },
    ].map((overrides, i) => randomSample(new Rng('cut'), { id: String(i), ...overrides }));
    const overrides = ['text.template={question} {options}', 'text.maxPrompt=60', 'text.maxReasoning=10'];
    const builder = await builderOf({ overrides, teach: true });
    const { prompts, lesson } = await builder.prepare(samples);
    expect(Object.fromEntries(builder.truncations)).toMatchObject({
      'prompts (text.maxPrompt 60)': 1,
      'reasoning texts (text.maxReasoning 10)': 2,
    });
    expect(Math.max(...prompts.map((row) => row.length))).toBe(60);
    expect(Math.max(...lesson.targets[1]!.rows.map((row) => row.length))).toBe(10);
    await builder.prepare(samples);
    expect(builder.cutNotice()).toBe(
      'truncated to their limit, of 8 samples: 2 prompts (text.maxPrompt 60), 4 reasoning texts (text.maxReasoning 10)',
    );
    expect(builder.cutNotice()).toBeUndefined();
  });

  it('draws for each sample by its id, whatever else is in the batch', async () => {
    const draws = async (samples: Sample[]) => {
      const source = new NumberedClips();
      await (await builderOf({ source })).prepare(samples, new Rng('epoch'));
      return source.drawn;
    };
    const samples = numbered(4);
    const all = await draws(samples);
    expect(new Set(all.values()).size).toBe(4);
    const [, , third] = samples;
    expect((await draws([third!])).get('2')).toBe(all.get('2'));
    expect(await draws([...samples].reverse())).toEqual(new Map([...all].reverse()));
  });
});

describe('a video that cannot be read', () => {
  const errors = { 1: new DataError('v1.mp4: broken') };

  it('is an error by default, and left out with its reason when the recipe says so', async () => {
    const samples = numbered(3);
    const strict = await builderOf({ source: new NumberedClips(errors) });
    await expect(strict.prepare(samples)).rejects.toThrow('v1.mp4: broken');
    const overrides = ['data.onBadVideo=skip'];
    const builder = await builderOf({ overrides, source: new NumberedClips(errors), teach: true });
    const batch = await builder.prepare(samples);
    expect(batch.samples.map(({ id }) => id)).toEqual(['0', '2']);
    expect(batch.clips.map(([value]) => value)).toEqual([0, 2]);
    expect(batch.skipped).toEqual([{ sample: samples[1], reason: 'v1.mp4: broken' }]);
    expect(batch.prompts).toHaveLength(2);
    expect(batch.lesson.targets.map(({ rows }) => rows.length)).toEqual([2, 2]);
  });

  it.each([
    ['a tool that is missing', new MissingToolError('ffprobe is not installed')],
    ['a fault of the program', new TypeError('x is undefined')],
  ])('is never left out for %s', async (_, error) => {
    const source = new NumberedClips({ 1: error });
    const builder = await builderOf({ overrides: ['data.onBadVideo=skip'], source });
    await expect(builder.prepare(numbered(3))).rejects.toBe(error);
  });
});

describe('the input of a batch', () => {
  it('has the clips, the prompts and a prefix a frame', async () => {
    const builder = await builderOf({ overrides: ['video.frames=12'] });
    const host = await builder.prepare(numbered(2));
    const before = tf.memory().numTensors;
    const input = builder.input(host);
    expect(input.frames).toBe(12);
    expect(input.prompts).toEqual(host.prompts);
    expect(input.framePrefixes).toEqual(framePrefixRows(tokenizer, 12));
    expect([...input.visual.features!.dataSync()]).toEqual([0, 1]);
    disposeVisual(input);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('announces no frame when the recipe has no prefix, and announces it in its own words', async () => {
    const plain = await builderOf({ overrides: ['video.prefix=false'] });
    const silent = plain.input(await plain.prepare(numbered(1)));
    expect(silent).not.toHaveProperty('framePrefixes');
    const own = await builderOf({ overrides: ['video.frames=2', 'video.template=red {i}: '] });
    const told = own.input(await own.prepare(numbered(1)));
    expect(told.framePrefixes).toEqual(
      ['red 1: ', 'red 2: '].map((text) => tokenizer.encode(text, { addEos: false })),
    );
    disposeVisual(silent);
    disposeVisual(told);
  });
});
