/** The task `open`: a question whose answer is written; the first of the accepted texts is learned. */
import { lacks, type TaskForm, writtenTarget } from './task.js';

export const open: TaskForm = {
  name: 'open',
  loss: 'open',
  template: ({ openTemplate }) => openTemplate,
  fields: [['{question}']],
  truth: ['answers'],
  target: (sample, tokenizer, place, limit) => {
    const text = sample.answers?.[0];
    if (text === undefined) throw lacks(sample, 'open', 'answers');
    return writtenTarget(tokenizer, text.trim(), place, limit);
  },
  read: (text) => ({ text: text.trim() }),
  mainMetric: 'accuracy',
};
