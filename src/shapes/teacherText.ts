/** Styles of the teacher's text. */
import type { Rng } from '../base/random.js';
import { optionLetter } from '../data/sample.js';

/**
 * Endings of the teacher's text: every closing phrase of the paper's appendix A.4. `{L}` is the letter, `{T}` the
 * option. `lead` comes before the steps.
 */
interface Ending {
  lead?: string;
  sentence?: string;
  mark?: string;
}

export const ENDINGS: readonly Ending[] = [
  { mark: '###Answer: {L}' },
  { mark: '**Answer**: {L}' },
  { mark: '###Conclusion: The correct answer is {L}.' },
  { mark: '**Conclusion**: The correct answer is {L}.' },
  { lead: '###Answer: {L}\n\n###Detailed Explanation:' },
  { sentence: 'The correct answer is {L}: {T}.' },
  { sentence: 'Thus, the correct answer is {L}.', mark: '###Answer: {L}' },
  { sentence: 'Therefore, the correct answer is {L}: {T}.', mark: '###Answer: {L}' },
  { sentence: 'Based on these observations, the correct answer is {L}.', mark: '###Answer: {L}' },
  {
    sentence: 'Given these observations and the context, the correct answer is {L}.',
    mark: '###Answer: {L}',
  },
];

const INTROS = ['', '', 'Let us look at the frames step by step:\n\n'];

/**
 * A whole answer in one of the teacher's styles: steps that are numbered, bulleted or a paragraph, and an ending
 * that states the option.
 */
export function composeAnswer(
  steps: readonly string[],
  options: readonly string[],
  chosen: number,
  rng: Rng,
): string {
  const ending = rng.pick(ENDINGS);
  const fill = (text: string) => text.replace('{L}', optionLetter(chosen)).replace('{T}', options[chosen]!);
  const parts: string[] = [];
  if (ending.lead !== undefined) parts.push(fill(ending.lead));
  parts.push(layOutSteps(steps, rng));
  if (ending.sentence !== undefined) parts.push(fill(ending.sentence));
  if (ending.mark !== undefined) parts.push(fill(ending.mark));
  return parts.join('\n\n');
}

/** Steps in one of the teacher's styles, some of them introduced. */
export function layOutSteps(steps: readonly string[], rng: Rng): string {
  return rng.pick(INTROS) + layOut(steps, rng);
}

function layOut(steps: readonly string[], rng: Rng): string {
  const style = rng.int(3);
  if (style === 0) return steps.map((step, i) => `${i + 1}. ${step}`).join('\n');
  if (style === 1) return steps.map((step) => `- ${step}`).join('\n');
  return steps.join(' ');
}
