/**
 * Tells at a glance which sentences cannot name an option. Reading a sentence closely takes some hundred expressions in
 * twenty languages; most sentences of a text have neither an option's letter nor a word for an answer.
 */
import { latinForms } from './languages/forms.js';
import type { Language } from './languages/language.js';
import { LANGUAGES } from './languages.js';
import { CLAIMING_VERBS } from './mentionForms.js';

/** Text that {@link plainText} would change inside a word, or in another script. */
const CHANGED = /[^\n\r\t\x20-\x7E‘’“”–—…•]|[\\<{~]|(?<=[A-Za-z0-9])[*_`"“”]+[A-Za-z0-9]/;
/** A sign that {@link CHANGED} begins with; one class of signs is looked for faster than several. */
const CHANGING = /[^\n\r\t !#-)+-;=-[\]^a-z|}‘’–—…•]/;

/** Words that make a letter of an "A" before them, beside those of `languages/`. */
const BEHIND_LETTER =
  'is|was|would|seems?|appears?|might|may|could|can|cannot|must|should|will|because|since|as|fits?|best|makes?|match\\w*|' +
  `${CLAIMING_VERBS}|` +
  'checks|takes|holds|gets|alone|does|remains|stands|looks|works|applies|wins|being|by|over|rather|instead|than|' +
  'and|or|nor|not|i|we|it|the|correct|right|for|more|most|me|if|to|shows|means|came|comes|then|too|also|has|had';

/** Words that may end a sentence behind its letter: "Therefore, A overall." */
export const LAST_WORDS =
  'after all|then|instead|indeed|for sure|definitely|for me|to me|here|in (?:this|that) case|i (?:think|guess|believe|suppose)|overall|in the end';

/** A letter by itself; the article "a" and the pronoun "I" before a word are none, nor is the "s" of "man's". */
export const LETTER = letter();

function letter(): RegExp {
  const verbs = LANGUAGES.flatMap(({ after, right, notAfter, but, or, not, optionBehind = '' }) => [
    ...[after, right, notAfter, but, or, not, optionBehind],
  ]).filter((field) => field !== '');
  const article = `\\s+(?!(?:${[...new Set(verbs), BEHIND_LETTER, LAST_WORDS].join('|')})(?![a-z]))[a-z]`;
  return new RegExp(
    `(?<![A-Za-z0-9])(?:[B-HJ-Z]|(?<![A-Za-z0-9]['’])[b-z]|A(?!${article})|I(?!\\s+(?!is\\b|was\\b)[a-z])|a(?!\\s+[A-Za-z0-9]))(?!['’]?[A-Za-z0-9])`,
    'u',
  );
}
/** A letter that opens an item of a list, before its mark; and a box to tick, behind which one may stand. */
const ITEM = /(?<![A-Za-z0-9])[A-Z](?=\)?\s*[-.:)|–—=(])/g;
const TICK = /\[[ x]\]/i;

/** Words for an answer, an option and for choosing one, of all languages; compiled once. */
export const WORDS = words();

function words(): RegExp {
  // An option's letter may follow its noun at once; other words are whole ones.
  const open = LANGUAGES.flatMap(({ option, optionBehind = '' }) => [option, optionBehind]);
  const closed = LANGUAGES.flatMap(({ answer, choice, choose }) => [answer, choice, choose]);
  // Where no letter of another script is, a word of one is not either.
  const latin = (fields: string[]) => [...new Set(latinForms(fields))];
  // A test has no use for a condition behind the place, and is slow with it: the words themselves are looked for.
  const words = latin(closed).map((form) => form.replace(/^\(\?<=/, '(?:'));
  return new RegExp(`(?<![a-z0-9])(?:(?:${words.join('|')})(?![a-z0-9])|${latin(open).join('|')})`);
}

/** Whether a text has signs that hide a letter or a word from {@link mayNameOption}. */
export function isChanged(text: string): boolean {
  return CHANGING.test(text) && CHANGED.test(text);
}

/** Whether reading the sentence closely can find an option in it that is named by letter or as an answer. */
export function mayNameOption(sentence: string): boolean {
  return isChanged(sentence) || LETTER.test(sentence) || WORDS.test(sentence.toLowerCase());
}

/**
 * What can name an option without its words: a letter that ends a word, or that a word of grammar is joined to, a digit,
 * a tag, another script.
 */
const MARK = mark();

function mark(): RegExp {
  const joined = latinForms(LANGUAGES.flatMap(({ after, but }) => [after, but]));
  return new RegExp(
    '[^\\n\\x20-\\x7E‘’“”–—…•]|[<\\d]|[A-Z](?![a-z])|[a-z][A-Z]|' +
      `[A-Z](?:${joined.join('|')})(?![a-z])|` +
      "(?<![A-Za-z0-9]|[A-Za-z0-9]['’])[b-z](?![A-Za-z0-9])|(?<![A-Za-z0-9])a(?![A-Za-z0-9]|\\s+[A-Za-z0-9])",
    'u',
  );
}

const PLACE = /\b(?:first|second|third|fourth|fifth|last|one|two|three|four|five)\b/i;

/**
 * Whether a plain sentence may name an option by its letter or its place. Where it does not, only an option's own words
 * can name one: behind a cue ({@link mayCueWords}), or in a conclusion.
 */
export function mayNameByMark(plain: string): boolean {
  return MARK.test(plain) || PLACE.test(plain);
}

/** A noun for an answer where a cue goes on behind it, or an adjective before it, in the Latin languages. */
const NOUN_CUE = nounCue();

function nounCue(): RegExp {
  const forms = (fields: (language: Language) => string[]) => latinForms(LANGUAGES.flatMap(fields));
  const nouns = forms(({ answer, choice }) => [answer, choice]);
  // "Best description": what has to stand before a noun may be the adjective itself, and need not open a word.
  const behind = nouns.filter((form) => form.startsWith('(?<=')).map((form) => form.replace('(?<=', '(?:'));
  const alone = nouns.filter((form) => !form.startsWith('(?<=')).join('|');
  const grades = forms(({ grade }) => [grade]).join('|');
  const more = forms(({ is, of, not }) => [is, of, not]).join('|');
  return new RegExp(
    `(?<![a-z0-9])(?:${alone})(?![a-z0-9])[\\s,]*(?:[:=–—(-]|${grades}|${more})|` +
      `(?:(?:${grades})\\s+(?:${alone})|${behind.join('|')})(?![a-z0-9])`,
    'u',
  );
}

/**
 * Whether a plain sentence that {@link mayNameByMark} does not stop may have a cue that names options by their words:
 * a header, "the answer is", "is the best answer". "To answer the question" is none.
 */
export function mayCueWords(plain: string): boolean {
  return plain.includes('#') || NOUN_CUE.test(plain.toLowerCase());
}

/**
 * Whether the text may judge option by option, which takes two letters that open an item.
 *
 * @param changed whether {@link isChanged} is true of it
 */
export function mayHoldVerdicts(text: string, changed = isChanged(text)): boolean {
  if (changed) return true;
  if (TICK.test(text)) return true;
  const first = text.match(ITEM);
  return first?.some((letter) => letter !== first[0]) ?? false;
}

/** Whether the text has marks that are no prose: tags, JSON, fences, tokens, or a box that nothing parts from a sentence. */
export function mayHoldMarks(text: string): boolean {
  return MARKED.test(text);
}

const MARKED = /[<＜◁[{`~\\]|&lt;|[.!?。！？।"”)]\*\*/;
