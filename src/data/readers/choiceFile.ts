/** Multiple-choice questions of a dataset that is published as CSV, and by SeViLA as JSON. */

import type { ProblemLog } from '../problems.js';
import type { Sample } from '../sample.js';
import type { CsvLayout } from './csv.js';
import { readQuestions } from './jsonQuestions.js';
import { readSevilaQuestion } from './sevila.js';

/**
 * Reads the questions of either form. In JSON the `qid` is `<type>_<video>_<number>`, and `video` may name a folder
 * too; in both forms a question's id is that of the official prediction files, `<video>_<number>`.
 */
export async function readChoiceFile(text: string, layout: CsvLayout, log: ProblemLog): Promise<Sample[]> {
  if (!/^\s*[[{]/.test(text)) {
    // Imported here: every command loads the records, few read csv, and its parser takes 25 ms to load.
    const { readCsvSamples } = await import('./csv.js');
    return readCsvSamples(text, layout, log);
  }
  const sevila = { ...layout, clips: false, id: sampleId };
  return readQuestions(
    text,
    () => 'qid',
    log,
    (item, place, blind) => readSevilaQuestion(item, sevila, place, blind),
  );
}

function sampleId({ video, qid, type }: { video: string; qid: string; type: string }): string {
  const name = video.split('/').at(-1) as string;
  const number = [type, name].reduce(
    (rest, part) => (rest.startsWith(`${part}_`) ? rest.slice(part.length + 1) : rest),
    qid,
  );
  return `${name}_${number}`;
}
