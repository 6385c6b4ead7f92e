/** Finds the words of the true answer in Incorrect Reasoning, which refinement takes out (paper, section 3.2). */
import { optionLetter } from '../data/sample.js';
import { letterForms } from './mentionForms.js';
import { comparable } from './plain.js';
import { foldCase, isWordSign, runEnd, signAt, signBefore } from './wordRuns.js';

/** Words too common to identify an option. */
const COMMON = new Set(
  (
    'a an and are as at be been by for from had has have he her him his in into is it its of off on or out she so ' +
    'that the their them they this to up was were will with'
  ).split(' '),
);
/** Answers that are words of any sentence: taking "no" out of "there is no dog" would turn what is said around. */
const ANSWERS = new Set(
  [
    ...COMMON,
    ...'yes no not none nothing never maybe true false i you we do does did can could'.split(' '),
  ].filter((word) => word !== ''),
);

/**
 * Words of place that join into one name: "top" is no part of "top left" that could be taken out of it.
 * A name of place may end in a noun: "left side", "bottom corner".
 */
const PLACE =
  '(?:top|bottom|left|right|upper|lower|middle|mid|cent(?:er|re)|front|back|rear|north|south|east|west|northern|southern|eastern|western|far|near|inner|outer)';
const PLACE_WORD = new RegExp(`^${PLACE}$`, 'i');
const PLACE_BEFORE = new RegExp(`(?<![\\p{L}\\p{N}])${PLACE}[\\s-]+$`, 'iu');
const PLACE_AFTER = new RegExp(`^[\\s-]+${PLACE}(?![\\p{L}\\p{N}])`, 'iu');

/**
 * @param scope `phrase`: the whole text of the option and its letter; `words`: also each of its content words
 */
export class TruthWords {
  private readonly letter: string;
  private readonly own: string;
  /** Its longest word, which every text that says it holds. */
  private readonly longest: string;
  private made: { forms: Form[]; longer: Form[] } | undefined;

  constructor(
    private readonly options: readonly string[],
    private readonly answer: number,
    private readonly scope: 'phrase' | 'words',
  ) {
    this.letter = optionLetter(answer);
    this.own = comparable(options[answer] ?? '');
    const words = this.own.split(' ');
    this.longest =
      scope === 'words' ? '' : words.reduce((best, word) => (word.length > best.length ? word : best));
  }

  /** Whether a sentence of the text may say the true answer. */
  isIn(text: string): boolean {
    return (this.own !== '' && foldCase(text).includes(this.longest)) || hasLetter(text, this.letter);
  }

  /** The ranges of `sentence` that say the true answer, in order and apart. */
  find(sentence: string): { start: number; end: number }[] {
    const ranges = [...this.wordRanges(sentence), ...this.letterRanges(sentence)].sort(
      (a, b) => a.start - b.start || b.end - a.end,
    );
    const apart: { start: number; end: number }[] = [];
    for (const range of ranges) {
      const last = apart.at(-1);
      if (last && range.start <= last.end) last.end = Math.max(last.end, range.end);
      else apart.push({ ...range });
    }
    return apart;
  }

  private letterRanges(sentence: string): { start: number; end: number }[] {
    if (!hasLetter(sentence, this.letter)) return [];
    return letterForms(this.letter).flatMap((form) => rangesOf(sentence, form));
  }

  private wordRanges(sentence: string): { start: number; end: number }[] {
    if (this.own === '') return [];
    const folded = foldCase(sentence);
    if (!folded.includes(this.longest)) return [];
    const { forms, longer } = this.expressions();
    const found = forms.flatMap((form) => form(folded));
    if (found.length === 0) return found;
    const others = longer.flatMap((form) => form(folded));
    return found.filter(
      (range) =>
        !others.some((other) => other.start <= range.start && range.end <= other.end) &&
        !insidePlace(sentence, range),
    );
  }

  /** Made when first needed: most sentences have none of the words. */
  private expressions() {
    this.made ??= {
      forms: this.forms(),
      // Longer options that hold the true one's words: where they are meant, the true one is not.
      longer: this.options.flatMap((option, i) => {
        const other = comparable(option);
        const holds = i !== this.answer && other !== this.own && ` ${other} `.includes(` ${this.own} `);
        return holds ? [phrase(other.split(' '), true)] : [];
      }),
    };
    return this.made;
  }

  private forms(): Form[] {
    const words = this.own.split(' ');
    const own = words.every((word) => ANSWERS.has(word)) ? alone(words) : phrase(words, true);
    if (this.scope === 'phrase') return [own];
    const telling = words.filter((word) => word.length > 1 && !ANSWERS.has(word));
    return [own, ...telling.map((word) => phrase([word], false))];
  }
}

interface Range {
  start: number;
  end: number;
}

/** Finds the ranges of some words in a text of {@link foldCase}. */
type Form = (folded: string) => Range[];

/** Whether a capital ends a word. */
function hasLetter(text: string, letter: string): boolean {
  for (let at = text.indexOf(letter); at >= 0; at = text.indexOf(letter, at + 1))
    if (!/[A-Za-z0-9]/.test(text[at + 1] ?? '')) return true;
  return false;
}

/** Whether the words are a part of a longer name of a place, or of a number with a fraction. */
function insidePlace(sentence: string, { start, end }: { start: number; end: number }): boolean {
  const words = sentence
    .slice(start, end)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  const before = sentence.slice(Math.max(0, start - 24), start);
  const after = sentence.slice(end, end + 24);
  if (PLACE_WORD.test(words[0] ?? '') && PLACE_BEFORE.test(before)) return true;
  if (PLACE_WORD.test(words.at(-1) ?? '') && PLACE_AFTER.test(after)) return true;
  return (
    (/^\d/.test(words[0] ?? '') && /\d[.,:/]$/.test(before)) ||
    (/\d$/.test(words.at(-1) ?? '') && /^[.,:/]\d/.test(after))
  );
}

function rangesOf(sentence: string, form: RegExp): Range[] {
  return Array.from(sentence.matchAll(form), (match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** The words in a row, separated by anything but letters; article, plural and possessive endings included. */
function phrase(words: readonly string[], article: boolean): Form {
  const first = words[0] as string;
  return (folded) => {
    const found: Range[] = [];
    let from = 0;
    for (let at = folded.indexOf(first); at >= 0; at = folded.indexOf(first, Math.max(from, at + 1))) {
      const end = runEnd(folded, at, words);
      const stop = end < 0 ? -1 : pastEnding(folded, end);
      if (stop < 0) continue;
      const lead = article ? (/(?:the|a|an)\s+$/.exec(folded.slice(from, at))?.[0].length ?? 0) : 0;
      const start = lead > 0 && opens(folded, at - lead) ? at - lead : at;
      if (start === at && !opens(folded, at)) continue;
      found.push({ start, end: stop });
      from = stop;
    }
    return found;
  };
}

/** Whether a word opens here. Hyphens join words: "shirt" is no word of "T-shirt". */
function opens(text: string, at: number): boolean {
  const before = signBefore(text, at);
  if (isWordSign(before) || /\p{M}/u.test(before)) return false;
  return !/^[-‐‑'’]/.test(before) || !isWordSign(signBefore(text, at - 1));
}

/** The end of a word that may go on as a plural or a possessive; -1 where it goes on otherwise. */
function pastEnding(text: string, at: number): number {
  for (const ending of ['es', 's', "'s", '’s', ''])
    if (text.startsWith(ending, at) && closes(text, at + ending.length)) return at + ending.length;
  return -1;
}

function closes(text: string, at: number): boolean {
  const next = signAt(text, at);
  if (isWordSign(next) || /\p{M}/u.test(next)) return false;
  return !/^[-‐‑]/.test(next) || !isWordSign(signAt(text, at + 1));
}

/** Common words only where they are a clause by themselves, or quoted: "No.", "the girl says "no"". */
function alone(words: readonly string[]): Form {
  const body = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\p{L}\\p{N}]+');
  const form = new RegExp(
    `(?<=^[\\s\\p{P}\\p{S}\\d]*|["“”‘’'*])${body}(?=[\\s\\p{P}\\p{S}]*$|["“”‘’'*])`,
    'gu',
  );
  return (folded) => rangesOf(folded, form);
}
