/** WUPS, NExT-OE's score of free answers (doc-doc/NExT-OE, eval_oe.py and metrics.py): how alike the words of two answers are. */
import { STOPWORDS } from './stopwords.js';
import { treebankTokens } from './treebank.js';
import type { Part, WordNet } from './wordnet.js';

/** Types whose answers are equal or not: yes or no, and counts. */
const EXACT = new Set(['DB', 'DC']);

/** Share that is kept of a similarity below alpha. */
const BELOW = 0.1;

/** An answer, the texts that count as right, and the question's type. */
export interface WupsItem {
  type: string;
  text: string;
  answers: readonly string[];
}

export class Wups {
  private readonly lemmas = new Map<string, readonly string[]>();
  private readonly similarities = new Map<string, number>();

  constructor(private readonly wordnet: WordNet) {}

  /** The score of an answer in [0, 1] at threshold `alpha`, the best over the accepted answers. */
  score({ type, text, answers }: WupsItem, alpha: number): number {
    const own = this.words(text);
    const scores = answers.map((answer) => {
      const other = this.words(answer);
      if (EXACT.has(type)) return own.join(' ') === other.join(' ') ? 1 : 0;
      return Math.min(this.direction(own, other, alpha), this.direction(other, own, alpha));
    });
    return Math.max(0, ...scores);
  }

  /** The product over words of their best match; words that match none are passed over. */
  private direction(words: readonly string[], others: readonly string[], alpha: number): number {
    const best = words.map((word) => Math.max(0, ...others.map((other) => this.alike(word, other, alpha))));
    const matched = best.filter((value) => value > 0);
    return matched.length === 0 ? 0 : matched.reduce((product, value) => product * value, 1);
  }

  private alike(a: string, b: string, alpha: number): number {
    if (a === b) return 1;
    const key = `${a} ${b}`;
    let value = this.similarities.get(key);
    if (value === undefined) {
      value = this.wordnet.similarity(a, b);
      this.similarities.set(key, value);
    }
    return value < alpha ? BELOW * value : value;
  }

  /**
   * The lemmas of a text that are no stop words. The official script has the part of speech of each word from NLTK's tagger; here a
   * word's form, its place and WordNet decide ({@link partOf}), so that single words may get another lemma.
   */
  private words(text: string): readonly string[] {
    const known = this.lemmas.get(text);
    if (known) return known;
    const tokens = treebankTokens(text).map((token) => token.toLowerCase());
    const lemmas = tokens.map((token, i) =>
      this.wordnet.lemma(token, partOf(token, tokens[i - 1], this.wordnet)),
    );
    const words = lemmas.filter((lemma) => !STOPWORDS.has(lemma));
    this.lemmas.set(text, words);
    return words;
  }
}

/** Words behind which a noun stands. */
const BEFORE_NOUNS = new Set(
  'a an the this that these those my your his her its our their s no some any'.split(' '),
);

/** Pronouns and the like, which the tagger takes for no verb, and NLTK's lemmatizer for nouns then. */
const NO_VERBS = new Set('his its as us this thus'.split(' '));

/** Auxiliaries, whose forms WordNet has as nouns too (`does`, `has`, `was`). */
const AUXILIARIES = new Set('is are was were am be been being has have had does do did done'.split(' '));

/**
 * The part of speech of a word in an answer: a verb where it ends in -ing or -ed or is an irregular form of one, unless a noun
 * is due; else a noun, verb, adjective or adverb, the first that WordNet has.
 */
export function partOf(word: string, before: string | undefined, wordnet: WordNet): Part {
  if (AUXILIARIES.has(word)) return 'verb';
  if (NO_VERBS.has(word)) return 'noun';
  const isNoun = wordnet.forms(word, 'noun').length > 0;
  const verbs = wordnet.forms(word, 'verb').filter((form) => form !== word);
  const inflected = verbs.some((form) => !word.startsWith(form)) || /(?:ing|ed)$/.test(word);
  const nounDue = isNoun && before !== undefined && BEFORE_NOUNS.has(before);
  const plural = isNoun && word.endsWith('s');
  if (verbs.length > 0 && inflected && !nounDue && !plural) return 'verb';
  return (
    (['noun', 'verb', 'adj', 'adv'] as const).find((part) => wordnet.forms(word, part).length > 0) ?? 'noun'
  );
}

/** WUPS of a set of answers in percent, at alpha 0 and 0.9. */
export function scoreWups(
  items: readonly WupsItem[],
  wordnet: WordNet,
): { 'WUPS@0': number; 'WUPS@0.9': number } {
  const wups = new Wups(wordnet);
  const mean = (alpha: number) =>
    items.length === 0
      ? 0
      : (100 * items.reduce((sum, item) => sum + wups.score(item, alpha), 0)) / items.length;
  return { 'WUPS@0': mean(0), 'WUPS@0.9': mean(0.9) };
}
