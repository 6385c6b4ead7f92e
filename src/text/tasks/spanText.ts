/** Stretches of time as text: `3.2 to 7.8 seconds`. */
import type { Span } from '../../data/sample.js';

/** Decimals of a written time; frames of 10 a second are told apart. */
const DECIMALS = 1;
const SHORTEST = 10 ** -DECIMALS;

/** A number of seconds as prompts and answers have it: `3.2`. */
export function secondsText(seconds: number): string {
  return seconds.toFixed(DECIMALS);
}

/** `3.2 to 7.8 seconds`. A span that rounding would leave without length ends a tenth of a second after its start. */
export function spanText([start, end]: Span): string {
  const from = secondsText(start);
  const to = secondsText(end);
  return `${from} to ${from === to ? secondsText(Number(from) + SHORTEST) : to} seconds`;
}

/** Hyphens, dashes and the minus sign of Unicode. */
const DASH = String.raw`\-\u2010-\u2015\u2212`;
/** A plain number: no sign before it, no part of a word, a clock time (1:02), a date, a longer number or a decimal comma. */
const NUMBER = String.raw`(?<![\w.:,${DASH}])(\d+(?:\.\d+)?)`;
const UNIT = String.raw`(?:\s*(?:s|secs?|seconds?)\b\.?)?`;
/** Words and marks between the two; a comma needs a space behind it, or a decimal number: 3,2 is one number elsewhere. */
const BETWEEN = String.raw`\s*(?:to|until|till|and|;|[${DASH}]|,(?=\s|\d+\.\d))\s*`;
/** What makes the second number another one, or another measure: minutes, frames, percent. */
const OTHER = String.raw`[\d:]|[.,]\d|e[+\-]?\d|\s*(?:%|(?:ms|m|min|mins|minutes?|h|hrs?|hours?|frames?)\b)`;
const PAIR = new RegExp(`${NUMBER}${UNIT}${BETWEEN}(\\d+(?:\\.\\d+)?)(?!${OTHER})`, 'gi');

/**
 * The span that a text names, for metrics and rewards alike: its last pair of plain numbers, start not after end, in seconds. Pairs
 * are joined by `to`, `until`, `till`, `and`, a dash, a comma or a semicolon, with or without units of seconds. A reversed pair, a
 * sign, a clock time (`1:02`, `0:01:02`) and another unit are no span: what is asked for are seconds (VITAL reads plain numbers too).
 * Nothing is clamped: a span beyond the video stays as it was written.
 */
export function readSpan(text: string): Span | undefined {
  return lastSpan(text)?.span;
}

/** {@link readSpan}, and the text without the pair and its unit. */
export function splitSpan(text: string): { span?: Span; rest: string } {
  const found = lastSpan(text);
  if (!found) return { rest: text };
  const rest = text.slice(found.end).replace(new RegExp(`^${UNIT}`, 'i'), '');
  return { span: found.span, rest: `${text.slice(0, found.start)}${rest}`.trim() };
}

function lastSpan(text: string): { span: Span; start: number; end: number } | undefined {
  let found: { span: Span; start: number; end: number } | undefined;
  for (const match of text.matchAll(PAIR)) {
    const span = [Number(match[1]), Number(match[2])] as const;
    const isSpan = span.every(Number.isFinite) && span[0] <= span[1];
    if (isSpan) found = { span, start: match.index, end: match.index + match[0].length };
  }
  return found;
}
