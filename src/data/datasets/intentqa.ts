/** IntentQA (Li et al. 2023, github.com/JoseponLee/IntentQA): questions about intent, on videos of NExT-QA. */
import { choiceRows, choiceWriters } from '../readers/choiceFile.js';
import type { CsvLayout } from '../readers/csv.js';
import type { DatasetRecord } from './dataset.js';

/**
 * The published csv: as NExT-QA's, but the video column is `video_id` and lines end in CRLF. Why (CW), how (CH) and
 * temporal (TN, TP) questions are the only types in it.
 */
const LAYOUT: CsvLayout = {
  dataset: 'intentqa',
  videoColumn: 'video_id',
  types: ['CW', 'CH', 'TN', 'TP'],
  optionCount: 5,
};

export const intentqa: DatasetRecord = {
  name: LAYOUT.dataset,
  title: 'IntentQA',
  splits: { train: 'train.csv', val: 'val.csv', test: 'test.csv' },
  trainQuestions: 12_119,
  rows: (source, log) => choiceRows(source, LAYOUT, log),
  write: choiceWriters(LAYOUT),
  types: LAYOUT.types,
  groups: { Why: ['CW'], How: ['CH'], Tem: ['TN', 'TP'] },
  addPunctuation: true,
  videoMap: true,
  ownReasoning: false,
  videoColumn: LAYOUT.videoColumn,
};
