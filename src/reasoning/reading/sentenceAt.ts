/** The sentences of a plain text. */

/** The sentence around a place, on one line. */
export function sentenceAt(plain: string, at: number): string {
  const from = sentenceStart(plain, Math.max(0, at - 1));
  const rest = plain.slice(from).trimStart();
  const end =
    /^[\s\S]*?(?:[.!?](?=\s|$)|[。！？।]|\n|$)/.exec(rest.slice(Math.max(0, at - from - 1)))?.[0] ?? '';
  return rest
    .slice(0, Math.max(0, at - from - 1) + end.length)
    .replace(/\s+/g, ' ')
    .trim();
}

export function sentenceStart(plain: string, at: number): number {
  return Math.max(...['. ', '\n', '。', '！', '？', '।'].map((mark) => plain.lastIndexOf(mark, at))) + 1;
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
