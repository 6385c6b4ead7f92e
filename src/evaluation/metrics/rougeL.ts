/** ROUGE-L of captions (Lin 2004), as COCO's script computes it. */
import { commonLength } from '../../text/overlap.js';
import type { TokenItem } from './bleu.js';

/** Weight of recall against precision. */
const BETA = 1.2;

/**
 * The mean of the items' ROUGE-L, as a fraction. Precision and recall by the longest common subsequence are each the largest
 * over the references, for themselves.
 */
export function rougeL(items: readonly TokenItem[]): number {
  if (items.length === 0) return 0;
  return items.reduce((sum, item) => sum + ofItem(item), 0) / items.length;
}

function ofItem({ candidate, references }: TokenItem): number {
  let precision = 0;
  let recall = 0;
  for (const reference of references) {
    const common = commonLength(candidate, reference);
    if (common === 0) continue;
    precision = Math.max(precision, common / candidate.length);
    recall = Math.max(recall, common / reference.length);
  }
  if (precision === 0 || recall === 0) return 0;
  return ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
}
