/**
 * Looking again (VITAL, arXiv 2508.04416): a student calls for the frames of a span in its text, and is told their times. A call
 * is JSON in a tag; what was asked for is checked, and a failed check is an answer to the student, no error of the program.
 */
import type { Sample, Span } from '../data/sample.js';
import { secondsText } from './tasks/spanText.js';
import type { Tokenizer } from './tokenizer.js';

/** The one tool: VITAL's, with its arguments. */
export const TOOL = 'get_video_clip_frame';

/** Calls that are answered about one sample, at most. */
export const MOST_LOOKS = 2;

/** A span must be longer, in seconds. */
const SHORTEST = 1;

/** Stretch of a video that calls may ask for, in seconds. */
export interface Bounds {
  from: number;
  to: number;
}

/** The clip of a sample, to the decimals in which prompts state it; undefined where nothing says how long its video is. */
export function boundsOf({
  start = 0,
  end,
  duration,
}: Pick<Sample, 'start' | 'end' | 'duration'>): Bounds | undefined {
  const to = Math.min(end ?? Number.POSITIVE_INFINITY, duration ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(to) ? { from: start, to: Math.max(to, Number(secondsText(to))) } : undefined;
}

/** One turn of a student. */
export interface Turn {
  /** Up to the end of its first call or answer. */
  text: string;
  /** What it called for, as far as it can be read; unchecked. */
  call?: Span;
  /** Why its call cannot be read. */
  fault?: string;
}

const ENDS = /<\/(?:tool_call|answer)>/;
const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

/** Reads a turn in tags: what follows its first `</tool_call>` or `</answer>` does not count. */
export function turnOf(written: string): Turn {
  const end = ENDS.exec(written);
  const text = (end ? written.slice(0, end.index + end[0].length) : written).trim();
  const at = text.indexOf(OPEN);
  if (at < 0 || text.slice(0, at).includes('<answer>')) return { text };
  const content = text.slice(at + OPEN.length);
  if (!content.endsWith(CLOSE)) return { text, fault: `the call does not end with ${CLOSE}` };
  const read = readCall(content.slice(0, -CLOSE.length));
  return typeof read === 'string' ? { text, fault: read } : { text, call: read };
}

/** The span of a call, or what is wrong with it. */
function readCall(json: string): Span | string {
  let call: unknown;
  try {
    call = JSON.parse(json);
  } catch {
    return `the call is no JSON: ${shown(json.trim())}`;
  }
  const { name, arguments: given } = (call ?? {}) as Record<string, unknown>;
  if (name !== TOOL) return `there is no tool ${shown(name)}, only ${TOOL}`;
  const { start_time: start, end_time: end } = (given ?? {}) as Record<string, unknown>;
  if (!isNumber(start)) return `start_time must be a number of seconds, got ${shown(start)}`;
  if (!isNumber(end)) return `end_time must be a number of seconds, got ${shown(end)}`;
  return [start, end];
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 60);

/** What is wrong with a span that was called for; undefined where it can be shown. */
export function spanFault([start, end]: Span, { from, to }: Bounds): string | undefined {
  if (start >= end) return `the start must be before the end, got ${start} and ${end}`;
  if (start < from) return `the start must be at least ${from}, got ${start}`;
  if (end > to) return `the end must be at most ${secondsText(to)}, got ${end}`;
  // Differences of tenths are off by their rounding.
  if (!(end - start > SHORTEST + 1e-9))
    return `the span must be longer than ${secondsText(SHORTEST)} seconds, got ${secondsText(end - start)}`;
  return undefined;
}

/** What a student is told beside the frames of a span. */
export const shownText = ([start, end]: Span): string =>
  `Video clip from ${start.toFixed(2)} to ${end.toFixed(2)} seconds.`;

/** What a student is told whose call shows nothing. */
export const failedText = (fault: string): string => `The call failed: ${fault}.`;

/** A call as VITAL writes it. */
export const callText = ([start, end]: Span): string =>
  `${OPEN}{"name": "${TOOL}", "arguments": {"start_time": ${start.toFixed(2)}, "end_time": ${end.toFixed(2)}}}${CLOSE}`;

/** Tokens of a text in tags, without an end. A vocabulary whose tags are tokens gets calls as two numbers. */
export function encodeTurn(tokenizer: Tokenizer, text: string): number[] {
  return tokenizer.encode(tokenizer.form.chat ? text : shortened(text), { addEos: false });
}

/** The text in tags that a student wrote. */
export function decodeTurn(tokenizer: Tokenizer, ids: readonly number[]): string {
  const text = tokenizer.decode(ids);
  return tokenizer.form.chat ? text : lengthened(text);
}

const ANY_CALL = /<tool_call>([\s\S]*?)<\/tool_call>/g;
const NUMBERS = /^\s*(\d+(?:\.\d+)?)\s+(\d+(?:\.\d+)?)\s*$/;

/** Calls as two numbers, for a vocabulary without braces: `<tool_call>3.2 5.6</tool_call>`. */
export function shortened(text: string): string {
  return text.replace(ANY_CALL, (whole, json: string) => {
    const read = readCall(json);
    return typeof read === 'string' ? whole : `${OPEN}${read.map(secondsText).join(' ')}${CLOSE}`;
  });
}

/** Undoes {@link shortened}; a call that is not two numbers stays as it is. */
export function lengthened(text: string): string {
  return text.replace(ANY_CALL, (whole, short: string) => {
    const numbers = NUMBERS.exec(short);
    return numbers ? callText([Number(numbers[1]), Number(numbers[2])]) : whole;
  });
}
