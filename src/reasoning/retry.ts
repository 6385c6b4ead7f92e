/**
 * When to ask again, and how long to wait: exponential backoff with jitter, never less than the server's own
 * Retry-After.
 */
export interface Backoff {
  /** Attempts after the first; 5 means at most 6 requests. */
  retries: number;
  /** Mean wait before the first retry, in milliseconds; it doubles with every retry. */
  baseMs: number;
  /** Longest wait that is not asked for by the server, in milliseconds. */
  maxMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { retries: 5, baseMs: 1000, maxMs: 60_000 };

/** Longest Retry-After that is honoured, so that a server's typo does not stall a run for days. */
export const LONGEST_RETRY_AFTER_MS = 15 * 60_000;

/**
 * Milliseconds to wait before retry `attempt` (0-based).
 *
 * @param retryAfterMs the server's own Retry-After, if any; taken in full up to 15 minutes.
 * @param random uniform in [0, 1): the wait is spread over 50-150 % of its mean so that many clients do not
 *   come back together.
 */
export function backoffMs(backoff: Backoff, attempt: number, retryAfterMs = 0, random = Math.random): number {
  const mean = Math.min(backoff.maxMs, backoff.baseMs * 2 ** attempt);
  return Math.max(Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS), mean * (0.5 + random()));
}

/**
 * Milliseconds asked for by a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3), or the
 * non-standard `retry-after-ms`. 0 when absent or unreadable.
 */
export function retryAfterMs(headers: Pick<Headers, 'get'> | undefined, now = Date.now()): number {
  const milliseconds = headers?.get('retry-after-ms');
  if (milliseconds && /^\d+(\.\d+)?$/.test(milliseconds)) return Number(milliseconds);
  const value = headers?.get('retry-after')?.trim();
  if (!value) return 0;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
