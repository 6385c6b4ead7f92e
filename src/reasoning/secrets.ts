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
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...base64Forms(secret)];
}

/**
 * What any text that holds the secret has of it in base64, with either alphabet: "Bearer <key>" as a whole is not the
 * key's own base64. The signs at the ends hold bits of the text around the secret, so they are cut.
 */
function base64Forms(secret: string): string[] {
  const forms = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    const from = [0, 2, 3][before] as number;
    return bytes.toString('base64').slice(from, Math.floor((bytes.length * 8) / 6));
  });
  const whole = Buffer.from(secret).toString('base64');
  return [whole, ...forms].flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}
