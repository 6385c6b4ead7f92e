/** The client of a teacher: one streamed request a sample, repeated where that can help. */
import { setTimeout as wait } from 'node:timers/promises';
import type OpenAI from 'openai';
import { causesOf, messageOf, UsageError } from '../base/errors.js';
import { ProxyError, proxyFor, routeOf, throughProxy, unreachableCode } from '../base/network.js';
import { isRecord } from '../base/values.js';
import { type TeacherAddress, teacherAddress } from './address.js';
import { endingOf } from './finish.js';
import { ReplyReader, type Written, withSteps } from './reply.js';
import { type Backoff, backoffMs, DEFAULT_BACKOFF, retryAfterMs } from './retry.js';
import { boundedFetch, oneLine, WebPage } from './transport.js';

/** The teacher's address and the settings of its requests. The key is not here: it comes from OPENAI_API_KEY alone. */
export interface TeacherSettings {
  /** Base URL of an OpenAI-compatible server, up to and with `/v1`; see {@link teacherAddress}. */
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
  /** The answer, after any thinking that the server sent separately; see {@link withSteps}. */
  text: string;
  /** `stop`, or `length` when max_tokens cut the answer, whatever the server calls it. */
  finishReason: 'stop' | 'length';
  /** Number of requests, 1 when the first succeeded. */
  attempts: number;
}

/** Anything that writes reasoning from images and a prompt. */
export interface Teacher {
  readonly model: string;
  /** Base URL for messages, without its query. */
  readonly url: string;
  readonly temperature: number;
  readonly maxTokens: number;
  /**
   * @param images data URLs, shown before the text.
   * @throws TeacherError when no attempt succeeded; the signal's reason when aborted.
   */
  complete(request: { images: string[]; prompt: string }, signal?: AbortSignal): Promise<TeacherAnswer>;
}

/** Scope of a failure: one sample is lost, or no other request can succeed either. */
type FailureScope = 'sample' | 'run';

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

/** Wrong key, no permission, no such model or path: the same for every sample. */
const FATAL_STATUS = new Set([401, 403, 404, 405]);
/** Statuses of a server without this path. */
const PATH_STATUS = new Set([404, 405]);
const RETRY_STATUS = new Set([408, 409, 425, 429]);

/**
 * Opens an OpenAI-compatible teacher (vLLM, LMDeploy, SGLang, llama.cpp, a hosted service). Nothing is sent until
 * {@link Teacher.complete} is called. Requests use the proxy that the environment names, see {@link proxyFor}.
 *
 * @param key sent as a bearer token; by default OPENAI_API_KEY, or a placeholder, which local servers ignore.
 * @throws UsageError for a URL, number or proxy that cannot work.
 */
export async function openTeacher(
  settings: TeacherSettings,
  key = process.env.OPENAI_API_KEY || 'none',
): Promise<Teacher> {
  const options = checked(settings);
  const { default: Client } = await import('openai');
  const client = new Client({
    apiKey: key,
    baseURL: options.address.base,
    defaultQuery: options.address.query,
    maxRetries: 0,
    timeout: options.totalMs,
    logLevel: 'off',
    // The library calls fetch with addresses, never with a Request.
    fetch: boundedFetch(Math.max(1 << 20, options.maxTokens * 4096)) as typeof fetch,
  });
  const { model, temperature, maxTokens, backoff, address } = options;
  const secrets = [key, ...address.secrets];

  async function complete(request: { images: string[]; prompt: string }, signal?: AbortSignal) {
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const result = await attemptOnce(client, options, request, signal);
      if ('text' in result) return { ...result, attempts: attempt + 1 };
      const message = redact(result.message, secrets);
      if (!result.retry || attempt >= backoff.retries) {
        throw new TeacherError(message, result.scope, attempt + 1);
      }
      await sleep(backoffMs(backoff, attempt, result.retryAfterMs), signal);
    }
  }
  return { model, url: address.base, temperature, maxTokens, complete };
}

function checked(settings: TeacherSettings) {
  const { baseUrl, model, temperature = 0, maxTokens = 1024, idleMs = 120_000, totalMs = 900_000 } = settings;
  const address = teacherAddress(baseUrl);
  proxyFor(address.base);
  if (!model) throw new UsageError('the teacher needs a model name, as its server lists it under /models');
  if (!(temperature >= 0 && temperature <= 2)) {
    throw new UsageError(`teacher temperature ${temperature} is not between 0 and 2`);
  }
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new UsageError(`teacher max tokens ${maxTokens} is not a positive whole number`);
  }
  const backoff: Backoff = { ...DEFAULT_BACKOFF, ...settings.backoff };
  return { address, model, temperature, maxTokens, idleMs, totalMs, backoff };
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
    const reply = new ReplyReader();
    for await (const event of stream) {
      watch.heard();
      reply.add(event);
    }
    // The library ends an aborted stream without an error.
    watch.signal.throwIfAborted();
    return answerOf(reply.first(), options.maxTokens);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (watch.expired) return failed(watch.expired);
    return failureOf(error, options.address);
  } finally {
    watch.end();
  }
}

/** Aborts an attempt that is silent or endless, or when the run is stopped. */
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

/** Judges a server's reply: an answer counts when its finish_reason is a known good one. */
function answerOf(
  written: Written | undefined,
  maxTokens: number,
): Omit<TeacherAnswer, 'attempts'> | Failure {
  if (!written) return failed('the response was no answer');
  const { content, steps, refusal, finish, nativeFinish } = written;
  const ending = endingOf(finish);
  const native = nativeFinish && nativeFinish !== finish ? `, natively ${JSON.stringify(nativeFinish)}` : '';
  const reason = `finish_reason ${JSON.stringify(finish)}${native}`;
  switch (ending) {
    case 'open':
      return failed(
        content || steps
          ? "the answer broke off (no finish_reason): the connection or the server ended early, see the server's log"
          : 'the response was no answer',
      );
    case 'refused':
      return refused(`a content filter (${reason})`, refusal);
    case 'tools':
      return failed(
        `the server took the answer for the call of a tool (${reason}); turn its tool parser off`,
      );
    case 'broken':
      return failed(
        `the server ended the answer with ${reason}, which is no known good end; see the server's log` +
          (content.trim() ? `. It wrote: ${oneLine(content)}` : ''),
      );
  }
  if (/\p{L}/u.test(content)) return { text: withSteps(written), finishReason: ending };
  if (refusal) return refused('the model', refusal);
  if (!steps.trim()) return failed('the answer was empty');
  const spent =
    ending === 'length'
      ? `max_tokens (${maxTokens}) were spent on it`
      : `max_tokens was ${maxTokens}, ${reason}`;
  return {
    ...failed(
      `the answer was empty: only thinking came (${steps.length} characters), ${spent}; raise --max-tokens, ` +
        "or turn the model's thinking off on the server",
    ),
    retry: ending !== 'length',
  };
}

function failed(message: string): Failure {
  return { message, retry: true, scope: 'sample', retryAfterMs: 0 };
}

/** A refusal is a decision about this sample; asking again brings the same one. */
function refused(by: string, words: string): Failure {
  return { ...failed(`refused by ${by}${words && `: ${oneLine(words)}`}`), retry: false };
}

/** Translates an error of the client library. */
function failureOf(error: unknown, { base, versioned }: TeacherAddress): Failure {
  const hint = versioned ? ` (the base URL has no /v1, which most servers want: try ${versioned})` : '';
  const status = isRecord(error) && typeof error.status === 'number' ? error.status : undefined;
  if (status !== undefined) {
    return {
      message: `HTTP ${messageOf(error)}${PATH_STATUS.has(status) ? hint : ''}${throughProxy(base)}`,
      retry: status >= 500 || RETRY_STATUS.has(status),
      scope: FATAL_STATUS.has(status) ? 'run' : 'sample',
      retryAfterMs: retryAfterMs(isRecord(error) ? (error.headers as Headers) : undefined),
    };
  }
  const chain = causesOf(error);
  const page = chain.find((cause) => cause instanceof WebPage);
  if (page) {
    const message = `${page.message}${hint}${throughProxy(base)}`;
    return versioned ? { ...failed(message), retry: false, scope: 'run' } : failed(message);
  }
  const proxy = chain.find((cause) => cause instanceof ProxyError);
  if (proxy) {
    const { message, retry, lasting } = proxy;
    return { message, retry, scope: lasting ? 'run' : 'sample', retryAfterMs: 0 };
  }
  const unreachable = unreachableCode(chain);
  if (unreachable !== undefined) {
    const message = `cannot be reached (${unreachable})${routeOf(base)}`;
    return { message, retry: true, scope: 'run', retryAfterMs: 0 };
  }
  return failed(oneLine(chain.at(-1)?.message ?? messageOf(error)));
}

/** Some servers repeat the key they reject; it must not reach a terminal, log or file. */
function redact(message: string, secrets: string[]): string {
  return secrets.reduce(
    (text, secret) => (secret.length < 6 ? text : text.replaceAll(secret, '(key)')),
    message,
  );
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await wait(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
