/** Readers of data sets of spans and free answers: sound lines, what loaders mend, and bad lines. */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAnnotations } from '../../../src/data/annotations.js';
import { convertAnnotations } from '../../../src/data/convert.js';
import { describeProblem } from '../../../src/data/problems.js';
import { describeWithShared, sharedPath } from '../../support/shared.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa grounding '));
});
afterAll(() => rm(folder, { recursive: true }));

/** Samples, problems and warnings of a file of this text, whose place is taken out. */
async function read(dataset: string, name: string, text: string) {
  const file = join(folder, name);
  await writeFile(file, text);
  const problems: string[] = [];
  const warnings: string[] = [];
  const add = (list: string[]) => (problem: Parameters<typeof describeProblem>[0]) =>
    list.push(describeProblem(problem).replace(`${file}:`, ''));
  const { samples } = await readAnnotations({
    dataset,
    file,
    onProblem: add(problems),
    onWarning: add(warnings),
  });
  return { samples, problems, warnings };
}

describe('Charades-STA', () => {
  const line = (times: string, words = 'a person opens a door.') => `ABCDE ${times}##${words}`;

  it('is a span and a sentence a line, with ids by video', async () => {
    const { samples, problems } = await read(
      'charades',
      'charades_sta_test.txt',
      `${line('0.0 6.9')}\r\n${line('3 8.25', ' they sit ')}\n`,
    );
    expect(problems).toEqual([]);
    expect(samples).toEqual([
      {
        id: 'ABCDE_0',
        dataset: 'charades',
        video: 'ABCDE',
        task: 'ground',
        question: 'a person opens a door.',
        options: [],
        spans: [[0, 6.9]],
        type: 'moment',
      },
      expect.objectContaining({ id: 'ABCDE_1', question: 'they sit', spans: [[3, 8.25]] }),
    ]);
  });

  it('is cut to the durations of Charades, and lines with nothing left are left out with their number', async () => {
    await writeFile(join(folder, 'Charades_v1_test.csv'), 'id,subject,scene,length\nABCDE,x,"a, b",10.5\n');
    const text = [line('4 12'), line('11 12'), line('5 5'), line('9 2'), line('1 2')].join('\n');
    const { samples, problems, warnings } = await read('charades', 'charades_sta_test.txt', text);
    await rm(join(folder, 'Charades_v1_test.csv'));
    expect(problems).toEqual([]);
    expect(samples.map(({ id, spans, duration }) => [id, spans, duration])).toEqual([
      ['ABCDE_0', [[4, 10.5]], 10.5],
      ['ABCDE_4', [[1, 2]], 10.5],
    ]);
    expect(warnings.map((text) => text.split('; ').at(-1))).toEqual([
      'cut',
      'left out',
      'left out',
      'left out',
    ]);
    expect(warnings[0]).toBe('1: times: expected 0 <= START < END, inside the video (10.5 s), got 4 12; cut');
  });

  it.each([['0:01:02 0:01:10'], ['1 two'], ['1'], ['-'], ['1 2 3']])(
    'has no times such as %j',
    async (times) => {
      const { problems } = await read('charades', 'bad.txt', `${line('1 2')}\n${line(times)}\n`);
      expect(problems).toEqual([
        expect.stringMatching(/^2: row: expected VID START END##sentence, times in seconds, got/),
      ]);
    },
  );

  it('has a sentence', async () => {
    expect((await read('charades', 'bad.txt', `${line('1 2', ' ')}\n${line('1 2')}`)).problems).toHaveLength(
      1,
    );
  });
});

describe('ActivityNet Captions', () => {
  const video = {
    duration: 20.5,
    timestamps: [
      [0, 5],
      [4, 30],
      [9, 3],
    ],
    sentences: ['A man runs.', ' He falls. ', 'no'],
  };

  it('is events by video, cut to the duration; one with nothing left is left out', async () => {
    const { samples, problems, warnings } = await read(
      'activitynet',
      'val_1.json',
      JSON.stringify({ v_a: video }, null, 1),
    );
    expect(problems).toEqual([]);
    expect(
      samples.map(({ id, video, question, spans, duration }) => [id, video, question, spans, duration]),
    ).toEqual([
      ['v_a_0', 'v_a', 'A man runs.', [[0, 5]], 20.5],
      ['v_a_1', 'v_a', 'He falls.', [[4, 20.5]], 20.5],
    ]);
    expect(warnings).toHaveLength(2);
  });

  it.each([
    ['no duration', { ...video, duration: null }, 'v_b.duration: expected seconds, more than 0, got null'],
    [
      'fewer sentences',
      { ...video, sentences: ['a'] },
      'v_b.sentences: expected 3 texts, one for each of timestamps',
    ],
    [
      'a time in words',
      {
        ...video,
        timestamps: [
          ['0:01', 2],
          [1, 2],
          [2, 3],
        ],
      },
      'v_b.timestamps[0]: expected [start, end] in seconds',
    ],
    [
      'an empty sentence',
      { ...video, sentences: ['a', '', 'c'] },
      'v_b.sentences[1]: expected a text, got ""',
    ],
    ['a list', [1], 'v_b.duration: expected'],
  ])('names a video with %s and its line', async (_, bad, expected) => {
    const text = `{"v_a": ${JSON.stringify(video)},\n"v_b": ${JSON.stringify(bad)}}`;
    const { problems } = await read('activitynet', 'bad.json', text);
    expect(problems).toEqual([expect.stringContaining(`2: ${expected}`)]);
  });

  it('has each video once', async () => {
    const { problems } = await read(
      'activitynet',
      'bad.json',
      `{"v_a": ${JSON.stringify(video)},\n"v_a": ${JSON.stringify(video)}}`,
    );
    expect(problems).toEqual(['2: "v_a": expected a video used once, got the key again']);
  });
});

describe('QVHighlights', () => {
  const row = {
    qid: 7803,
    query: 'Man walks inside.',
    duration: 150,
    vid: 'R_360.0_510.0',
    relevant_windows: [[26, 36]],
    relevant_clip_ids: [13],
    saliency_scores: [[4, 4, 2]],
  };
  const lines = (...rows: unknown[]) => rows.map((one) => JSON.stringify(one)).join('\n');

  it('is a query and its windows a line', async () => {
    const { samples, problems } = await read('qvhighlights', 'val.jsonl', lines(row));
    expect(problems).toEqual([]);
    expect(samples).toEqual([
      {
        id: '7803',
        dataset: 'qvhighlights',
        video: 'R_360.0_510.0',
        task: 'ground',
        question: 'Man walks inside.',
        options: [],
        spans: [[26, 36]],
        duration: 150,
        type: 'moment',
      },
    ]);
  });

  it('is blind in the test split', async () => {
    const { relevant_windows: _, ...blind } = row;
    const { samples, problems } = await read(
      'qvhighlights',
      'test.jsonl',
      lines(blind, { ...blind, qid: 2 }),
    );
    expect(problems).toEqual([]);
    expect(samples[1]).not.toHaveProperty('spans');
    expect((await read('qvhighlights', 'mixed.jsonl', lines(row, { ...blind, qid: 2 }))).problems).toEqual([
      '2: relevant_windows: expected windows, as before, got none',
    ]);
  });

  it.each([
    ['a reversed window', { relevant_windows: [[9, 2]] }],
    ['a window behind the end', { relevant_windows: [[9, 160]] }],
    ['no windows', { relevant_windows: [] }],
    ['no query', { query: ' ' }],
    ['no duration', { duration: 0 }],
    ['an id that is there', { qid: 7803 }],
  ])('names a line with %s', async (_, bad) => {
    const { problems } = await read('qvhighlights', 'bad.jsonl', lines(row, { ...row, qid: 2, ...bad }));
    expect(problems).toEqual([expect.stringMatching(/^2: /)]);
  });
});

describe('NExT-GQA', () => {
  const HEADER = 'video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
  const csv = (answer = 'sleep') => `${HEADER}\nv,9,1,1,why,${answer},3,CW,run,sleep,eat,sit,jump\n`;
  const gsub = (spans: unknown, duration = 21) =>
    JSON.stringify({ v: { duration, location: { 3: spans }, fps: 30 } });
  const readWith = async (spans: string, name = 'gsub_val.json', csvName = 'val.csv') => {
    await writeFile(join(folder, name), spans);
    const result = await read('nextgqa', csvName, csv()).finally(() => rm(join(folder, name)));
    return result;
  };

  it('is a choice whose answer is text, with the spans of the file beside it', async () => {
    const { samples, problems, warnings } = await readWith(
      gsub([
        [1.2, 5.8],
        [9, 21.5],
      ]),
    );
    expect([problems, warnings]).toEqual([[], []]);
    expect(samples).toEqual([
      {
        id: 'v_3',
        dataset: 'nextgqa',
        video: 'v',
        task: 'grounded-choice',
        question: 'why',
        options: ['run', 'sleep', 'eat', 'sit', 'jump'],
        answer: 1,
        spans: [
          [1.2, 5.8],
          [9, 21.5],
        ],
        duration: 21,
        type: 'CW',
      },
    ]);
  });

  it('has the file of its own split only, and none for training', async () => {
    const { problems } = await readWith(gsub([[1, 2]]), 'gsub_test.json');
    expect(problems).toEqual(['1: spans: expected gsub_val.json beside the csv, got no such file']);
    const train = await readWith(gsub([[1, 2]]), 'gsub_test.json', 'train.csv');
    expect(train.problems).toEqual([]);
    expect(train.samples[0]).not.toHaveProperty('task');
  });

  it('tells of spans without length or beyond the video, and of a question without any', async () => {
    const { samples, warnings } = await readWith(
      gsub([
        [3, 3],
        [2, 40],
      ]),
    );
    expect(samples[0]!.spans).toEqual([[2, 40]]);
    expect(warnings).toEqual(['2: spans: expected 0 <= start < end, inside the video (21 s), got [3,3]']);
    const without = await readWith('{"w": {"duration": 3, "location": {}}}');
    expect(without.samples[0]).not.toHaveProperty('spans');
    expect(without.warnings).toEqual([
      '2: spans: expected spans of this question in the file of spans, got "v_3"',
    ]);
  });

  it('refuses an answer that is no option, and a file of spans of another form', async () => {
    await writeFile(join(folder, 'gsub_val.json'), gsub([[1, 2]]));
    expect((await read('nextgqa', 'val.csv', csv('1'))).problems).toEqual([
      '2: answer: expected the text of one of the options, got "1"',
    ]);
    await expect(readWith(gsub('0:01'))).rejects.toThrow(
      '"v_3": expected [start, end] pairs in seconds, got "0:01"',
    );
    await expect(readWith('{"v": 1}')).rejects.toThrow('expected {duration, location}, got 1');
    await expect(readWith('{"v": ')).rejects.toThrow(/gsub_val\.json:1: json: /);
  });

  it('goes to JSON lines and back, and not to a form of choices alone', async () => {
    await writeFile(join(folder, 'gsub_val.json'), gsub([[1, 2]]));
    await writeFile(join(folder, 'val.csv'), csv());
    const from = { from: 'nextgqa', files: [join(folder, 'val.csv')], allowLoss: false };
    await convertAnnotations({ ...from, to: 'jsonl', out: join(folder, 'out.jsonl') });
    const direct = await readAnnotations({ dataset: 'nextgqa', file: join(folder, 'val.csv') });
    const back = await readAnnotations({ dataset: 'jsonl', file: join(folder, 'out.jsonl') });
    expect(back.samples).toEqual(direct.samples);
    for (const to of ['nextqa', 'star', 'intentqa', 'shapes'])
      await expect(convertAnnotations({ ...from, to, out: join(folder, 'out.csv') })).rejects.toThrow(
        'of task grounded-choice, where this form has choices alone',
      );
    await rm(join(folder, 'gsub_val.json'));
  });
});

describe('NExT-OE', () => {
  const HEADER = 'video,frame_count,width,height,question,answer,qid,type';
  const csv = `${HEADER}\nv,9,1,1,why is he sad,he fell,3,CW\nw,9,1,1,how many,two,0,DC\n`;

  it('is open questions, with second answers where they are beside it', async () => {
    const { samples } = await read('nextoe', 'val.csv', csv);
    expect(samples[0]).toEqual({
      id: 'v_3',
      dataset: 'nextoe',
      video: 'v',
      task: 'open',
      question: 'why is he sad',
      options: [],
      answers: ['he fell'],
      type: 'CW',
    });
    await writeFile(
      join(folder, 'add_reference_answer_test.json'),
      JSON.stringify({ v: { 3: 'he is hurt' } }),
    );
    const test = await read('nextoe', 'test.csv', csv);
    expect(test.samples.map(({ answers }) => answers)).toEqual([['he fell', 'he is hurt'], ['two']]);
    expect((await read('nextoe', 'val.csv', csv)).samples[0]!.answers).toEqual(['he fell']);
  });

  it('is not a file of choices', async () => {
    const { problems } = await read('nextoe', 'val.csv', `${HEADER},a0,a1\nv,9,1,1,q,1,3,CW,x,y\n`);
    expect(problems[0]).toContain('expected no column a0 (nextoe has no options)');
    expect((await read('nextqa', 'val.csv', csv)).problems[0]).toContain('1: header: expected columns');
  });
});

describe.each([
  ['msvdqa', 'vid7'],
  ['msrvttqa', 'video7'],
])('%s', (dataset, video) => {
  const item = { answer: 'bake', id: 12, question: 'what does he do?', video_id: 7, category_id: 1 };

  it('is a list of open questions, whose first word is their type', async () => {
    const items = [
      item,
      { ...item, id: 13, question: 'Who sings?' },
      { ...item, id: 14, question: 'is it?', video_id: 'a b' },
    ];
    const { samples, problems } = await read(dataset, 'val_qa.json', JSON.stringify(items));
    expect(problems).toEqual([]);
    expect(samples[0]).toEqual({
      id: '12',
      dataset,
      video,
      task: 'open',
      question: 'what does he do?',
      options: [],
      answers: ['bake'],
      type: 'what',
    });
    expect(samples.map(({ type, video }) => [type, video])).toEqual([
      ['what', video],
      ['who', video],
      ['other', 'a b'],
    ]);
  });

  it.each([
    ['an empty answer', { answer: ' ' }, '[1].answer'],
    ['no answer', { answer: null }, '[1].answer'],
    ['no question', { question: '' }, '[1].question'],
    ['no video', { video_id: null }, '[1].video_id'],
    ['an id that is there', { id: 12 }, '[1].id'],
  ])('names a question with %s', async (_, bad, place) => {
    const { problems } = await read(dataset, 'bad.json', JSON.stringify([item, { ...item, id: 13, ...bad }]));
    expect(problems).toEqual([expect.stringContaining(`${place}: expected`)]);
  });
});

describeWithShared(
  'published files',
  ['data/grounding/nextgqa_val_first1000.csv', 'data/grounding/nextoe_val.csv.gz'],
  () => {
    it('of NExT-GQA are read whole', async () => {
      const file = sharedPath('data/grounding/nextgqa_val_first1000.csv')!;
      const { samples } = await readAnnotations({ dataset: 'nextgqa', file });
      expect(samples).toHaveLength(1000);
      expect(samples.every(({ spans, answer }) => spans && answer !== undefined)).toBe(true);
    });

    it('of NExT-OE are read whole', async () => {
      const text = gunzipSync(readFileSync(sharedPath('data/grounding/nextoe_val.csv.gz')!)).toString();
      const { samples, problems } = await read('nextoe', 'val.csv', text);
      expect([samples.length, problems.length]).toEqual([5343, 0]);
    });
  },
);
