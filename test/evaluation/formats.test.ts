/** Every published format from its files to a score, as `reasvqa score` goes, and what breaks on the way. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreFile, scoreJson } from '../../src/evaluation/scoreFile.js';

const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const sample = (id: string, more: object) => ({ id, video: `${id}.mp4`, question: 'what?', ...more });

interface Format {
  dataset: string;
  file: string;
  annotations: string;
  /** Files beside the annotations. */
  beside?: Record<string, string>;
  /** Half right: what the table of scores must hold. */
  predictions: string;
  scores: Record<string, number>;
}

const FORMATS: Format[] = [
  {
    dataset: 'nextgqa',
    file: 'val.csv',
    annotations:
      'video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\nv,9,1,1,why,two,1,CW,one,two,three,four,five\nv,9,1,1,how,one,2,CH,one,two,three,four,five\n',
    beside: {
      'gsub_val.json': JSON.stringify({
        v: { duration: 10, fps: 30, location: { 1: [[2, 6]], 2: [[0, 5]] } },
      }),
    },
    predictions: JSON.stringify({
      v_1: { span: [2, 6], prediction: 1 },
      v_2: { span: [6, 9], prediction: 0 },
    }),
    scores: { mIoU: 50, 'Acc@GQA': 50, 'Acc@QA': 100, count: 2 },
  },
  {
    dataset: 'charades',
    file: 'charades_sta_test.txt',
    annotations: 'AB12 2.0 6.0##person opens the door.\nAB12 0.0 5.0##person sits.\n',
    predictions: lines([
      { id: 'AB12_0', span: [2, 6] },
      { id: 'AB12_1', span: [6, 9] },
    ]),
    scores: { mIoU: 50, 'R1@0.5': 50, count: 2 },
  },
  {
    dataset: 'activitynet',
    file: 'val_1.json',
    annotations: JSON.stringify({
      v_a: {
        duration: 10,
        timestamps: [
          [2, 6],
          [0, 5],
        ],
        sentences: ['One opens it.', 'One sits.'],
      },
    }),
    predictions: JSON.stringify({ v_a_0: [2, 6], v_a_1: [6, 9] }),
    scores: { mIoU: 50, 'R1@0.7': 50, count: 2 },
  },
  {
    dataset: 'qvhighlights',
    file: 'highlight_val_release.jsonl',
    annotations: lines(
      [1, 2].map((qid) => ({
        ...{ qid, query: 'q', vid: `v${qid}`, duration: 8, relevant_windows: [[0, 4]] },
        ...{ relevant_clip_ids: [0, 1], saliency_scores: Array(2).fill([4, 4, 4]) },
      })),
    ),
    predictions: lines([
      { qid: 1, query: 'q', vid: 'v1', pred_relevant_windows: [[0, 4, 1]] },
      { qid: 2, query: 'q', vid: 'v2', pred_relevant_windows: [[6, 8, 1]] },
    ]),
    scores: { 'R1@0.5': 50, mAP: 50, count: 2 },
  },
  {
    dataset: 'nextoe',
    file: 'val.csv',
    annotations:
      'video,frame_count,width,height,question,answer,qid,type\nv,9,1,1,why did it stop,to rest,1,CW\nv,9,1,1,where is it,garden,2,DL\n',
    predictions: JSON.stringify({ v: { 1: 'to rest', 2: 'street' } }),
    scores: { accuracy: 50, exact: 50, count: 2 },
  },
  ...(['msvdqa', 'msrvttqa'] as const).map((dataset) => ({
    dataset,
    file: 'val_qa.json',
    annotations: JSON.stringify([
      { id: 1, video_id: 4, question: 'what is it?', answer: 'dog' },
      { id: 2, video_id: 4, question: 'who runs?', answer: 'man' },
    ]),
    predictions: lines([
      { question_id: 1, text: 'dog' },
      { question_id: 2, text: 'cat' },
    ]),
    scores: { accuracy: 50, exact: 50, count: 2 },
  })),
  {
    dataset: 'jsonl',
    file: 'own.jsonl',
    annotations: lines([
      sample('g', { task: 'ground', spans: [[2, 6]], duration: 10 }),
      sample('h', { task: 'ground', spans: [[0, 5]], duration: 10 }),
    ]),
    predictions: lines([
      { id: 'g', span: [2, 6] },
      { id: 'h', span: [6, 9] },
    ]),
    scores: { mIoU: 50, mIoP: 50, 'R1@0.3': 50, 'R1@0.5': 50, 'R1@0.7': 50, count: 2, missing: 0 },
  },
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'formats '));
});
afterAll(() => rm(folder, { recursive: true }));

let number = 0;
async function score(format: Format, change: (text: string) => string = (text) => text) {
  const at = join(folder, String(number++));
  await mkdir(at);
  for (const [name, text] of Object.entries(format.beside ?? {}))
    await writeFile(join(at, name), change(text));
  const paths = { annotations: join(at, format.file), predictions: join(at, 'predictions') };
  await writeFile(paths.annotations, change(format.annotations));
  await writeFile(paths.predictions, change(format.predictions));
  const result = await scoreFile({ dataset: format.dataset, ...paths });
  if (!('tasks' in result)) throw new Error('a score of choices');
  return scoreJson(result) as Record<string, unknown> & { notices: string[] };
}
const plain = (text: string) => text;
const formatOf = (dataset: string) => FORMATS.find((format) => format.dataset === dataset)!;

describe.each(FORMATS)('$dataset', (format) => {
  it.each([
    ['as it is', plain],
    ['with a byte order mark', (text: string) => `\uFEFF${text}`],
    ['with CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['without a last line break', (text: string) => text.trimEnd()],
  ])('goes from file to score %s', async (_, change) => {
    const result = await score(format, change);
    expect(result).toMatchObject(format.scores);
  });

  it.each([
    ['an id twice', (text: string) => `${text}${text}`, /expected (?:each id once|.*got)|json/],
    ['NaN', (text: string) => text.replace(/[69](?=[,\]])|"(?:street|cat)"/, 'NaN'), /:\d+: .*NaN|json/],
    ['an infinite number', (text: string) => text.replace(/\b[69]\b|"(?:street|cat)"/, '1e999'), /expected/],
    ['a cut end', (text: string) => text.trimEnd().slice(0, -3), /expected/],
    ['nothing', () => '', /expected/],
  ])('refuses predictions with %s', async (_, change, message) => {
    await expect(score({ ...format, predictions: change(format.predictions) })).rejects.toThrow(message);
  });
});

describe('spans of annotations', () => {
  it.each([
    ['reversed', '6.0 2.0'],
    ['of no length', '2.0 2.0'],
  ])('of Charades that are %s are left out, and told', async (_, times) => {
    const { annotations, ...rest } = formatOf('charades');
    const predictions = lines([{ id: 'AB12_1', span: [0, 5] }]);
    const result = await score({ ...rest, predictions, annotations: annotations.replace('2.0 6.0', times) });
    expect(result).toMatchObject({ mIoU: 100, count: 1 });
    expect(result.notices).toEqual([expect.stringContaining('1 spans of')]);
  });

  it.each(['0:00:02 0:00:06', '-2.0 6.0', 'NaN 6.0', 'two six'])(
    'of Charades are numbers of seconds: %s',
    async (times) => {
      const { annotations, ...rest } = formatOf('charades');
      const changed = annotations.replace('2.0 6.0', times);
      const outcome = await score({ ...rest, annotations: changed }).catch((error: Error) => error);
      if (outcome instanceof Error) expect(outcome.message).toMatch(/charades_sta_test\.txt:1: /);
      else expect(outcome.notices).toEqual([expect.stringContaining('1 spans of')]);
    },
  );

  it.each([[[6, 2]], [[2, 2]], [[-1, 2]], [[2, 60]], ['0:00:02'], [[2]], [[2, null]]])(
    'of our own lines are checked: %j',
    async (span) => {
      const annotations = lines([sample('g', { task: 'ground', spans: [span], duration: 10 })]);
      await expect(score({ ...formatOf('jsonl'), annotations })).rejects.toThrow(
        /own\.jsonl:1: spans: expected/,
      );
    },
  );

  it.each([[[6, 2]], [[2, 60]]])(
    'of NExT-GQA, QVHighlights and ActivityNet end in a result or a place: %j',
    async (span) => {
      for (const dataset of ['nextgqa', 'qvhighlights', 'activitynet']) {
        const format = formatOf(dataset);
        const swap = (text: string) => text.replace(/\[2,6\]|\[0,4\]/, JSON.stringify(span));
        const beside = Object.fromEntries(
          Object.entries(format.beside ?? {}).map(([name, text]) => [name, swap(text)]),
        );
        const outcome = await score({ ...format, annotations: swap(format.annotations), beside }).catch(
          (error: Error) => error,
        );
        if (outcome instanceof Error) expect(outcome.message, dataset).toMatch(/(?::\d+: |"v"|v_|id)/);
        else expect(outcome.count, dataset).toBeGreaterThan(0);
      }
    },
  );
});

describe('texts', () => {
  const own = (rows: readonly object[], predictions: readonly object[]): Format => ({
    ...formatOf('jsonl'),
    ...{ annotations: lines(rows), predictions: lines(predictions) },
  });

  it.each([
    ['answers', { task: 'open', answers: [] }],
    ['answers', { task: 'open', answers: [' '] }],
    ['captions', { task: 'caption', captions: [] }],
    ['captions', { task: 'caption', captions: [''] }],
  ])('of references may not be empty: %s of %j', async (key, truth) => {
    await expect(score(own([sample('a', truth)], [{ id: 'a', text: 'x' }]))).rejects.toThrow(
      `own.jsonl:1: ${key}: expected texts, none empty`,
    );
  });

  it('of 10,000 words are scored', async () => {
    const long = Array.from({ length: 10_000 }, (_, i) => `word${i % 97}`).join(' ');
    const rows = [
      sample('a', { task: 'caption', captions: ['a dog runs', long] }),
      sample('b', { task: 'caption', captions: ['a cat sleeps'] }),
    ];
    const result = await score(
      own(rows, [
        { id: 'a', text: long },
        { id: 'b', text: long },
      ]),
    );
    expect(result['ROUGE-L']).toBeCloseTo(50, 1);
    for (const value of Object.values(result))
      if (typeof value === 'number') expect(value).toBeGreaterThanOrEqual(0);
  });

  it('that say nothing but marks are wrong, and change no other score', async () => {
    const rows = ['a', 'b'].map((id) => sample(id, { task: 'caption', captions: [`${id} dog runs away`] }));
    const result = await score(
      own(rows, [
        { id: 'a', text: '... !' },
        { id: 'b', text: 'b dog runs away' },
      ]),
    );
    expect(result['ROUGE-L']).toBeCloseTo(50, 9);
  });
});

it('a file of two data sets is scored by task, and an unknown task is named by its line', async () => {
  const rows = [
    sample('g', { dataset: 'charades', task: 'ground', spans: [[2, 6]] }),
    sample('o', { dataset: 'msvdqa', task: 'open', answers: ['dog'] }),
  ];
  const predictions = lines([
    { id: 'g', span: [2, 6] },
    { id: 'o', text: 'a dog' },
  ]);
  const format = { ...formatOf('jsonl'), predictions };
  const result = await score({ ...format, annotations: lines(rows) });
  expect(result.tasks).toMatchObject({ ground: { mIoU: 100 }, open: { accuracy: 100 } });
  await expect(
    score({ ...format, annotations: lines([...rows, sample('x', { task: 'find' })]) }),
  ).rejects.toThrow('own.jsonl:3: task: expected one of choice, open, caption, ground, grounded-choice');
});
