/** Texts of a sample as token ids, truncated to their limits. */
import { UsageError } from '../base/errors.js';
import { framePrefix } from './prompts.js';
import { TAG_TOKENS, withoutTags } from './tags.js';
import type { Tokenizer } from './tokenizer.js';

export interface EncodedText {
  ids: number[];
  /** Whether the text was truncated. */
  truncated: boolean;
}

/**
 * Encodes a prompt in the tokenizer's form: as {@link encodeText}, or inside a turn of a chat, whose frame counts toward
 * `limit`; the text is then truncated on the right.
 *
 * @throws UsageError when the frame alone is longer
 */
export function encodePrompt(tokenizer: Tokenizer, text: string, limit: number): EncodedText {
  const { frame } = tokenizer;
  if (!frame) return encodeText(tokenizer, text, limit);
  const { before, after } = frame;
  const room = limit - before.length - after.length;
  if (room < 1)
    throw new UsageError(
      `text.maxPrompt: ${limit} leaves no room for a question; the chat around it has ${limit - room} tokens`,
    );
  const ids = tokenizer.encode(text, { addEos: false });
  return { ids: [...before, ...ids.slice(0, room), ...after], truncated: ids.length > room };
}

/** Encodes `text` with </s>, truncated on the right to `limit` tokens; the last of them is always </s>. */
export function encodeText(tokenizer: Tokenizer, text: string, limit: number): EncodedText {
  if (!Number.isInteger(limit) || limit < 1) throw new UsageError(`token limit ${limit} must be at least 1`);
  const ids = tokenizer.encode(text, { addEos: true });
  if (ids.length <= limit) return { ids, truncated: false };
  return { ids: [...ids.slice(0, limit - 1), tokenizer.eosId], truncated: true };
}

/**
 * Encodes `text` followed by `end`; `text` is truncated to leave room for `end`. Equal to encoding the joined text:
 * words do not merge.
 *
 * @param end token ids, </s> included
 */
export function encodeBefore(tokenizer: Tokenizer, text: string, end: number[], limit: number): EncodedText {
  const room = limit - end.length;
  if (room < 0)
    throw new UsageError(`text.maxReasoning: ${limit} is less than the answer's ${end.length} tokens`);
  const ids = text === '' ? [] : tokenizer.encode(text, { addEos: false });
  return { ids: [...ids.slice(0, room), ...end], truncated: ids.length > room };
}

/**
 * Encodes `<think>` reasoning `</think> <answer>` answer `</answer>` and the end; the reasoning is truncated to leave room for the
 * rest. Tags in the reasoning itself are left out.
 *
 * @param answer token ids, </s> included
 * @throws UsageError where the rest alone is longer
 */
export function encodeTagged(
  tokenizer: Tokenizer,
  reasoning: string,
  answer: readonly number[],
  limit: number,
): EncodedText {
  const tag = (text: string) => tokenizer.encode(text, { addEos: false });
  const start = tag('<think>');
  const end = [...tag('</think>'), ...tag('<answer>'), ...answer.slice(0, -1), ...tag('</answer>')];
  const whole = [...end, tokenizer.eosId];
  const { ids, truncated } = encodeBefore(tokenizer, withoutTags(reasoning), whole, limit - start.length);
  return { ids: [...start, ...ids], truncated };
}

/** @throws UsageError for a vocabulary that cannot write tags: without `<`, and without spare tokens for them */
export function requireTags(tokenizer: Tokenizer, key: string): void {
  const tags = '<think>a</think> <answer>b</answer>';
  const written = tokenizer.decode(tokenizer.encode(tags, { addEos: false }));
  if (written.replaceAll(' ', '') !== tags.replaceAll(' ', ''))
    throw new UsageError(
      `${key}: the tokenizer of ${tokenizer.origin} writes ${JSON.stringify(tags)} as ${JSON.stringify(written)}; it needs < and >, or the tokens ${[...TAG_TOKENS.values()].join(' ')}`,
    );
}

/** The prefixes of frames 1 to `frames`, without </s>, one row a frame. */
export function framePrefixRows(tokenizer: Tokenizer, frames: number, template?: string): number[][] {
  return Array.from({ length: frames }, (_, i) =>
    tokenizer.encode(framePrefix(i + 1, template), { addEos: false }),
  );
}
