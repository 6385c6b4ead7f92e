/**
 * Finds an option's words in a text. An expression made for one option would take longer to compile than all other
 * reading of the text, so the words are compared in place.
 */

/** A text in lower case, place for place; the few letters whose small form is longer stay. */
export function foldCase(text: string): string {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  return [...text]
    .map((sign) => (sign.toLowerCase().length === sign.length ? sign.toLowerCase() : sign))
    .join('');
}

/**
 * The end of `words` where they stand at `at`, apart by anything but letters and digits; -1 where they do not.
 *
 * @param folded text of {@link foldCase}
 * @param words in lower case, without marks: those of a comparable text
 */
export function runEnd(folded: string, at: number, words: readonly string[]): number {
  let end = at;
  for (let i = 0; i < words.length; i++) {
    if (i > 0) {
      const from = end;
      end = pastMarks(folded, end);
      if (end === from) return -1;
    }
    const word = words[i] as string;
    if (!folded.startsWith(word, end)) return -1;
    end += word.length;
  }
  return end;
}

/** The same where an article may stand before the words. */
export function runEndPastArticle(folded: string, at: number, words: readonly string[]): number {
  ARTICLE.lastIndex = at;
  const article = ARTICLE.exec(folded)?.[0].length ?? 0;
  const end = article > 0 ? runEnd(folded, at + article, words) : -1;
  return end < 0 ? runEnd(folded, at, words) : end;
}

const ARTICLE = /(?:the|an?)\s+/y;

/** The place behind all that is neither letter nor digit. */
export function pastMarks(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const sign = signAt(text, at);
    if (isWordSign(sign)) break;
    at += sign.length;
  }
  return at;
}

/** The character at a place, of both halves where it has two; empty behind the end. */
export function signAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? '' : String.fromCodePoint(code);
}

/** The character before a place. */
export function signBefore(text: string, at: number): string {
  const low = text.charCodeAt(at - 1);
  return text.slice(low >= 0xdc00 && low <= 0xdfff && at > 1 ? at - 2 : Math.max(0, at - 1), at);
}

/** Whether a character is a letter or a digit. */
export function isWordSign(sign: string): boolean {
  return sign <= '\x7f' ? /^[A-Za-z0-9]/.test(sign) : /^[\p{L}\p{N}]/u.test(sign);
}
