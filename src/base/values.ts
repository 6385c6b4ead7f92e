/** Values of unknown shape from JSON and YAML: tests of their type, and their text in messages. */

/** Whether a value is an object with keys: no list, not null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a text that should be a path is the address of something on the web. */
export const isAddress = (text: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(text);

/** A text as one line, without control characters: a terminal would obey them. */
export function asLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}

/**
 * Characters that a terminal obeys, or that hide, turn round or break the line of what stands beside them: controls but for
 * tab and newline, marks of direction and format, tags. The joiners U+200C and U+200D belong to Persian, Hindi and emoji.
 */
const UNSEEN =
  /(?![\t\n])[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{1d173}-\u{1d17a}\u{e0000}-\u{e007f}]/gu;

/** A text as a terminal may show it: what {@link UNSEEN} names is written as JSON escapes it, `\u202e`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** At most `limit` characters of a text, the last three dots where it was cut. */
export function shortened(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit - 3)}...` : text;
}
