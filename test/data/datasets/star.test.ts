/** STAR's two published forms. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { readAnnotations } from '../../../src/data/annotations.js';
import { describeProblem } from '../../../src/data/problems.js';
import { elementLines } from '../../../src/data/readers/jsonArray.js';
import { describeWithShared, sharedPath } from '../../support/shared.js';

const ORIGINAL = {
  question_id: 'Interaction_T1_3',
  question: 'Which object was closed?',
  video_id: 'WBS4I',
  start: 8.9,
  end: 15.5,
  answer: 'The window.',
  question_program: [],
  choices: ['The closet.', 'The window.', 'The laptop.', 'The door.'].map((choice, choice_id) => ({
    choice_id,
    choice,
  })),
};
const SEVILA = {
  video: 'WBS4I',
  num_option: 4,
  qid: 'Interaction_T1_3',
  a0: 'The closet.',
  a1: 'The window.',
  a2: 'The laptop.',
  a3: 'The door.',
  answer: 1,
  question: 'Which object was closed?',
  start: 8.9,
  end: 15.5,
};
const SAMPLE = {
  id: 'Interaction_T1_3',
  dataset: 'star',
  video: 'WBS4I',
  start: 8.9,
  end: 15.5,
  question: 'Which object was closed?',
  options: ['The closet.', 'The window.', 'The laptop.', 'The door.'],
  answer: 1,
  type: 'Interaction',
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-star-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function read(text: string) {
  const file = join(folder, 'star.json');
  await writeFile(file, text);
  const { samples, problems } = await readAnnotations({ dataset: 'star', file, onProblem: () => undefined });
  return { samples, problems: problems.map((problem) => describeProblem(problem).replace(`${file}:`, '')) };
}

describe('STAR', () => {
  test('both published forms give the same sample', async () => {
    for (const value of [[ORIGINAL], [SEVILA], ORIGINAL]) {
      expect((await read(JSON.stringify(value))).samples).toEqual([SAMPLE]);
    }
  });

  test("SeViLA's answer and number of options may be texts", async () => {
    for (const change of [
      { answer: '1' },
      { answer: ' 1 ' },
      { num_option: '4' },
      { num_option: null },
      { a4: null },
    ])
      expect((await read(JSON.stringify([{ ...SEVILA, ...change }]))).samples).toEqual([SAMPLE]);
  });

  test.each([
    ['4', 'got "4"'],
    ['-1', 'got "-1"'],
    ['1.0', 'got "1.0"'],
    ['', 'got ""'],
    ['B', 'got "B"'],
  ])('an answer that is no index: %j', async (answer, got) => {
    const { samples, problems } = await read(JSON.stringify([{ ...SEVILA, answer }]));
    expect(samples).toEqual([]);
    expect(problems).toEqual([`1: [0].answer: expected an integer from 0 to 3, ${got}`]);
  });

  test('a blind split may have answers that are null', async () => {
    const { answer: _, ...blind } = SAMPLE;
    for (const question of [ORIGINAL, SEVILA])
      expect(await read(JSON.stringify([{ ...question, answer: null }]))).toEqual({
        samples: [blind],
        problems: [],
      });
  });

  test('a blind split has no answers', async () => {
    const { answer: _a, ...original } = ORIGINAL;
    const { answer: _b, ...sevila } = SEVILA;
    const { answer: _c, ...blind } = SAMPLE;
    for (const question of [original, sevila]) {
      expect(await read(JSON.stringify([question]))).toEqual({ samples: [blind], problems: [] });
    }
  });

  const second = (change: object, base: object = SEVILA) => [
    base,
    { ...base, qid: 'Sequence_T1_1', ...change },
  ];
  const originalSecond = (change: object) => [
    ORIGINAL,
    { ...ORIGINAL, question_id: 'Sequence_T1_1', ...change },
  ];
  test.each<[string, object[], string]>([
    ['end before start', second({ end: 3 }), '[1].end: expected a time after start (8.9 s), got 3'],
    ['end equal to start', second({ end: 8.9 }), '[1].end: expected a time after start (8.9 s), got 8.9'],
    ['start null', second({ start: null }), '[1].start: expected a time in seconds, got null'],
    ['start missing', second({ start: undefined }), '[1].start: expected a time in seconds, got nothing'],
    ['start a text', second({ start: '8.9' }), '[1].start: expected a time in seconds, got "8.9"'],
    ['answer out of range', second({ answer: 4 }), '[1].answer: expected an integer from 0 to 3, got 4'],
    ['answer a fraction', second({ answer: 0.5 }), '[1].answer: expected an integer from 0 to 3, got 0.5'],
    [
      'answer missing in one',
      second({ answer: undefined }),
      '[1].answer: expected an integer from 0 to 3, got nothing',
    ],
    ['3 options', second({ a3: undefined }), '[1].options: expected 4 options a0 to a3, got 3'],
    ['5 options', second({ a4: 'more' }), '[1].options: expected 4 options a0 to a3, got 5'],
    [
      'wrong num_option',
      second({ num_option: 5 }),
      '[1].options: expected 4 options a0 to a3, got num_option 5',
    ],
    ['empty option', second({ a2: ' ' }), '[1].a2: expected an option text, got " "'],
    ['no video', second({ video: '' }), '[1].video: expected a text, got ""'],
    [
      'unknown type',
      second({ qid: 'Guess_T1_1' }),
      '[1].qid: expected an id that starts with Interaction, Sequence, Prediction, Feasibility, got "Guess_T1_1"',
    ],
    [
      'duplicate id',
      second({ qid: SEVILA.qid }),
      '[1].qid: expected an id used once, got "Interaction_T1_3" again (first at [0])',
    ],
    [
      'answer that is no choice',
      originalSecond({ answer: 'The roof.' }),
      '[1].answer: expected the text of one choice, got "The roof."',
    ],
    [
      'answer that is two choices',
      originalSecond({ choices: ORIGINAL.choices.map(() => ({ choice: 'The window.' })) }),
      '[1].answer: expected the text of one choice, got "The window.", which 4 choices have',
    ],
    [
      '3 choices',
      originalSecond({ choices: ORIGINAL.choices.slice(1) }),
      '[1].choices: expected 4 choices, got 3',
    ],
    ['no object', [SEVILA, 7 as unknown as object], '[1].question: expected an object, got 7'],
  ])('%s', async (_, value, expected) => {
    const text = `[\n${value.map((item) => JSON.stringify(item)).join(',\n')}\n]`;
    const { samples, problems } = await read(text);
    expect(problems).toEqual([`3: ${expected}`]);
    expect(samples).toHaveLength(1);
  });

  test('a time that is not finite', async () => {
    const { problems } = await read(JSON.stringify([SEVILA]).replace('15.5', '1e999'));
    expect(problems).toEqual(['1: [0].end: expected a time in seconds, got Infinity']);
  });

  test('bad JSON is named by line', async () => {
    expect((await read('[\n{"a": 1},\n{"a" 2}\n]')).problems[0]).toMatch(
      /^3: json: expected a JSON list of questions/,
    );
    expect((await read('[\n{"a": 1},\n')).problems[0]).toMatch(/^2: json: expected a JSON list of questions/);
    expect((await read('[]')).problems).toEqual([
      '1: json: expected at least one question, got an empty list',
    ]);
  });
});

test('elementLines finds the line of every element, whatever strings and nesting hold', () => {
  const rng = new Rng('lines');
  const value = (depth: number): unknown => {
    const kind = rng.int(depth > 2 ? 3 : 5);
    if (kind === 0) return rng.int(100);
    if (kind === 1) return rng.pick(['a"b', '],[', '{', '\\', 'line\nbreak', ',']);
    if (kind === 2) return rng.pick([true, null, {}, []]);
    const items = Array.from({ length: rng.int(4) }, () => value(depth + 1));
    return kind === 3 ? items : Object.fromEntries(items.map((item, i) => [`k${i},"[`, item]));
  };
  for (let round = 0; round < 200; round++) {
    const items = Array.from({ length: rng.int(6) }, () => value(0));
    let text = '\n[';
    const expected: number[] = [];
    items.forEach((item, i) => {
      text += i > 0 ? ',' : '';
      text += '\n'.repeat(rng.int(3));
      expected.push(text.split('\n').length);
      text += JSON.stringify(item, null, rng.int(2) * 2) + '\n'.repeat(rng.int(2));
    });
    text += ']';
    expect(JSON.parse(text)).toEqual(items);
    expect(elementLines(text), text).toEqual(expected);
  }
});

const sevilaVal = sharedPath('data/star/sevila_val.json');
describeWithShared('published files', ['data/star/sevila_val.json'], () => {
  test("SeViLA's STAR val: 7,098 questions", async () => {
    const { samples } = await readAnnotations({ dataset: 'star', file: sevilaVal as string });
    const count = (type: string) => samples.filter((sample) => sample.type === type).length;
    expect(['Interaction', 'Sequence', 'Prediction', 'Feasibility'].map(count)).toEqual([
      2398, 3586, 624, 490,
    ]);
    expect(samples.every((sample) => (sample.end ?? 0) > (sample.start ?? 0))).toBe(true);
    expect(samples[0]).toMatchObject({
      id: 'Interaction_T1_13',
      video: '6H78U',
      start: 11.1,
      end: 19.6,
      answer: 2,
    });
  });

  test('the original sample question', async () => {
    const file = sharedPath('data/star/STAR_sample_question.json') as string;
    const { samples } = await readAnnotations({ dataset: 'star', file });
    expect(samples).toEqual([
      {
        id: 'Interaction_T1_3772',
        dataset: 'star',
        video: 'WBS4I',
        start: 8.9,
        end: 15.5,
        question: 'Which object was closed by the person?',
        options: ['The closet/cabinet.', 'The window.', 'The laptop.', 'The door.'],
        answer: 0,
        type: 'Interaction',
      },
    ]);
  });
});
