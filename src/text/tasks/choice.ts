/** The task `choice`: one of the options, by its letter. */
import { parseAnswer } from '../answers.js';
import { answerOf, DEFAULT_QA_TEMPLATE } from '../prompts.js';
import type { TaskForm } from './task.js';

export const choice: TaskForm = {
  name: 'choice',
  loss: 'qa',
  template: () => DEFAULT_QA_TEMPLATE,
  fields: [['{question}'], ['{options}', '{choices}']],
  truth: ['answer'],
  target: (sample, tokenizer, place) => ({
    ids: tokenizer.answerIds(answerOf(sample), place),
    truncated: false,
  }),
  read: (text, { options }) => {
    const prediction = parseAnswer(text, options.length);
    return prediction === undefined ? {} : { prediction };
  },
  mainMetric: 'accuracy',
};
