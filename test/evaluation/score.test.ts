import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT, ReasVqaError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { readAnnotations } from '../../src/data/annotations.js';
import type { Sample } from '../../src/data/sample.js';
import {
  formatScore,
  officialPredictions,
  scoreAnswers,
  scorePredictions,
} from '../../src/evaluation/score.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-score-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const ROWS: [string, number][] = [
  ['CW', 0],
  ['CW', 1],
  ['CW', 2],
  ['CH', 3],
  ['TN', 4],
  ['TP', 0],
  ['TC', 1],
  ['DL', 2],
];

async function files(predictions: unknown, rows = ROWS) {
  const annotations = join(folder, 'val.csv');
  const lines = rows.map(([type, answer], i) => `v,1,1,1,q,${answer},${i},${type},a,b,c,d,e`);
  await writeFile(annotations, `${HEADER}\n${lines.join('\n')}\n`);
  const file = join(folder, 'predictions.json');
  await writeFile(file, typeof predictions === 'string' ? predictions : JSON.stringify(predictions));
  return { dataset: 'nextqa' as const, annotations, predictions: file };
}

/** Predictions that are right on the given rows and wrong on the others. */
function predict(
  right: number[],
  withAnswer = true,
): Record<string, { prediction: number; answer?: number }> {
  return Object.fromEntries(
    ROWS.map(([, answer], i) => {
      const prediction = right.includes(i) ? answer : (answer + 1) % 5;
      return [`v_${i}`, withAnswer ? { prediction, answer } : { prediction }];
    }),
  );
}

describe('scorePredictions', () => {
  test('types, groups with TP counted as TN, micro total, two decimals', async () => {
    const result = await scorePredictions(await files(predict([0, 1, 3, 5, 7])));
    expect(result).toEqual({
      dataset: 'nextqa',
      types: {
        CW: { correct: 2, count: 3, accuracy: 66.67 },
        CH: { correct: 1, count: 1, accuracy: 100 },
        TN: { correct: 1, count: 2, accuracy: 50 },
        TC: { correct: 0, count: 1, accuracy: 0 },
        DL: { correct: 1, count: 1, accuracy: 100 },
      },
      groups: {
        Cau: { correct: 3, count: 4, accuracy: 75 },
        Tem: { correct: 1, count: 3, accuracy: 33.33 },
        Des: { correct: 1, count: 1, accuracy: 100 },
      },
      total: { correct: 5, count: 8, accuracy: 62.5 },
    });
    expect(formatScore(result)).toBe(
      [
        'CW      66.67  2 / 3',
        'CH     100.00  1 / 1',
        'TN      50.00  1 / 2',
        'TC       0.00  0 / 1',
        'DL     100.00  1 / 1',
        'Cau     75.00  3 / 4',
        'Tem     33.33  1 / 3',
        'Des    100.00  1 / 1',
        'total   62.50  5 / 8',
      ].join('\n'),
    );
  });

  test('an answer that is null is not given', async () => {
    const score = async (predictions: unknown) => scorePredictions(await files(predictions));
    const without = await score(predict([0, 1, 4]));
    const nulls = Object.fromEntries(
      Object.entries(predict([0, 1, 4])).map(([id, { prediction }]) => [id, { prediction, answer: null }]),
    );
    expect(await score(nulls)).toEqual(without);
    await expect(score({ ...nulls, v_2: { prediction: null } })).rejects.toThrow(
      '"v_2".prediction: expected an integer, got null',
    );
  });

  test('predictions need no answer of their own', async () => {
    const result = await scorePredictions(await files(predict([0], false)));
    expect(result.total).toEqual({ correct: 1, count: 8, accuracy: 12.5 });
  });

  test('a subset picks rows by 0-based number, any white space or commas', async () => {
    const request = await files(predict([0, 4]));
    const subset = join(folder, 'subset.txt');
    await writeFile(subset, '0, 1\n4\t7\r\n');
    const result = await scorePredictions({ ...request, subset });
    expect(result.total).toEqual({ correct: 2, count: 4, accuracy: 50 });
    expect(Object.keys(result.types)).toEqual(['CW', 'TN', 'DL']);
  });

  test('rows outside a subset need no prediction', async () => {
    const { v_0, v_4 } = predict([0]);
    const subset = join(folder, 'subset.txt');
    await writeFile(subset, '0\n4\n');
    const result = await scorePredictions({ ...(await files({ v_0, v_4 })), subset });
    expect(result.total).toEqual({ correct: 1, count: 2, accuracy: 50 });
  });

  test.each<[string, string, string]>([
    ['a row past the end', '0\n8\n', '2: row: expected 0 to 7 (rows of'],
    ['no number', '0 one\n', '1: row: expected 0 to 7'],
    ['a negative number', '-1\n', '1: row: expected 0 to 7'],
    ['a row twice', '3\n4\n3\n', '3: row: expected each row once, got 3 again'],
    ['no rows', '\n', '1: row: expected at least one row number, got none'],
  ])('subset with %s', async (_, text, message) => {
    const subset = join(folder, 'subset.txt');
    await writeFile(subset, text);
    await expectDataError(
      scorePredictions({ ...(await files(predict([]))), subset }),
      `${subset}:${message}`,
    );
  });

  test.each<[string, unknown, string]>([
    [
      'missing',
      { v_0: { prediction: 0 } },
      'no prediction for 7 of 8 samples: v_1, v_2, v_3, v_4, v_5, and 2 more',
    ],
    ['unknown ids', { ...predict([]), w_1: { prediction: 0 } }, '1 ids that '],
    ['out of range', { ...predict([]), v_2: { prediction: 5 } }, '"v_2".prediction: expected 0 to 4, got 5'],
    ['negative', { ...predict([]), v_2: { prediction: -1 } }, '"v_2".prediction: expected 0 to 4, got -1'],
    [
      'a text',
      { ...predict([]), v_2: { prediction: '1' } },
      '"v_2".prediction: expected an integer, got "1"',
    ],
    ['a bare number', { ...predict([]), v_2: 3 }, '"v_2": expected {"prediction": i}, got 3'],
    ['null', { ...predict([]), v_2: null }, '"v_2": expected {"prediction": i}, got null'],
    ['no prediction', { ...predict([]), v_2: {} }, '"v_2".prediction: expected an integer, got nothing'],
    ['infinity', '{"v_2": {"prediction": 1e999}}', '"v_2".prediction: expected an integer, got Infinity'],
    [
      'a sample twice',
      `{\n"v_2": {"prediction": 1},\n"v_2": {"prediction": 2}}`,
      ':3: expected each key once, got "v_2" again',
    ],
    [
      'two predictions of one sample',
      '{"v_2": {"prediction": 1, "prediction": 2}}',
      ':1: expected each key once, got "prediction" again',
    ],
    [
      'NaN, as Python writes it',
      '{\n"v_2": {"prediction": NaN},\n"v_3": {"prediction": NaN}\n}',
      ':2: json: ',
    ],
    ['another answer', { ...predict([]), v_2: { prediction: 1, answer: 4 } }, '"v_2".answer: 4 contradicts'],
    [
      'an answer that is a text',
      { ...predict([]), v_2: { prediction: 1, answer: 'C' } },
      '"v_2".answer: expected an integer',
    ],
    ['a list', [], 'expected {"id": {"prediction": i}}, got []'],
    ['not JSON', '{\n"v_0": {', ':2: json: expected {"id": {"prediction": i}}, got'],
  ])('predictions with %s', async (_, predictions, message) => {
    await expectDataError(scorePredictions(await files(predictions)), message);
  });

  test('a blind split cannot be scored', async () => {
    const request = await files({ v_0: { prediction: 0 } });
    await writeFile(request.annotations, `${HEADER}\nv,1,1,1,q,,0,CW,a,b,c,d,e\n`);
    await expectDataError(
      scorePredictions(request),
      'sample v_0 has no answer: a blind split cannot be scored here',
    );
  });

  test('what officialPredictions writes is scored as it was predicted', async () => {
    const request = await files({});
    const { samples } = await readAnnotations({ dataset: 'nextqa', file: request.annotations });
    const rng = new Rng('round');
    const predictions = new Map(samples.map((sample) => [sample.id, rng.int(5)]));
    await writeFile(request.predictions, officialPredictions(samples, predictions));
    expect(await scorePredictions(request)).toEqual(scoreAnswers('nextqa', samples, predictions));
    const text = JSON.parse(await readFile(request.predictions, 'utf8'));
    expect(text.v_3).toEqual({ prediction: predictions.get('v_3'), answer: 3 });
  });
});

test.each<[string, unknown]>([
  ['a text', 'x'.repeat(9000)],
  ['an id', { ['x'.repeat(9000)]: { prediction: 1 } }],
  ['a prediction', { v_2: { prediction: 'x'.repeat(9000) } }],
  ['an answer', { v_2: { prediction: 1, answer: ['x'.repeat(9000)] } }],
  ['the prediction of an id', { ['x'.repeat(9000)]: { prediction: null } }],
])('a message stays short when %s is long', async (_, predictions) => {
  const error = await scorePredictions(await files(JSON.stringify(predictions))).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ReasVqaError);
  expect(error.message.length).toBeLessThan(500);
});

async function expectDataError(promise: Promise<unknown>, message: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(ReasVqaError);
  expect((error as ReasVqaError).exitCode).toBe(EXIT.data);
  expect((error as Error).message).toContain(message);
  expect((error as Error).message).not.toContain('\n');
}

/** Samples of each type, and predictions right on as many of each group as its percentage says. */
function fromPercentages(
  counts: Record<string, number>,
  percent: Record<string, number>,
  group: (t: string) => string,
) {
  const samples: Sample[] = [];
  const predictions = new Map<string, number>();
  const seen: Record<string, number> = {};
  const size: Record<string, number> = {};
  for (const [type, count] of Object.entries(counts)) size[group(type)] = (size[group(type)] ?? 0) + count;
  for (const [type, count] of Object.entries(counts)) {
    const name = group(type);
    const right = Math.round(((percent[name] as number) / 100) * (size[name] as number));
    for (let i = 0; i < count; i++) {
      const id = `${type}_${i}`;
      samples.push({ id, dataset: 'x', video: 'v', question: 'q', options: ['a', 'b'], answer: 0, type });
      const nth = seen[name] ?? 0;
      seen[name] = nth + 1;
      predictions.set(id, nth < right ? 0 : 1);
    }
  }
  return { samples, predictions };
}

describe("the paper's totals are micro averages of its columns", () => {
  const nextqa = { CW: 1924, CH: 683, TN: 895, TP: 54, TC: 663, DC: 177, DL: 295, DO: 305 };
  const star = { Interaction: 2398, Sequence: 3586, Prediction: 624, Feasibility: 490 };
  const intentqaTest = { CW: 1250, CH: 359, TN: 503, TP: 22 };
  const atpHard = { CW: 954, CH: 380, TN: 543, TC: 363, TP: 29 };
  const byFirst = (type: string) => ({ C: 'Cau', T: 'Tem', D: 'Des' })[type[0] as 'C' | 'T' | 'D'];
  const byIntent = (type: string) => ({ CW: 'Why', CH: 'How' })[type as 'CW' | 'CH'] ?? 'Tem';
  test.each<[string, string, Record<string, number>, Record<string, number>, (t: string) => string, string]>([
    ['NExT-QA val', 'nextqa', nextqa, { Tem: 73.0, Cau: 77.7, Des: 82.8 }, byFirst, '77.0'],
    [
      'STAR val',
      'star',
      star,
      { Interaction: 75.9, Sequence: 76.6, Prediction: 67.3, Feasibility: 62.0 },
      (t) => t,
      '74.5',
    ],
    ['IntentQA test', 'intentqa', intentqaTest, { Why: 75.6, How: 93.3, Tem: 69.1 }, byIntent, '77.0'],
  ])('%s', (_, dataset, counts, percent, group, total) => {
    const { samples, predictions } = fromPercentages(counts, percent, group);
    const result = scoreAnswers(dataset, samples, predictions);
    const printed = dataset === 'star' ? result.types : result.groups;
    for (const [name, value] of Object.entries(percent))
      expect(printed[name]?.accuracy.toFixed(1)).toBe(value.toFixed(1));
    expect(result.total.accuracy.toFixed(1)).toBe(total);
  });

  test('ATP-hard: 69.2 and 65.7 give 67.76, where the paper prints 67.7', () => {
    const { samples, predictions } = fromPercentages(atpHard, { Cau: 69.2, Tem: 65.7 }, byFirst);
    const { groups, total } = scoreAnswers('nextqa', samples, predictions);
    expect([groups.Cau?.count, groups.Tem?.count]).toEqual([1334, 935]);
    // Rounding of the two columns leaves 67.71 to 67.81.
    expect(total.accuracy).toBeGreaterThan(67.7);
    expect(total.accuracy).toBeLessThan(67.82);
  });
});

const val = sharedPath('data/nextqa/val.csv');
describeWithShared('published files', ['data/nextqa/val.csv'], () => {
  test('ATP-hard picks 2,269 rows of NExT-QA val, C 1,334 and T 935, the same as the published csv', async () => {
    const annotations = val as string;
    const { samples } = await readAnnotations({ dataset: 'nextqa', file: annotations });
    const rng = new Rng('atp');
    const predictions = join(folder, 'val.json');
    const guesses = new Map(samples.map((sample) => [sample.id, rng.int(5)]));
    await writeFile(predictions, officialPredictions(samples, guesses));
    const subset = sharedPath('data/nextqa/atp-hard-indices.derived.txt') as string;
    const hard = await scorePredictions({ dataset: 'nextqa', annotations, predictions, subset });
    expect(hard.total.count).toBe(2269);
    expect(Object.fromEntries(Object.entries(hard.groups).map(([name, { count }]) => [name, count]))).toEqual(
      {
        Cau: 1334,
        Tem: 935,
      },
    );
    const published = await readAnnotations({
      dataset: 'nextqa',
      file: sharedPath('data/nextqa/nextqa-atphard.csv') as string,
    });
    expect(scoreAnswers('nextqa', published.samples, guesses)).toEqual(hard);
  });

  test('IntentQA and STAR files score by their own groups', async () => {
    for (const [dataset, relative, groups, count] of [
      ['intentqa', 'data/intentqa/val.csv', { Why: 1185, How: 334, Tem: 525 }, 2044],
      ['star', 'data/star/sevila_val.json', {}, 7098],
    ] as const) {
      const annotations = sharedPath(relative) as string;
      const { samples } = await readAnnotations({ dataset, file: annotations });
      const predictions = join(folder, `${dataset}.json`);
      const right = new Map(samples.map((sample) => [sample.id, sample.answer as number]));
      await writeFile(predictions, officialPredictions(samples, right));
      const result = await scorePredictions({ dataset, annotations, predictions });
      expect(result.total).toEqual({ correct: count, count, accuracy: 100 });
      expect(
        Object.fromEntries(Object.entries(result.groups).map(([name, cell]) => [name, cell.count])),
      ).toEqual(groups);
    }
  });
});
