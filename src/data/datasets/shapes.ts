/** The built-in world of coloured shapes (src/shapes): written in NExT-QA's form, reported in its groups. */
import { choiceRows, choiceWriters } from '../readers/choiceFile.js';
import type { DatasetRecord } from './dataset.js';
import { NEXTQA_LAYOUT, nextqa } from './nextqa.js';

const LAYOUT = { ...NEXTQA_LAYOUT, dataset: 'shapes' };

const { trainQuestions: _, ...form } = nextqa;

export const shapes: DatasetRecord = {
  ...form,
  name: LAYOUT.dataset,
  title: 'the shapes world',
  rows: (source, log) => choiceRows(source, LAYOUT, log),
  write: choiceWriters(LAYOUT),
};
