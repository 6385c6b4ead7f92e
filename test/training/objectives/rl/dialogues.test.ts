/** Learning from rewards with looks: dialogues as rows of one input, what they earn, and runs that are continued. */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted } from '../../../../src/base/errors.js';
import { disposeVisual } from '../../../../src/batches/batch.js';
import { readSplit } from '../../../../src/batches/split.js';
import type { Config } from '../../../../src/config/schema.js';
import { inferenceContext } from '../../../../src/model/context.js';
import type { Encoded, GenerateOptions, Student } from '../../../../src/model/student.js';
import { callTurn } from '../../../../src/text/lessons.js';
import { encodeTurn } from '../../../../src/text/looking.js';
import { talk } from '../../../../src/training/objectives/rl/dialogues.js';
import { train } from '../../../../src/training/train.js';
import { openBuilder, openTrial } from '../../../../src/training/trial.js';
import { useFastEngine } from '../../../model/support.js';
import { equalMetrics, learned, makeWorld, signalAtLook, type World, worldConfig } from '../../support.js';

const CLIP = fileURLToPath(new URL('../../../../bench/shapes/clip.webp', import.meta.url));

let scratch: string;
let world: World;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-dialogues-'));
  world = await makeWorld(scratch, 0);
  // Two seconds at 8 frames a second: calls of more than one second are possible.
  await copyFile(CLIP, join(scratch, 'a.webp'));
  const sample = {
    video: 'a',
    task: 'ground',
    question: 'when did it move',
    spans: [[0.2, 1.6]],
    duration: 2,
  };
  const lines = Array.from({ length: 4 }, (_, i) => JSON.stringify({ id: `s${i}`, ...sample }));
  await writeFile(join(scratch, 'train.jsonl'), `${lines.join('\n')}\n`);
});
afterAll(() => rm(scratch, { recursive: true }));

const configOf = (...overrides: string[]): Promise<Config> =>
  worldConfig(
    world,
    ...['data.dataset=jsonl', `data.videos=${scratch}`, `data.train=${join(scratch, 'train.jsonl')}`],
    ...['data.val=null', 'data.reasoning=null', 'features.cache=false', 'train.batch=2', 'train.mode=rl'],
    ...['train.rl.group=2', 'train.rl.maxNewTokens=8', 'train.rl.looks=2', 'train.rl.format=add'],
    ...['format', 'iou', 'tool'].map((name) => `train.rl.rewards.${name}=1`),
    ...['train.rl.survey=0', 'train.rl.stopFormat=0', 'train.rl.stopNoSpread=1'],
    ...['eval.scorer=generate', 'eval.maxNewTokens=24', ...overrides],
  );

describe('dialogues', () => {
  it('have every turn under the input that it was written about, and every call that was shown', async () => {
    const config = await configOf();
    const split = await readSplit(config, config.data.train!, true);
    const trial = await openTrial(config);
    const { student, tokenizer } = trial;
    const before = tf.memory().numTensors;
    const builder = openBuilder(trial, config, split, {
      runFolder: scratch,
      onWarning: () => undefined,
      training: true,
    });
    const host = await builder.prepare(split.samples.slice(0, 2));
    const input = builder.input(host);
    // The second dialogue calls first; whatever else is written is drawn.
    const call = encodeTurn(tokenizer, callTurn([0.2, 1.4]));
    const drawn: number[][] = [];
    let turns = 0;
    const scripted = Object.create(student) as Student;
    scripted.generate = (encoded: Encoded, options: GenerateOptions) => {
      const generated = student.generate(encoded, options);
      if (turns++ === 0) {
        generated.ids[1] = call;
        generated.logProbs[1] = [...call, 0];
      }
      drawn.push(...generated.logProbs);
      return generated;
    };
    const settings = { ...config.train.rl, perSecond: 2 };
    const asked = { student: scripted, tokenizer, builder, input, samples: host.samples, start: undefined };
    const talks = await talk(asked, settings, 'a');
    expect(talks.dialogueOf).toEqual([0, 1, 2, 3, 1]);
    expect(talks.dialogues[1]!.turns).toMatchObject([
      { call: [0.2, 1.4], shown: [0.2, 1.4], frames: [0.5, 1.5] },
      { frames: [0.375, 1] },
    ]);
    const logProbs: number[][] = talks.rows.map(() => []);
    tf.tidy(() => {
      const { values, row, target } = student.losses(
        talks.input,
        [{ name: 'own', rows: talks.rows, temperature: 1 }],
        inferenceContext(),
      );
      for (const [at, value] of values.dataSync().entries())
        if (target[at]! >= 0) logProbs[row[at]!]!.push(-value);
    });
    for (const [row, own] of logProbs.entries())
      if (row !== 1) for (const [i, value] of own.entries()) expect(value).toBeCloseTo(drawn[row]![i]!, 4);
    expect(logProbs[4]!.length).toBeGreaterThan(0);
    disposeVisual(talks.input);
    disposeVisual(input);
    expect(tf.memory().numTensors).toBe(before);
    trial.dispose();
  });
});

describe('a run', () => {
  it('that looks again keeps its dialogues, and is continued bit for bit', async () => {
    const config = await configOf('train.epochs=2', 'train.checkpointEverySteps=1');
    const whole = join(scratch, 'whole');
    await train({ config, folder: whole });
    const names = await readdir(join(whole, 'rollouts'));
    expect(names.sort()).toEqual([1, 2, 3, 4].map((step) => `step-00000${step}.jsonl`));
    const lines = (await readFile(join(whole, 'rollouts', names[0]!), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(4);
    const { id, turns, answer, rewards } = JSON.parse(lines[0]!);
    expect({ id, answer, rewards }).toEqual({
      id: expect.stringMatching(/^s\d$/),
      answer: expect.any(String),
      rewards: { format: 0, iou: expect.any(Number), tool: expect.any(Number), total: expect.any(Number) },
    });
    expect(turns[0].frames).toEqual([0.5, 1.5]);

    const stopped = join(scratch, 'stopped');
    await expect(train({ config, folder: stopped, signal: signalAtLook(3) })).rejects.toThrow(Interrupted);
    await train({ config, folder: stopped });
    expect(await learned(stopped)).toEqual(await learned(whole));
    expect(equalMetrics(stopped)).toEqual(equalMetrics(whole));
    for (const name of names)
      expect(await readFile(join(stopped, 'rollouts', name))).toEqual(
        await readFile(join(whole, 'rollouts', name)),
      );
  });
});

describe('the keys of looks in training', () => {
  it.each<[string, string[]]>([
    ['train.rl.looks', ['train.rl.rewards.format=null', 'train.rl.rewards.tool=null']],
    ['train.rl.looks', ['video.sampling=random']],
    ['train.rl.rewards.tool', ['train.rl.looks=0']],
    ['train.rl.looks', ['train.rl.looks=3']],
    ['train.looks', ['train.looks=1']],
  ])('%s is refused with %j', async (key, overrides) => {
    await expect(configOf(...overrides)).rejects.toThrow(key);
  });
});
