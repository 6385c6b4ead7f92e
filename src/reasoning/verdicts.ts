/** Reads lists that judge option by option. */
import type { Choices } from './choices.js';
import { LANGUAGES } from './languages.js';
import { matchesOf } from './matches.js';
import { foldCase, runEnd } from './wordRuns.js';

/**
 * Lists that judge option by option: `A: wrong; B: wrong; C: correct`, `A ❌ B ❌ C ✅`, a Markdown list or table with a
 * mark or a word for each.
 */
interface Verdict {
  /** Range of the item in the text, from its letter on. */
  at: number;
  end: number;
  index: number;
  right: boolean;
  /** Whether the item holds nothing but the letter, its option and the verdict. */
  bare: boolean;
}

/** Calls the item that it ends the right one. */
const THIS_ONE =
  /\bthis is (?:therefore |thus |clearly |indeed )?the (?:correct|right|best) (?:one|option|answer|choice)\W*$/i;

const RIGHT = '✅✓✔☑⭕√';
const WRONG = '❌✗✘✖❎☒×🚫';
const RIGHT_MARK = new RegExp(`[${RIGHT}]|\\[x\\]`, 'iu');
const WRONG_MARK = new RegExp(`[${WRONG}]|\\[ \\]`, 'u');

/** A mark before the letter, as of a list of tasks. */
const MARK = `(?:[${RIGHT}${WRONG}]\\uFE0F?|\\[[ x]\\])[^\\S\\n]*`;
const OPENING = `(?:(?<=^|[\\n;；,，|。.]|\\s/)[^\\S\\n]*(?:[-•+>*|][^\\S\\n]*|\\d{1,2}[.)][^\\S\\n]+)*|(?<=[${RIGHT}${WRONG}]\\uFE0F?\\s*))`;
/** A letter that opens an item: at the start of a line, a cell or a clause, or next to a mark. */
const ITEM = new RegExp(
  `${OPENING}(?:${MARK}(?:option\\s+)?\\(?([A-Z])(?![\\p{L}\\p{N}])|(?:option\\s+|选项|選項)?\\(?([A-Z])\\)?` +
    `(?=\\s*[.:)|–—=-]|\\s*→|[^\\S\\n]*[${RIGHT}${WRONG}(]))`,
  'giu',
);

/** The verdicts of `plain` in order; none unless at least two options are judged. */
export function verdictsIn(plain: string, choices: Choices): Verdict[] {
  const items = [...plain.matchAll(ITEM)].filter((item) => /[A-Z]/.test(item[1] ?? item[2] ?? ''));
  const found: Verdict[] = [];
  items.forEach((item, i) => {
    const index = choices.ofLetter(item[1] ?? item[2] ?? '');
    if (index === undefined) return;
    const newline = plain.indexOf('\n', item.index + item[0].length);
    const end = Math.min(newline < 0 ? plain.length : newline, items[i + 1]?.index ?? plain.length);
    const said = verdictOf(plain.slice(item.index, end), item[0].length, choices.texts[index] as string);
    if (said) found.push({ at: item.index, end, index, ...said });
  });
  const judged = new Set(found.map((verdict) => verdict.index)).size;
  // One item of a list may be called right, and the others only described.
  const pointed =
    judged === 1 && found.some(({ right, at, end }) => right && THIS_ONE.test(plain.slice(at, end)));
  const listed = new Set(items.map((item) => item[1] ?? item[2])).size;
  return judged > 1 || (pointed && listed > 2) ? found : [];
}

/**
 * "(A) wrong (B) wrong (C) right": three letters or more in brackets in one line, each with a verdict behind it; or one
 * letter and its verdict.
 */
export function terseVerdicts(plain: string, choices: Choices): readonly Pick<Verdict, 'index' | 'right'>[] {
  const found = matchesOf(plain, TERSE).flatMap((match) => {
    const index = choices.ofLetter(match[1] as string);
    const right = verdictWord(match[2] as string);
    return index === undefined || right === undefined ? [] : [{ index, right }];
  });
  if (new Set(found.map(({ index }) => index)).size > 2) return found;
  const [, letter, word] = ALONE.exec(plain) ?? [];
  const index = letter === undefined ? undefined : choices.ofLetter(letter);
  return index !== undefined && verdictWord(word as string) === true ? [{ index, right: true }] : [];
}

/** "C = correct", and nothing else. */
const ALONE = /^\W*([A-Z])\)?\s*(?:[=:–—-]>?|→)\s*(\p{L}+)\W*$/u;

const TERSE = /\(([A-Z])\)\s*[:=–—-]?\s*((?:is\s+)?(?:not\s+)?\p{L}+)(?=[\s,;.|]*(?:\([A-Z]\)|$|\n))/gu;

/** The verdict of `item` on its option, whose own words may follow the letter. */
function verdictOf(item: string, lead: number, own: string): Pick<Verdict, 'right' | 'bare'> | undefined {
  const rest = withoutOwn(item.slice(lead), own);
  const marks = { right: RIGHT_MARK.test(item), wrong: WRONG_MARK.test(item) };
  const words = rest.replace(/[^\p{L}\p{M}\p{N}'’ ]+/gu, '\n').trim();
  const parts = words.split('\n').map((part) => part.trim());
  const first = verdictWord(parts.find((part) => part !== '') ?? '');
  const last = verdictWord(parts.findLast((part) => part !== '') ?? '');
  if (marks.right !== marks.wrong) {
    return {
      right: marks.right,
      bare: parts.every((part) => part === '' || verdictWord(part) !== undefined),
    };
  }
  const right = first ?? last;
  if (marks.right || right === undefined) return undefined;
  return { right, bare: parts.every((part) => part === '' || verdictWord(part) !== undefined) };
}

function withoutOwn(rest: string, own: string): string {
  if (own === '') return rest;
  const words = own.split(' ');
  const folded = foldCase(rest);
  for (
    let at = folded.indexOf(words[0] as string);
    at >= 0;
    at = folded.indexOf(words[0] as string, at + 1)
  ) {
    const end = runEnd(folded, at, words);
    if (end < 0) continue;
    const article = /(?:the|an?)\s+$/.exec(folded.slice(0, at))?.[0].length ?? 0;
    return rest.slice(0, at - article) + rest.slice(end);
  }
  return rest;
}

/** True for "correct", false for "not correct", of any language, when the words are nothing but that. */
function verdictWord(words: string): boolean | undefined {
  const said = words
    .replace(/^(?:is|it is|this is|est|es|ist|è|é|это|verdict)\s+/i, '')
    .replace(/^(?:the\s+)?(\w+)\s+(?:one|option|answer|choice)$/i, '$1');
  for (const [right, forms] of [
    [false, WRONG_WORDS],
    [true, RIGHT_WORDS],
  ] as const) {
    if (forms.test(said)) return right;
  }
  return undefined;
}

const whole = (field: 'correct' | 'wrong') =>
  new RegExp(`^(?:${LANGUAGES.map((language) => language[field]).join('|')})$`, 'iu');
const WRONG_WORDS = whole('wrong');
const RIGHT_WORDS = whole('correct');
