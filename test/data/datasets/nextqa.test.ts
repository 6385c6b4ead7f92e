/** NExT-QA's and IntentQA's csv, with faults of every field. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { readAnnotations } from '../../../src/data/annotations.js';
import { describeProblem, type Problem } from '../../../src/data/problems.js';
import { describeWithShared, sharedPath } from '../../support/shared.js';

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const ROW = '401,369,640,480,how do they play,0,6,CH,roll,tap,strum,hit,pat';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-nextqa-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(text: string | Uint8Array): Promise<string> {
  const file = join(folder, 'rows.csv');
  await writeFile(file, text);
  return file;
}

async function problemsOf(text: string): Promise<string[]> {
  const file = await write(text);
  const seen: Problem[] = [];
  const { problems } = await readAnnotations({ dataset: 'nextqa', file, onProblem: (p) => seen.push(p) });
  expect(seen).toEqual(problems);
  return problems.map((problem) => describeProblem(problem).replace(`${file}:`, ''));
}

describe('NExT-QA rows', () => {
  test('one row is one sample', async () => {
    const { samples } = await readAnnotations({
      dataset: 'nextqa',
      file: await write(`${HEADER}\n${ROW}\n`),
    });
    expect(samples).toEqual([
      {
        id: '401_6',
        dataset: 'nextqa',
        video: '401',
        question: 'how do they play',
        options: ['roll', 'tap', 'strum', 'hit', 'pat'],
        answer: 0,
        type: 'CH',
      },
    ]);
  });

  test('byte order mark, CRLF, mixed line ends, blank lines, other column order, extra columns', async () => {
    const plain = await readAnnotations({ dataset: 'nextqa', file: await write(`${HEADER}\n${ROW}\n`) });
    const columns = HEADER.split(',').map((name, i) => [name, ROW.split(',')[i] as string] as const);
    const shuffled = new Rng(1).shuffle([...columns, ['note', 'extra'] as const]);
    const [names, values] = [0, 1].map((k) => shuffled.map((pair) => pair[k]).join(','));
    for (const text of [
      `\ufeff${HEADER}\r\n${ROW}\r\n`,
      `${HEADER}\n${ROW}\r\n\r\n\n`,
      `${HEADER}\n${ROW}`,
      `${names}\n${values}\n`,
    ]) {
      const { samples } = await readAnnotations({ dataset: 'nextqa', file: await write(text) });
      expect(samples).toEqual(plain.samples);
    }
  });

  test('quotes: random texts with commas, quotes and line breaks come back as written', async () => {
    const rng = new Rng('quotes');
    const alphabet = ['a', ' ', ',', '"', '\n', 'é', '?', "'"];
    const text = () => `x${Array.from({ length: 12 }, () => rng.pick(alphabet)).join('')}x`;
    const rows = Array.from({ length: 40 }, (_, i) => ({ qid: i, texts: Array.from({ length: 6 }, text) }));
    const quote = (value: string) => `"${value.replaceAll('"', '""')}"`;
    const lines = rows.map(({ qid, texts }) => {
      const [question, ...options] = texts.map(quote);
      return `v,1,1,1,${question},${qid % 5},${qid},CW,${options.join(',')}`;
    });
    const { samples } = await readAnnotations({
      dataset: 'nextqa',
      file: await write(`${HEADER}\n${lines.join('\n')}\n`),
    });
    expect(samples.map((sample) => [sample.question, ...sample.options])).toEqual(
      rows.map((row) => row.texts),
    );
  });

  test('a quote inside an unquoted field is text', async () => {
    const { samples } = await readAnnotations({
      dataset: 'nextqa',
      file: await write(`${HEADER}\n${ROW.replace('strum', 'a 5" disc')}\n`),
    });
    expect(samples[0]?.options[2]).toBe('a 5" disc');
  });

  test('blind splits: no answer column, or empty everywhere', async () => {
    const noColumn = [HEADER.replace(',answer', ''), ROW.replace(',0,6,', ',6,')].join('\n');
    for (const text of [noColumn, `${HEADER}\n${ROW.replace(',0,6,', ',,6,')}\n`]) {
      const { samples } = await readAnnotations({ dataset: 'nextqa', file: await write(text) });
      expect(samples).toHaveLength(1);
      expect(Object.keys(samples[0] ?? {})).not.toContain('answer');
    }
  });
});

describe('faults are named with their place', () => {
  test('a file of another kind, without all of it in the message', async () => {
    const { problems } = await readAnnotations({
      dataset: 'nextqa',
      file: await write(`[${JSON.stringify({ video: 'x'.repeat(9000) })}]`),
      onProblem: () => {},
    });
    for (const { got } of problems) expect(got.length).toBeLessThan(250);
  });

  const asNextQa = (header: string) =>
    `1: header: expected columns video, question, qid, type, a0, a1, a2, a3, a4 (nextqa), got columns ${header}: `;
  const shownHeader = (text: string) => JSON.stringify(text);
  test.each<[string, string, string]>([
    [
      'semicolons',
      `${HEADER}\n${ROW}\n`.replaceAll(',', ';'),
      `${asNextQa(shownHeader(HEADER.replaceAll(',', ';')))}its fields are separated by semicolons; save the file with commas`,
    ],
    [
      'quoted fields and semicolons',
      `"${HEADER.replaceAll(',', '";"')}"\n`,
      'its fields are separated by semicolons; save the file with commas',
    ],
    [
      'tabs',
      `${HEADER}\n${ROW}\n`.replaceAll(',', '\t'),
      `${asNextQa(shownHeader(HEADER.replaceAll(',', '\t')))}its fields are separated by tabs; save the file with commas`,
    ],
    [
      'bars',
      `${HEADER}\n${ROW}\n`.replaceAll(',', '|'),
      `${asNextQa(shownHeader(HEADER.replaceAll(',', '|')))}its fields are separated by bars; save the file with commas`,
    ],
    [
      'CR alone',
      `${HEADER}\r${ROW}\r${ROW}\r`,
      'its lines end in CR alone; save the file with line ends of LF',
    ],
    [
      'CR alone, and a last column that is not needed',
      `${HEADER},note\r${ROW},x\r${ROW},y\r`,
      'its lines end in CR alone; save the file with line ends of LF',
    ],
    [
      'CR alone after the first line',
      `${HEADER}\n${ROW}\r${ROW}\r${ROW}\n`,
      '2: row: expected 13 fields, got 37, and a line end of CR alone; save the file with line ends of LF',
    ],
    [
      "IntentQA's header",
      `${HEADER.replace('video', 'video_id')}\n${ROW}\n`,
      'it has video_id, as files of IntentQA; is the dataset intentqa?',
    ],
    [
      'open-ended questions',
      'video,frame_count,width,height,question,answer,qid,type\n401,369,640,480,who,a man,6,DO\n',
      `${asNextQa('"video,frame_count,width,height,question,answer,qid,type"')}is it a file of another dataset?`,
    ],
    ['no header', `${ROW}\n${ROW}\n`, `${asNextQa(shownHeader(ROW))}is it a file of another dataset?`],
    [
      'a refusal saved as a file',
      '404: Not Found',
      `${asNextQa('"404: Not Found"')}is it a file of another dataset?`,
    ],
  ])('%s: one line', async (_, text, expected) => {
    const problems = await problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
    expect(problems[0]).not.toMatch(/[\r\n\t]/);
  });

  test.each([
    ['answers as texts', Array.from({ length: 30 }, (_, i) => ROW.replace(',0,6,', `,roll,${i},`))],
    ['other types', Array.from({ length: 30 }, (_, i) => ROW.replace(',6,CH,', `,${i},Why,`))],
  ])('a file without a sound sample: the first problem and how many more, %s', async (_, rows) => {
    const problems = await problemsOf([HEADER, ...rows].join('\n'));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      /^2: .*, 29 more problems and no sound sample; is it a file of another dataset\?$/,
    );
    // Beside one sound row each is listed.
    expect(await problemsOf([HEADER, ROW, ...rows.slice(7)].join('\n'))).toHaveLength(23);
  });

  test("STAR's JSON for NExT-QA is one line", async () => {
    const star = {
      video: 'v',
      a0: 'a',
      a1: 'b',
      a2: 'c',
      a3: 'd',
      question: 'q',
      answer: 0,
      start: 1,
      end: 2,
    };
    const items = Array.from({ length: 30 }, (_, i) => ({ ...star, qid: `Interaction_T1_${i}` }));
    const problems = await problemsOf(JSON.stringify(items));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('got "Interaction_T1_0", 59 more problems and no sound sample');
  });

  test("NExT-QA's header for IntentQA", async () => {
    const file = await write(`${HEADER}\n${ROW}\n`);
    await expect(readAnnotations({ dataset: 'intentqa', file })).rejects.toThrow(
      'it has video, as files of NExT-QA; is the dataset nextqa?',
    );
  });

  test('line ends of CR alone, which are shown', async () => {
    const file = await write(`${HEADER}\r${ROW}\r`);
    const error = await readAnnotations({ dataset: 'nextqa', file }).catch((thrown) => thrown);
    expect(error.message).toContain('a4\\r');
    expect(error.message).not.toContain('\r');
  });

  const withSecondRow = (bad: string) => `${HEADER}\n${ROW}\n${bad}\n`;
  const cases: [string, string, string[]][] = [
    [
      '4 options in the row',
      withSecondRow('9,1,1,1,q,0,1,CW,a,b,c,d'),
      ['3: options: expected 5 answer options, got 4 (the row has 12 fields, the header 13)'],
    ],
    [
      'too many fields',
      withSecondRow('9,1,1,1,q,0,1,CW,a,b,c,d,e,f'),
      ['3: row: expected 13 fields, got 14'],
    ],
    ['too few fields', withSecondRow('9,1,1'), ['3: row: expected 13 fields, got 3']],
    [
      'an empty option',
      withSecondRow('9,1,1,1,q,0,1,CW,a,,c,d,e'),
      ['3: options: expected 5 answer options, got 4 (a1 is empty)'],
    ],
    [
      'answer out of range',
      withSecondRow('9,1,1,1,q,5,1,CW,a,b,c,d,e'),
      ['3: answer: expected an integer from 0 to 4, got "5"'],
    ],
    [
      'answer a fraction',
      withSecondRow('9,1,1,1,q,1.0,1,CW,a,b,c,d,e'),
      ['3: answer: expected an integer from 0 to 4, got "1.0"'],
    ],
    [
      'answer negative',
      withSecondRow('9,1,1,1,q,-1,1,CW,a,b,c,d,e'),
      ['3: answer: expected an integer from 0 to 4, got "-1"'],
    ],
    [
      'answer missing in one row',
      withSecondRow('9,1,1,1,q,,1,CW,a,b,c,d,e'),
      ['3: answer: expected an integer from 0 to 4, got an empty field (other rows have an answer)'],
    ],
    [
      'duplicate id',
      withSecondRow(ROW),
      ['3: qid: expected a video and qid used once, got "401_6" again (first on line 2)'],
    ],
    [
      'no question',
      withSecondRow('9,1,1,1, ,0,1,CW,a,b,c,d,e'),
      ['3: question: expected a question, got an empty field'],
    ],
    [
      'no video',
      withSecondRow(',1,1,1,q,0,1,CW,a,b,c,d,e'),
      ['3: video: expected a video id, got an empty field'],
    ],
    [
      'unknown type',
      withSecondRow('9,1,1,1,q,0,1,XX,a,b,c,d,e'),
      ['3: type: expected one of CW, CH, TN, TC, TP, DC, DL, DO, got "XX"'],
    ],
    [
      'missing column',
      `${HEADER.replace('qid', 'question_no')}\n${ROW}\n`,
      [
        '1: qid: expected a column of this name (nextqa), got columns "video,frame_count,width,height,question,answer,question_no,type,a0,a1,a2,a3,a4"',
      ],
    ],
    ['a column twice', `${HEADER},a4\n${ROW},x\n`, ['1: a4: expected one column of this name, got several']],
    ['only a header', `${HEADER}\n`, ['1: rows: expected at least one question, got only the header']],
    ['empty file', '', ['1: header: expected a line of column names, got an empty file']],
    [
      'several, in order, each at its line',
      `${HEADER}\n"9",1,1,1,"two\nlines",0,1,CW,a,b,c,d,e\n9,1,1,1,q,7,2,CW,a,b,c,d,\n8,1,1,1,q,x,2,CW,a,b,c,d,e\n`,
      [
        '4: options: expected 5 answer options, got 4 (a4 is empty)',
        '4: answer: expected an integer from 0 to 4, got "7"',
        '5: answer: expected an integer from 0 to 4, got "x"',
      ],
    ],
  ];
  test.each(cases)('%s', async (_, text, expected) => {
    expect(await problemsOf(text)).toEqual(expected);
  });

  test('a row after quoted line breaks of every kind, and after blank lines', async () => {
    const asks = (question: string, answer: number, qid: number) =>
      ROW.replace('how do they play,0,6', `"${question}",${answer},${qid}`);
    for (const end of ['\n', '\r\n'])
      for (const text of ['a\nb', 'a\r\nb', 'é\r\n\r\nb', 'a\rb', '\nb', '🐕""\r\n'])
        for (const last of ['', end]) {
          const rows = [HEADER, '', asks(text, 0, 1), asks('why', 9, 2), asks(text, 9, 3)];
          const lineOf = (row: number) => rows.slice(0, row).join(end).concat(end).split('\n').length;
          const problems = await problemsOf(rows.join(end) + last);
          expect(problems.map((problem) => Number.parseInt(problem, 10))).toEqual([lineOf(3), lineOf(4)]);
        }
  });

  test('a quote that is never closed', async () => {
    const problem = 'quotes: expected well-formed CSV, got a quote that is never closed';
    expect(await problemsOf(withSecondRow('"9,1,1'))).toEqual([`3: ${problem}`]);
    const others = Array.from({ length: 20 }, (_, i) => ROW.replace(',6,', `,${i + 100},`)).join('\n');
    const long = `9,1,1,1,"é\r\n","unclosed,0,1,CW,a,b,c,d,e\n${others}\n`;
    expect(await problemsOf(withSecondRow(`\n${long}`))).toEqual([`5: ${problem}`]);
  });

  test('rows behind a quote that is never closed, or closed by a later one, are read', async () => {
    const bad = ROW.replace('how', '"how').replace(',6,', ',7,');
    const rows = [ROW, bad, ROW.replace(',6,', ',8,'), ROW.replace('roll', '"ro,ll"').replace(',6,', ',9,')];
    const file = await write([HEADER, ...rows, bad, ROW.replace(',6,', ',10,')].join('\n'));
    const { samples, problems } = await readAnnotations({ dataset: 'nextqa', file, onProblem: () => {} });
    expect(samples.map(({ id }) => id)).toEqual(['401_6', '401_8', '401_9', '401_10']);
    expect(problems.map(({ line }) => line)).toEqual([3, 6]);
    expect(samples[2]?.options[0]).toBe('ro,ll');
  });

  test('sound rows are kept beside bad ones', async () => {
    const file = await write(`${HEADER}\n${ROW}\nbad\n${ROW.replace(',6,', ',7,')}\n`);
    const { samples } = await readAnnotations({ dataset: 'nextqa', file, onProblem: () => undefined });
    expect(samples.map((sample) => sample.id)).toEqual(['401_6', '401_7']);
  });

  test('without a listener the first problem throws, with the number of further ones', async () => {
    const file = await write(`${HEADER}\nbad\nbad\nbad\n`);
    await expect(readAnnotations({ dataset: 'nextqa', file })).rejects.toThrow(
      new DataError(`${file}:2: row: expected 13 fields, got 1 (and 2 more problems in this file)`),
    );
  });

  test('not UTF-8, no file, unknown dataset', async () => {
    const file = await write(
      Buffer.concat([Buffer.from(`${HEADER}\n${ROW}\n401,1,1,1,q`), Buffer.from([0xff, 10])]),
    );
    await expect(readAnnotations({ dataset: 'nextqa', file })).rejects.toThrow(
      `${file}:3: text: expected UTF-8`,
    );
    const none = join(folder, 'none.csv');
    await expect(readAnnotations({ dataset: 'nextqa', file: none })).rejects.toThrow(
      new DataError(`${none}: no such file`),
    );
    await expect(readAnnotations({ dataset: 'mars' as 'nextqa', file })).rejects.toThrow(UsageError);
  });
});

function countTypes(samples: { type: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of samples) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

const nextqaVal = sharedPath('data/nextqa/val.csv');
describeWithShared('published files', ['data/nextqa/val.csv'], () => {
  test('NExT-QA val: 4,996 questions on 570 videos', async () => {
    const { samples } = await readAnnotations({ dataset: 'nextqa', file: nextqaVal as string });
    expect(countTypes(samples)).toEqual({
      CW: 1924,
      CH: 683,
      TN: 895,
      TP: 54,
      TC: 663,
      DC: 177,
      DL: 295,
      DO: 305,
    });
    expect(new Set(samples.map((sample) => sample.video)).size).toBe(570);
    expect(samples[0]?.id).toBe('4010069381_6');
    expect(samples.every((sample) => sample.answer !== undefined)).toBe(true);
  });

  test('NExT-QA train: 34,132 questions in 8 files', async () => {
    let total = 0;
    for (const type of ['CW', 'CH', 'TN', 'TC', 'TP', 'DC', 'DL', 'DO']) {
      const file = sharedPath(`data/nextqa/train_by_type/train_${type}.csv`) as string;
      const { samples } = await readAnnotations({ dataset: 'nextqa', file });
      expect(samples.every((sample) => sample.type === type)).toBe(true);
      total += samples.length;
    }
    expect(total).toBe(34132);
  });

  test('IntentQA val: 2,044 questions, CRLF', async () => {
    const file = sharedPath('data/intentqa/val.csv') as string;
    const { samples } = await readAnnotations({ dataset: 'intentqa', file });
    expect(countTypes(samples)).toEqual({ CW: 1185, CH: 334, TN: 505, TP: 20 });
    expect(new Set(samples.map((sample) => sample.video)).size).toBe(524);
    expect(samples.some((sample) => sample.options.join('').includes('\r'))).toBe(false);
    const asNextQa = readAnnotations({ dataset: 'nextqa', file });
    await expect(asNextQa).rejects.toThrow(`${file}:1: video: expected a column of this name (nextqa)`);
  });
});
