/** NExT-QA, multiple choice (Xiao et al. 2021, github.com/doc-doc/NExT-QA). */
import { choiceRows, choiceWriters } from '../readers/choiceFile.js';
import type { CsvLayout } from '../readers/csv.js';
import type { DatasetRecord } from './dataset.js';

/**
 * The published csv: header `video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4`. Types are causal
 * (why, how), temporal (next, current, previous) and descriptive (count, location, other).
 */
export const NEXTQA_LAYOUT: CsvLayout = {
  dataset: 'nextqa',
  videoColumn: 'video',
  types: ['CW', 'CH', 'TN', 'TC', 'TP', 'DC', 'DL', 'DO'],
  optionCount: 5,
};

/**
 * Accuracies are reported as by the authors' eval_mc.py, which counts TP as TN. `map_vid_vidorID.json`, which says
 * where a video lies, belongs to the video locator (video/locate.ts).
 */
export const nextqa: DatasetRecord = {
  name: NEXTQA_LAYOUT.dataset,
  title: 'NExT-QA',
  splits: { train: 'train.csv', val: 'val.csv', test: 'test.csv' },
  trainQuestions: 34_132,
  rows: (source, log) => choiceRows(source, NEXTQA_LAYOUT, log),
  write: choiceWriters(NEXTQA_LAYOUT),
  types: NEXTQA_LAYOUT.types,
  countsAs: { TP: 'TN' },
  groups: { Cau: ['CW', 'CH'], Tem: ['TN', 'TC'], Des: ['DC', 'DL', 'DO'] },
  addPunctuation: true,
  videoMap: true,
  ownReasoning: false,
  videoColumn: NEXTQA_LAYOUT.videoColumn,
};
