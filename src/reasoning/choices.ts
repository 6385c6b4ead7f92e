/**
 * Recognising one question's options in free text, by letter or by their own words.
 */

import { type Cues, ENGLISH_CUES } from './cues.js';
import { matchesOf } from './matches.js';
import { MENTION } from './mentionForms.js';
import { comparable, spelled, withoutArticle } from './plain.js';
import { rootsOf, tellingRoots } from './roots.js';
import { foldCase, isWordSign, pastMarks, runEndPastArticle, signAt, signBefore } from './wordRuns.js';

/** A place in a text that names an option. */
interface Mention {
  at: number;
  /** 0-based option. */
  index: number;
}

/** A letter and the text after it. */
export interface FoundLetter {
  option: number | 'two' | 'beyond';
  after: string;
}

export class Choices {
  private comparables: readonly string[] | undefined;

  constructor(readonly options: readonly string[]) {}

  /** {@link comparable} text of every option; made when first needed, as few sentences are compared with all. */
  get texts(): readonly string[] {
    this.comparables ??= this.options.map(comparable);
    return this.comparables;
  }

  /** Whether several options call somebody by a letter, "C is cooking": by itself it is then a person's name. */
  isName(letter: string): boolean {
    if (letter === 'A' || letter === 'I') return false;
    const form = CAPITAL[letter.charCodeAt(0) - 65];
    return this.options.filter((option) => form?.test(option)).length > 1;
  }

  /** The option of a letter, of either case; undefined for a letter past the last option. */
  ofLetter(letter: string): number | undefined {
    const index = letter.toUpperCase().charCodeAt(0) - 65;
    return index >= 0 && index < this.options.length ? index : undefined;
  }

  /**
   * The option whose letter `tail` begins with, as in `C`, `(C) ...`, `option C: ...`; 'two' for `A or B`, 'beyond' for
   * a letter by itself that no option has. A letter counts only where it cannot be a word: `A person` is none.
   */
  letterAt(tail: string, cues: Cues = ENGLISH_CUES): FoundLetter | undefined {
    const labelled = this.labelledIn(tail);
    if (labelled) return labelled;
    const { rest, marked } = unwrap(tail, cues);
    const letter = /^[A-Za-z]/.exec(rest)?.[0];
    if (letter === undefined) return undefined;
    const after = rest.slice(1);
    if (this.listsLetters(rest)) return { option: 'two', after };
    const index = this.ofLetter(letter);
    // "He picked a cat" has an article where option A is the cat.
    const article = letter === 'a' && /^\s+\p{L}/u.test(after);
    const ownText = index === undefined || article ? undefined : this.afterText(after, index);
    const more = cues.second.exec(after) ?? (ownText === undefined ? null : cues.second.exec(ownText));
    if (ownText !== undefined && this.listsOn(ownText)) return { option: 'two', after };
    if (index !== undefined && SECOND_JOINED.test(after)) return { option: 'two', after };
    if (/^[\p{L}\p{M}\p{N}'’]/u.test(after) && (letter > 'Z' || !cues.after.test(after))) return undefined;
    if (more && this.isSecond(more, after, letter, cues)) return { option: 'two', after };
    const alone = standsAlone(letter, after, marked, cues) || (letter <= 'Z' && cues.notBehind.test(after));
    if (index === undefined) {
      const ends = /^[^\S\n]*(?:$|[\n.)\]}<>⟧。！।۔])/.test(after);
      return ends && letter <= 'Z' ? { option: 'beyond', after } : undefined;
    }
    return ownText !== undefined || alone ? { option: index, after } : undefined;
  }

  /** "Caption B: The cup is filled": an option's letter and own text under a noun of the question's. */
  private labelledIn(tail: string): FoundLetter | undefined {
    const [whole, letter] = NOUN_LABEL.exec(tail) ?? [];
    const index = letter === undefined ? undefined : this.ofLetter(letter);
    const after = tail.slice(whole?.length);
    return index !== undefined && this.afterText(after, index) !== undefined
      ? { option: index, after }
      : undefined;
  }

  /** The rest of `after` behind the option's own text; undefined when `after` does not begin with it. */
  private afterText(after: string, index: number): string | undefined {
    const option = this.texts[index] as string;
    if (!startsWith(comparable(after), option)) return undefined;
    const end = runEndPastArticle(foldCase(after), pastMarks(after, 0), option.split(' '));
    return end < 0 ? '' : after.slice(end).replace(/^[)\].⟧]+/, '');
  }

  /** "C, I think" and "C and A man" name one option; "A, B" and "A or B" name two. */
  private isSecond(more: RegExpExecArray, after: string, first: string, cues: Cues): boolean {
    const letter = more[1] as string;
    const index = this.ofLetter(letter);
    if (letter === first.toUpperCase() || index === undefined) return false;
    const rest = after.slice(after.indexOf(more[0]) + more[0].length);
    if (/^\s*(?:$|[\n.,;:)\]}!?/&]|\()/.test(rest)) return true;
    return (letter !== 'A' && letter !== 'I' && !cues.words.includes(letter)) || cues.after.test(rest);
  }

  /** "ACD": whether nothing but letters of several options in order is there, which are no option's own words. */
  private listsLetters(rest: string): boolean {
    const run = LETTERS.exec(rest)?.[0] ?? '';
    const known = [...run].every(
      (letter, i) => this.ofLetter(letter) !== undefined && letter > (run[i - 1] ?? ''),
    );
    return run !== '' && known && this.textAt(run) === undefined;
  }

  /** "; C, wave at her": whether another option follows, by letter and in its own words. */
  private listsOn(rest: string): boolean {
    const [whole, letter] = /^\s*;\s*(?:or\s+|and\s+)?\(?([A-Z])(?=\W)/.exec(rest) ?? [];
    const index = letter === undefined ? undefined : this.ofLetter(letter);
    return index !== undefined && this.afterText(rest.slice(whole?.length), index) !== undefined;
  }

  /** `plain` with blanks for the text of an option behind its own letter: "(C) not sure" holds no negation of its own. */
  withoutOwnTexts(plain: string): string {
    let result = plain;
    this.texts.forEach((option, i) => {
      if (option === '' || !CAPITAL[i]?.test(plain)) return;
      for (const { from, to } of ownTexts(result, i, option.split(' ')))
        result = result.slice(0, from) + ' '.repeat(to - from) + result.slice(to);
    });
    return result;
  }

  /** The option that `tail` points at by its place: "the third option", "the last one", "option 3", "number three". */
  ordinalAt(tail: string): number | undefined {
    const [, place, number, word] = ORDINAL.exec(tail) ?? [];
    if (place?.toLowerCase() === 'last') return this.texts.length - 1;
    const index =
      place === undefined
        ? Number(word === undefined ? number : CARDINALS.indexOf(word.toLowerCase()) + 1) - 1
        : ORDINALS.indexOf(place.toLowerCase());
    return index >= 0 && index < this.texts.length ? index : undefined;
  }

  /**
   * The option whose text `tail` begins with; the longest when one option begins with another. `article` stands before it.
   */
  textAt(tail: string, article = ''): number | undefined {
    const { rest } = unwrap(tail, ENGLISH_CUES);
    const [whole, inner] = [comparable(tail), comparable(rest)];
    return (
      this.longest((option) => startsWith(whole, option), article + tail) ??
      this.longest((option) => startsWith(inner, option), rest) ??
      this.sameRoots(/^[^.,;!?\n]*/.exec(tail)?.[0] ?? '')
    );
  }

  /** The option whose text is the end of `head`. */
  endingAt(head: string): number | undefined {
    const text = ` ${comparable(head)}`;
    return this.longest((option) => text.endsWith(` ${option}`));
  }

  /** The option that `line` is, as a whole: `C`, `(C).`, `[C]`, `C: The blanket`, `The blanket`. */
  whole(line: string): number | undefined {
    const words = spelled(line);
    const text = withoutArticle(words);
    const byText = this.longest((option) => option === text, line);
    if (byText !== undefined) return byText;
    if (WHOLE_PLACE.test(words)) return this.ordinalAt(`${/\w+ \w+/.exec(words)} one`);
    const labelled = this.labelledIn(line);
    if (labelled && comparable(labelled.after) === this.texts[labelled.option as number])
      return labelled.option as number;
    const match = WHOLE.exec(line.trim());
    const index = match ? this.ofLetter(match[1] as string) : undefined;
    if (!match || index === undefined) return this.wholeNumber(line.trim());
    const rest = comparable(match[2] ?? '');
    return rest === '' || rest === this.texts[index] ? index : this.wholeNumber(line.trim());
  }

  private wholeNumber(line: string): number | undefined {
    const [, noun, number, rest = ''] = WHOLE_NUMBER.exec(line) ?? [];
    const index = Number(number) - 1;
    const own = this.texts[index];
    if (own === undefined) return undefined;
    const text = comparable(rest);
    // A number alone may count from 0 or from 1; "number 3" may be what an option says.
    const place =
      noun !== undefined && (!/^(?:n|#)/i.test(noun) || !this.texts.some((each) => /\d/.test(each)));
    return text === own || (text === '' && place) ? index : undefined;
  }

  /**
   * The option that `line` is in other words: "C. He picks up the ball", "Holding a baby" for "hold the baby". Only for a
   * text that is nothing else.
   */
  paraphrased(line: string): number | undefined {
    const match = WHOLE.exec(line.trim());
    const index = match ? this.ofLetter(match[1] as string) : undefined;
    const rest = match?.[2] ?? '';
    const labelled = /^[^\p{L}]*[A-Z][)\]⟧]?[.:)–—-]/u.test(line) && !/(?<!\p{L})[B-Z][.:)]/u.test(rest);
    if (index !== undefined && labelled) {
      const said = rootsOf(comparable(rest));
      const own = this.rootsOf(index);
      // More words than these say something else beside it.
      const brief = said.length <= own.length + 4;
      if (brief && own.length > 0 && own.every((word) => said.includes(word))) return index;
    }
    return this.sameRoots(line);
  }

  /** The one option that opens with the word and a mark: "Yes, he does". */
  opening(word: string): number | undefined {
    const opened = this.options.flatMap((option, i) =>
      new RegExp(`^\\W*${word}\\s*[,.;:–—-]`, 'i').test(option) ? [i] : [],
    );
    return opened.length === 1 ? opened[0] : undefined;
  }

  /** {@link whole}, or the one option with the same words in other forms, whatever small words are around them. */
  wholeInOtherWords(line: string): number | undefined {
    return this.whole(line) ?? this.sameRoots(line);
  }

  /** The one option whose words are those of `text` but for endings, articles and the like. */
  private sameRoots(text: string): number | undefined {
    const roots = rootsOf(comparable(text)).join(' ');
    const same = this.texts.flatMap((_, i) => (this.rootsOf(i).join(' ') === roots ? [i] : []));
    return roots !== '' && same.length === 1 ? same[0] : undefined;
  }

  /** The roots of an option's words in each of its forms: "the phone/camera" is "the phone", "the camera" or both. */
  variants(index: number): readonly (readonly string[])[] {
    this.forms[index] ??= [
      this.rootsOf(index),
      ...alternatives(this.options[index] ?? '').map((form) => rootsOf(comparable(form))),
    ];
    return this.forms[index] as string[][];
  }

  /** The {@link tellingRoots} of each of its forms. */
  tellingOf(index: number): readonly string[][] {
    this.telling[index] ??= this.variants(index).map(tellingRoots);
    return this.telling[index] as string[][];
  }

  private readonly telling: string[][][] = [];
  private readonly forms: (readonly string[])[][] = [];
  private readonly roots: string[][] = [];

  /** The roots of an option's words. */
  rootsOf(index: number): readonly string[] {
    this.roots[index] ??= rootsOf(comparable(this.options[index] ?? ''));
    return this.roots[index] as string[];
  }

  /** References by letter anywhere in `plain`: "option C", "Choice (C)", "(C)", "opción C". */
  mentions(plain: string): Mention[] {
    const found: Mention[] = [];
    for (const match of matchesOf(plain, MENTION)) {
      // "Answer: A man" has an article.
      const article =
        match[0].includes(':') && /^[^\S\n]+\p{Ll}/u.test(plain.slice(match.index + match[0].length));
      if (article && /[AI]$/.test(match[0])) continue;
      // "Options: A. open the lid B. wave" repeats the question.
      if (/^(?:options|choices|hints)\s*:/i.test(match[0])) continue;
      for (const letter of match[0].matchAll(/(?<![\p{L}\p{N}])[A-Z](?![A-Za-z\d'’])/gu)) {
        const index = this.ofLetter(letter[0]);
        if (index !== undefined) found.push({ at: match.index, index });
      }
    }
    return found;
  }

  /**
   * The longest option that fits; undefined when none does. Of several with the same words but for an article, the one whose
   * own spelling `text` begins with.
   */
  private longest(fits: (option: string) => boolean, text = ''): number | undefined {
    let best: number | undefined;
    let tied = false;
    this.texts.forEach((option, i) => {
      if (option === '' || !fits(option)) return;
      const length = best === undefined ? -1 : (this.texts[best] as string).length;
      if (option.length > length) {
        best = i;
        tied = false;
      } else if (option.length === length) tied = true;
    });
    if (!tied || best === undefined) return best;
    const words = spelled(text);
    const same = this.texts.flatMap((option, i) => (option === this.texts[best as number] ? [i] : []));
    const exact = same.filter((i) => startsWith(words, spelled(this.options[i] as string)));
    return exact.length === 1 ? exact[0] : undefined;
  }
}

/** "Took the phone/camera." as "Took the phone." and "Took the camera."; none where no word has an alternative. */
function alternatives(option: string): string[] {
  if (!option.includes('/')) return [];
  const [whole, one, other] = /(\p{L}{2,})\s?\/\s?(\p{L}{2,})/u.exec(option) ?? [];
  if (whole === undefined) return [];
  return [one, other].map((word) => option.replace(whole, word as string));
}

const WHOLE_PLACE = /^the (?:first|second|third|fourth|fifth|last)(?: (?:option|choice|answer|one))?$/;

/** Letters that stand together, to the end of a clause. */
const LETTERS = /^[A-Z]{2,6}(?=\s*(?:$|[\n.,;)\]<>。，；]))/;

/** The letters by themselves. */
const CAPITAL = Array.from({ length: 26 }, (_, i) => {
  const letter = String.fromCharCode(65 + i);
  return new RegExp(`(?<![\\p{L}\\p{N}])${letter}(?![\\p{L}\\p{N}])`, 'u');
});

/** The ranges behind an option's letter that hold its own words, with the marks around them: " pick up the ball)". */
function ownTexts(plain: string, index: number, words: readonly string[]): { from: number; to: number }[] {
  const folded = foldCase(plain);
  const letter = String.fromCharCode(97 + index);
  const found: { from: number; to: number }[] = [];
  for (let at = folded.indexOf(letter); at >= 0; at = folded.indexOf(letter, at + 1)) {
    if (isWordSign(signBefore(plain, at))) continue;
    const from = at + 1 + (/[)\]⟧]/.test(plain[at + 1] ?? '') ? 1 : 0);
    LABEL_END.lastIndex = from;
    const words0 = from + (LABEL_END.exec(plain)?.[0].length ?? 0);
    const end = runEndPastArticle(folded, words0, words);
    if (end < 0 || isWordSign(signAt(plain, end))) continue;
    const to = end + (plain[end] === ')' ? 1 : 0);
    // "A woman" has an article where option A is the woman.
    if (!/^[Aa]\s+\p{Ll}/u.test(plain.slice(at, to))) found.push({ from, to });
    at = to - 1;
  }
  return found;
}

/** Between an option's letter and its words. */
const LABEL_END = /[.:,]?\s*[([–—-]?\s*/y;

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth'];
const CARDINALS = ['one', 'two', 'three', 'four', 'five'];
const ORDINAL = new RegExp(
  `^(?:the\\s+)?(?:(${ORDINALS.join('|')}|last)\\s+(?:option|choice|answer|one)\\b|` +
    '(?:(?:option|choice|answer)\\s*(?:number|no\\.?)?|number|no\\.|#)\\s*' +
    `(?:#?\\(?(\\d{1,2})(?![\\p{L}\\d%]|[.,:]\\d)|(${CARDINALS.join('|')})\\b))`,
  'iu',
);

const WHOLE = new RegExp(
  '^(?:[-•#]+\\s*|\\d{1,2}[.)]\\s+)?' +
    '(?:(?:[Tt]he\\s+)?(?:(?:[Ff]inal|[Cc]orrect|[Bb]est)\\s+)*(?:[Oo]ption|[Oo]pt|[Cc]hoice|[Ll]etter|[Aa]nswer|OPTION|CHOICE|LETTER|ANSWER)(?!\\p{Ll})[\\s_#:.-]*)?' +
    '(?:[\\p{S}\\s.[({<⟦]|\\uFE0F)*([A-Za-z])[\\])}>⟦⟧#]*(?:(?:\\s*[.:)。、,;!?|–—-]\\s*|\\s+)(.*))?$',
  'su',
);
/** A capitalised noun, a letter and its mark: "Statement B: ". */
export const NOUN_LABEL = /^\s*\p{Lu}\p{Ll}{2,}\s+([A-Z])\s?[:.)]\s*/u;

/** "Option 3: the blanket", "3. the blanket". */
const WHOLE_NUMBER =
  /^(?:(option|choice|answer|number|no\.|#)\s*(?:number\s*|no\.\s*|#\s*)?)?\(?(\d{1,2})\)?(?:\s*[.:()–—-]\s*(.*))?$/is;

/** "C/D", "C|D", "C.D". */
const SECOND_JOINED = /^[.|+][A-Z](?![\p{L}\p{N}'’])/u;

/** `tail` past punctuation and "option", "the choice is"; `marked` when those make a following letter an option's. */
function unwrap(tail: string, cues: Cues): { rest: string; marked: boolean } {
  const opened = /^[\s:：=\-–—([{<>⟦（]*/.exec(tail)?.[0] ?? '';
  const inner = tail.slice(opened.length);
  const noun = cues.noun.exec(inner)?.[0] ?? '';
  const past = noun === '' ? (cues.fill.exec(inner)?.[0] ?? '') : noun;
  return {
    rest: inner.slice(past.length).replace(/^[(⟦]+/, ''),
    marked: noun !== '' || /[([⟦]/.test(opened),
  };
}

function standsAlone(letter: string, after: string, marked: boolean, cues: Cues): boolean {
  const upper = letter === letter.toUpperCase();
  if (/^[^\S\n]*(?:$|[\n.:)\]}<>⟧。।۔\p{Extended_Pictographic}])/u.test(after)) return true;
  if (/^[^\S\n]*[;,!?#|–—，、；！？-]/.test(after)) return upper || marked;
  if (!upper)
    return (
      cues.after.test(after) && !['a', 'i'].includes(letter) && !cues.words.includes(letter.toUpperCase())
    );
  if (marked || cues.after.test(after)) return true;
  return cues.spaced && letter !== 'A' && letter !== 'I' && !cues.words.includes(letter);
}

/** Scripts without spaces between words. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]$/u;

/** Whether `text` begins with the words of `option`. */
function startsWith(text: string, option: string): boolean {
  if (option === '' || !text.startsWith(option)) return false;
  return text.length === option.length || text[option.length] === ' ' || UNSPACED.test(option);
}
