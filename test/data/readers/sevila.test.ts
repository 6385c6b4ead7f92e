/** SeViLA's JSON of every dataset. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAnnotations } from '../../../src/data/annotations.js';
import { describeProblem } from '../../../src/data/problems.js';

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const ROW = '401,369,640,480,how do they play,2,6,CH,roll,tap,strum,hit,pat';
const OPTIONS = { a0: 'roll', a1: 'tap', a2: 'strum', a3: 'hit', a4: 'pat' };
const QUESTION = {
  video: '401',
  num_option: 5,
  qid: 'CH_401_6',
  ...OPTIONS,
  answer: '2',
  question: 'how do they play',
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-sevila-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(dataset: string, text: string) {
  const file = join(folder, 'questions');
  await writeFile(file, text);
  const { samples, problems } = await readAnnotations({ dataset, file, onProblem: () => undefined });
  return { samples, problems: problems.map((problem) => describeProblem(problem).replace(`${file}:`, '')) };
}

describe("NExT-QA and IntentQA in SeViLA's JSON", () => {
  test('give the samples of the csv', async () => {
    const { samples } = await read('nextqa', `${HEADER}\n${ROW}\n`);
    expect(samples).toHaveLength(1);
    for (const change of [
      {},
      { answer: 2 },
      { qid: '401_6', type: 'CH' },
      { video: 401, qid: 6, type: 'CH', answer: 2 },
      { start: null, end: null, num_option: '5' },
    ])
      for (const value of [[{ ...QUESTION, ...change }], { ...QUESTION, ...change }])
        expect(await read('nextqa', JSON.stringify(value))).toEqual({ samples, problems: [] });
    const [sample] = samples;
    const inFolder = await read('nextqa', JSON.stringify([{ ...QUESTION, video: '1104/401' }]));
    expect(inFolder.samples).toEqual([{ ...sample, video: '1104/401' }]);
    const intent = await read('intentqa', JSON.stringify([QUESTION]));
    expect(intent.samples).toEqual([{ ...sample, dataset: 'intentqa' }]);
  });

  test('a clip, where there is one', async () => {
    const { samples } = await read('nextqa', JSON.stringify([{ ...QUESTION, start: 1.5, end: 4 }]));
    expect(samples).toMatchObject([{ start: 1.5, end: 4 }]);
    const bad = await read('nextqa', JSON.stringify([{ ...QUESTION, start: 4, end: 1.5 }]));
    expect(bad.problems).toEqual(['1: [0].end: expected a time after start (4 s), got 1.5']);
  });

  test.each<[string, object, string]>([
    ['four options', { a4: undefined, num_option: 4 }, 'options: expected 5 options a0 to a4, got 4'],
    ['a null option', { a4: null }, 'options: expected 5 options a0 to a4, got 4'],
    ['answer out of range', { answer: '5' }, 'answer: expected an integer from 0 to 4, got "5"'],
    ['answer null in some only', { answer: null }, 'answer: expected an integer from 0 to 4, got null'],
    [
      'no type',
      { qid: '401_7' },
      'qid: expected an id that starts with CW, CH, TN, TC, TP, DC, DL, DO, got "401_7"',
    ],
    ['an unknown type', { type: 'XX' }, 'type: expected one of CW, CH, TN, TC, TP, DC, DL, DO, got "XX"'],
    ['video null', { video: null }, 'video: expected a text, got null'],
    ['an id twice', {}, 'qid: expected an id used once, got "401_6" again (first at [0])'],
  ])('%s', async (_, change, expected) => {
    const text = `[${JSON.stringify(QUESTION)},\n${JSON.stringify({ ...QUESTION, ...change })}]`;
    const { samples, problems } = await read('nextqa', text);
    expect(problems).toEqual([`2: [1].${expected}`]);
    expect(samples).toHaveLength(1);
  });

  test('bad JSON is named by line', async () => {
    expect((await read('nextqa', `[\n${JSON.stringify(QUESTION)},\n{"a": NaN}]`)).problems).toEqual([
      "3: json: expected a JSON list of questions, got Unexpected token 'N' (NaN is no JSON: write null)",
    ]);
  });
});
