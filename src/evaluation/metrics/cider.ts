/** CIDEr-D of a set of captions (Vedantam et al. 2015), as COCO's script computes it. */
import type { TokenItem } from './bleu.js';
import { LONGEST, ngramCounts } from './ngrams.js';

/** Width of the penalty for a length that differs from the reference's. */
const SIGMA = 6;

/** A text as tf-idf weights of its n-grams, with their norms by n, and its length. */
interface Vector {
  weights: Map<string, number>[];
  norms: number[];
  length: number;
}

/**
 * The mean of the items' CIDEr-D, times 10 as the script prints it. An n-gram weighs by the number of items whose references
 * hold it, so that a set of one item, where every n-gram is in all of them, has 0.
 */
export function cider(items: readonly TokenItem[]): number {
  if (items.length === 0) return 0;
  const references = items.map((item) => item.references.map(ngramCounts));
  const frequency = documentFrequency(references);
  const vectorOf = (counts: readonly Map<string, number>[]) =>
    vector(counts, frequency, Math.log(items.length));
  const scores = items.map(({ candidate }, i) => {
    const own = vectorOf(ngramCounts(candidate));
    const sum = references[i]!.reduce((total, counts) => total + similarity(own, vectorOf(counts)), 0);
    return (10 * sum) / references[i]!.length;
  });
  return scores.reduce((sum, score) => sum + score, 0) / items.length;
}

/** In how many items a reference holds each n-gram. */
function documentFrequency(references: readonly (readonly Map<string, number>[][])[]): Map<string, number> {
  const frequency = new Map<string, number>();
  for (const ofItem of references) {
    const held = new Set(ofItem.flatMap((counts) => counts.flatMap((grams) => [...grams.keys()])));
    for (const gram of held) frequency.set(gram, (frequency.get(gram) ?? 0) + 1);
  }
  return frequency;
}

function vector(
  counts: readonly Map<string, number>[],
  frequency: ReadonlyMap<string, number>,
  logItems: number,
): Vector {
  const norms = new Array<number>(LONGEST).fill(0);
  const weights = counts.map((grams, i) => {
    const weighted = new Map<string, number>();
    for (const [gram, count] of grams) {
      const weight = count * (logItems - Math.log(Math.max(1, frequency.get(gram) ?? 0)));
      weighted.set(gram, weight);
      norms[i]! += weight ** 2;
    }
    return weighted;
  });
  // The script takes the number of bigrams for the length.
  const length = [...counts[1]!.values()].reduce((sum, count) => sum + count, 0);
  return { weights, norms: norms.map(Math.sqrt), length };
}

/** The mean over n of the clipped cosines of a candidate with one reference, less the penalty for its length. */
function similarity(candidate: Vector, reference: Vector): number {
  const penalty = Math.exp(-((candidate.length - reference.length) ** 2) / (2 * SIGMA ** 2));
  let sum = 0;
  for (let i = 0; i < LONGEST; i++) {
    const norm = candidate.norms[i]! * reference.norms[i]!;
    if (norm === 0) continue;
    let product = 0;
    for (const [gram, weight] of candidate.weights[i]!) {
      const other = reference.weights[i]!.get(gram) ?? 0;
      product += Math.min(weight, other) * other;
    }
    sum += product / norm;
  }
  return (penalty * sum) / LONGEST;
}
