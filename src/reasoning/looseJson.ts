/**
 * JSON as models write it: inside prose, in single quotes, with raw newlines in a string, with a comma too many, or cut
 * off. Callers need the values and their places, so a value is a leaf of the text, not a tree.
 */

/** A text, number or word (`true`, `null`) among the values. */
export interface Leaf {
  /** Of the nearest object around it. */
  key: string;
  value: string;
  /** Range in the text; a string's is that between its quotes. */
  start: number;
  end: number;
}

export interface JsonObject {
  leaves: Leaf[];
  /** Range in the text, brackets included. */
  start: number;
  end: number;
}

/** Where an object or a list of objects may begin. */
const OPENING = /(?:\[|(?<!\s))\s*\{\s*["'“][^"'”\n]{1,60}["'”]\s*:/g;

/** The objects in `text`, in order, without text that only looks like one; none for a text nested too deeply. */
export function jsonObjects(text: string): JsonObject[] {
  const found: JsonObject[] = [];
  for (const match of text.matchAll(OPENING)) {
    if (match.index < (found.at(-1)?.end ?? 0)) continue;
    const reader = new Reader(text, match.index);
    const whole = reader.value('', 0);
    if (reader.tooDeep) return [];
    if (whole)
      found.push({ leaves: reader.leaves, start: match.index, end: Math.min(reader.at, text.length) });
  }
  return found;
}

const QUOTES: Record<string, string> = { '"': '"', "'": "'", '“': '”' };
/** Deeper than any real reply, and far below the limit of the stack. */
const DEEPEST = 64;

class Reader {
  readonly leaves: Leaf[] = [];
  tooDeep = false;

  constructor(
    private readonly text: string,
    public at: number,
  ) {}

  /** Reads past one value; false when there is none. The end of the text closes everything that is open. */
  value(key: string, depth: number): boolean {
    const open = this.next();
    if (open === undefined) return true;
    if (depth > DEEPEST) {
      this.tooDeep = true;
      return false;
    }
    if (open === '{') return this.items('}', () => this.member(depth));
    if (open === '[') return this.items(']', () => this.value(key, depth + 1));
    const string = this.string();
    if (string) this.leaves.push({ key, ...string });
    return string !== undefined || this.word(key);
  }

  private next(): string | undefined {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
    return this.text[this.at];
  }

  private items(close: string, item: () => boolean): boolean {
    this.at++;
    for (;;) {
      const next = this.next();
      if (next === undefined) return true;
      if (next === close) {
        this.at++;
        return true;
      }
      if (next === ',') this.at++;
      else if (!item()) return false;
    }
  }

  private member(depth: number): boolean {
    const key = this.string();
    if (!key) return false;
    const colon = this.next();
    if (colon === undefined) return true;
    if (colon !== ':') return false;
    this.at++;
    return this.value(key.value, depth + 1);
  }

  private string(): Omit<Leaf, 'key'> | undefined {
    const quote = QUOTES[this.text[this.at] ?? ''];
    if (quote === undefined) return undefined;
    const start = this.at + 1;
    let end = start;
    while (end < this.text.length && !this.closes(end, quote)) end += this.text[end] === '\\' ? 2 : 1;
    end = Math.min(end, this.text.length);
    this.at = end + 1;
    return { value: unescaped(this.text.slice(start, end)), start, end };
  }

  /** A quotation mark inside a string that nobody escaped is followed by words. */
  private closes(at: number, quote: string): boolean {
    return this.text[at] === quote && /^\s*(?:[,}\]:]|$)/.test(this.text.slice(at + 1, at + 40));
  }

  private word(key: string): boolean {
    const word = /^[\w.+-]+/.exec(this.text.slice(this.at, this.at + 40))?.[0];
    if (word === undefined) return false;
    this.leaves.push({ key, value: word, start: this.at, end: this.at + word.length });
    this.at += word.length;
    return true;
  }
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '', f: '' };

/** A LaTeX command keeps its backslash: models forget to double it. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|((?:boxed|text\w*|frac|not|rm|bf)\b)|(.))/gs,
    (_, code, latex, one) => {
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      return latex === undefined ? (ESCAPES[one] ?? one) : `\\${latex}`;
    },
  );
}
