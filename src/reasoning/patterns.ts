/** The patterns of refinement: the paper's list, a wider one, and a recipe's own. */
import { UsageError } from '../base/errors.js';
import type { Header } from './sentences.js';

/**
 * Patterns of the sentences that refinement removes (paper, appendix A.4). The paper lists fixed patterns and says "any
 * sentences that contain the conclusion or predicted answer"; case, scope and marks are not specified, and chosen here:
 *
 * - `###Answer`, `**Answer**`, `###Conclusion`, `**Conclusion**`: the header and everything after it on its line,
 *   up to the next header there. When the line holds nothing else, the answer's next line or the conclusion's next
 *   paragraph goes too.
 * - `###Detailed Explanation`: the header alone. The text after it is the reasoning itself, often in one line, and
 *   without it nothing would be left to learn.
 * - the others: the whole sentence that contains the words anywhere, in any case, through emphasis marks and any
 *   white space.
 */
export interface Pattern {
  /** The paper's wording; statistics are counted under it. */
  name: string;
  /** A header (with its line, see above), or words that remove their sentence. */
  header?: Header;
  /** Matched against a sentence without emphasis marks and with single spaces. */
  words?: RegExp;
  /** A word in lower case that every sentence with these words holds: a glance looks for it before {@link words}. */
  anchor?: string;
}

export const PAPER_PATTERNS: readonly Pattern[] = [
  { name: '###Answer', header: 'answer' },
  { name: '###Conclusion', header: 'conclusion' },
  { name: '###Detailed Explanation', header: 'explanation' },
  { name: 'Thus, the correct answer is', words: /\bthus,? the correct answer is\b/i, anchor: 'correct' },
  {
    name: 'Therefore, the correct answer is',
    words: /\btherefore,? the correct answer is\b/i,
    anchor: 'correct',
  },
  { name: 'The correct answer', words: /\bthe correct answer\b/i, anchor: 'correct' },
  { name: 'Based on these observations', words: /\bbased on these observations\b/i, anchor: 'observations' },
  {
    name: 'Given these observations and the context',
    words: /\bgiven these observations and the context\b/i,
    anchor: 'observations',
  },
];

/** Beyond the paper's list: the same closings in other models' words. Off unless asked for. */
export const WIDE_PATTERNS: readonly Pattern[] = [
  ...PAPER_PATTERNS,
  {
    name: 'Based on the observations',
    words:
      /\b(?:based on|given|from) (?:the|these|those|all|all the|my|our) (?:\w+ )?(?:observations?|analysis|evidence|reasoning|details)\b/i,
  },
  { name: 'In conclusion', words: /\b(?:in conclusion|in summary|to conclude|to summarize|overall),/i },
  {
    name: 'The best answer',
    words: /\b(?:correct|right|best|final|most (?:\w+)) (?:answer|option|choice)\b/i,
  },
];

/** Reasons of removal that are counted beside any patterns. */
export const STATED_ANSWER = 'states an answer';
export const PREDICTED_OPTION = 'predicted option';
export const GROUND_TRUTH = 'ground truth';

/**
 * Patterns from a recipe: the name of a set (`paper`, `wide`) or a list of phrases, each removing the sentences that
 * contain it; a trailing "..." is the paper's way of writing and is ignored.
 *
 * @throws UsageError for an unknown set or an empty phrase.
 */
export function patternsFrom(config: string | readonly string[]): readonly Pattern[] {
  if (config === 'paper') return PAPER_PATTERNS;
  if (config === 'wide') return WIDE_PATTERNS;
  if (typeof config === 'string') {
    throw new UsageError(`unknown pattern set "${config}"; expected paper, wide or a list of phrases`);
  }
  return config.map(phrasePattern);
}

function phrasePattern(phrase: string): Pattern {
  const known = PAPER_PATTERNS.find((pattern) => pattern.name === phrase);
  if (known) return known;
  const words = phrase.replace(/[\s.]+$/, '').trim();
  if (!/[\p{L}\p{N}]/u.test(words)) {
    throw new UsageError(`refinement pattern ${JSON.stringify(phrase)} holds no word; expected a phrase`);
  }
  const escaped = words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+');
  return { name: phrase, words: new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, 'iu') };
}
