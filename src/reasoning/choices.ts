/**
 * Recognising one question's options in free text, by letter or by their own words.
 */

/**
 * Text without the marks that carry no meaning here: emphasis, code marks, quotes, LaTeX boxes. Lines are kept, and
 * so are apostrophes inside words.
 */
export function plainText(text: string): string {
  return text
    .replace(/\\(?:text|textbf|mathrm|mathbf)\{([^{}]*)\}/g, '$1')
    .replace(/\\boxed\{([^{}]*)\}/g, '$1')
    .replace(/[*_`"“”«»$]|(?<!\p{L})['‘’]|['‘’](?!\p{L})/gu, '')
    .replace(/[^\S\n]+/g, ' ');
}

/** Lower case, single spaces, words and numbers only, no leading article: equal for texts that say the same. */
export function comparable(text: string): string {
  return plainText(text)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .replace(/^(?:the|a|an)\s+(?=\S)/, '');
}

/** A place in a text that names an option. */
export interface Mention {
  at: number;
  /** 0-based option. */
  index: number;
}

export class Choices {
  /** {@link comparable} text of every option. */
  readonly texts: readonly string[];

  constructor(options: readonly string[]) {
    this.texts = options.map(comparable);
  }

  /** The option of a letter, of either case; undefined for a letter past the last option. */
  ofLetter(letter: string): number | undefined {
    const index = letter.toUpperCase().charCodeAt(0) - 65;
    return index >= 0 && index < this.texts.length ? index : undefined;
  }

  /**
   * The option whose letter `tail` begins with, as in `C`, `(C) ...`, `option C: ...`; 'two' for `A or B`.
   * A letter counts only where it cannot be a word: `A person` is none.
   */
  letterAt(tail: string): number | 'two' | undefined {
    const { rest, marked } = unwrap(tail);
    const letter = /^([A-Za-z])(?![\p{L}\p{N}'’])/u.exec(rest)?.[1];
    if (letter === undefined) return undefined;
    const after = rest.slice(1);
    if (SECOND_LETTER.test(after)) return 'two';
    const index = this.ofLetter(letter);
    if (index === undefined) return undefined;
    const ownText = startsWith(comparable(after), this.texts[index] as string);
    return ownText || standsAlone(letter, after, marked) ? index : undefined;
  }

  /** The option whose text `tail` begins with; the longest when one option begins with another. */
  textAt(tail: string): number | undefined {
    const text = comparable(unwrap(tail).rest);
    return this.longest((option) => startsWith(text, option));
  }

  /** The option whose text is the end of `head`. */
  endingAt(head: string): number | undefined {
    const text = ` ${comparable(head)}`;
    return this.longest((option) => text.endsWith(` ${option}`));
  }

  /** The option that `line` is, as a whole: `C`, `(C).`, `C: The blanket`, `The blanket`. */
  whole(line: string): number | undefined {
    const text = comparable(line);
    const byText = this.longest((option) => option === text);
    if (byText !== undefined) return byText;
    const match = /^\(?([A-Za-z])\)?(?:\s*[.:)\]-]\s*(.*))?$/s.exec(line.trim());
    const index = match ? this.ofLetter(match[1] as string) : undefined;
    if (!match || index === undefined) return undefined;
    const rest = comparable(match[2] ?? '');
    return rest === '' || rest === this.texts[index] ? index : undefined;
  }

  /** References by letter anywhere in `plain`: "option C", "Choice (C)", "(C)". */
  mentions(plain: string): Mention[] {
    const found: Mention[] = [];
    for (const match of plain.matchAll(MENTION)) {
      for (const letter of (match[1] ?? match[2] ?? '').matchAll(/\b[A-Z]\b/g)) {
        const index = this.ofLetter(letter[0]);
        if (index !== undefined) found.push({ at: match.index, index });
      }
    }
    return found;
  }

  /** The longest option that fits; undefined when none does, or two of the same text do. */
  private longest(fits: (option: string) => boolean): number | undefined {
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
    return tied ? undefined : best;
  }
}

/** "option C", "options A, B and D", "(C)". */
const MENTION =
  /\b(?:[Oo]ptions?|[Cc]hoices?|[Aa]nswers?|[Hh]ints?)\s*:?\s*\(?((?:[A-Z]\)?(?:\s*,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+|\s*\/\s*|\s*&\s*)\(?)*[A-Z])\)?(?![\w'’])|\(([A-Z])\)/g;

const SECOND_LETTER = /^\)?\s*(?:,|\/|\bor\b|\band\b|&)\s*(?:option\s+)?\(?[A-Z]\)?(?![\p{L}\p{N}])/u;

/** Words after a bare letter A or I which show that it is an option and not an English word. */
const AFTER_LETTER =
  /^\s+(?:because|since|as|is|was|with|for|based|due|given|which|that|where|in this|here)\b/i;

/** `tail` past punctuation and "option", "the choice is"; `marked` when those make a letter out of what follows. */
function unwrap(tail: string): { rest: string; marked: boolean } {
  const opened = /^[\s:=\-–—([{<>]*/.exec(tail)?.[0] ?? '';
  const inner = tail.slice(opened.length);
  const noun =
    /^(?:the\s+)?(?:(?:correct|best|final|right)\s+)?(?:option|choice|answer|letter)\b\s*(?:is\s+)?[\s:(]*/i;
  const named = noun.exec(inner)?.[0] ?? '';
  return { rest: inner.slice(named.length), marked: named !== '' || /[([]/.test(opened) };
}

function standsAlone(letter: string, after: string, marked: boolean): boolean {
  const upper = letter === letter.toUpperCase();
  if (/^[^\S\n]*(?:$|[\n.:)\]}>])/.test(after)) return true;
  if (/^[^\S\n]*[;,!?#|–—-]/.test(after)) return upper || marked;
  if (!upper) return false;
  return marked || AFTER_LETTER.test(after) || (letter !== 'A' && letter !== 'I');
}

/** Whether `text` begins with the words of `option`. */
function startsWith(text: string, option: string): boolean {
  return option !== '' && (text === option || text.startsWith(`${option} `));
}
