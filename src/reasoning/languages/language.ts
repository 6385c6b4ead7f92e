/**
 * The words with which a language names an answer. Every field holds alternatives of a regular expression, matched in
 * any case; an empty field matches nothing. `(letter)` below is an option's letter.
 */
export interface Language {
  /** ISO 639-1. */
  code: string;
  /** False where words are written, or particles joined, without spaces. */
  spaced: boolean;
  /** The noun of a given answer: "answer". */
  answer: string;
  /** The noun of a chosen option, in the singular: "option", "choice". */
  choice: string;
  /** Words before a letter wherever one is mentioned, "options", "answer"; and words behind it. */
  option: string;
  optionBehind?: string;
  /** The adjectives of both, before or behind: "correct", "most likely". */
  grade: string;
  /** Between them and the option: "is", "would be". */
  is: string;
  /** Whether "answer (letter)" needs neither "is" nor a colon. */
  bare?: boolean;
  /** Words that may stand before the letter: articles, "most likely". */
  fill: string;
  /** Opens a complement, as in "the answer *to* the question is". */
  of: string;
  /** "I choose (letter)". */
  choose: string;
  /** Follows the letter: "(letter) is correct". */
  right: string;
  /** Follows the letter where it is an option's and no word: "(letter) because". */
  after: string;
  /** Opens a conclusion: "therefore". */
  so: string;
  /** Points at a letter that ends the sentence: "it is (letter)". Too weak to be an answer by itself. */
  points: string;
  /** Negations anywhere in a clause, and right behind the letter. */
  not: string;
  notAfter: string;
  /** "not (letter) *but* (letter)". */
  but: string;
  or: string;
  /** Instead of an option: "none of these". */
  none: string;
  /** Adjectives before the noun that make it some other answer: "another", "first". */
  other: string;
  /** Before the whole of it: "if", "I don't think that". */
  doubt: string;
  /** Marks of a verdict list: "(letter): correct", "(letter): wrong". */
  correct: string;
  wrong: string;
  /** Letters that are words of the language. */
  words: string;
}
