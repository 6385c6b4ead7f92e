/** The server of the page and of its API: routes, and the life of a request. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { messageOf, ReasVqaError, UsageError } from '../base/errors.js';
import type { OpenAsked } from '../training/asked.js';
import { Answers, type AskEvent, parseAsk } from './answers.js';
import { addExamples } from './examples.js';
import { checkSender, Refusal, readJson, SECURITY_HEADERS, SILENCE, sendJson } from './http.js';
import { DeviceQueue } from './queue.js';
import { type Video, VideoStore } from './videos.js';

export interface ServeOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Bytes of one upload. */
  uploadBytes: number;
  /** Uploads kept at once. */
  videos: number;
  /** Questions that may wait. */
  queue: number;
  /** Milliseconds without a byte after which a request counts as broken off. Default {@link SILENCE}. */
  silence?: number;
  /** Told about errors that are no fault of a request. */
  onError(line: string): void;
}

export interface RunningServer {
  readonly url: string;
  /** Whether only this machine reaches it. */
  readonly isLoopback: boolean;
  /** Begins to answer with a student, which the server disposes when it closes. */
  open(asked: OpenAsked, examples: boolean): Promise<void>;
  /** Ends questions and uploads under way, and removes the uploads. */
  close(): Promise<void>;
}

/** The files of the page; they come with the package as they are, and compiled code finds them from dist as from src. */
const PAGE = new URL('../../src/serve/page/', import.meta.url);
const PAGE_FILES: Record<string, [file: string, type: string]> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/view.js': ['view.js', 'text/javascript; charset=utf-8'],
  '/stream.js': ['stream.js', 'text/javascript; charset=utf-8'],
  '/base.css': ['../../report/page/style.css', 'text/css; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/**
 * Listens; until {@link RunningServer.open} everything is answered with 503.
 *
 * @throws UsageError for an address or port that cannot be listened at, DataError where no folder can be made for uploads
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { host, port, uploadBytes: bytes, videos, silence = SILENCE } = options;
  // Node would listen at every address of the machine.
  if (host.trim() === '') throw new UsageError('--host: expected an address, got none');
  const app = new App({ ...options, silence }, await VideoStore.create({ bytes, videos, silence }));
  const server = createServer((request, response) => void app.handle(request, response));
  // Asked before a body is sent: too long a one is then refused without being sent.
  server.on('checkContinue', (request, response) => void app.handle(request, response, true));
  // A long upload is no fault; silence is (SILENCE).
  server.requestTimeout = 0;
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    await app.close();
    throw listenError(error, host, port);
  }
  const { address, port: taken } = server.address() as AddressInfo;
  const shown = isIPv6(host) ? `[${host}]` : host;
  return {
    url: `http://${shown}:${taken}`,
    isLoopback: address === '::1' || address.startsWith('127.'),
    open: (asked, examples) => app.open(asked, examples),
    close: async () => {
      await endServer(server);
      await app.close();
    },
  };
}

async function endServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function listenError(error: unknown, host: string, port: number): unknown {
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} of ${host} is in use; choose another with --port, or 0 for a free one`,
    EACCES: `port ${port} needs more rights; choose one above 1023 with --port`,
    EADDRNOTAVAIL: `--host ${host}: no address of this machine`,
    ENOTFOUND: `--host ${host}: no such host`,
    ERR_SOCKET_BAD_PORT: `--port ${port}: expected 0 to 65535`,
  };
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  return reason === undefined ? error : new UsageError(reason, { cause: error });
}

class App {
  private answers: Answers | undefined;
  private facts: object = {};
  private readonly queue: DeviceQueue;
  /** Requests under way; closing waits for their end, since they hold tensors and files. */
  private readonly underway = new Set<Promise<void>>();

  constructor(
    private readonly options: ServeOptions & { silence: number },
    private readonly store: VideoStore,
  ) {
    this.queue = new DeviceQueue(options.queue);
  }

  async open(asked: OpenAsked, examples: boolean): Promise<void> {
    if (examples) await addExamples(this.store);
    const { uploadBytes, queue } = this.options;
    const { description: model, ships, config } = asked;
    this.facts = { model, ships, frames: config.video.frames, uploadBytes, queue };
    this.answers = new Answers(asked, this.store, this.queue);
  }

  async close(): Promise<void> {
    await Promise.all(this.underway);
    this.answers?.close();
    await this.store.close();
  }

  handle(request: IncomingMessage, response: ServerResponse, waits = false): Promise<void> {
    const work = this.route(request, response, waits)
      .catch((error) => this.refuse(request, response, error))
      .finally(() => this.underway.delete(work));
    this.underway.add(work);
    return work;
  }

  private async route(request: IncomingMessage, response: ServerResponse, waits: boolean): Promise<void> {
    // A client that hangs up is its own affair.
    response.on('error', () => {});
    request.on('error', () => {});
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    const { pathname, searchParams } = addressOf(request);
    const file = PAGE_FILES[pathname];
    // Following a link of another site to the page is no attack; its name has to be right all the same.
    const isPage = file !== undefined && (request.method === 'GET' || request.method === 'HEAD');
    const { host } = request.headers;
    checkSender(isPage ? { host } : request.headers, this.options.host);
    if (isPage) return sendFile(request, response, file);
    const { answers } = this;
    if (!answers) throw new Refusal(503, 'the model is being read', { 'retry-after': '2' });
    const [, id, part] = /^\/api\/videos\/([^/]+)(?:\/(frames))?$/.exec(pathname) ?? [];
    const route = `${request.method} ${id === undefined ? pathname : `/api/videos/ID${part ? '/frames' : ''}`}`;
    const accept = () => {
      if (waits) response.writeContinue();
    };
    switch (route) {
      case 'GET /api/state':
        return sendJson(response, 200, { ...this.facts, waiting: this.queue.length, videos: this.videos() });
      case 'GET /api/videos':
        return sendJson(response, 200, { videos: this.videos() });
      case 'POST /api/videos':
        return this.upload(answers, request, response, searchParams.get('name') ?? 'video', accept);
      case 'GET /api/videos/ID/frames':
        return sendJson(response, 200, { frames: await answers.preview(id!) });
      case 'DELETE /api/videos/ID':
        await this.store.remove(id!);
        response.writeHead(204).end();
        return;
      case 'POST /api/ask':
        accept();
        return this.ask(answers, request, response);
      default:
        throw new Refusal(404, `there is nothing at ${request.method} ${pathname.slice(0, 80)}`);
    }
  }

  private videos() {
    return this.store.list().map(told);
  }

  private async upload(
    answers: Answers,
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    accept: () => void,
  ): Promise<void> {
    const announced = request.headers['content-length'];
    const length = announced === undefined ? undefined : Number(announced);
    this.store.checkRoom(length);
    accept();
    const probe = async (arrived: Video) => void (await answers.framesOf(arrived));
    const video = await this.store.upload(request, name, probe);
    if (request.socket.destroyed) return this.store.remove(video.id);
    sendJson(response, 201, told(video));
  }

  private async ask(answers: Answers, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = parseAsk(await readJson(request, this.options.silence));
    const controller = new AbortController();
    // The reader is gone: nobody waits for the answer any more.
    response.on('close', () => controller.abort());
    const follows = /\btext\/event-stream\b/.test(request.headers.accept ?? '');
    const tell = (event: AskEvent) => follows && send(response, event);
    const report = await answers.answer(asked, controller.signal, tell);
    if (!follows) return sendJson(response, 200, report);
    send(response, { event: 'done', report });
    response.end();
  }

  private refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.destroyed || request.socket.destroyed) return;
    const { status, message, headers } = refusalOf(error);
    if (status >= 500 && !(error instanceof Refusal)) this.options.onError(`error: ${messageOf(error)}`);
    if (response.headersSent) {
      send(response, { event: 'error', status, error: message });
      response.end();
      return;
    }
    sendJson(response, status, { error: message }, headers);
    if (!request.complete) endSoon(request);
  }
}

/** Milliseconds in which a sender may read the refusal before the connection is cut. */
const FAREWELL = 1000;

/** The rest of a refused body is not kept. Cutting at once would throw away the refusal while the sender still sends. */
function endSoon(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), FAREWELL);
  request.once('close', () => clearTimeout(timer));
  request.resume();
}

function refusalOf(error: unknown): { status: number; message: string; headers: Record<string, string> } {
  if (error instanceof Refusal) return error;
  const { code, path } = error as NodeJS.ErrnoException;
  // The place is told to whoever started the server, not to whoever asks.
  if (path !== undefined)
    return { status: 500, message: `the server cannot use its folder (${code})`, headers: {} };
  if (error instanceof UsageError) return { status: 400, message: error.message, headers: {} };
  if (error instanceof ReasVqaError) return { status: 500, message: error.message, headers: {} };
  return { status: 500, message: `unexpected: ${messageOf(error)}`, headers: {} };
}

/** A request's path; only known ones are ever looked up, so what is odd about one finds nothing. */
function addressOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? '/', 'http://server');
  } catch {
    throw new Refusal(400, 'the address of the request cannot be read');
  }
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  [file, type]: [string, string],
): Promise<void> {
  const text = await readFile(new URL(file, PAGE));
  response.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-cache',
    'content-length': text.length,
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** A video as clients see it. */
function told({ id, name, kind, bytes, questions }: Video) {
  return { id, name, kind, bytes, questions };
}

/** One server-sent event. */
function send(response: ServerResponse, { event, ...data }: AskEvent | ErrorEvent): void {
  if (!response.headersSent)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

interface ErrorEvent {
  event: 'error';
  status: number;
  error: string;
}
