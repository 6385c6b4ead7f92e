/**
 * One pass over a text that tells in which of its sentences the rules of refinement can find anything. Most have no word
 * or letter with which one of the several hundred expressions begins. What is seen here is more than what is there.
 */
import { openings } from './openings.js';
import { PAPER_PATTERNS } from './patterns.js';
import { CONCLUSIONS } from './reading/worded.js';
import { LETTER, mayNameOption, WORDS } from './screen.js';
import { GAPS, LETTERS, STRANGE, WORD_END, WordScan } from './wordScan.js';

/** Marks of a place: a word for an answer may begin there, or a letter by itself, or a conclusion. */
const ANSWER = 1;
const LONE = 2;
const CONCLUSION = 4;
/** A word begins that every pattern of the paper has; or "reasoning", as a heading has it. */
const FORM = 8;
const HEADING = 16;
/** Marks of a sign: of emphasis; of a box to tick; one that may hide letters and words. */
const EMPHASIS = 32;
const BOX = 64;
const HIDING = 128;

/** Letters by themselves; an "a" before a word is an article. */
const CAPITALS = [...LETTERS.slice(26)].map((letter) => letter + WORD_END);
const NO_ARTICLES = [...GAPS.flatMap((sign) => [`a${sign}`, `a ${sign}`]), 'a  '];

/** Made when first needed. */
let scan: WordScan | undefined;

const scanOf = () =>
  new WordScan(
    [
      [ANSWER, openings(WORDS.source)],
      [CONCLUSION, CONCLUSIONS.flatMap(({ source }) => openings(source))],
      [FORM, PAPER_PATTERNS.flatMap(({ anchor }) => anchor ?? [])],
      [HEADING, ['reasoning']],
      [EMPHASIS, [...'*_`']],
      [BOX, ['[']],
      [HIDING, [...'\\<{~*_`"', STRANGE]],
      [LONE, [...CAPITALS, ...NO_ARTICLES]],
    ],
    [[LONE, [...LETTERS.slice(1, 26)].map((letter) => letter + WORD_END)]],
  );

/** Marks of a part of a text, joined by "or"; those of several parts may be joined too. */
export type Seen = number;

/** What is seen of a text between two places that no word stands across. */
export function glance(text: string, start: number, end: number): Seen {
  scan ??= scanOf();
  return scan.marksIn(text, start, end);
}

/** What is seen where signs may hide letters and words, {@link isChanged}: anything may be anywhere. */
export const ANYTHING: Seen = HIDING | CONCLUSION | HEADING | FORM | BOX;

/** Whether {@link isChanged} may be true of what was seen; whether it may have words of the paper's patterns. */
export const mayBeChanged = (seen: Seen): boolean => (seen & HIDING) !== 0;
export const mayHaveForms = (seen: Seen): boolean => (seen & (FORM | EMPHASIS)) !== 0;
/** Whether {@link mayHoldVerdicts} may be true. */
export const mayHaveVerdicts = (seen: Seen): boolean => (seen & (BOX | LONE)) !== 0;
/** Whether {@link mayConclude} may be true of a sentence, and whether it may open with the heading of the reasoning. */
export const mayBeConclusion = (seen: Seen): boolean => (seen & CONCLUSION) !== 0;
export const mayBeHeading = (seen: Seen): boolean => (seen & HEADING) !== 0;

/** {@link mayNameOption} of a sentence. */
export function mayName(sentence: string, seen: Seen): boolean {
  if ((seen & HIDING) !== 0) return mayNameOption(sentence);
  return (
    ((seen & LONE) !== 0 && LETTER.test(sentence)) ||
    ((seen & ANSWER) !== 0 && WORDS.test(sentence.toLowerCase()))
  );
}
