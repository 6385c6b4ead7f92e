/** Rows of csv: beside csv-parse, in pieces of any size, and mutated. */
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { csv } from '../../../src/base/csv.js';
import { Rng } from '../../../src/base/random.js';
import { datasetOf, type Row } from '../../../src/data/datasets/index.js';
import { ProblemLog } from '../../../src/data/problems.js';
import { type CsvRow, csvRows } from '../../../src/data/readers/csvRows.js';
import { sourceOf, type TextSource } from '../../../src/data/textFile.js';
import { BYTES } from './bytes.js';

async function rowsOf(source: TextSource): Promise<{ rows: CsvRow[]; log: ProblemLog }> {
  const log = new ProblemLog(source.file);
  const rows: CsvRow[] = [];
  for await (const group of csvRows(source, log)) rows.push(...group);
  return { rows, log };
}

/** A text cut into pieces of up to 7 characters. */
function inPieces(text: string, rng: Rng): TextSource {
  return {
    file: 'pieces.csv',
    async *pieces() {
      for (let at = 0; at < text.length; ) {
        const end = at + 1 + rng.int(7);
        yield text.slice(at, end);
        at = end;
      }
    },
  };
}

const OPTIONS = {
  record_delimiter: ['\r\n', '\n'],
  relax_column_count: true,
  relax_quotes: true,
  skip_empty_lines: true,
};

describe('rows', () => {
  it('are those of csv-parse, in whatever pieces the text comes', async () => {
    const rng = new Rng('rows');
    const alphabet = ['a', 'b', ',', '"', '\n', '\r\n', 'é', '🐕', ' ', ';'];
    for (let round = 0; round < 200; round++) {
      const table = Array.from({ length: 1 + rng.int(5) }, () =>
        Array.from({ length: 3 }, () =>
          Array.from({ length: 1 + rng.int(5) }, () => rng.pick(alphabet)).join(''),
        ),
      );
      const text = csv(table).replaceAll(/\n(?=[^"]*(?:"[^"]*"[^"]*)*$)/g, rng.pick(['\n', '\r\n', '\n\n']));
      const { rows, log } = await rowsOf(inPieces(text, rng));
      expect(log.problems).toEqual([]);
      expect(rows.map(({ fields }) => fields)).toEqual(parse(text, OPTIONS));
      expect(rows.map(({ fields }) => fields)).toEqual(table);
    }
  });

  it.each<[string, string, number[], number[]]>([
    ['a NUL byte', 'h,i\na,\0b\nc,d\n', [1, 3], [2]],
    ['text behind a quoted field', 'h,i\n"a"b,c\nd,e\n', [1, 3], [2]],
    ['a quote that a later line closes', 'h,i\n"a,b\nc,d\n"e",f\ng,h\n', [1, 3, 4, 5], [2]],
    ['a quote that is never closed', 'h,i\na,"b\nc,d\ne,f', [1, 3, 4], [2]],
    ['a NUL byte behind an open quote', 'h,i\na,"b\nc,d\ne,\0\ng,h\n', [1, 3, 5], [2, 4]],
  ])('around %s are read', async (_, text, lines, faults) => {
    const { rows, log } = await rowsOf(sourceOf('x.csv', text));
    expect(rows.map(({ line }) => line)).toEqual(lines);
    expect(log.problems.map(({ line }) => line)).toEqual(faults);
  });

  it('end with a fault in the header, which says when it has other separators', async () => {
    const { rows, log } = await rowsOf(sourceOf('x.csv', '"h";"i"\n"a";"b"\n"c";"d"\n'));
    expect(rows).toEqual([]);
    expect(log.problems).toHaveLength(1);
    expect(log.problems[0]?.got).toContain(
      'its fields are separated by semicolons; save the file with commas',
    );
  });

  it.each([
    ['x', 'row'],
    ['x\r', 'line ends'],
  ])('behind a line of 20 million characters are read: %j', async (filling, field) => {
    const source: TextSource = {
      file: 'long.csv',
      async *pieces() {
        yield 'h,i\n';
        for (let i = 0; i < 20; i++) yield filling.repeat(1_000_000 / filling.length);
        yield '\na,b\n';
      },
    };
    const { rows, log } = await rowsOf(source);
    expect(rows.map(({ line, fields }) => [line, fields[0]])).toEqual([
      [1, 'h'],
      [3, 'a'],
    ]);
    expect(log.problems).toMatchObject([{ line: 2, field }]);
    expect(log.problems[0]!.got.length).toBeLessThan(200);
  });

  it('with a quote that is open for megabytes cost that quote alone', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i},${'y'.repeat(20)}\n`).join('');
    const { rows, log } = await rowsOf(sourceOf('x.csv', `h,i\na,"b\n${lines}`));
    expect(rows).toHaveLength(60_001);
    expect(log.problems).toMatchObject([{ line: 2, got: 'a quote that is never closed' }]);
  });
});

describe('10,000 mutated files', () => {
  const NAMES = ['video', 'question', 'answer', 'qid', 'type', 'a0', 'a1', 'a2', 'a3', 'a4'];
  const TABLE = [
    ['401', 'how do they play', '0', '6', 'CH', 'roll', 'tap', 'strum', 'hit', 'pat'],
    ['401', 'why, and "how"', '4', '7', 'CW', 'a\nb', 'c', 'd', '5" disc', 'e'],
    ['88', 'what now', '2', '0', 'TN', 'jump', 'nod', 'é', 'sit', 'stand'],
    ['9', 'who', '1', '3', 'DO', 'a', 'b', 'c', 'd', 'e'],
  ];
  const HEADER = csv([NAMES]);
  const SOUND = csv(TABLE);

  async function read(dataset: string, text: string): Promise<{ rows: Row[]; log: ProblemLog }> {
    const log = new ProblemLog('x', undefined, false);
    const rows: Row[] = [];
    for await (const group of datasetOf(dataset).rows!(sourceOf('x', text), log)) rows.push(...group);
    return { rows, log };
  }

  function mutated(text: string, rng: Rng): string {
    let result = text;
    for (let n = 1 + rng.int(2); n > 0; n--) {
      const at = rng.int(result.length);
      result = result.slice(0, at) + rng.pick(BYTES) + result.slice(at + rng.int(3));
    }
    return result;
  }

  it('of csv give the samples that csv-parse reads, or a problem', async () => {
    const rng = new Rng('mutated csv');
    let reported = 0;
    for (let round = 0; round < 5000; round++) {
      const text = HEADER + mutated(SOUND, rng);
      const { rows, log } = await read('nextqa', text);
      if (log.count > 0) reported++;
      // No row is lost without a word.
      if (rows.length < TABLE.length) expect(log.count, text).toBeGreaterThan(0);
      const untouched = TABLE.filter((record) => text.includes(csv([record])));
      // Behind a fault that was reported, a row may be the rest of a broken one.
      const firstFault = Math.min(...log.problems.map(({ line }) => line));
      const records = [...recordsOf(text.split('\n').slice(0, firstFault - 1)), ...untouched];
      for (const { sample, line } of rows) {
        if (line! >= firstFault) continue;
        const { video, question, answer, type, options, id } = sample;
        const fields = [video, question, `${answer}`, id.slice(video.length + 1), type, ...options];
        const same = (record: readonly string[]) =>
          record.length === fields.length && record.every((field, i) => meantBy(field, i) === fields[i]);
        expect(records.some(same), `${JSON.stringify(fields)} of ${JSON.stringify(text)}`).toBe(true);
      }
    }
    expect(reported).toBeGreaterThan(1000);
  });

  /** A field as it is read: keys without spaces at their ends, the answer as a number. */
  function meantBy(field: string, column: number): string {
    if (NAMES[column] === 'answer') return `${Number(field)}`;
    return ['video', 'qid', 'type'].includes(NAMES[column]!) ? field.trim() : field;
  }

  /** The records of csv-parse in the most of these lines that it does not give up on. */
  function recordsOf(lines: readonly string[]): string[][] {
    for (let count = lines.length; count > 0; count--) {
      try {
        return parse(`${lines.slice(0, count).join('\n')}\n`, OPTIONS) as unknown as string[][];
      } catch {
        // The last of them is a part of a row, or the fault itself.
      }
    }
    return [];
  }

  const questions = TABLE.map(([video, question, answer, qid, type, ...options]) => ({
    video,
    qid: `${type}_${video}_${qid}`,
    question,
    answer: Number(answer),
    num_option: 5,
    ...Object.fromEntries(options.map((option, i) => [`a${i}`, option])),
  }));
  const samples = TABLE.map(([video, question, answer, qid, type, ...options]) => ({
    ...{ id: `${video}_${qid}`, dataset: 'nextqa', video, question, options, answer: Number(answer), type },
  }));

  it.each([
    ['nextqa', JSON.stringify(questions)],
    ['jsonl', samples.map((sample) => JSON.stringify(sample)).join('\n')],
  ])('of JSON give what is written there, or a problem (%s)', async (dataset, sound) => {
    const rng = new Rng(`mutated ${dataset}`);
    let reported = 0;
    for (let round = 0; round < 2500; round++) {
      const text = mutated(sound, rng);
      const { rows, log } = await read(dataset, text);
      if (log.count > 0) reported++;
      expect(rows.length + log.count, text).toBeGreaterThan(0);
      if (log.count === 0) expect(rows, text).toHaveLength(TABLE.length);
      for (const { sample } of rows)
        for (const written of [sample.question, sample.video, ...sample.options])
          expect(text).toContain(JSON.stringify(written).slice(1, -1));
    }
    expect(reported).toBeGreaterThan(1000);
  });
});
