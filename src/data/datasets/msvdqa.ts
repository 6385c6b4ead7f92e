/** MSVD-QA (Xu et al. 2017): questions of one-word answers, made from captions. */
import { QUESTION_WORDS, readOpenQuestions } from '../readers/openQuestions.js';
import { textOf } from '../textFile.js';
import type { DatasetRecord } from './dataset.js';

export const msvdqa: DatasetRecord = {
  name: 'msvdqa',
  title: 'MSVD-QA',
  splits: { train: 'train_qa.json', val: 'val_qa.json', test: 'test_qa.json' },
  trainQuestions: 30_933,
  async *rows(source, log) {
    yield readOpenQuestions(await textOf(source), 'msvdqa', 'vid', log);
  },
  types: QUESTION_WORDS,
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: false,
};
