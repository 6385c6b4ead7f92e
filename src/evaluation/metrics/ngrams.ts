/** Counts of n-grams, which BLEU and CIDEr compare. */
import { gramCounts } from '../../text/overlap.js';

/** The longest n-gram that BLEU-4 and CIDEr count. */
export const LONGEST = 4;

/** How often each n-gram of 1 to {@link LONGEST} tokens occurs; element n - 1 has those of n tokens. */
export function ngramCounts(tokens: readonly string[]): Map<string, number>[] {
  return Array.from({ length: LONGEST }, (_, i) => gramCounts(tokens, i + 1));
}
