/** Files of predictions for any task: their forms, and what is wrong with them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreFile, scoreJson } from '../../src/evaluation/scoreFile.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa score file '));
});
afterAll(() => rm(folder, { recursive: true }));

const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const ground = (id: string, duration = 10) => ({
  id,
  video: 'v',
  task: 'ground',
  question: 'q',
  spans: [[2, 6]],
  duration,
});

/** Scores a prediction file, a value that is written as JSON or a text, as the command prints it. */
async function score(
  samples: readonly unknown[],
  predictions: unknown,
  more: object = {},
  dataset = 'jsonl',
) {
  const paths = { annotations: join(folder, 'val.jsonl'), predictions: join(folder, 'predictions') };
  await writeFile(paths.annotations, lines(samples));
  await writeFile(
    paths.predictions,
    typeof predictions === 'string' ? predictions : JSON.stringify(predictions),
  );
  const result = await scoreFile({ dataset, ...paths, ...more });
  if (!('tasks' in result)) throw new Error('a score of choices');
  return scoreJson(result) as Record<string, unknown> & {
    notices: string[];
    tasks: Record<string, Record<string, number>>;
  };
}

describe('predictions', () => {
  const samples = [ground('a'), ground('b')];
  const expected = { mIoU: 75, 'R1@0.3': 100, 'R1@0.5': 100, 'R1@0.7': 50, count: 2, missing: 0 };

  it.each([
    [
      'JSON lines',
      lines([
        { id: 'a', span: [2, 6] },
        { id: 'b', span: [2, 4] },
      ]),
    ],
    [
      'a list',
      [
        { id: 'a', span: [2, 6] },
        { question_id: 'b', span: [2, 4] },
      ],
    ],
    ['an object of spans', { a: [2, 6], b: [2, 4] }],
    ['an object of objects', { a: { span: [2, 6] }, b: { span: [2, 4] } }],
  ])('are %s', async (_, predictions) => {
    const result = await score(samples, predictions);
    expect(result).toMatchObject({ ...expected, tasks: { ground: expected }, notices: [] });
  });

  it('of captions may be those of COCO, of answers by video and question', async () => {
    const caption = { id: '7', video: 'v', task: 'caption', captions: ['a dog runs away'] };
    expect((await score([caption], [{ image_id: 7, caption: 'A dog runs away.' }]))['BLEU-1']).toBeCloseTo(
      100,
      4,
    );
    const open = { id: 'v_1', video: 'v', task: 'open', question: 'q', answers: ['dog'] };
    expect(await score([open], { v: { 1: 'The dog' } })).toMatchObject({ accuracy: 100, exact: 0 });
  });

  it('of several tasks have scores below tasks alone', async () => {
    const open = { id: 'o', video: 'v', task: 'open', question: 'q', answers: ['dog'] };
    const result = await score(
      [ground('a'), open],
      lines([
        { id: 'a', span: [2, 6] },
        { id: 'o', text: 'dog' },
      ]),
    );
    expect(result).not.toHaveProperty('mIoU');
    expect(result.tasks).toMatchObject({ ground: { mIoU: 100 }, open: { accuracy: 100 } });
  });

  it('that are missing or null count as 0 and are told apart', async () => {
    expect(await score(samples, lines([{ id: 'a', span: null }]))).toMatchObject({
      mIoU: 0,
      count: 2,
      missing: 2,
    });
  });

  it.each([
    ['reversed', [6, 2], 'reversed spans'],
    ['points', [3, 3], 'spans without length'],
    ['negative', [-2, 6], 'spans that begin before 0'],
    ['beyond the video', [2, 60], 'spans beyond the video'],
  ])('that are %s are scored and told', async (_, span, notice) => {
    const { notices } = await score(samples, { a: span, b: [2, 6] });
    expect(notices).toEqual([expect.stringContaining(`1 ${notice}`)]);
  });

  it('that are empty texts are wrong and told', async () => {
    const open = { id: 'o', video: 'v', task: 'open', question: 'q', answers: ['dog'] };
    expect(await score([open], { o: ' ' })).toMatchObject({
      accuracy: 0,
      notices: [expect.stringContaining('1 empty texts')],
    });
  });

  it.each([
    [
      'times in words',
      lines([{ id: 'a', span: ['0:00:02', '0:00:06'] }]),
      ':1: "a".span: expected [start, end] as numbers, in seconds',
    ],
    [
      'an id twice',
      lines([
        { id: 'a', span: [1, 2] },
        { id: 'a', span: [1, 2] },
      ]),
      ':2: expected each id once, got "a" again (first on line 1)',
    ],
    ['a key twice', '{"a": [1, 2], "a": [1, 2]}', 'expected each key once, got "a" again'],
    ['an unknown id', { a: [1, 2], c: [1, 2] }, '1 ids that'],
    ['a text for a span', { a: 'at 2 s' }, 'a: expected span (its task is ground), got text'],
    ['no known key', lines([{ id: 'a', spam: [1, 2] }]), 'expected span, text or prediction'],
    ['three times', { a: [1, 2, 3] }, 'expected [start, end] as numbers'],
    ['no id', lines([{ span: [1, 2] }, { id: 'a', span: [1, 2] }]), 'id'],
    ['bad JSON', '{"a": [1, 2]', 'json'],
    ['nothing', '[]', 'got no prediction'],
  ])('with %s are refused', async (_, predictions, message) => {
    await expect(score(samples, predictions)).rejects.toThrow(message);
  });

  it('take --qa and --fractions of grounded choices alone', async () => {
    await expect(score(samples, { a: [1, 2] }, { fractions: true })).rejects.toThrow('--qa and --fractions');
  });

  it('of an unknown task are refused by the line of the sample', async () => {
    await expect(score([{ ...ground('a'), task: 'find' }], { a: [1, 2] })).rejects.toThrow(
      ':1: task: expected one of',
    );
  });
});

describe('official files', () => {
  it('of QVHighlights are submissions of windows and clip scores', async () => {
    const row = {
      qid: 1,
      query: 'q',
      vid: 'v',
      duration: 8,
      relevant_windows: [[0, 4]],
      relevant_clip_ids: [0, 1],
      saliency_scores: [
        [4, 1, 1],
        [1, 1, 1],
      ],
    };
    const submission = {
      qid: 1,
      query: 'q',
      vid: 'v',
      pred_relevant_windows: [[0, 4, 0.9]],
      pred_saliency_scores: [1, 0, 0, 0],
    };
    const result = await score([row], lines([submission]), {}, 'qvhighlights');
    expect(result).toMatchObject({ 'R1@0.5': 100, mAP: 100, 'mAP-short': 100, 'HL-Hit1': 100, missing: 0 });
    expect(result['HL-mAP']).toBeCloseTo(100 / 3, 10);
  });

  it('of NExT-GQA pass over what is missing, and take answers from a file of their own', async () => {
    const spans = { v: { duration: 10, location: { 1: [[2, 6]], 2: [[0, 5]], 3: [[0, 5]] } } };
    const qa = join(folder, 'qa.json');
    await writeFile(
      qa,
      JSON.stringify({
        v_1: { prediction: 2, answer: 2 },
        v_2: { prediction: 0, answer: 1 },
        v_3: { prediction: 1, answer: 1 },
      }),
    );
    const result = await score(
      [spans],
      { v_1: [0.2, 0.6], v_2: [0, 0.5], w_9: [0, 1] },
      { qa, fractions: true },
      'nextgqa',
    );
    expect(result).toMatchObject({ count: 2, missing: 1, mIoU: 100, 'IoP@0.5': 100, 'Acc@GQA': 50 });
    expect(result.notices).toEqual([
      expect.stringContaining('1 predictions for questions without spans here'),
    ]);
  });
});
