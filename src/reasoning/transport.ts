/**
 * One request to a server that is nearly OpenAI-compatible, and the events of its answer. An answer in one piece becomes
 * one event; everything else is an error with the server's own words.
 */
import { STATUS_CODES } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { type NetworkAnswer, networkPost } from '../base/network.js';
import { asLine, isRecord, shortened } from '../base/values.js';
import { EventReader } from './eventStream.js';

export interface TeacherPost {
  url: URL;
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
  /** Most bytes of the answer; an error after that, with the connection closed. */
  limit: number;
  /** Called for every piece of the answer, comments of the stream too. */
  heard: () => void;
  /** Takes secrets out of the server's text, before anything of it is cut off or shown. */
  redact: (text: string) => string;
}

/** An HTML page instead of an answer: a wrong address, a login, a firewall. */
export class WebPage extends Error {}

/** A status other than 2xx. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly headers: NetworkAnswer['headers'],
    message: string,
  ) {
    super(message);
    this.name = 'HttpError';
  }
}

/** Error bodies are read up to here. */
const ERROR_BODY_LIMIT = 64 * 1024;

/**
 * The events of the answer, as parsed JSON.
 *
 * @throws HttpError, WebPage; Error for an answer that is none or has no end; what {@link networkPost} throws.
 */
export async function* postForEvents(post: TeacherPost): AsyncGenerator<unknown> {
  const { url, body, signal, redact } = post;
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream, application/json',
    'accept-encoding': 'identity',
    ...post.headers,
  };
  const answer = await networkPost(url, { headers, body, signal });
  let whole = false;
  try {
    if (answer.statusCode < 200 || answer.statusCode > 299) throw await httpError(answer, url, redact);
    const encoding = answer.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity')
      throw new Error(`the response is compressed (${encoding}), which was not asked for`);
    const pieces = bounded(answer, post.limit, post.heard);
    if (/\bjson\b/.test(String(answer.headers['content-type']))) yield wholeAnswer(redact(await all(pieces)));
    else yield* eventsOf(pieces, redact);
    whole = true;
  } finally {
    letGo(answer, whole);
  }
}

/** Frees the connection: for another request when only its end is left to read, which some servers never send. */
function letGo({ body }: NetworkAnswer, whole: boolean): void {
  body.on('error', () => {});
  if (whole) body.dump({ limit: 4096, signal: AbortSignal.timeout(1000) }).catch(() => {});
  else body.destroy();
}

async function* eventsOf(
  pieces: AsyncIterable<string>,
  redact: (text: string) => string,
): AsyncGenerator<unknown> {
  const reader = new EventReader();
  let begun = false;
  for await (const piece of pieces) {
    // No event begins with `<`; the type is not asked, since gateways send events as text/html too.
    const beginning: string = begun ? '' : piece.trimStart();
    begun ||= beginning !== '';
    if (beginning.startsWith('<')) throw webPage(redact(beginning));
    for (const data of reader.add(piece)) {
      if (data.startsWith('[DONE]')) return;
      yield parsed(redact(data));
    }
  }
  const last = reader.rest();
  if (last !== '' && !last.startsWith('[DONE]') && isJson(last)) yield parsed(redact(last));
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new Error(`an event of the response is not JSON: ${oneLine(data)}`);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The message of an error body, or the text itself, cut to one readable line. */
export function errorMessageOf(body: string): string {
  try {
    return messageIn(JSON.parse(body)) ?? oneLine(body);
  } catch {
    return oneLine(body);
  }
}

/**
 * The words of an error in one line: OpenAI's `error.message`, the flat `message` of vLLM, FastAPI's `detail`, `msg` and
 * `error_msg` of others, a string under `error`; Gemini sends a list of one. Undefined where there are none.
 */
export function messageIn(value: unknown): string | undefined {
  const fields = Array.isArray(value) ? value[0] : value;
  if (!isRecord(fields)) return undefined;
  const inner = isRecord(fields.error) ? fields.error.message : undefined;
  for (const words of [inner, fields.message, fields.detail, fields.msg, fields.error_msg, fields.error]) {
    if (typeof words === 'string' && words.trim() !== '') return oneLine(words);
    if (Array.isArray(words)) return oneLine(JSON.stringify(words));
  }
  return undefined;
}

async function httpError(
  answer: NetworkAnswer,
  asked: URL,
  redact: (text: string) => string,
): Promise<HttpError> {
  const { statusCode: status, headers } = answer;
  let body = '';
  try {
    body = redact(await all(bounded(answer, ERROR_BODY_LIMIT, () => {})));
  } catch {
    // A broken or endless error page has no more information than its status.
  }
  const location = headers.location
    ? `redirected to ${oneLine(redact(absolute(String(headers.location), asked)))}, name that address`
    : '';
  const words = [location, errorMessageOf(body)].filter(Boolean).join(': ');
  return new HttpError(status, headers, words || STATUS_CODES[status] || 'no message');
}

/** Servers may name a place by its path alone. */
function absolute(location: string, asked: URL): string {
  return URL.canParse(location, asked.href) ? new URL(location, asked).href : location;
}

/** A server that ignores `stream: true` answers with one JSON object. */
function wholeAnswer(body: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Error(`the response is not JSON: ${oneLine(body)}`);
  }
  return eventOf(value);
}

/**
 * A whole answer as the one event of a stream.
 *
 * @throws Error for a value that holds no answer.
 */
export function eventOf(answer: unknown): unknown {
  const choices = isRecord(answer) && Array.isArray(answer.choices) ? answer.choices.filter(isRecord) : [];
  if (!choices.some(({ message, error }) => isRecord(message) || error)) {
    const words = messageIn(answer) ?? oneLine(JSON.stringify(answer) ?? 'nothing');
    throw new Error(`the response holds no answer: ${words}`);
  }
  return { ...(answer as object), choices: choices.map((choice) => ({ ...choice, delta: choice.message })) };
}

function webPage(beginning: string): WebPage {
  const title = oneLine(/<title[^>]*>([^<]*)/i.exec(beginning)?.[1] ?? '');
  return new WebPage(`the response was a web page${title && ` ("${title}")`}, no answer`);
}

async function* bounded(answer: NetworkAnswer, limit: number, heard: () => void): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let seen = 0;
  for await (const chunk of answer.body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    heard();
    seen += chunk.byteLength;
    if (seen > limit) throw new Error(`the response did not end within ${(limit / 1048576).toFixed(1)} MiB`);
    yield decoder.write(chunk);
  }
  yield decoder.end();
}

async function all(pieces: AsyncIterable<string>): Promise<string> {
  const list: string[] = [];
  for await (const piece of pieces) list.push(piece);
  return list.join('');
}

/** Cut to one line of at most 300 characters, without control characters: a terminal would obey them. */
export function oneLine(text: string): string {
  return shortened(asLine(text), 300);
}
