/**
 * `fetch` for servers that are nearly OpenAI-compatible. Every response that leaves here is either an event stream
 * of bounded length or an error whose body is `{"error": {"message": ...}}`, the only form the client library reads.
 */
import { networkFetch } from '../base/network.js';
import { isRecord, shortened } from '../base/values.js';

type Fetch = typeof networkFetch;

/** An HTML page instead of an answer: a wrong address, a login, a firewall. */
export class WebPage extends Error {}

/** Error for a body longer than the limit, which is no answer. */
class EndlessResponse extends Error {
  constructor(limit: number) {
    super(`the response did not end within ${(limit / 1048576).toFixed(1)} MiB`);
    this.name = 'EndlessResponse';
  }
}

/** Error bodies are read up to here. */
const ERROR_BODY_LIMIT = 64 * 1024;

/**
 * Wraps `inner`.
 *
 * @param limit most bytes of one response body; an {@link EndlessResponse} after that, with the connection closed.
 */
export function boundedFetch(limit: number, inner: Fetch = networkFetch): Fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    if (!response.ok) return flattenError(response);
    const type = response.headers.get('content-type') ?? '';
    if (/\bjson\b/.test(type)) return streamOfOne(await readText(response, limit), response);
    if (!response.body) return response;
    return new Response(bounded(noPage(response.body), limit), {
      status: response.status,
      headers: response.headers,
    });
  };
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

async function flattenError(response: Response): Promise<Response> {
  let body = '';
  try {
    body = await readText(response, ERROR_BODY_LIMIT);
  } catch {
    // A broken or endless error page has no more information than its status.
  }
  const message = errorMessageOf(body) || response.statusText || 'no message';
  const headers = new Headers(response.headers);
  headers.set('content-type', 'application/json');
  headers.delete('content-length');
  headers.delete('content-encoding');
  return new Response(JSON.stringify({ error: { message } }), {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}

/** A server that ignores `stream: true` answers with one JSON object; this makes it a stream of one event. */
function streamOfOne(body: string, response: Response): Response {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Error(`the response is not JSON: ${oneLine(body)}`);
  }
  const choices = isRecord(value) && Array.isArray(value.choices) ? value.choices.filter(isRecord) : [];
  if (!choices.some(({ message, error }) => isRecord(message) || error)) {
    throw new Error(`the response holds no answer: ${errorMessageOf(body)}`);
  }
  const event = {
    ...(value as object),
    choices: choices.map((choice) => ({ ...choice, delta: choice.message })),
  };
  const headers = new Headers(response.headers);
  headers.set('content-type', 'text/event-stream');
  headers.delete('content-length');
  headers.delete('content-encoding');
  return new Response(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`, {
    status: response.status,
    headers,
  });
}

/** No event begins with `<`; the type is not asked, since gateways send events as text/html too. */
function noPage(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let begun = false;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const text = begun ? '' : new TextDecoder().decode(chunk).trimStart();
        begun ||= text !== '';
        if (text.startsWith('<')) controller.error(webPage(text));
        else controller.enqueue(chunk);
      },
    }),
  );
}

function webPage(beginning: string): WebPage {
  const title = oneLine(/<title[^>]*>([^<]*)/i.exec(beginning)?.[1] ?? '');
  return new WebPage(`the response was a web page${title && ` ("${title}")`}, no answer`);
}

function bounded(body: ReadableStream<Uint8Array>, limit: number): ReadableStream<Uint8Array> {
  let seen = 0;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        seen += chunk.byteLength;
        if (seen > limit) controller.error(new EndlessResponse(limit));
        else controller.enqueue(chunk);
      },
    }),
  );
}

async function readText(response: Response, limit: number): Promise<string> {
  if (!response.body) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of bounded(response.body, limit)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** Cut to one line of at most 300 characters. */
export function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return shortened(line, 300);
}
