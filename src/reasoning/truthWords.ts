/** Finds the words of the true answer in Incorrect Reasoning, which refinement takes out (paper, section 3.2). */
import { optionLetter } from '../data/sample.js';
import { letterForms } from './choices.js';
import { comparable } from './plain.js';

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
  private made: { forms: RegExp[]; longer: RegExp[]; letters: RegExp[] } | undefined;

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
    return this.expressions().letters.flatMap((form) => rangesOf(sentence, form));
  }

  private wordRanges(sentence: string): { start: number; end: number }[] {
    if (this.own === '') return [];
    // Beyond ASCII, letters of other cases may be other characters.
    if (isAscii(sentence) && !sentence.toLowerCase().includes(this.longest)) return [];
    const { forms, longer } = this.expressions();
    const found = forms.flatMap((form) => rangesOf(sentence, form));
    if (found.length === 0) return found;
    const others = longer.flatMap((form) => rangesOf(sentence, form));
    return found.filter(
      (range) =>
        !others.some((other) => other.start <= range.start && range.end <= other.end) &&
        !insidePlace(sentence, range),
    );
  }

  /** Made when first needed: compiling them takes longer than all else. */
  private expressions() {
    this.made ??= {
      forms: this.forms(),
      // Longer options that hold the true one's words: where they are meant, the true one is not.
      longer: this.options.flatMap((option, i) => {
        const other = comparable(option);
        const holds = i !== this.answer && other !== this.own && ` ${other} `.includes(` ${this.own} `);
        return holds ? [phrase(other.split(' '), true)] : [];
      }),
      letters: letterForms(this.letter),
    };
    return this.made;
  }

  private forms(): RegExp[] {
    const words = this.own.split(' ');
    const own = words.every((word) => ANSWERS.has(word)) ? alone(words) : phrase(words, true);
    if (this.scope === 'phrase') return [own];
    const telling = words.filter((word) => word.length > 1 && !ANSWERS.has(word));
    return [own, ...telling.map((word) => phrase([word], false))];
  }
}

const isAscii = (text: string) => !/[^\n\r\t\x20-\x7E]/.test(text);

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

function rangesOf(sentence: string, form: RegExp): { start: number; end: number }[] {
  return Array.from(sentence.matchAll(form), (match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
}

const body = (words: readonly string[]) =>
  words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\p{L}\\p{N}]+');
/** Hyphens join words: "shirt" is no word of "T-shirt". */
const EDGE_BEFORE = "(?<![\\p{L}\\p{M}\\p{N}]|[\\p{L}\\p{N}][-‐‑'’])";
const EDGE_AFTER = '(?![\\p{L}\\p{M}\\p{N}]|[-‐‑][\\p{L}\\p{N}])';

/** The words in a row, in any case, separated by anything but letters; plural and possessive endings included. */
function phrase(words: readonly string[], article: boolean): RegExp {
  const lead = article ? '(?:(?:the|a|an)\\s+)?' : '';
  return new RegExp(`${EDGE_BEFORE}${lead}${body(words)}(?:es|s|['’]s)?${EDGE_AFTER}`, 'giu');
}

/** Common words only where they are a clause by themselves, or quoted: "No.", "the girl says "no"". */
function alone(words: readonly string[]): RegExp {
  return new RegExp(
    `(?<=^[\\s\\p{P}\\p{S}\\d]*|["“”‘’'*])${body(words)}(?=[\\s\\p{P}\\p{S}]*$|["“”‘’'*])`,
    'giu',
  );
}
