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
    // A password before @, or a key in the query, is not shown.
    const shown = pasted.replace(/\/\/.*@/, '//').replace(/[?#].*/s, '');
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

/** What `#name=value,...` behind a URL says about one of several teachers. */
export interface TeacherTraits {
  /** Share of the requests among several teachers; default 1. */
  weight: number;
  /** Environment variable with the key; default OPENAI_API_KEY. */
  keyVariable: string | undefined;
  /** What this server calls the model, where that is another name than `--model`. */
  model: string | undefined;
  /** How the key is sent: `Authorization: Bearer`, or Azure's `api-key`. */
  auth: 'bearer' | 'api-key';
}

const TRAITS = 'expected e.g. #weight=2,key=VARIABLE,model=NAME,auth=api-key, or #2 for a weight';

/**
 * Reads the part of a teacher's URL behind `#`, which is never sent: `#weight=2,key=VARIABLE,model=NAME,auth=api-key`, each
 * of them optional, or a weight alone. A fragment without `=` that is no number was pasted with the address and means
 * nothing. Messages do not repeat values, since one may be a key.
 *
 * @throws UsageError for an unknown name or a value that cannot be.
 */
export function teacherTraits(text: string): TeacherTraits {
  const { origin, pathname, searchParams, hash } = new URL(text.trim());
  const wrong = (what: string) => new UsageError(`teacher URL for ${origin}: ${what}; ${TRAITS}`);
  const traits: TeacherTraits = {
    weight: 1,
    keyVariable: undefined,
    model: undefined,
    auth: isAzure(origin, pathname, searchParams) ? 'api-key' : 'bearer',
  };
  const items = /=/.test(hash)
    ? hash.slice(1).split(',')
    : /^#[\d.]+$/.test(hash)
      ? [`weight=${hash.slice(1)}`]
      : [];
  for (const item of items) {
    const [, name, raw = ''] = /^(\w+)=(.*)$/s.exec(item) ?? [];
    const value = decoded(raw);
    if (name === 'weight') {
      traits.weight = Number(value);
      if (!(traits.weight > 0 && traits.weight <= 1e6)) throw wrong('the weight is no number above 0');
    } else if (name === 'key') {
      if (!/^[A-Za-z_]\w*$/.test(value))
        throw wrong('key= takes the name of an environment variable, never the key itself');
      traits.keyVariable = value;
    } else if (name === 'model' && value) traits.model = value;
    else if (name === 'auth' && (value === 'bearer' || value === 'api-key')) traits.auth = value;
    else
      throw wrong(
        name && /^(model|auth)$/.test(name) ? `${name}= has no such value` : 'unknown word behind #',
      );
  }
  return traits;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Azure reads a key only from `api-key`; `Authorization` is for its tokens. */
function isAzure(origin: string, path: string, query: URLSearchParams): boolean {
  return (
    /\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)$/i.test(new URL(origin).hostname) ||
    /\/openai\/deployments\//i.test(path) ||
    (query.has('api-version') && /\/openai(\/|$)/i.test(path))
  );
}
