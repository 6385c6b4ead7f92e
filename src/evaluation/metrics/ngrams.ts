/** Counts of n-grams, which BLEU and CIDEr compare. */

/** The longest n-gram that BLEU-4 and CIDEr count. */
export const LONGEST = 4;

/** How often each n-gram of 1 to {@link LONGEST} tokens occurs; element n - 1 has those of n tokens. */
export function ngramCounts(tokens: readonly string[]): Map<string, number>[] {
  return Array.from({ length: LONGEST }, (_, i) => {
    const counts = new Map<string, number>();
    for (let at = 0; at + i < tokens.length; at++) {
      const gram = i === 0 ? tokens[at]! : tokens.slice(at, at + i + 1).join(' ');
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    return counts;
  });
}
