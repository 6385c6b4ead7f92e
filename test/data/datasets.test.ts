/** A dataset that is no part of the program: one file (toy.ts) and one line make every part take it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkForTraining } from '../../src/config/checks.js';
import { keysTable } from '../../src/config/keys.js';
import { resolveConfig } from '../../src/config/load.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { datasetNames, registerDataset } from '../../src/data/datasets/index.js';
import { officialPredictions, scorePredictions } from '../../src/evaluation/score.js';
import { reasvqa } from '../commands/support.js';
import { toy } from './toy.js';

const builtIn = datasetNames();
// The modules above are loaded, the schema of recipes with them: what is registered later counts as well.
registerDataset(toy);

const ROWS = [
  ['q1', 'dog', 'what', 'what runs', 'dog|cat|mouse', 'dog'],
  ['q2', 'dog', 'why', 'why does it run', 'it is late|it is fun', 'it is fun'],
  ['q3', 'cat', 'how', 'how does it sit', 'still|upright', 'still'],
  ['q4', 'cat', 'what', 'what sits', 'dog|cat', 'cat'],
];
const tsv = (rows: string[][]) => rows.map((row) => `${row.join('\t')}\n`).join('');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa toy '));
  for (const video of ['dog', 'cat']) {
    await mkdir(join(folder, 'videos', video), { recursive: true });
    for (let i = 0; i < 4; i++)
      await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 60 * i, g: 0, b: 0 } } })
        .png()
        .toFile(join(folder, 'videos', video, `${i}.png`));
  }
  await writeFile(join(folder, 'val.tsv'), tsv(ROWS));
  await writeFile(join(folder, 'recipe.yaml'), 'data: { dataset: toy, videos: videos, val: val.tsv }\n');
});
afterAll(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const run = (...argv: string[]) => reasvqa(argv, { cwd: folder });
const resolve = (...overrides: string[]) => resolveConfig({ recipe: 'recipe.yaml', overrides, cwd: folder });
const samplesOf = async (file: string) => (await readAnnotations({ dataset: 'toy', file: at(file) })).samples;

describe('annotations', () => {
  it('become samples', async () => {
    const samples = await samplesOf('val.tsv');
    expect(samples).toHaveLength(4);
    expect(samples[1]).toEqual({
      id: 'q2',
      dataset: 'toy',
      video: 'dog',
      type: 'why',
      question: 'why does it run',
      options: ['it is late', 'it is fun'],
      answer: 1,
    });
  });

  it('have no answers in a blind split', async () => {
    await writeFile(at('blind.tsv'), tsv(ROWS.map((row) => [...row.slice(0, 5), ''])));
    for (const sample of await samplesOf('blind.tsv')) expect(sample).not.toHaveProperty('answer');
  });

  it.each([
    ['a field less', 'q5\tdog\twhat\twhat\ta|b', 'row: expected 6 fields between tabs, only the last empty'],
    ['another type', 'q5\tdog\twho\twho\ta|b\ta', 'type: expected one of what, why, how, got "who"'],
    ['one option', 'q5\tdog\twhat\twhat\ta\ta', 'options: expected 2 or more, got "a"'],
    ['an answer that is no option', 'q5\tdog\twhat\twhat\ta|b\tc', 'answer: expected one of the options'],
    [
      'an id twice',
      'q1\tdog\twhat\twhat\ta|b\ta',
      'id: expected an id used once, got q1 again (first on line 1)',
    ],
  ])('are named with their line when they have %s', async (_, line, expected) => {
    await writeFile(at('bad.tsv'), `${tsv(ROWS)}${line}\n`);
    await expect(samplesOf('bad.tsv')).rejects.toThrow(`${at('bad.tsv')}:5: ${expected}`);
  });

  it('are an error when the reader finds none', async () => {
    await writeFile(at('empty.tsv'), '\n');
    await expect(samplesOf('empty.tsv')).rejects.toThrow('empty.tsv:1: rows: expected at least one question');
  });
});

describe('a recipe', () => {
  it('takes the name and the defaults of the record', async () => {
    const { config } = await resolve();
    expect(config.data).toMatchObject({ dataset: 'toy', addPunctuation: toy.addPunctuation });
    expect(() => checkForTraining(config)).toThrow('for example --set data.train=toy_train.tsv');
    const training = await resolve('data.train=val.tsv');
    expect(() => checkForTraining(training.config)).toThrow('data.reasoning: missing');
  });

  it('is refused what the record does not have', async () => {
    await expect(resolve('data.map=map.json')).rejects.toThrow('not for data.dataset toy');
  });

  it('lists the name with the others', async () => {
    await expect(resolve('data.dataset=tooy')).rejects.toThrow(
      `--set data.dataset: expected ${builtIn.join(' | ')} | toy, got "tooy" (did you mean toy?)`,
    );
    expect(keysTable()).toMatch(/Default: true for nextqa, .* and toy, else false\./);
  });
});

describe('data check', () => {
  it('reads annotations and frames', async () => {
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', '--decode');
    expect(stdout).toContain(`val: 4 samples of 2 videos in ${at('val.tsv')}, 0 problems`);
    expect(code).toBe(0);
  });

  it('lists every fault', async () => {
    await writeFile(at('wrong.tsv'), tsv([...ROWS, ['q5', 'gone', 'what', 'what', 'a|b', 'a'], ['q6']]));
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', '--set', 'data.val=wrong.tsv');
    expect(code).toBe(3);
    expect(stdout).toContain(`${at('wrong.tsv')}:6: row: expected 6 fields`);
    expect(stdout).toContain('q5: no video in');
  });
});

describe('scores', () => {
  // Right in q1, q2 and q3.
  const predictions = new Map([
    ['q1', 0],
    ['q2', 1],
    ['q3', 0],
    ['q4', 0],
  ]);

  it('are by reported type and by group, of predictions under the official keys', async () => {
    const text = officialPredictions(await samplesOf('val.tsv'), predictions, toy.predictionKey);
    expect(JSON.parse(text)).toMatchObject({ 'toy/q2': { prediction: 1, answer: 1 } });
    await writeFile(at('predictions.json'), text);
    const score = await scorePredictions({
      dataset: 'toy',
      annotations: at('val.tsv'),
      predictions: at('predictions.json'),
    });
    expect(score).toEqual({
      dataset: 'toy',
      types: {
        what: { correct: 1, count: 2, accuracy: 50 },
        why: { correct: 2, count: 2, accuracy: 100 },
      },
      groups: {
        Seen: { correct: 1, count: 2, accuracy: 50 },
        Meant: { correct: 2, count: 2, accuracy: 100 },
      },
      total: { correct: 3, count: 4, accuracy: 75 },
    });
  });

  it('are printed by the command, whose help lists the name', async () => {
    const files = ['--annotations', 'val.tsv', '--predictions', 'predictions.json'];
    const { code, stdout } = await run('score', '--dataset', 'toy', ...files);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Meant +100\.00 +2 \/ 2$/m);
    const help = (await run('score', '--help')).stdout.replace(/\s+/g, ' ');
    expect(help).toContain(`one of ${builtIn.join(', ')}, toy (required)`);
    const unknown = await run('score', '--dataset', 'tooy', ...files);
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected one of nextqa, star'),
    });
  });

  it('are refused for predictions under other keys, or two samples with one', async () => {
    const samples = await samplesOf('val.tsv');
    await writeFile(at('byId.json'), officialPredictions(samples, predictions));
    await expect(
      scorePredictions({ dataset: 'toy', annotations: at('val.tsv'), predictions: at('byId.json') }),
    ).rejects.toThrow('4 ids that');
    expect(() => officialPredictions(samples, predictions, ({ video }) => video)).toThrow(
      'samples q1 and q2 have the same key of predictions, "dog"',
    );
  });
});

describe('registering', () => {
  it('again changes nothing, and another record of the name is refused', () => {
    expect(() => registerDataset(toy)).not.toThrow();
    expect(() => registerDataset({ ...toy, title: 'Other' })).toThrow(
      'dataset toy (Other): the name is taken by Toy',
    );
  });
});
