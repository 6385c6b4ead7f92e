/** Scores of captions against references, as papers print them. */
import { bleu } from './bleu.js';
import { cider } from './cider.js';
import { captionTokens } from './ptb.js';
import { rougeL } from './rougeL.js';

/** A clip's caption and its one or more references. */
export interface CaptionItem {
  candidate: string;
  references: readonly string[];
}

/**
 * BLEU-1 to BLEU-4, ROUGE-L and CIDEr of one caption a clip, equal to pycocoevalcap on text that is tokenised already; other text
 * goes through {@link captionTokens}. All are times 100, CIDEr after its own times 10: 0.6 of the script is 60. METEOR is left out,
 * since its official program and tables are Java.
 */
export function scoreCaptions(items: readonly CaptionItem[]): Record<string, number> {
  const tokens = items.map(({ candidate, references }) => ({
    candidate: captionTokens(candidate),
    references: references.map(captionTokens),
  }));
  const scores: Record<string, number> = {};
  for (const [i, score] of bleu(tokens).entries()) scores[`BLEU-${i + 1}`] = 100 * score;
  scores['ROUGE-L'] = 100 * rougeL(tokens);
  scores.CIDEr = 100 * cider(tokens);
  return scores;
}
