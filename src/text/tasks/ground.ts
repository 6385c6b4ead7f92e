/** The task `ground`: when something happens, as two times in seconds; the first span of several is learned. */
import { readSpan, spanText } from './spanText.js';
import { lacks, type TaskForm, writtenTarget } from './task.js';

/** Times have few tokens: no limit of a recipe cuts them. */
const WHOLE = Number.MAX_SAFE_INTEGER;

export const ground: TaskForm = {
  name: 'ground',
  loss: 'ground',
  template: ({ chat }) =>
    chat
      ? 'The video lasts {duration} seconds.\n{question}\nGive the start and the end of this moment in seconds.'
      : 'The video lasts {duration} seconds. Question: {question} Start and end in seconds:',
  fields: [['{question}']],
  truth: ['spans'],
  target: (sample, tokenizer, place) => {
    const span = sample.spans?.[0];
    if (span === undefined) throw lacks(sample, 'ground', 'spans');
    return writtenTarget(tokenizer, spanText(span), place, WHOLE);
  },
  read: (text) => {
    const span = readSpan(text);
    return { ...(span && { span }), text: text.trim() };
  },
  mainMetric: 'mIoU',
};
