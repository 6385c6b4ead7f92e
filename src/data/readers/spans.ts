/** Spans of time in annotation files. */
import type { Span } from '../sample.js';

/** Seconds by which a span may pass a stated duration, since some annotations round durations to whole seconds. */
const ROUNDED = 1;

/** Whether a span ends within a video of `duration` seconds, as far as that is known. */
export function isInside([, end]: Span, duration: number | undefined): boolean {
  return duration === undefined || end < duration + ROUNDED;
}

/** Whether a value is the length of a video in seconds; JSON's 1e999, which is endless, is none. */
export function isDuration(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY;
}

/** Seconds as a plain decimal number; undefined for any other text, such as `0:01:05`. */
export function secondsOf(text: string): number | undefined {
  const seconds = /^-?\d+(?:\.\d*)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** A span cut to [0, duration], as loaders cut it; undefined where nothing is left, as of a reversed one. */
export function clippedSpan(start: number, end: number, duration: number | undefined): Span | undefined {
  const from = Math.max(0, start);
  const to = Math.min(end, duration ?? end);
  return from < to ? [from, to] : undefined;
}
