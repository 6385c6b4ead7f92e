/** The task `grounded-choice`: an option, then when its evidence is seen: `Option C 3.2 to 7.8 seconds`. */
import { parseAnswer } from '../answers.js';
import { answerOf } from '../prompts.js';
import { spanText, splitSpan } from './spanText.js';
import { lacks, spaced, type TaskForm } from './task.js';

export const groundedChoice: TaskForm = {
  name: 'grounded-choice',
  loss: 'grounded-choice',
  template: ({ chat }) =>
    chat
      ? "The video lasts {duration} seconds.\n{question}\n{choices}\nAnswer with the option's letter, then the start and the end of its moment in seconds."
      : 'The video lasts {duration} seconds. Question: {question} {options} Select the correct answer from the options, then its start and end in seconds.',
  fields: [['{question}'], ['{options}', '{choices}']],
  truth: ['answer', 'spans'],
  target: (sample, tokenizer, place) => {
    const option = tokenizer.answerIds(answerOf(sample), place).slice(0, -1);
    const span = sample.spans?.[0];
    if (span === undefined) throw lacks(sample, 'grounded-choice', 'spans');
    const times = tokenizer.encode(spaced(tokenizer, spanText(span)), { addEos: true });
    return { ids: [...option, ...times], truncated: false };
  },
  read: (text, { options }) => {
    const { span, rest } = splitSpan(text);
    const prediction = parseAnswer(rest, options.length);
    return { ...(prediction !== undefined && { prediction }), ...(span && { span }), text: text.trim() };
  },
  mainMetric: 'Acc@GQA',
};
