/** Multiple-choice questions of a dataset that is published as CSV, and by SeViLA as JSON. */

import type { Row, SampleWriter } from '../datasets/dataset.js';
import type { ProblemLog } from '../problems.js';
import { type TextSource, textOf } from '../textFile.js';
import { type CsvLayout, csvSamples } from './csv.js';
import { csvWriter } from './csvWriter.js';
import { readQuestions } from './jsonQuestions.js';
import { readSevilaQuestion, type SevilaLayout, sevilaKeys, sevilaWriter } from './sevila.js';

/**
 * Reads the questions of either form. In JSON the `qid` is `<type>_<video>_<number>`, and `video` may name a folder
 * too; in both forms a question's id is that of the official prediction files, `<video>_<number>`.
 */
export async function* choiceRows(
  source: TextSource,
  layout: CsvLayout,
  log: ProblemLog,
): AsyncGenerator<Row[]> {
  if (await isJson(source)) yield readSevila(await textOf(source), layout, log);
  else yield* csvSamples(source, layout, log);
}

function readSevila(text: string, layout: CsvLayout, log: ProblemLog): Row[] {
  const sevila = sevilaOf(layout);
  return readQuestions(
    text,
    {
      idField: () => 'qid',
      keys: () => sevilaKeys(sevila),
      read: (item, place, blind) => readSevilaQuestion(item, sevila, place, blind),
    },
    log,
  );
}

const sevilaOf = (layout: CsvLayout): SevilaLayout => ({ ...layout, clips: false, id: sampleId });

/** Writers of both forms. */
export function choiceWriters(layout: CsvLayout): SampleWriter[] {
  return [csvWriter(layout), sevilaWriter(sevilaOf(layout), ({ id, type }) => `${type}_${id}`)];
}

async function isJson(source: TextSource): Promise<boolean> {
  for await (const piece of source.pieces()) {
    const start = /\S/.exec(piece)?.[0];
    if (start !== undefined) return start === '[' || start === '{';
  }
  return false;
}

function sampleId({ video, qid, type }: { video: string; qid: string; type: string }): string {
  const name = video.split('/').at(-1) as string;
  const number = [type, name].reduce(
    (rest, part) => (rest.startsWith(`${part}_`) ? rest.slice(part.length + 1) : rest),
    qid,
  );
  return `${name}_${number}`;
}
