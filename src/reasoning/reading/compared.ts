/** Which of two options a reply finds the better one: "Box B fits the mug more closely. Box A cuts off its handle." */
import type { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { AGAINST } from '../leaning.js';
import { claimedIn, type Said } from './said.js';
import { spotsIn } from './spots.js';

const BETTER = /\b(?:more|better|best|most|closer|closest|tighter|tightest)\b/i;
/** What may stand before the option as the subject of its sentence. */
const HEAD = /^\W*(?:the )?(?:\p{L}+ )?$/iu;
/** The other side of the comparison stands behind these, and so does the next clause. */
const CLAUSE_END = /[,;:]|\s(?:than|while|whereas|but|and|because|since|as|if|when)\b/i;

/**
 * @returns the one of two options that sentences with a comparison have as their subject, the first sentence among them;
 *   undefined where they disagree
 */
export function comparedIn(
  said: readonly Said[],
  choices: Choices,
): { at: number; index: number } | undefined {
  if (choices.texts.length !== 2) return undefined;
  const found = said.flatMap(({ text, at }) => {
    const index = preferredIn(text, choices);
    return index === undefined ? [] : [{ at: at + text.length, index, start: at }];
  });
  const [first] = found;
  if (!first || first.start !== said[0]?.at || found.some(({ index }) => index !== first.index))
    return undefined;
  return { at: first.at, index: first.index };
}

function preferredIn(sentence: string, choices: Choices): number | undefined {
  const [spot] = spotsIn(sentence, choices);
  if (!spot || !HEAD.test(sentence.slice(0, spot.start)) || /[?？]\s*$/.test(sentence)) return undefined;
  const behind = sentence.slice(spot.end);
  const clause = behind.slice(0, CLAUSE_END.exec(behind)?.index);
  if (!BETTER.test(clause) || denies(clause) || AGAINST.test(clause)) return undefined;
  return claimedIn(sentence.slice(0, spot.end + clause.length), choices).has(spot.index)
    ? spot.index
    : undefined;
}
