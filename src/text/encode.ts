import type { Sample } from '../data/sample.js';
import { UsageError } from '../errors.js';
import { IGNORED } from '../ops/labels.js';
import { DEFAULT_QA_TEMPLATE, framePrefix, qaPrompt, qaTarget, reasoningTarget } from './prompts.js';
import type { Tokenizer } from './tokenizer.js';

export interface EncodeOptions {
  template?: string;
  /** Tokens of the prompt, </s> included. Default 128 (InstructBLIP's limit; SeViLA's 77 cuts 3 % of NExT-QA). */
  maxPromptTokens?: number;
  /** Tokens of the reasoning, </s> included. Default 256. */
  maxReasoningTokens?: number;
  /** Single-task mode: the reasoning, then the answer, is the one target. */
  stl?: boolean;
  /** Pad lengths up to a multiple, so that fewer shapes occur. Default 1. */
  padMultiple?: number;
}

/** Right-padded ids, int32 (rows, length), with 1 where there is a token. */
export interface PaddedIds {
  ids: Int32Array;
  mask: Int32Array;
  rows: number;
  length: number;
}

/** Right-padded labels, int32 (rows, length), -100 where there is nothing to predict. */
export interface PaddedLabels {
  labels: Int32Array;
  rows: number;
  length: number;
}

/** How many texts were cut to their limit. */
export interface TruncationCounts {
  prompt: number;
  reasoning: number;
}

/** One sample as token ids, before padding; reasoning is empty when it has none or in single-task mode. */
export interface EncodedSample {
  prompt: number[];
  answer: number[];
  reasoning: number[];
  truncated: { prompt: boolean; reasoning: boolean };
}

/**
 * Encodes `text` with </s>, cut on the right to `limit` tokens; the last of them is always </s>.
 */
export function encodeText(
  tokenizer: Tokenizer,
  text: string,
  limit: number,
): { ids: number[]; truncated: boolean } {
  if (!Number.isInteger(limit) || limit < 1) throw new UsageError(`token limit ${limit} must be at least 1`);
  const ids = tokenizer.encode(text, { addEos: true });
  if (ids.length <= limit) return { ids, truncated: false };
  return { ids: [...ids.slice(0, limit - 1), tokenizer.eosId], truncated: true };
}

/**
 * The ids of one sample. In single-task mode `answer` is the joint target: its reasoning part is cut so that the
 * answer at the end always fits.
 *
 * @throws DataError when a sample without an answer is to be trained on (`withTargets`).
 */
export function encodeSample(
  tokenizer: Tokenizer,
  sample: Sample,
  options: EncodeOptions = {},
  withTargets = true,
): EncodedSample {
  const template = options.template ?? DEFAULT_QA_TEMPLATE;
  const prompt = encodeText(tokenizer, qaPrompt(sample, template), options.maxPromptTokens ?? 128);
  if (!withTargets) {
    return {
      prompt: prompt.ids,
      answer: [],
      reasoning: [],
      truncated: { prompt: prompt.truncated, reasoning: false },
    };
  }
  const limit = options.maxReasoningTokens ?? 256;
  const answer = tokenizer.encode(qaTarget(sample), { addEos: true });
  const text = reasoningTarget(sample);
  if (options.stl) {
    const joint = joinTargets(tokenizer, text, answer, limit);
    return {
      prompt: prompt.ids,
      answer: joint.ids,
      reasoning: [],
      truncated: { prompt: prompt.truncated, reasoning: joint.truncated },
    };
  }
  const reasoning = text === '' ? { ids: [], truncated: false } : encodeText(tokenizer, text, limit);
  return {
    prompt: prompt.ids,
    answer,
    reasoning: reasoning.ids,
    truncated: { prompt: prompt.truncated, reasoning: reasoning.truncated },
  };
}

/** Reasoning ids, cut to leave room, then the answer's. Equal to encoding the joined text: words do not merge. */
function joinTargets(
  tokenizer: Tokenizer,
  reasoning: string,
  answer: number[],
  limit: number,
): { ids: number[]; truncated: boolean } {
  const room = limit - answer.length;
  if (room < 0)
    throw new UsageError(`maxReasoningTokens ${limit} is less than the answer's ${answer.length} tokens`);
  const ids = reasoning === '' ? [] : tokenizer.encode(reasoning, { addEos: false });
  return { ids: [...ids.slice(0, room), ...answer], truncated: ids.length > room };
}

export interface EncodedBatch {
  /** Encoder text, (B, L). */
  prompt: PaddedIds;
  /** Decoder targets, (B, La) and (B, Lr); a row without reasoning is all -100, and Lr is 0 when no row has any. */
  answer: PaddedLabels;
  reasoning: PaddedLabels;
  truncated: TruncationCounts;
}

/** Encodes and pads samples; lengths are those of the longest row, up to `padMultiple`. */
export function encodeBatch(
  tokenizer: Tokenizer,
  samples: readonly Sample[],
  options: EncodeOptions = {},
): EncodedBatch {
  return padBatch(
    tokenizer,
    samples.map((sample) => encodeSample(tokenizer, sample, options)),
    options.padMultiple,
  );
}

/** Pads samples that are encoded already (a loader encodes ahead, once a sample). */
export function padBatch(
  tokenizer: Tokenizer,
  samples: readonly EncodedSample[],
  padMultiple = 1,
): EncodedBatch {
  const count = (key: 'prompt' | 'reasoning') => samples.filter((sample) => sample.truncated[key]).length;
  return {
    prompt: padIds(
      samples.map((sample) => sample.prompt),
      tokenizer.padId,
      padMultiple,
    ),
    answer: padLabels(
      samples.map((sample) => sample.answer),
      padMultiple,
    ),
    reasoning: padLabels(
      samples.map((sample) => sample.reasoning),
      padMultiple,
    ),
    truncated: { prompt: count('prompt'), reasoning: count('reasoning') },
  };
}

/** Pads rows of ids on the right with `padId`. */
export function padIds(rows: readonly (readonly number[])[], padId: number, multiple = 1): PaddedIds {
  const length = paddedLength(rows, multiple);
  const ids = new Int32Array(rows.length * length).fill(padId);
  const mask = new Int32Array(rows.length * length);
  for (const [i, row] of rows.entries()) {
    ids.set(row, i * length);
    mask.fill(1, i * length, i * length + row.length);
  }
  return { ids, mask, rows: rows.length, length };
}

/** Pads rows of labels on the right with -100. */
export function padLabels(rows: readonly (readonly number[])[], multiple = 1): PaddedLabels {
  const length = paddedLength(rows, multiple);
  const labels = new Int32Array(rows.length * length).fill(IGNORED);
  for (const [i, row] of rows.entries()) labels.set(row, i * length);
  return { labels, rows: rows.length, length };
}

/** The prefixes of frames 1 to `frames`, without </s>, (frames, P): `Frame 1: ` is three tokens in T5. */
export function encodeFramePrefixes(tokenizer: Tokenizer, frames: number, template?: string): PaddedIds {
  const rows = Array.from({ length: frames }, (_, i) =>
    tokenizer.encode(framePrefix(i + 1, template), { addEos: false }),
  );
  return padIds(rows, tokenizer.padId);
}

function paddedLength(rows: readonly (readonly number[])[], multiple: number): number {
  const longest = rows.reduce((length, row) => Math.max(length, row.length), 0);
  return Math.ceil(longest / multiple) * multiple;
}
