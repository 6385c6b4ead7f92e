/** Whether a text has the form that was asked for. */

import { partsOf } from '../text/tags.js';
import type { Reward } from './reward.js';

/**
 * 1 for a chain of closed parts that begins with `think`, ends with `answer`, and has no two of one kind in a row, with
 * nothing but white space around them; else 0. VITAL does not look at text before and after the chain, and VersaVid-R1 not at
 * text after it: what stands there earns nothing and is never read, so it is refused here.
 */
export function formatOf(text: string): number {
  const parts = partsOf(text);
  if (!parts || parts.length < 2) return 0;
  const tags = parts.map(({ tag }) => tag);
  const isChain = tags[0] === 'think' && tags.at(-1) === 'answer';
  return isChain && tags.every((tag, i) => tag !== tags[i - 1]) ? 1 : 0;
}

export const format = (): Reward => ({ highest: 1, of: ({ text }) => formatOf(text) });
