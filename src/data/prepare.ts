import type { Sample } from './sample.js';

/** Datasets whose published text has no final punctuation. */
const BARE = new Set(['nextqa', 'intentqa', 'shapes']);

/**
 * The question and options as the prompt shows them. For NExT-QA and the datasets in its format the question gets a
 * final "?" and every option a final ".", as in SeViLA's data preparation (`sevila_data/Data Preprocess.ipynb`);
 * text that already ends in punctuation, and STAR's and users' own text, stay as they are. The input is not changed,
 * and preparing twice is preparing once.
 */
export function prepareText(sample: Sample): Sample {
  if (!BARE.has(sample.dataset)) return sample;
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
