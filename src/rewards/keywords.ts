/**
 * Words of time order, which a description should have, and hedges, which it should not (after VersaVid-R1, with lists of our
 * own). VersaVid-R1 looks for substrings, so that "strengthen" counts as "then"; here whole words count.
 */
import { taskOf } from '../data/sample.js';
import { answerText } from '../text/tags.js';
import type { Reward, RewardSettings } from './reward.js';

const ORDER =
  'first|firstly|second|third|then|next|after|afterwards|after that|before|later|finally|at last|lastly|meanwhile|while|' +
  'during|until|when|once|soon|suddenly|at first|in the end|at the end|in the beginning|at the same time|followed by|' +
  'subsequently|initially|eventually';

const HEDGES =
  'maybe|perhaps|possibly|probably|likely|presumably|apparently|supposedly|seemingly|might|could be|may be|may have|' +
  'might have|could have|seem|seems|seemed|appear to|appears to|appeared to|appear|appears|suggest|suggests|suggesting|' +
  'indicate|indicates|indicating|imply|implies|implying|i think|i guess|i believe|as if|as though|unclear|not sure|' +
  'hard to tell|some kind of|sort of|or something';

const STEP = 0.2;
const HIGHEST = 0.4;

const patterns = (words: string) => words.split('|').map((word) => new RegExp(`\\b${word}\\b`, 'i'));
const ORDER_PATTERNS = patterns(ORDER);
const HEDGE_PATTERNS = patterns(HEDGES);

/** +0.2 for each word of order and at most 0.4; with hedges nothing is earned, and each costs 0.2. */
export function keywordsOf(text: string): number {
  const count = (of: readonly RegExp[]) => of.filter((pattern) => pattern.test(text)).length;
  const hedges = count(HEDGE_PATTERNS);
  return hedges > 0 ? -STEP * hedges : Math.min(HIGHEST, STEP * count(ORDER_PATTERNS));
}

/** {@link keywordsOf} of the answer; for samples that ask for a description. */
export const keywords = ({ tagged }: Pick<RewardSettings, 'tagged'>): Reward => ({
  highest: HIGHEST,
  of: ({ sample, text }) => (taskOf(sample) === 'caption' ? keywordsOf(answerText(text, tagged)) : null),
});
