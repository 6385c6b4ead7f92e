/** The option of a reply's first sentence, where the rest explains it: "It runs in slow motion. This is evident from ...". */
import type { Choices } from '../choices.js';
import { briefIn } from './brief.js';
import type { Said } from './said.js';

/** Ties a sentence to the claim before it, as what that claim is drawn from. */
const EXPLAINS =
  /^\W*(?:this|that|which)\s+(?:(?:conclusion|inference|deduction|determination|judge?ment|observation|assessment|answer)\s+)?(?:is|was|can be|could be)\s+(?:\w+ly\s+)?(?:evident|evidenced|clear|apparent|obvious|visible|seen|shown|indicated|inferred|determined|deduced|concluded|derived|drawn|observed|observable|suggested|supported|confirmed|demonstrated|implied|noticeable|based|because|due to|consistent with)\b/i;

/** Opens a conclusion, which has the last word wherever it stands. */
const LATER =
  /^\W*(?:so|therefore|thus|hence|consequently|overall|in (?:conclusion|summary|short)|to (?:conclude|sum up)|but|however)\b/i;

/**
 * @returns the one option that the first sentence claims, at its end; undefined where the second does not explain it, or
 *   a later conclusion claims another
 */
export function openingIn(
  said: readonly Said[],
  choices: Choices,
): { end: number; index: number } | undefined {
  const [first, second] = said;
  if (!first || !second || !EXPLAINS.test(second.text) || /[?？]/.test(first.text)) return undefined;
  const [index = briefIn(first.text, choices, true)] = first.options;
  if (index === undefined || first.options.size > 1) return undefined;
  const against = said.some(
    ({ text, options }) => LATER.test(text) && [...options].some((option) => option !== index),
  );
  return against ? undefined : { end: first.at + first.text.length - 1, index };
}
