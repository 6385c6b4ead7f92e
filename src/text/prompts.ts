/** Prompts and targets as text. */
import { DataError, UsageError } from '../base/errors.js';
import { optionLetter, type Sample } from '../data/sample.js';

/**
 * The prompt of SeViLA's answerer, the closest public ancestor (mc_video_vqa_datasets.py:85-100); the paper does not
 * print its own. `{options}` becomes `Option A: <a0> Option B: <a1> ...`, and `{choices}` a line `A. <a0>` for each.
 */
export const DEFAULT_QA_TEMPLATE =
  'Question: {question} {options} Considering the information presented in the frame, select the correct answer from the options.';

const PLACEHOLDER = /\{(\w*)\}/g;

/**
 * The prompt's text for a question; question and options as the sample has them. Not every template has options.
 *
 * @param duration of the video in seconds, for a template with `{duration}`
 */
export function qaPrompt(
  sample: Pick<Sample, 'question' | 'options'>,
  template: string = DEFAULT_QA_TEMPLATE,
  duration = '',
): string {
  const options = sample.options.map((text, i) => `Option ${optionLetter(i)}: ${text}`).join(' ');
  const choices = sample.options.map((text, i) => `${optionLetter(i)}. ${text}`).join('\n');
  const values: Record<string, string> = { question: sample.question, options, choices, duration };
  // One pass with a function: a question may itself contain "{options}" or "$&".
  return template.replace(PLACEHOLDER, (_, name: string) => values[name]!);
}

/**
 * The 0-based option that a sample's answer is.
 *
 * @throws DataError when the sample has no answer or one out of range.
 */
export function answerOf(sample: Pick<Sample, 'id' | 'options' | 'answer'>): number {
  const { answer, options } = sample;
  if (answer === undefined) {
    throw new DataError(`sample ${sample.id}: has no answer, so it cannot be trained on or scored`);
  }
  if (!Number.isInteger(answer) || answer < 0 || answer >= options.length) {
    throw new DataError(
      `sample ${sample.id}: answer ${answer} is out of range, expected 0 to ${options.length - 1}`,
    );
  }
  return answer;
}

/** The decoder's reasoning target; empty when the sample has none. */
export function reasoningTarget(sample: Pick<Sample, 'reasoning'>): string {
  return sample.reasoning?.trim() ?? '';
}

/**
 * The text before the queries of frame `i`, counted from 1: `Frame 1: `.
 *
 * @throws UsageError when the template has no {i}.
 */
export function framePrefix(i: number, template = 'Frame {i}: '): string {
  if (!template.includes('{i}'))
    throw new UsageError(`video.template: expected {i} for the frame's number, got "${template}"`);
  return template.replace('{i}', String(i));
}
