/** Decides whether a server's reply is an answer, and what each failure means for the sample and the run. */
import { causesOf, messageOf } from '../base/errors.js';
import { ProxyError, routeOf, throughProxy, unreachableCode } from '../base/network.js';
import type { TeacherAddress } from './address.js';
import { endingOf } from './finish.js';
import { type Usage, type Written, withSteps } from './reply.js';
import { retryAfterMs } from './retry.js';
import { HttpError, oneLine, WebPage } from './transport.js';

/** An answer that counts. */
export interface Accepted {
  /** The answer, after any thinking that the server sent separately; see {@link withSteps}. */
  text: string;
  /** `stop`, or `length` when max_tokens cut the answer, whatever the server calls it. */
  finishReason: 'stop' | 'length';
  /** Tokens, where the server tells them. */
  usage?: Usage;
}

/** Scope of a failure: one sample is lost, or no other request to this server can succeed either. */
export type FailureScope = 'sample' | 'run';

/** One failed attempt, before it is decided whether to try again. */
export interface Failure {
  message: string;
  retry: boolean;
  scope: FailureScope;
  retryAfterMs: number;
  /** The server has more requests than it can take. */
  busy?: boolean;
  /** It is the proxy's; the server heard nothing. */
  atProxy?: boolean;
  usage?: Usage;
}

/** Wrong key, no permission, no such model or path, another address: the same for every sample. */
const FATAL_STATUS = new Set([301, 302, 303, 307, 308, 401, 403, 404, 405]);
/** Statuses of a server without this path. */
const PATH_STATUS = new Set([404, 405]);
const RETRY_STATUS = new Set([408, 409, 425, 429]);
/** Too many requests; unavailable, as several servers say it; overloaded (Anthropic). */
const BUSY_STATUS = new Set([429, 503, 529]);

/**
 * Judges a server's reply: an answer counts when its finish_reason is a known good one.
 *
 * @param maxTokens the longest answer that was asked for.
 */
export function answerOf(written: Written | undefined, maxTokens: number): Accepted | Failure {
  if (!written) return failed('the response was no answer');
  const { content, steps, refusal, finish, nativeFinish } = written;
  const ending = endingOf(finish);
  const native = nativeFinish && nativeFinish !== finish ? `, natively ${JSON.stringify(nativeFinish)}` : '';
  const reason = oneLine(`finish_reason ${JSON.stringify(finish)}${native}`);
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

/** A failure of this sample that another attempt may mend. */
export function failed(message: string): Failure {
  return { message, retry: true, scope: 'sample', retryAfterMs: 0 };
}

/** A refusal is a decision about this sample; asking again brings the same one. */
function refused(by: string, words: string): Failure {
  return { ...failed(`refused by ${by}${words && `: ${oneLine(words)}`}`), retry: false };
}

/** What an error of a request means. */
export function failureOf(error: unknown, { base, versioned }: TeacherAddress): Failure {
  const hint = versioned ? ` (the base URL has no /v1, which most servers want: try ${versioned})` : '';
  if (error instanceof HttpError) {
    const { status, headers } = error;
    return {
      message: `HTTP ${status} ${error.message}${PATH_STATUS.has(status) ? hint : ''}${throughProxy(base)}`,
      retry: status >= 500 || RETRY_STATUS.has(status),
      scope: FATAL_STATUS.has(status) ? 'run' : 'sample',
      retryAfterMs: retryAfterMs({ get: (name) => headers[name]?.toString() ?? null }),
      busy: BUSY_STATUS.has(status),
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
    return { message, retry, scope: lasting ? 'run' : 'sample', retryAfterMs: 0, atProxy: true };
  }
  const unreachable = unreachableCode(chain);
  if (unreachable !== undefined) {
    const message = `cannot be reached (${unreachable})${routeOf(base)}`;
    return { message, retry: true, scope: 'run', retryAfterMs: 0 };
  }
  return failed(oneLine(chain.at(-1)?.message || messageOf(error)) || 'the connection broke');
}
