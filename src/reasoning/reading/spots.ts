/** Finds options in a plain sentence by their own words, in any form of them. */

import type { Choices } from '../choices.js';
import { matchesOf } from '../matches.js';
import { isAscii } from '../plain.js';
import { isSmall, rootOf } from '../roots.js';
import type { Spot } from './claims.js';
import { nearBefore } from './sentenceAt.js';

/** Options of these words alone answer a question as a whole reply, and are too common to be looked for inside one. */
const COMMON = new Set(['no', 'not', 'yes', 'sure', 'none', 'unknown', 'maybe', 'other', 'nothing', 'all']);

export function isCommon(roots: readonly string[]): boolean {
  return roots.every((root) => COMMON.has(root));
}

const NUMBER_WORDS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'.split(
    ' ',
  );
const NUMBERS = NUMBER_WORDS.map(rootOf);

export function isNumber(roots: readonly string[]): boolean {
  const root = asNumber(roots[0] ?? '');
  return roots.length === 1 && (/^\d{1,6}$/.test(root) || NUMBERS.includes(root));
}

/** A number behind these counts nothing that a question asks for. */
const NUMBERED =
  /\b(?:frames?|steps?|options?|choices?|scenes?|clips?|figures?|numbers?|seconds?|at|no\.|#|this|that|which|every|each|no)\s*$/i;
const PART = /^\s+(?:of|by|more|another|who|which)\b/i;
/** "one with a hat" is one of them. */
const ONE_OF_THEM = /^\s+(?:with|in|on|at|has|is|wearing|holding|side|hand|after)\b/i;

/** "Three of the five dogs": which of both a question counts is left open. */
const OUT_OF = new RegExp(
  `\\b(?:\\d+|${NUMBER_WORDS.join('|')})\\s+(?:out\\s+)?of\\s+(?:the\\s+|these\\s+|those\\s+|all\\s+)?$`,
  'i',
);

/** Where a clause may end behind an option of one word: "he talks because ...", but not "he talks to her". */
const CLOSES =
  /^[)\]]?\s*(?:$|[.,;:!?)\n–—-]|(?:because|since|as|which|while|rather|instead|over|than|and not|not|only|alone|option|in (?:this|the|all|every|each) (?:video|clip|frames?)|fits|matches|describes|comes closest|best \w+s|seems|would be|is (?:the (?:most|best|only|correct|right|(?:\w+ )?(?:option|answer|choice|explanation|description|reason))|correct|right))\b)/i;

interface Token {
  root: string;
  start: number;
  end: number;
}

interface Wanted {
  /** The options' roots, numbers as words. */
  roots: readonly string[][];
  /** Whether several options are numbers. */
  counts: boolean;
}

const WANTED = new WeakMap<Choices, Wanted>();

/** What is looked for in every sentence; made once for a question. */
function wantedOf(choices: Choices): Wanted {
  const known = WANTED.get(choices);
  if (known) return known;
  const roots = choices.texts.map((_, i) => choices.rootsOf(i).map(asNumber));
  const wanted = { roots, counts: roots.filter(isNumber).length > 1 };
  WANTED.set(choices, wanted);
  return wanted;
}

/** The options whose words follow each other in `sentence`, the longest at each place. */
export function spotsIn(sentence: string, choices: Choices): Spot[] {
  const { roots, counts } = wantedOf(choices);
  const tokens = tokensOf(sentence, counts);
  const found: Spot[] = [];
  for (let at = 0; at < tokens.length; ) {
    const spot = longestAt(sentence, tokens, at, roots, counts);
    if (spot) found.push(spot);
    at += spot ? (roots[spot.index] as string[]).length : 1;
  }
  return counts ? withoutParts(sentence, withoutOperands(sentence, found)) : found;
}

/** The words of a sentence that tell something. */
function tokensOf(sentence: string, counts: boolean): Token[] {
  const tokens: Token[] = [];
  for (const match of sentence.matchAll(isAscii(sentence) ? ASCII_WORD : WORD)) {
    const word = match[0].toLowerCase();
    if (isSmall(word)) continue;
    const root = counts ? asNumber(rootOf(word)) : rootOf(word);
    tokens.push({ root, start: match.index, end: match.index + match[0].length });
  }
  return tokens;
}

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const ASCII_WORD = /[A-Za-z0-9]+/g;

/** Without what stands before the last "=", where a number stands behind it: "3 x 12 = 36". */
function withoutOperands(sentence: string, spots: Spot[]): Spot[] {
  const equals = sentence.lastIndexOf('=');
  const results = spots.filter(({ start }) => start > equals);
  return results.length > 0 ? results : spots;
}

const COUNTED = new RegExp(`\\b(?:(\\d{1,6})|(${NUMBER_WORDS.join('|')})|(another(?: one)?))\\b`, 'gi');

/**
 * Without the numbers that a count is made of: "two pandas: one eats, another climbs", "one here and one there, so two",
 * "one, two, three".
 */
function withoutParts(sentence: string, spots: Spot[]): Spot[] {
  const counted = matchesOf(sentence, COUNTED).filter(
    ({ index }) => !NUMBERED.test(nearBefore(sentence, index)),
  );
  const numbers = counted.map((match) => {
    const [, digits, word] = match;
    const value = digits ? Number(digits) : word ? NUMBER_WORDS.indexOf(word.toLowerCase()) : 1;
    return { at: match.index, value };
  });
  if (numbers.length < 3) return spots;
  const values = numbers.map(({ value }) => value);
  const [first, last] = [values[0] as number, values.at(-1) as number];
  const sum = values.reduce((total, value) => total + value, 0);
  const listed = values.every((value, i) => value === i + 1);
  const whole =
    last === sum - last || listed ? numbers.at(-1) : first === sum - first ? numbers[0] : undefined;
  return whole ? spots.filter(({ start }) => start === whole.at) : spots;
}

/** The options that are named by their place: "the first option", "the last one", "option three". */
export function placesIn(sentence: string, choices: Choices): Spot[] {
  return matchesOf(sentence, PLACE)
    .filter((match) => !TOLD.test(sentence.slice(match.index + match[0].length)))
    .flatMap((match) => {
      const index = choices.ordinalAt(match[0]);
      return index === undefined ? [] : [{ start: match.index, end: match.index + match[0].length, index }];
    });
}

const PLACE =
  /\bthe\s+(?:first|second|third|fourth|fifth|last)\s+(?:option|choice|answer|one)\b|\b(?:option|choice|answer)\s+(?:one|two|three|four|five)\b/gi;

/** Digits as words, so that "4" is "four". */
export function asNumber(root: string): string {
  return /^\d{1,2}$/.test(root) ? (NUMBERS[Number(root)] ?? root) : root;
}

function longestAt(
  sentence: string,
  tokens: readonly Token[],
  at: number,
  roots: readonly string[][],
  counts: boolean,
): Spot | undefined {
  let best: Spot | undefined;
  let length = 0;
  let tied = false;
  roots.forEach((own, index) => {
    if (own.length < Math.max(1, length) || isCommon(own)) return;
    if (!own.every((root, i) => tokens[at + i]?.root === root)) return;
    const start = (tokens[at] as Token).start;
    const end = (tokens[at + own.length - 1] as Token).end;
    if (own.length === 1 && !singleStands(sentence, start, end, counts)) return;
    tied = own.length === length;
    length = own.length;
    best = { start, end, index };
  });
  return tied ? undefined : best;
}

/** Whether an option of one word stands where it can be what the sentence says. */
function singleStands(sentence: string, start: number, end: number, counts: boolean): boolean {
  const before = nearBefore(sentence, start);
  // "throws it": a pronoun may follow the word.
  const after = sentence.slice(end).replace(/^\s+(?:to )?(?:it|him|her|them|so)\b/i, '');
  if (counts) {
    const partOf = PART.test(after) || (/^one$/i.test(sentence.slice(start, end)) && ONE_OF_THEM.test(after));
    return !partOf && !NUMBERED.test(before) && !OUT_OF.test(before) && !/^[.)]\s+\p{L}/u.test(after);
  }
  return CLOSES.test(after);
}

/** "The first option is a dog" tells the options. */
const TOLD =
  /^\s+(?:is|was|says?|states?|mentions?)\s+(?!(?:the|indeed|correct|right|most|best|likely|accurate|true|supported|consistent)\b)/i;
