/**
 * `fetch` for servers that are nearly OpenAI-compatible. Every response that leaves here is either an event stream
 * of bounded length or an error whose body is `{"error": {"message": ...}}`, the only form the client library reads.
 */
import { isRecord, shortened } from '../values.js';

type Fetch = typeof fetch;

/** A body longer than this is no answer; the reader gets this error. */
export class EndlessResponse extends Error {
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
export function boundedFetch(limit: number, inner: Fetch = fetch): Fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    if (!response.ok) return flattenError(response);
    const type = response.headers.get('content-type') ?? '';
    if (type.includes('application/json')) return streamOfOne(await readText(response, limit), response);
    if (!response.body) return response;
    return new Response(bounded(response.body, limit), {
      status: response.status,
      headers: response.headers,
    });
  };
}

/**
 * The message of an error body: OpenAI's `error.message`, the flat `message` of vLLM, FastAPI's `detail`, a string
 * under `error`, or the text itself, cut to one readable line.
 */
export function errorMessageOf(body: string): string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return oneLine(body);
  }
  const fields = isRecord(value) ? value : {};
  const error = isRecord(fields.error) ? fields.error.message : fields.error;
  for (const candidate of [error, fields.message, fields.detail]) {
    if (typeof candidate === 'string' && candidate.trim() !== '') return oneLine(candidate);
    if (Array.isArray(candidate)) return oneLine(JSON.stringify(candidate));
  }
  return oneLine(body);
}

async function flattenError(response: Response): Promise<Response> {
  let body = '';
  try {
    body = await readText(response, ERROR_BODY_LIMIT);
  } catch {
    // A broken or endless error page tells nothing more than its status.
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
  const choice = isRecord(value) && Array.isArray(value.choices) ? value.choices[0] : undefined;
  if (!isRecord(choice) || !isRecord(choice.message)) {
    throw new Error(`the response holds no answer: ${errorMessageOf(body)}`);
  }
  const event = { ...(value as object), choices: [{ ...choice, delta: choice.message }] };
  const headers = new Headers(response.headers);
  headers.set('content-type', 'text/event-stream');
  headers.delete('content-length');
  headers.delete('content-encoding');
  return new Response(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`, {
    status: response.status,
    headers,
  });
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

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return shortened(line, 300);
}
