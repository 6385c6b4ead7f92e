import { setTimeout as wait } from 'node:timers/promises';
import type OpenAI from 'openai';
import { messageOf, UsageError } from '../errors.js';
import { isRecord } from '../values.js';
import { type Backoff, backoffMs, DEFAULT_BACKOFF, retryAfterMs } from './retry.js';
import { boundedFetch } from './transport.js';

/** Where the teacher is and how it is asked. The key is not here: it comes from OPENAI_API_KEY alone. */
export interface TeacherSettings {
  /** Base URL of an OpenAI-compatible server, up to and with `/v1`. */
  baseUrl: string;
  model: string;
  /** 0 (default) asks for the most likely answer. */
  temperature?: number;
  /** Longest answer in tokens; default 1024. */
  maxTokens?: number;
  /** Waits between attempts; default {@link DEFAULT_BACKOFF}. */
  backoff?: Partial<Backoff>;
  /** An attempt ends after this many milliseconds without a byte from the server; default 120 s. */
  idleMs?: number;
  /** An attempt ends after this many milliseconds in all; default 15 minutes. */
  totalMs?: number;
}

export interface TeacherAnswer {
  text: string;
  /** `stop`, or `length` when max_tokens cut the answer. */
  finishReason: string;
  /** Requests it took, 1 when the first succeeded. */
  attempts: number;
}

/** Anything that writes reasoning from images and a prompt. */
export interface Teacher {
  readonly model: string;
  readonly url: string;
  readonly temperature: number;
  readonly maxTokens: number;
  /**
   * @param images data URLs, shown before the text.
   * @throws TeacherError when no attempt succeeded; the signal's reason when aborted.
   */
  complete(request: { images: string[]; prompt: string }, signal?: AbortSignal): Promise<TeacherAnswer>;
}

/** What a failure says about the rest of the run: one sample is lost, or nothing else can succeed either. */
export type FailureScope = 'sample' | 'run';

export class TeacherError extends Error {
  constructor(
    message: string,
    readonly scope: FailureScope,
    readonly attempts: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'TeacherError';
  }
}

/** One failed attempt, before it is decided whether to try again. */
interface Failure {
  message: string;
  retry: boolean;
  scope: FailureScope;
  retryAfterMs: number;
}

/** Servers that nobody answers at: trying the next sample would only repeat the wait. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Wrong key, no permission, no such model or path: the same for every sample. */
const FATAL_STATUS = new Set([401, 403, 404]);
const RETRY_STATUS = new Set([408, 409, 425, 429]);

/**
 * Opens an OpenAI-compatible teacher (vLLM, LMDeploy, SGLang, llama.cpp, a hosted service). Nothing is sent until
 * {@link Teacher.complete} is called.
 *
 * @param key sent as a bearer token; by default OPENAI_API_KEY, or a placeholder, which local servers ignore.
 * @throws UsageError for a URL or number that cannot work.
 */
export async function openTeacher(
  settings: TeacherSettings,
  key = process.env.OPENAI_API_KEY || 'none',
): Promise<Teacher> {
  const options = checked(settings);
  const { default: Client } = await import('openai');
  const client = new Client({
    apiKey: key,
    baseURL: options.baseUrl,
    maxRetries: 0,
    timeout: options.totalMs,
    logLevel: 'off',
    fetch: boundedFetch(Math.max(1 << 20, options.maxTokens * 4096)),
  });
  const { model, temperature, maxTokens, backoff } = options;

  async function complete(request: { images: string[]; prompt: string }, signal?: AbortSignal) {
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const result = await attemptOnce(client, options, request, signal);
      if ('text' in result) return { ...result, attempts: attempt + 1 };
      const message = redact(result.message, key);
      if (!result.retry || attempt >= backoff.retries) {
        throw new TeacherError(message, result.scope, attempt + 1);
      }
      await sleep(backoffMs(backoff, attempt, result.retryAfterMs), signal);
    }
  }
  return { model, url: options.baseUrl, temperature, maxTokens, complete };
}

function checked(settings: TeacherSettings) {
  const { baseUrl, model, temperature = 0, maxTokens = 1024, idleMs = 120_000, totalMs = 900_000 } = settings;
  if (!URL.canParse(baseUrl) || !/^https?:\/\//i.test(baseUrl)) {
    throw new UsageError(
      `teacher URL "${baseUrl}" is not an http(s) URL; expected e.g. http://localhost:8000/v1`,
    );
  }
  const url = new URL(baseUrl);
  if (url.username || url.password) {
    throw new UsageError(
      `teacher URL for ${url.host} carries a user or password; put the key in OPENAI_API_KEY instead`,
    );
  }
  if (!model) throw new UsageError('the teacher needs a model name, as its server lists it under /models');
  if (!(temperature >= 0 && temperature <= 2)) {
    throw new UsageError(`teacher temperature ${temperature} is not between 0 and 2`);
  }
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new UsageError(`teacher max tokens ${maxTokens} is not a positive whole number`);
  }
  const backoff: Backoff = { ...DEFAULT_BACKOFF, ...settings.backoff };
  return { baseUrl, model, temperature, maxTokens, idleMs, totalMs, backoff };
}

type Checked = ReturnType<typeof checked>;

/**
 * One request, streamed: Node's fetch gives up on a server that sends no header for 300 s, which a long answer
 * that is not streamed can take.
 */
async function attemptOnce(
  client: OpenAI,
  options: Checked,
  request: { images: string[]; prompt: string },
  signal: AbortSignal | undefined,
): Promise<Omit<TeacherAnswer, 'attempts'> | Failure> {
  const watch = new Watch(options.idleMs, options.totalMs, signal);
  try {
    const stream = await client.chat.completions.create(
      {
        model: options.model,
        temperature: options.temperature,
        max_tokens: options.maxTokens,
        stream: true,
        messages: [{ role: 'user', content: contentOf(request) }],
      },
      { signal: watch.signal },
    );
    let text = '';
    let finishReason: string | undefined;
    for await (const chunk of stream) {
      watch.heard();
      const choice = firstChoice(chunk);
      if (typeof choice?.delta?.content === 'string') text += choice.delta.content;
      finishReason = choice?.finish_reason ?? finishReason;
    }
    // The library ends an aborted stream without an error.
    watch.signal.throwIfAborted();
    return answerOf(text, finishReason);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (watch.expired) return failed(watch.expired);
    return failureOf(error);
  } finally {
    watch.end();
  }
}

/** Aborts an attempt that is silent or endless, or whose run was stopped. */
class Watch {
  /** Why the attempt was given up, if it was. */
  expired: string | undefined;
  private readonly controller = new AbortController();
  private idle: NodeJS.Timeout;
  private readonly total: NodeJS.Timeout;
  private readonly stop = () => this.controller.abort(this.outer?.reason);

  constructor(
    private readonly idleMs: number,
    totalMs: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    this.idle = this.timer(idleMs, `no data for ${idleMs / 1000} s`);
    this.total = this.timer(totalMs, `no end within ${totalMs / 1000} s`);
    outer?.addEventListener('abort', this.stop, { once: true });
    if (outer?.aborted) this.stop();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  heard(): void {
    clearTimeout(this.idle);
    this.idle = this.timer(this.idleMs, `no data for ${this.idleMs / 1000} s`);
  }

  end(): void {
    clearTimeout(this.idle);
    clearTimeout(this.total);
    this.outer?.removeEventListener('abort', this.stop);
  }

  private timer(ms: number, why: string): NodeJS.Timeout {
    return setTimeout(() => {
      this.expired = why;
      this.controller.abort(new Error(why));
    }, ms);
  }
}

function contentOf(request: { images: string[]; prompt: string }) {
  const images = request.images.map((url) => ({ type: 'image_url' as const, image_url: { url } }));
  return [...images, { type: 'text' as const, text: request.prompt }];
}

/** The first choice of a streamed chunk, whatever the server sent in its place; errors in the stream are thrown. */
function firstChoice(chunk: unknown) {
  if (!isRecord(chunk)) return undefined;
  if (!Array.isArray(chunk.choices)) {
    if (typeof chunk.message === 'string') throw new Error(`error in the stream: ${chunk.message}`);
    return undefined;
  }
  return chunk.choices[0] as
    | { delta?: { content?: unknown } | null; finish_reason?: string | null }
    | undefined;
}

function answerOf(text: string, finishReason: string | undefined): Omit<TeacherAnswer, 'attempts'> | Failure {
  if (finishReason === undefined) {
    return failed(text ? 'the answer broke off (no finish_reason)' : 'the response was no answer');
  }
  if (finishReason === 'content_filter') {
    return { ...failed('refused by a content filter'), retry: false };
  }
  if (!/\p{L}/u.test(text)) return failed('the answer was empty');
  return { text, finishReason };
}

function failed(message: string): Failure {
  return { message, retry: true, scope: 'sample', retryAfterMs: 0 };
}

/** What an error of the client library means. */
function failureOf(error: unknown): Failure {
  const status = isRecord(error) && typeof error.status === 'number' ? error.status : undefined;
  if (status !== undefined) {
    return {
      message: `HTTP ${messageOf(error)}`,
      retry: status >= 500 || RETRY_STATUS.has(status),
      scope: FATAL_STATUS.has(status) ? 'run' : 'sample',
      retryAfterMs: retryAfterMs(isRecord(error) ? (error.headers as Headers) : undefined),
    };
  }
  const codes = causes(error).map((cause) => cause.code);
  const unreachable = codes.find((code) => typeof code === 'string' && UNREACHABLE.has(code));
  if (unreachable !== undefined) {
    return { message: `cannot be reached (${unreachable})`, retry: true, scope: 'run', retryAfterMs: 0 };
  }
  return failed(causes(error).at(-1)?.message ?? messageOf(error));
}

/** The error and what caused it, outermost first; fetch hides the reason three levels down. */
function causes(error: unknown): { message: string; code?: unknown }[] {
  const list: { message: string; code?: unknown }[] = [];
  let cause: unknown = error;
  while (cause instanceof Error && list.length < 8) {
    list.push({ message: cause.message, code: (cause as NodeJS.ErrnoException).code });
    cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause;
  }
  return list;
}

/** Some servers repeat the key they reject; it must not reach a terminal, log or file. */
function redact(message: string, key: string): string {
  return key.length < 6 ? message : message.replaceAll(key, '(key)');
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await wait(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
