/** NExT-OE (Xiao et al. 2021, github.com/doc-doc/NExT-OE): the questions of NExT-QA, answered in free words. */
import { DataError } from '../../base/errors.js';
import { isRecord } from '../../base/values.js';
import { type ProblemLog, shown } from '../problems.js';
import { filesBeside, splitOf } from '../readers/beside.js';
import { type CsvLayout, csvSamples } from '../readers/csv.js';
import { JsonSyntaxError, parseJson, readTextFile, type TextSource } from '../textFile.js';
import type { DatasetRecord, Row } from './dataset.js';

/** The published csv: header `video,frame_count,width,height,question,answer,qid,type`. DB asks yes or no. */
const LAYOUT: CsvLayout = {
  dataset: 'nextoe',
  videoColumn: 'video',
  types: ['CW', 'CH', 'TN', 'TC', 'TP', 'DB', 'DC', 'DL', 'DO'],
  optionCount: 0,
};

export const nextoe: DatasetRecord = {
  name: LAYOUT.dataset,
  title: 'NExT-OE',
  splits: { train: 'train.csv', val: 'val.csv', test: 'test.csv' },
  rows: nextoeRows,
  scoring: 'wups',
  types: LAYOUT.types,
  countsAs: { TP: 'TN' },
  groups: { Cau: ['CW', 'CH'], Tem: ['TN', 'TC'], Des: ['DB', 'DC', 'DL', 'DO'] },
  addPunctuation: true,
  videoMap: true,
  ownReasoning: false,
};

/**
 * Reads the csv. Second answers are taken from `add_reference_answer_<split>.json` in the same folder, `{"<video>": {"<qid>":
 * answer}}`, where it is: the test split has them for its videos.
 */
async function* nextoeRows(source: TextSource, log: ProblemLog): AsyncGenerator<Row[]> {
  const second = await secondAnswers(source.file);
  for await (const rows of csvSamples(source, LAYOUT, log)) {
    for (const { sample } of rows) {
      const other = second.get(sample.id);
      if (other !== undefined && sample.answers) sample.answers.push(other);
    }
    yield rows;
  }
}

async function secondAnswers(file: string): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const found = await filesBeside(file, /^add_reference_answer.*\.json$/i);
  const path = found.find((name) => splitOf(name) === splitOf(file));
  if (path === undefined) return answers;
  const text = await readTextFile(path);
  try {
    const root = parseJson(text);
    if (!isRecord(root)) throw new DataError(`${path}: expected an object by video, got ${shown(root)}`);
    for (const [video, entry] of Object.entries(root))
      for (const [qid, answer] of Object.entries(isRecord(entry) ? entry : {}))
        if (typeof answer === 'string' && answer.trim() !== '') answers.set(`${video}_${qid}`, answer.trim());
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new DataError(`${path}:${error.line}: json: expected answers by video, got ${error.message}`);
  }
  return answers;
}
