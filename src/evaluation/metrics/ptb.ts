/** Captions as tokens, as COCO's scripts prepare both sides of every caption metric. */
import { treebankTokens } from './treebank.js';

/** Tokens that are left out (pycocoevalcap, ptbtokenizer.py); brackets stand for -LRB-, -RRB-, -LCB- and -RCB-. */
const LEFT_OUT = new Set([
  "''",
  "'",
  '``',
  '`',
  '"',
  '(',
  ')',
  '{',
  '}',
  '.',
  '?',
  '!',
  ',',
  ':',
  '-',
  '--',
  '...',
  ';',
]);

/**
 * A caption as lower-case tokens without punctuation, one blank between two. The tokens are those of {@link treebankTokens},
 * which stand in for Stanford's PTBTokenizer.
 */
export function captionTokens(caption: string): string[] {
  return treebankTokens(caption.toLowerCase()).filter((token) => !LEFT_OUT.has(token));
}
