/** The sentences of a plain text. */

/**
 * Characters before or behind a place that are read with it. A sentence has fewer; a text that repeats itself may be one
 * of 100 kB, and would be read in its square.
 */
export const REACH = 600;

/** What stands before a place, within {@link REACH}. */
export const nearBefore = (text: string, at: number): string => text.slice(Math.max(0, at - REACH), at);

/** The sentence around a place, on one line, at most {@link REACH} characters to either side. */
export function sentenceAt(plain: string, at: number): string {
  const from = sentenceStart(plain, Math.max(0, at - 1));
  const rest = plain.slice(from, at + REACH).trimStart();
  const end =
    /^[\s\S]*?(?:[.!?](?=\s|$)|[。！？।]|\n|$)/.exec(rest.slice(Math.max(0, at - from - 1)))?.[0] ?? '';
  return rest
    .slice(0, Math.max(0, at - from - 1) + end.length)
    .replace(/\s+/g, ' ')
    .trim();
}

/** Where the sentence of a place begins, at most {@link REACH} characters before it. */
export function sentenceStart(plain: string, at: number): number {
  const from = Math.max(0, at - REACH);
  const before = plain.slice(from, at + 2);
  const marks = ['. ', '\n', '。', '！', '？', '।'];
  return from + Math.max(...marks.map((mark) => before.lastIndexOf(mark, at - from))) + 1;
}

/** A sentence and its place in the text. */
export interface Placed {
  at: number;
  text: string;
}

/** A full stop behind a label, "C. Tie the shoe", or before a small letter, "e.g. a dog", ends no sentence. */
const END =
  /(?<!(?:(?:^|[.!?\n])\s*|\b(?:options?|choice|answer)\s+|\()[A-Z])[.!?]+[)\]]*(?=\s+[^\s\p{Ll}]|\s*$)|[。！？।]|\n/gu;

/** The sentences of a text in order, with letters or digits in each. */
export function sentencesOf(plain: string): Placed[] {
  const found: Placed[] = [];
  let from = 0;
  const push = (end: number) => {
    const text = plain.slice(from, end);
    if (/[\p{L}\p{N}]/u.test(text)) found.push({ at: from, text });
    from = end;
  };
  for (const match of plain.matchAll(END)) push(match.index + match[0].length);
  push(plain.length);
  return found;
}
