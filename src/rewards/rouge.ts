/** ROUGE between a text and a reference, as Google's rouge_score computes it (Lin 2004), with stemming. */
import { commonLength, gramCounts } from '../text/overlap.js';
import { answerText } from '../text/tags.js';
import { porterStem } from './porter.js';
import type { Reward, RewardSettings } from './reward.js';

/** F of unigrams, of bigrams and of the longest common subsequence, each in [0, 1]. */
export interface Rouge {
  rouge1: number;
  rouge2: number;
  rougeL: number;
}

/** Words of the Latin letters a to z and digits, in lower case; those of more than three letters without their endings. */
export function rougeTokens(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words.map((word) => (word.length > 3 ? porterStem(word) : word));
}

export function rougeOf(text: string, reference: string): Rouge {
  const [own, wanted] = [rougeTokens(text), rougeTokens(reference)];
  return {
    rouge1: sharedGrams(own, wanted, 1),
    rouge2: sharedGrams(own, wanted, 2),
    rougeL: fOf(commonLength(own, wanted), own.length, wanted.length),
  };
}

function sharedGrams(own: readonly string[], wanted: readonly string[], n: number): number {
  const [a, b] = [gramCounts(own, n), gramCounts(wanted, n)];
  let shared = 0;
  for (const [gram, count] of a) shared += Math.min(count, b.get(gram) ?? 0);
  return fOf(shared, Math.max(0, own.length - n + 1), Math.max(0, wanted.length - n + 1));
}

/** The harmonic mean of precision and recall. */
const fOf = (shared: number, own: number, wanted: number): number =>
  shared === 0 ? 0 : (2 * shared) / (own + wanted);

/**
 * Mean of the three with the best of a sample's references, its answers or else its captions (Video-R1's reward for free
 * text); for samples that have any.
 */
export const rouge = ({ tagged }: Pick<RewardSettings, 'tagged'>): Reward => ({
  highest: 1,
  of: ({ sample: { answers, captions }, text }) => {
    const references = answers ?? captions ?? [];
    if (references.length === 0) return null;
    const answer = answerText(text, tagged);
    return Math.max(
      ...references.map((reference) => {
        const { rouge1, rouge2, rougeL } = rougeOf(answer, reference);
        return (rouge1 + rouge2 + rougeL) / 3;
      }),
    );
  },
});
