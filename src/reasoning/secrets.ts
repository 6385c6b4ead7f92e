/** Takes keys out of what a server wrote: some repeat the key that they reject. */

const MASK = '(key)';

/** A key shorter than this is a placeholder such as `none`, and may be a word of any message. */
const SHORTEST = 6;

/** The two kinds of text. */
export interface Redaction {
  /** For messages. */
  fromMessage: (text: string) => string;
  /**
   * For answers, which are kept as they are unless they hold what is surely a key: a word such as `secret` is a
   * placeholder for a local server, and may be part of an honest answer.
   */
  fromAnswer: (text: string) => string;
}

/** @param secrets as they are sent. Their forms in URLs, JSON and base64 are found too. */
export function secretsOf(secrets: readonly string[]): Redaction {
  const long = secrets.filter((secret) => secret.length >= SHORTEST);
  const sure = long.filter((secret) => secret.length >= 12 && /[^a-z]/i.test(secret));
  return { fromMessage: replacing(long), fromAnswer: replacing(sure) };
}

function replacing(secrets: readonly string[]): (text: string) => string {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  return (text) =>
    forms.reduce((rest, form) => (rest.includes(form) ? rest.replaceAll(form, MASK) : rest), text);
}

function formsOf(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('base64'),
  ];
}
