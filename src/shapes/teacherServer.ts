/**
 * The built-in teacher behind an OpenAI-compatible HTTP server on loopback, so that reasoning generation runs the
 * same way against it as against vLLM or a hosted model. It can be told to fail in the ways servers do.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '../base/errors.js';
import { Rng } from '../base/random.js';
import { isRecord } from '../base/values.js';
import { parseTeacherPrompt } from '../reasoning/prompt.js';
import { ShapesTeacher, type TeacherOptions } from './teacher.js';

/** Ways to fail: HTTP 500; 429 with retry-after; a body that is no JSON; an empty answer; a cut stream; a slow start. */
const FAULTS = ['error', 'busy', 'garbage', 'empty', 'truncated', 'slow'] as const;
type Fault = (typeof FAULTS)[number];

export interface ServerOptions extends TeacherOptions {
  /** 0 (default) takes any free port. */
  port?: number;
  /** Name under /v1/models. Default `shapes-teacher`. */
  model?: string;
  /** When set, requests need it as a bearer token. */
  apiKey?: string;
  /** Share of the chat requests that fail, 0 to 1. Default 0. */
  failRate?: number;
  /** Which failures occur; default all but `slow`. */
  faults?: readonly Fault[];
  /** What happens to the first requests, one entry each (`ok` is an ordinary answer), before failRate applies. */
  script?: readonly (Fault | 'ok')[];
  /** Wait of a `slow` request before its first byte, in milliseconds. Default 2000. */
  slowMs?: number;
  /** Seconds in the retry-after header of `busy`. Default 0. */
  retryAfter?: number;
}

interface ServerStats {
  /** Chat requests of any outcome. */
  requests: number;
  answers: number;
  /** Answers whose option was wrong. */
  wrong: number;
  /** Requests that were refused (4xx). */
  refused: number;
  faults: Record<Fault, number>;
  /** Most chat requests at the same time. */
  peak: number;
}

export interface RunningTeacher {
  /** Base URL with `/v1`, for clients. */
  url: string;
  model: string;
  port: number;
  stats: ServerStats;
  /** Ends open connections too. */
  close(): Promise<void>;
}

const MAX_BODY = 64 * 1024 * 1024;

/** An HTTP status with OpenAI's error fields. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly type = 'invalid_request_error',
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/**
 * Starts the teacher on 127.0.0.1.
 *
 * @throws DataError when the dataset is missing or incomplete, or the error of `listen` when the port is taken.
 */
export async function startTeacher(options: ServerOptions): Promise<RunningTeacher> {
  const teacher = await ShapesTeacher.open(options);
  const stats: ServerStats = {
    requests: 0,
    answers: 0,
    wrong: 0,
    refused: 0,
    faults: { error: 0, busy: 0, garbage: 0, empty: 0, truncated: 0, slow: 0 },
    peak: 0,
  };
  const model = options.model ?? 'shapes-teacher';
  const handler = new Handler(teacher, { ...options, model }, stats);
  const server = createServer((request, response) => void handler.handle(request, response));
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, model, port, stats, close: () => close(server) };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

class Handler {
  private readonly rng: Rng;
  private open = 0;

  constructor(
    private readonly teacher: ShapesTeacher,
    private readonly options: ServerOptions & { model: string },
    private readonly stats: ServerStats,
  ) {
    this.rng = new Rng(`teacher/${options.seed ?? 0}/faults`);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that hangs up is its own affair.
    response.on('error', () => {});
    const path = (request.url ?? '/').split('?')[0];
    const route = `${request.method} ${path}`;
    try {
      if (route === 'GET /health') return sendJson(response, 200, { status: 'ok' });
      this.authorise(request);
      if (route === 'GET /v1/models') return sendJson(response, 200, this.models());
      if (route === 'POST /v1/chat/completions') return await this.chat(request, response);
      throw new Refusal(404, `there is nothing at ${route}`);
    } catch (error) {
      if (error instanceof Refusal) this.stats.refused++;
      refuse(response, error);
    }
  }

  private authorise(request: IncomingMessage): void {
    const { apiKey } = this.options;
    if (apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`) {
      throw new Refusal(401, 'wrong or missing API key', 'authentication_error', 'invalid_api_key');
    }
  }

  private models(): object {
    return {
      object: 'list',
      data: [{ id: this.options.model, object: 'model', created: 0, owned_by: 'reasvqa' }],
    };
  }

  private async chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const number = this.stats.requests++;
    this.stats.peak = Math.max(this.stats.peak, ++this.open);
    try {
      const body = await readJson(request);
      const fault = this.faultOf(number);
      if (fault !== undefined) this.stats.faults[fault]++;
      if (fault === 'slow') await wait(this.options.slowMs ?? 2000);
      if (fault === 'error') throw new Refusal(500, 'the teacher is out of order', 'server_error');
      if (fault === 'busy') {
        response.setHeader('retry-after', String(this.options.retryAfter ?? 0));
        throw new Refusal(429, 'too many requests', 'rate_limit_error', 'rate_limit_exceeded');
      }
      if (fault === 'garbage') return sendGarbage(response);
      const asked = parseRequest(body, this.options.model);
      const text = fault === 'empty' ? '' : await this.answer(asked);
      reply(response, { ...asked, model: this.options.model, number, text, cut: fault === 'truncated' });
    } finally {
      this.open--;
    }
  }

  private faultOf(number: number): Fault | undefined {
    const { script = [], failRate = 0, faults = FAULTS.filter((fault) => fault !== 'slow') } = this.options;
    const scripted = script[number];
    if (scripted !== undefined) return scripted === 'ok' ? undefined : scripted;
    // Two draws for every request, so that the n-th request's fate depends on the seed and n alone.
    const fails = this.rng.float() < failRate;
    const fault = faults.length > 0 ? this.rng.pick(faults) : undefined;
    return fails ? fault : undefined;
  }

  private async answer({ images, question, options }: ChatRequest): Promise<string> {
    let reply: Awaited<ReturnType<ShapesTeacher['answer']>>;
    try {
      reply = await this.teacher.answer(images, question, options);
    } catch (error) {
      throw new Refusal(400, messageOf(error));
    }
    this.stats.answers++;
    if (reply.correct === false) this.stats.wrong++;
    return reply.text;
  }
}

interface ChatRequest {
  images: Buffer[];
  question: string;
  options: string[];
  stream: boolean;
  maxTokens: number;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > MAX_BODY) throw new Refusal(413, `the request is larger than ${MAX_BODY} bytes`);
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the request is not JSON');
  }
}

function parseRequest(body: unknown, model: string): ChatRequest {
  if (!isRecord(body)) throw new Refusal(400, 'the request is not a JSON object');
  if (body.model !== model) {
    throw new Refusal(
      404,
      `there is no model ${JSON.stringify(body.model)}; this server has ${model}`,
      undefined,
      'model_not_found',
    );
  }
  const parts = contentParts(body.messages);
  const prompt = parts.flatMap((part) => (typeof part.text === 'string' ? [part.text] : [])).join('\n');
  const images = parts.flatMap((part) => (part.type === 'image_url' ? [decodeImage(part.image_url)] : []));
  const asked = parseTeacherPrompt(prompt);
  if (asked === undefined)
    throw new Refusal(400, 'the prompt has no "###Question: ..., ###Hints: A: ..." to answer');
  if (images.length === 0) throw new Refusal(400, 'the request has no images');
  const limit = body.max_completion_tokens ?? body.max_tokens;
  const maxTokens = typeof limit === 'number' && limit > 0 ? limit : Number.POSITIVE_INFINITY;
  return { ...asked, images, stream: body.stream === true, maxTokens };
}

/** The parts of all messages; a plain text is one part. */
function contentParts(messages: unknown): Record<string, unknown>[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new Refusal(400, 'the request has no messages');
  return messages.flatMap((message: unknown) => {
    const content = isRecord(message) ? message.content : undefined;
    if (typeof content === 'string') return [{ type: 'text', text: content }];
    if (Array.isArray(content) && content.every(isRecord)) return content;
    throw new Refusal(400, 'a message has no content');
  });
}

function decodeImage(value: unknown): Buffer {
  const url = isRecord(value) ? value.url : value;
  const match = typeof url === 'string' ? /^data:image\/[\w.+-]+;base64,(.+)$/s.exec(url) : null;
  if (match === null) throw new Refusal(400, 'an image is not a base64 data URL');
  return Buffer.from(match[1]!, 'base64');
}

interface Reply extends ChatRequest {
  model: string;
  number: number;
  text: string;
  /** Break the connection halfway. */
  cut: boolean;
}

/** The answer as one JSON object or as a stream of events; a token is a word here. */
function reply(
  response: ServerResponse,
  { text, stream, maxTokens, model, number, cut, question }: Reply,
): void {
  const words = text.match(/\s*\S+/g) ?? [];
  const sent = words.slice(0, maxTokens);
  const finish = sent.length < words.length ? 'length' : 'stop';
  const base = { id: `chatcmpl-${number}`, created: Math.floor(Date.now() / 1000), model };
  if (!stream) {
    const body = JSON.stringify({
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: sent.join('') }, finish_reason: finish }],
      usage: usageOf(question, sent.length),
    });
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    if (cut) breakOff(response, body.slice(0, body.length / 2));
    else response.end(body);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const event = (delta: object, reason: string | null) =>
    `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
  response.write(event({ role: 'assistant', content: '' }, null));
  const kept = cut ? sent.slice(0, sent.length / 2) : sent;
  for (const word of kept) response.write(event({ content: word }, null));
  if (cut) breakOff(response, '');
  else response.end(`${event({}, finish)}data: [DONE]\n\n`);
}

function usageOf(question: string, completion: number): object {
  const prompt = question.split(/\s+/).length;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** Sends a part of the body and then closes the connection, once the part is on its way. */
function breakOff(response: ServerResponse, part: string): void {
  response.write(part, () => response.destroy());
}

function sendGarbage(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"choices": [{"message": <html>Bad gateway</html>');
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof Refusal ? error : new Refusal(500, messageOf(error), 'server_error');
  const { status, message, type, code } = known;
  sendJson(response, status, { error: { message, type, param: null, code } });
}
