/** What two lists of tokens, or two spans of time, have in common: the measures that metrics and rewards share. */
import type { Span } from '../data/sample.js';

/** How often each n-gram of a list of tokens occurs. */
export function gramCounts(tokens: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let at = 0; at + n <= tokens.length; at++) {
    const gram = n === 1 ? tokens[at]! : tokens.slice(at, at + n).join(' ');
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/** Length of the longest common subsequence, in the memory of one of the two. */
export function commonLength(a: readonly string[], b: readonly string[]): number {
  const row = new Uint32Array(b.length + 1);
  for (const token of a) {
    let diagonal = 0;
    for (let j = 0; j < b.length; j++) {
      const above = row[j + 1]!;
      row[j + 1] = token === b[j] ? diagonal + 1 : Math.max(above, row[j]!);
      diagonal = above;
    }
  }
  return row[b.length]!;
}

/**
 * Intersection over union of two spans, in [0, 1]. The union is the hull, as in 2D-TAN and moment_detr: equal to the true one
 * wherever the spans overlap. A point and a reversed span have an IoU of 0.
 */
export function iou(a: Span, b: Span): number {
  if (!(a[1] > a[0] && b[1] > b[0])) return 0;
  const shared = Math.min(a[1], b[1]) - Math.max(a[0], b[0]);
  return shared <= 0 ? 0 : shared / (Math.max(a[1], b[1]) - Math.min(a[0], b[0]));
}
