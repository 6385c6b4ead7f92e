/** The task `caption`: a description; the first of the references is learned. */
import { lacks, type TaskForm, writtenTarget } from './task.js';

export const caption: TaskForm = {
  name: 'caption',
  loss: 'caption',
  // The question of a caption sample is an instruction already.
  template: () => '{question}',
  fields: [],
  truth: ['captions'],
  target: (sample, tokenizer, place, limit) => {
    const text = sample.captions?.[0];
    if (text === undefined) throw lacks(sample, 'caption', 'captions');
    return writtenTarget(tokenizer, text.trim(), place, limit);
  },
  read: (text) => ({ text: text.trim() }),
  // Bounded by 100, as CIDEr is not.
  mainMetric: 'ROUGE-L',
};
