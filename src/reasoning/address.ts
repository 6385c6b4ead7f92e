/** The address of a teacher, from what people paste. */
import { UsageError } from '../base/errors.js';

export interface TeacherAddress {
  /** Base URL without query, to which the client adds `/chat/completions`. */
  base: string;
  /** Sent with every request, such as Azure's api-version. */
  query: Record<string, string>;
  /** Values of the query that are secret keys. */
  secrets: string[];
  /** A base URL to try instead, where this one has no version. */
  versioned: string | undefined;
}

/**
 * Reads a base URL. `/chat/completions` at its end is taken off, after a version also `/completions` and `/models`, and so are
 * slashes. `/v1` is never added: some servers have none (Azure, DeepSeek), so a message proposes it where the
 * server knows no such path.
 *
 * @throws UsageError for a text that is no http(s) URL, or for a URL with a user or password.
 */
export function teacherAddress(text: string): TeacherAddress {
  const pasted = text.trim();
  if (!/^https?:\/\//i.test(pasted) || !URL.canParse(pasted)) {
    const scheme = /^[\w.-]+(:\d+)?(\/|$)/.test(pasted) ? '; write http:// or https:// before it' : '';
    const shown = pasted.replace(/\/\/.*@/, '//');
    throw new UsageError(
      `teacher URL "${shown}" is not an http(s) URL${scheme}; expected e.g. http://localhost:8000/v1`,
    );
  }
  const url = new URL(pasted);
  if (url.username || url.password) {
    throw new UsageError(
      `teacher URL for ${url.host} carries a user or password; put the key in OPENAI_API_KEY instead`,
    );
  }
  const path = url.pathname
    .replace(/\/+$/, '')
    .replace(/\/chat(\/completions)?$/i, '')
    .replace(/(\/v\d\w*)\/(completions|models)$/i, '$1')
    .replace(/\/+$/, '');
  const base = url.origin + path;
  const hasVersion = /\/(v\d\w*|deployments)(\/|$)/i.test(path);
  const query = [...url.searchParams];
  return {
    base,
    query: Object.fromEntries(query),
    secrets: query.filter(([name]) => /key|token|secret|sig|code|pass/i.test(name)).map(([, value]) => value),
    versioned: hasVersion ? undefined : `${base}/v1`,
  };
}
