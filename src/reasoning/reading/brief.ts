/**
 * The option of a reply of one sentence, or of a concluding one, whose words stand there in any order and with others
 * between: "wipe the mouth of the baby" for "wipe baby's mouth", "The shirt is black in color." for "black".
 */
import type { Choices } from '../choices.js';
import { wordsIn } from '../plain.js';
import { isSmall, PLACING, rootOf } from '../roots.js';
import { SUPPLETIVE, stemsOf } from '../stems.js';
import { claimed, type Spot } from './claims.js';
import { asNumber, isCommon, isNumber } from './spots.js';

/** A word of the sentence that belongs to an option. */
interface Word extends Spot {
  root: string;
  /** Its place among the sentence's words. */
  place: number;
}

/** At most so many other words stand between those of an option. */
const BETWEEN = 5;

/**
 * @param whole whether the sentence is the reply, in which an option of one word may stand anywhere
 * @returns the one option all of whose words the sentence claims; undefined when another has them too, and when they
 *   stand in a clause of time, in a relative one, or in what a cause is given for
 */
export function briefIn(sentence: string, choices: Choices, whole: boolean): number | undefined {
  const wanted = choices.texts.map((_, i) => choices.tellingOf(i));
  if (wanted.flat().some(isNumber)) return undefined;
  const found = oneIn(sentence, wanted, whole);
  if (found !== undefined || !whole || !PRONOUN.test(sentence)) return found;
  // "He pushes it" among options that push, pull and lift the cart: the pronoun stands for the words they share.
  const shared = (root: string) => wanted.filter((forms) => forms[0]?.includes(root)).length > 1;
  return oneIn(
    sentence,
    wanted.map((forms) => forms.map((roots) => roots.filter((root) => !shared(root)))),
    whole,
  );
}

const PRONOUN = /\b(?:it|them|him|her)\b/i;

function oneIn(
  sentence: string,
  wanted: readonly (readonly string[][])[],
  whole: boolean,
): number | undefined {
  const named = wordsOf(sentence, wanted.flat(2));
  // What no words of the sentence hold, those that it claims do not either.
  const stands = (roots: readonly string[]) =>
    roots.length > 1 || whole || named.some((word) => same(word.root, roots[0]!) && isNamed(sentence, word));
  const may = (roots: readonly string[]) => roots.length > 0 && holds(named, roots) && stands(roots);
  if (!wanted.some((forms) => forms.some(may))) return undefined;
  const words = claimed(sentence, named);
  const full = wanted.flatMap((forms, index) => {
    const form = forms.find((roots) => roots.length > 0 && !isCommon(roots) && holds(words, roots));
    const said = words.filter(({ root }) => form?.some((own) => same(own, root)));
    return form && said.some(({ start }) => !isAside(sentence, start)) ? [{ index, form, said }] : [];
  });
  const widest = full.filter(
    ({ form }) => !full.some((other) => other.form.length > form.length && within(form, other.form)),
  );
  const [only] = widest;
  if (!only || widest.length > 1) return undefined;
  // "She runs to both of them" says more than "run" where another option is "run to mother".
  const more = wanted.some((forms) =>
    forms.some((form) => form.length > only.form.length && within(only.form, form)),
  );
  if (more && stemsOf(sentence).length > only.form.length + 1) return undefined;
  const [first] = only.said as [Word];
  const single = only.form.length > 1 || isNamed(sentence, first) || (whole && singleStands(sentence, first));
  return single ? only.index : undefined;
}

/** Whether a sentence has all telling words of an option, in any order, or a place: a quick look before it is read. */
export function mayHoldOption(sentence: string, option: number, choices: Choices): boolean {
  const lower = sentence.toLowerCase();
  if (lower.includes('one') && PLACED.test(lower)) return true;
  const words = BEYOND_LETTERS.test(lower) ? wordsIn(lower) : undefined;
  return choices
    .tellingOf(option)
    .some((form) => form.every((own) => holdsRoot(lower, asNumber(own), words)));
}

const PLACED = /\b(?:first|second|third|fourth|fifth|last)\s+one\b/;

/** Signs of words that may have another first letter than their root: "4" is "four". */
const BEYOND_LETTERS = /[\d\u0080-\uFFFF]/;

/**
 * Whether a word of a text in lower case has the root. Where words keep their first letters, only those with its own count.
 *
 * @param words all of them, where they do not
 */
function holdsRoot(lower: string, own: string, words?: readonly string[]): boolean {
  if (words !== undefined || SUPPLETIVE.has(own))
    return (words ?? wordsIn(lower)).some((word) => same(own, asNumber(rootOf(word))));
  const first = own[0] as string;
  for (let at = lower.indexOf(first); at >= 0; at = lower.indexOf(first, at + 1)) {
    if (at > 0 && isAsciiWord(lower.charCodeAt(at - 1))) continue;
    let end = at + 1;
    while (end < lower.length && isAsciiWord(lower.charCodeAt(end))) end++;
    if (same(own, rootOf(lower.slice(at, end)))) return true;
  }
  return false;
}

const isAsciiWord = (code: number) => (code >= 97 && code <= 122) || (code >= 48 && code <= 57);

const WORD = /[\p{L}\p{M}\p{N}]+/gu;

/** The words of `sentence` that an option has. */
function wordsOf(sentence: string, roots: readonly string[]): Word[] {
  let place = 0;
  return [...sentence.matchAll(WORD)].flatMap((match): Word[] => {
    const word = match[0].toLowerCase();
    const root = rootOf(word);
    if (isSmall(word) || PLACING.has(root)) return [];
    place++;
    if (!roots.some((own) => same(own, root))) return [];
    return [{ root, place, start: match.index, end: match.index + match[0].length, index: 0 }];
  });
}

/** Whether `words` hold all `roots` near each other. */
function holds(words: readonly Word[], roots: readonly string[]): boolean {
  return words.some(({ place: first }) => {
    const near = words.filter(({ place }) => place >= first && place < first + roots.length + BETWEEN);
    return roots.every((root) => near.some((word) => same(root, word.root)));
  });
}

const within = (roots: readonly string[], others: readonly string[]) =>
  roots.every((root) => others.some((other) => same(root, other)));

/** Equal roots, or long ones that differ in one letter: "stablize" and "stabilize". */
function same(one: string, other: string): boolean {
  if (one === other) return true;
  if (one.length < 6 || other.length < 6 || one[0] !== other[0] || Math.abs(one.length - other.length) > 1)
    return false;
  let from = 0;
  while (from < Math.min(one.length, other.length) && one[from] === other[from]) from++;
  const [rest, behind] = [one.slice(from), other.slice(from)];
  return rest.slice(1) === behind.slice(1) || rest === behind.slice(1) || rest.slice(1) === behind;
}

const CAUSE = '(?:because|since|in order to|so that|so as to|due to|owing to|thanks to)';
/** Opens a clause that says when or of whom; it ends with its own comma. */
const ASIDE =
  /\b(?:after|before|when|while|once|during|until|if|who|whose|whom|which|where|although|though|despite|like|as if|next to|in front of|on top of|near|beside|behind|without)\b/i;
const CAUSE_OPENS = new RegExp(`\\b(?:${CAUSE}|therefore|thus|hence|which is why|that is why)\\b`, 'i');
const CAUSE_BEHIND = new RegExp(`\\b${CAUSE}\\b`, 'i');

/** Whether a place stands in a clause of time or a relative one, or before the cause that the sentence gives. */
function isAside(sentence: string, at: number): boolean {
  const before = sentence.slice(0, at);
  const clause = before.slice(Math.max(0, before.search(/[,;:][^,;:]*$/)));
  return ASIDE.test(clause.split(CAUSE_OPENS).at(-1) as string) || CAUSE_BEHIND.test(sentence.slice(at));
}

/** "Happy is the option that best fits." */
const isNamed = (sentence: string, { start, end }: Word) =>
  /^\W*(?:(?:overall|so|thus|hence|therefore),? )?(?:the |to )?$/i.test(sentence.slice(0, start)) &&
  /^\W*(?:is|was|would be|seems|must be) (?:the|my) (?:\p{L}+ )?(?:option|answer|reason|choice|explanation|one|purpose|description)\b/iu.test(
    sentence.slice(end),
  );

/** Whether an option of one word stands behind the sentence's verb, is its subject or most of it. */
function singleStands(sentence: string, { start, end, place }: Word): boolean {
  const before = sentence.slice(0, start);
  return (
    (place <= 2 && sentence.length < 24) ||
    VERB.test(before) ||
    SUBJECT.test(before) ||
    (SUBJECT.test(before.slice(before.search(/[,;][^,;]*$/) + 1)) && OBJECT.test(sentence.slice(end))) ||
    (/^\W*(?:(?:the|an?) )?$/i.test(before) && VERB_NEXT.test(sentence.slice(end)))
  );
}

/** "He slips on the floor", "The bird flies over the lake". */
const SUBJECT = /^\W*(?:he|she|it|they|(?:the|an?) (?:\p{L}+ )?\p{L}+) $/iu;

/** "..., he pushes it". */
const OBJECT = /^\s+(?:it|them|him|her)\b/i;

/** "Father is the tallest." */
const VERB_NEXT = /^\s+(?:is|are|was|were|has|had|does|did|\p{L}{2,}[^su\W]s)\s/iu;

const VERB =
  /(?:\b(?:is|are|was|were|am|be|been|has|have|had|does|did|felt|went|took|\p{L}{2,}(?:ed|[^su\W]s))|['’]s)\s/iu;
