/** Final punctuation of questions and options. */
import type { Sample } from './sample.js';

/**
 * The question and options as the prompt shows them: the question gets a final "?" and every option a final ".", as in
 * SeViLA's data preparation for NExT-QA (`sevila_data/Data Preprocess.ipynb`). Text that already ends in punctuation
 * stays as it is. `data.addPunctuation` switches it on, by default for the datasets that need it. The input is not
 * changed, and preparing twice is preparing once.
 */
export function prepareText(sample: Sample): Sample {
  return {
    ...sample,
    question: ending(sample.question, '?'),
    options: sample.options.map((option) => ending(option, '.')),
  };
}

function ending(text: string, mark: '?' | '.'): string {
  // A few published rows end in a space or already in a (full-width) question mark.
  const trimmed = text.trim();
  return /[?.!？]$/u.test(trimmed) ? trimmed : trimmed + mark;
}
