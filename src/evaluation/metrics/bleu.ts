/** BLEU of a set of captions (Papineni et al. 2002), with the constants of COCO's script. */
import { LONGEST, ngramCounts } from './ngrams.js';

/** A caption and its references as tokens. */
export interface TokenItem {
  candidate: readonly string[];
  references: readonly (readonly string[])[];
}

/** Added to matches and guesses, so that no precision is 0 or undefined. */
const TINY = 1e-15;
const SMALL = 1e-9;

/**
 * BLEU-1 to BLEU-4 as fractions over all items together: clipped matches and guesses are summed first. Of several references
 * the one whose length is closest to the candidate's counts for brevity, the shorter of two.
 */
export function bleu(items: readonly TokenItem[]): number[] {
  const matches = new Array<number>(LONGEST).fill(0);
  const guesses = new Array<number>(LONGEST).fill(0);
  let length = 0;
  let referenceLength = 0;
  for (const { candidate, references } of items) {
    length += candidate.length;
    referenceLength += closest(
      references.map((reference) => reference.length),
      candidate.length,
    );
    const counts = references.map(ngramCounts);
    for (const [i, grams] of ngramCounts(candidate).entries()) {
      guesses[i]! += Math.max(0, candidate.length - i);
      for (const [gram, count] of grams)
        matches[i]! += Math.min(
          count,
          Math.max(0, ...counts.map((reference) => reference[i]!.get(gram) ?? 0)),
        );
    }
  }
  const ratio = (length + TINY) / (referenceLength + SMALL);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return matches.map((count, i) => {
    product *= (count + TINY) / (guesses[i]! + SMALL);
    return product ** (1 / (i + 1)) * brevity;
  });
}

function closest(lengths: readonly number[], to: number): number {
  let best = lengths[0] ?? 0;
  for (const length of lengths) {
    const further = Math.abs(length - to) - Math.abs(best - to);
    if (further < 0 || (further === 0 && length < best)) best = length;
  }
  return best;
}
