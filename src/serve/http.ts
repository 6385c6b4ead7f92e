/** Requests and responses: refusals as JSON, bodies with a limit, and who may ask. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Readable } from 'node:stream';

/** An answer other than 2xx: its status, a sentence for people, and further headers. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** Milliseconds without a byte after which a body counts as broken off. */
export const SILENCE = 60_000;

/**
 * The chunks of a body, whose sender can still be answered where they are not read to the end.
 *
 * @throws Refusal 408 when none comes for `silence` milliseconds
 */
export async function* chunksOf(body: Readable, silence: number): AsyncGenerator<Buffer> {
  const chunks = body.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const { value, done } = await within(silence, chunks.next());
      if (done) return;
      yield value;
    }
  } finally {
    // Not waited for: it ends behind the chunk that has not come.
    chunks.return?.().catch(() => undefined);
  }
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () =>
      reject(new Refusal(408, `the request broke off: nothing of it came for ${milliseconds / 1000} s`));
    const timer = setTimeout(late, milliseconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export function sendJson(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
    .end(`${JSON.stringify(value)}\n`);
}

/** Sent with everything: nothing foreign is loaded or framed, and no type is guessed. */
export const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/** Bytes of a JSON request: a question and 26 options of 10,000 characters, written as escapes. */
const MOST_JSON = 2 ** 21;

/** @throws Refusal 415 for another type, 413 for too many bytes, 408 for too few, 400 for what is no JSON object */
export async function readJson(request: IncomingMessage, silence: number): Promise<Record<string, unknown>> {
  // A form of another site can send text, but not this type.
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new Refusal(415, 'expected content-type application/json');
  if (Number(request.headers['content-length'] ?? 0) > MOST_JSON) throw tooLong();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunksOf(request, silence)) {
    length += chunk.length;
    if (length > MOST_JSON) throw tooLong();
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw new Refusal(400, 'the request is not JSON in UTF-8');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Refusal(400, 'expected a JSON object');
  return body as Record<string, unknown>;
}

const tooLong = () => new Refusal(413, `the request has more than ${MOST_JSON} bytes`);

/** The host of `name:port`, without brackets; undefined for what is none. */
function hostOf(authority: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]/@]+))(?::\d+)?$/i.exec(authority ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/**
 * Refuses requests that a page of another site makes. A name that resolves to this machine (DNS rebinding) is no
 * address, so only addresses, localhost, this machine's name and the one it was told to listen at are taken; a browser
 * names the page that asks in Origin and Sec-Fetch-Site.
 *
 * @throws Refusal 421 for a foreign host, 403 for a foreign origin
 */
export function checkSender(headers: IncomingHttpHeaders, listensAt: string): void {
  const host = hostOf(headers.host);
  const own = ['localhost', hostname().toLowerCase(), listensAt.toLowerCase()];
  if (host === undefined || !(isIP(host) || own.includes(host)))
    throw new Refusal(421, `host ${headers.host ?? '(none)'}: this server is not called that`);
  const { origin } = headers;
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== headers.host)
    throw new Refusal(403, `origin ${origin}: only the page of this server may ask`);
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new Refusal(403, 'only the page of this server may ask');
}
