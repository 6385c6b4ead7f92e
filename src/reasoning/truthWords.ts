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
  [...COMMON, ...'yes no not none nothing never maybe true false i you we do does did can could'.split(' ')].filter(
    (word) => word !== '',
  ),
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
  private readonly forms: readonly RegExp[];
  private readonly letters: readonly RegExp[];
  /** Longer options that hold the true one's words: where they are meant, the true one is not. */
  private readonly longer: readonly RegExp[];
  private readonly first: string;
  private readonly letter: string;

  constructor(options: readonly string[], answer: number, scope: 'phrase' | 'words') {
    this.letter = optionLetter(answer);
    this.letters = letterForms(this.letter);
    const own = comparable(options[answer] ?? '');
    const words = own.split(' ').filter((word) => word !== '');
    const forms: RegExp[] = [];
    if (words.length > 0) forms.push(words.every((word) => ANSWERS.has(word)) ? alone(words) : phrase(words, true));
    if (scope === 'words')
      for (const word of words)
        if (word.length > 1 && !ANSWERS.has(word)) forms.push(phrase([word], false));
    this.forms = forms;
    this.first = scope === 'words' ? '' : (words[0] ?? '');
    this.longer = options.flatMap((option, i) => {
      const other = comparable(option);
      return i !== answer && own !== '' && other !== own && ` ${other} `.includes(` ${own} `)
        ? [phrase(other.split(' '), true)]
        : [];
    });
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
    if (!sentence.includes(this.letter)) return [];
    return this.letters.flatMap((form) => rangesOf(sentence, form));
  }

  private wordRanges(sentence: string): { start: number; end: number }[] {
    // Beyond ASCII, letters of other cases may be other characters.
    if (!/[^\n\r\t\x20-\x7E]/.test(sentence) && !sentence.toLowerCase().includes(this.first)) return [];
    const found = this.forms.flatMap((form) => rangesOf(sentence, form));
    if (found.length === 0) return found;
    const others = this.longer.flatMap((form) => rangesOf(sentence, form));
    return found.filter(
      (range) =>
        !others.some((other) => other.start <= range.start && range.end <= other.end) &&
        !insidePlace(sentence, range),
    );
  }
}

/** Whether the words are a part of a longer name of a place, or of a number with a fraction. */
function insidePlace(sentence: string, { start, end }: { start: number; end: number }): boolean {
  const words = sentence.slice(start, end).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
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
