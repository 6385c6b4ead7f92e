/** Downloads files, resumable and checked. */
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataError, Interrupted, messageOf, ReasVqaError, UsageError } from './errors.js';
import { hashFile, makeFolder, readHead, syncFolder } from './files.js';
import { networkFetch, ProxyError, routeOf, throughProxy } from './network.js';
import { unwritten } from './unwritten.js';

export interface FetchOptions {
  /** Continue a `.part` file left by an earlier run. Default true. */
  resume?: boolean;
  /** Bytes the whole file must have. */
  expectedSize?: number;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  sha256?: string;
  /** Called as bytes arrive: bytes so far, and in all if the server says. */
  onProgress?: (done: number, total: number | undefined) => void;
  /** Attempts without a new byte before giving up. Default 6. */
  attempts?: number;
  /** First pause between attempts in milliseconds, doubled each time up to a minute. Default 1000. */
  backoffMs?: number;
  /** A connection without a byte for this long is closed and tried again. Default 60 s. */
  stallMs?: number;
  signal?: AbortSignal;
  /** Sent with each request. */
  headers?: Readonly<Record<string, string>>;
  /** What messages advise for this server. */
  advice?: Advice;
}

/** What to do about a failure, as the end of a message. */
export interface Advice {
  /** For an address that is none: `check HF_ENDPOINT`. */
  address: string;
  /** Behind `check the connection`. */
  connection: string;
  /** For a file that is not there. */
  missing: string;
  /** For a file that may not be read. */
  access: string;
}

const PLAIN: Advice = {
  address: 'check it',
  connection: '',
  missing: 'it may have moved',
  access: 'it may need an account there; download it with a browser',
};

/** The server has no such file (404). */
export class NotOnServer extends DataError {}

/** A failure that another attempt may cure. */
class Transient extends Error {
  constructor(
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/**
 * Downloads a file so that `path` holds either all of it or is untouched. Bytes go to `<path>.part`; an interrupted
 * download continues there by a range request, guarded by the ETag in `<path>.part.etag` against a file that changed. A
 * complete file that agrees with `expectedSize` and `sha256` is not fetched again. Requests use the proxy that the environment
 * names, see {@link networkFetch}.
 *
 * @returns whether anything was downloaded.
 * @throws UsageError for an address that is no http(s) URL, or a proxy that cannot be used.
 * @throws NotOnServer, or another DataError: access denied, a web page, wrong size or hash, disk full, no answer after all attempts.
 * @throws Interrupted when `signal` aborts; the part is kept.
 */
export async function download(url: string, path: string, options: FetchOptions = {}): Promise<boolean> {
  if (await isComplete(path, options)) return false;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) {
    throw new UsageError(`${url}: not an http(s) URL; ${(options.advice ?? PLAIN).address}`);
  }
  await makeFolder(dirname(path)).catch((error) => {
    throw new DataError(`${dirname(path)}: cannot be created (${messageOf(error)})`, { cause: error });
  });
  const part = `${path}.part`;
  if (options.resume === false) await discard(part);
  await downloadWithRetries(url, path, part, options);
  await refuseWebPage(url, part);
  await verify(url, part, options);
  try {
    await rename(part, path);
    await rm(`${part}.etag`, { force: true });
    await syncFolder(dirname(path));
  } catch (error) {
    throw new DataError(`${path}: ${unwritten(path, error)}`, { cause: error });
  }
  return true;
}

async function isComplete(path: string, options: FetchOptions): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return false;
  if (options.expectedSize !== undefined && found.size !== options.expectedSize) return false;
  return options.sha256 === undefined || (await hashFile(path)) === options.sha256;
}

async function downloadWithRetries(
  url: string,
  path: string,
  part: string,
  options: FetchOptions,
): Promise<void> {
  const attempts = options.attempts ?? 6;
  let failures = 0;
  for (;;) {
    const before = await sizeOf(part);
    try {
      await downloadOnce(url, part, before, options);
      return;
    } catch (error) {
      if (options.signal?.aborted) {
        throw new Interrupted(`${url}: interrupted; run the same command again to continue`);
      }
      if (!(error instanceof Transient)) throw error;
      // Progress renews the attempts: a long file over a poor line may need many.
      failures = (await sizeOf(part)) > before ? 1 : failures + 1;
      if (failures >= attempts) {
        throw new DataError(
          `${url}: ${error.message}, ${attempts} times; check the connection${(options.advice ?? PLAIN).connection} and run again, or place the file at ${path}`,
        );
      }
      const pause = Math.min((options.backoffMs ?? 1000) * 2 ** (failures - 1), 60_000);
      await sleep(error.retryAfterMs ?? pause, undefined, { signal: options.signal }).catch(() => undefined);
    }
  }
}

/** One request. Returns when the whole file is in `part`, of which `size` bytes are there already. */
async function downloadOnce(url: string, part: string, size: number, options: FetchOptions): Promise<void> {
  const etag = size > 0 ? await readFile(`${part}.etag`, 'utf8').catch(() => undefined) : undefined;
  // Without an ETag or a hash, halves of two different files would go unnoticed.
  const have = etag || options.sha256 ? size : 0;
  const headers: Record<string, string> = { 'accept-encoding': 'identity', ...options.headers };
  if (have > 0) {
    headers.range = `bytes=${have}-`;
    if (etag) headers['if-range'] = etag;
  }
  const stall = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stall.signal]) : stall.signal;
  const timer = setTimeout(() => stall.abort(), options.stallMs ?? 60_000);
  try {
    const response = await request(url, headers, signal);
    timer.refresh();
    const start = await startOf(url, part, response, have, options.advice ?? PLAIN);
    if (start === undefined) return;
    await rememberEtag(part, response.headers.get('etag'));
    await receive(response, part, start, options, timer);
  } finally {
    clearTimeout(timer);
  }
}

async function request(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  try {
    return await networkFetch(url, { headers, signal });
  } catch (error) {
    if (error instanceof ReasVqaError) throw error;
    if (signal.aborted) throw new Transient(`no answer${throughProxy(url)}`);
    if (error instanceof ProxyError) {
      if (!error.retry) throw new DataError(`${url}: ${error.message}`, { cause: error });
      throw new Transient(error.message);
    }
    const cause = error instanceof Error && error.cause ? messageOf(error.cause) : messageOf(error);
    throw new Transient(`no connection (${cause})${routeOf(url)}`);
  }
}

/**
 * Byte offset of a response's body in the file; undefined when the part is complete already.
 *
 * @throws DataError for answers that will not change; Transient for those that may.
 */
async function startOf(
  url: string,
  part: string,
  response: Response,
  have: number,
  advice: Advice,
): Promise<number | undefined> {
  const { status } = response;
  if (status === 200) return 0;
  if (status === 206) {
    const start = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]);
    if (start === have) return start;
    await response.body?.cancel();
    await discard(part);
    throw new Transient('the server answered with another range than asked');
  }
  await response.body?.cancel();
  const via = throughProxy(url);
  if (status === 416) {
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (total !== undefined && Number(total) === have) return undefined;
    await discard(part);
    throw new Transient('the partial file did not fit the one on the server');
  }
  if (status === 404) {
    throw new NotOnServer(`${url}: not found (404)${via}; ${advice.missing}`);
  }
  if (status === 401 || status === 403) {
    throw new DataError(`${url}: access denied (${status})${via}; ${advice.access}`);
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    const retryAfter = Number.isFinite(seconds) ? Math.min(seconds, 300) * 1000 : undefined;
    throw new Transient(`the server answered ${status}${via}`, retryAfter);
  }
  throw new DataError(`${url}: the server answered ${status} ${response.statusText}${via}`);
}

/** Writes a response's body into the part from `start`. */
async function receive(
  response: Response,
  part: string,
  start: number,
  options: FetchOptions,
  timer: NodeJS.Timeout,
): Promise<void> {
  const length = response.headers.get('content-length');
  const total = length === null ? options.expectedSize : start + Number(length);
  const file = await openPart(part, start);
  let position = start;
  try {
    const reader = response.body?.getReader();
    while (reader) {
      const chunk = await reader.read().catch((error) => {
        throw new Transient(`the connection broke after ${position} bytes (${messageOf(error)})`);
      });
      if (chunk.done) break;
      timer.refresh();
      await writeChunk(part, file, chunk.value, position);
      position += chunk.value.length;
      options.onProgress?.(position, total);
    }
    await syncPart(part, file);
  } finally {
    await file.close();
  }
  if (total !== undefined && position < total) {
    throw new Transient(`the connection ended at byte ${position} of ${total}`);
  }
}

async function openPart(part: string, start: number): Promise<FileHandle> {
  try {
    return await open(part, start === 0 ? 'w' : 'r+');
  } catch (error) {
    throw new DataError(`${part}: ${unwritten(part, error)}`, { cause: error });
  }
}

async function writeChunk(
  part: string,
  file: FileHandle,
  chunk: Uint8Array,
  position: number,
): Promise<void> {
  try {
    let done = 0;
    while (done < chunk.length) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw new DataError(`${part}: ${unwritten(part, error)}; it continues from here`, { cause: error });
  }
}

async function syncPart(part: string, file: FileHandle): Promise<void> {
  await file.sync().catch((error) => {
    throw new DataError(`${part}: ${unwritten(part, error)}`, { cause: error });
  });
}

/** Weak validators cannot guard a range request (RFC 9110, section 13.1.5), so they are not kept. */
async function rememberEtag(part: string, etag: string | null): Promise<void> {
  if (etag && !etag.startsWith('W/')) await writeFile(`${part}.etag`, etag);
  else await rm(`${part}.etag`, { force: true });
}

/** A login or a proxy answers 200 with a page of its own, which would count as the file from then on. */
async function refuseWebPage(url: string, part: string): Promise<void> {
  const head = await readHead(part, 256);
  if (!/^\s*<(!doctype html|html|head)\b/i.test(head.toString())) return;
  await discard(part);
  throw new DataError(
    `${url}: a web page came instead of the file${throughProxy(url)}; open the address in a browser: a login or a proxy may stand before it`,
  );
}

async function verify(url: string, part: string, options: FetchOptions): Promise<void> {
  const size = await sizeOf(part);
  if (options.expectedSize !== undefined && size !== options.expectedSize) {
    await discard(part);
    throw new DataError(
      `${url}: got ${size} bytes, expected ${options.expectedSize}; the file on the server is another one`,
    );
  }
  if (options.sha256 === undefined) return;
  const hash = await hashFile(part);
  if (hash === options.sha256) return;
  await discard(part);
  throw new DataError(`${url}: SHA-256 is ${hash}, expected ${options.sha256}; it was removed, run again`);
}

async function discard(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.etag`, { force: true });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
