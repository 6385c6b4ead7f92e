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

/** A plain number: no sign before it, no part of a clock time (1:02), a date, a longer number or a decimal comma. */
const NUMBER = String.raw`(?<![\d.:,\-−])(\d+(?:\.\d+)?)`;
const UNIT = String.raw`(?:\s*(?:s|secs?|seconds?)\b\.?)?`;
/** Words and marks between the two; a comma needs a space behind it, or a decimal number: 3,2 is one number elsewhere. */
const BETWEEN = String.raw`\s*(?:to|until|till|and|[-–—]|,(?=\s|\d+\.\d))\s*`;
const PAIR = new RegExp(`${NUMBER}${UNIT}${BETWEEN}(\\d+(?:\\.\\d+)?)(?![\\d:]|[.,]\\d)`, 'gi');

/**
 * The span that a text names: its last pair of plain numbers, start not after end, in seconds. Pairs are joined by `to`, `until`,
 * `and`, a dash or a comma, with or without units. A reversed pair, a sign and a clock time (`1:02`, `0:01:02`) are no span.
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
