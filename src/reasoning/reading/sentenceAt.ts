/** The sentence around a place of a plain text. */

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
