/**
 * A batch as one sequence a row: the prompt, left-padded, then a segment for each target, whose positions restart after
 * the prompt. Prompt and video are computed once for all targets (causalAttention.ts says who sees whom), so a pass
 * equals one pass for each target.
 *
 *   row    [padding | system, user, VIDEO, question, assistant | a_1 .. a_m-1 | r_1 .. r_k-1 ]
 *   labels                                                  a_1, r_1  a_2 .. a_m     r_2 .. r_k
 *
 * A row's positions count from its own first column. Differences alone would be right with shared ones too, but other angles
 * round otherwise, and a row would depend on how far the batch pads it.
 */
import { DataError } from '../../base/errors.js';
import type { CausalLayout } from '../../ops/causalAttention.js';
import type { TokenRows } from '../student.js';

/** Rows of input ids, and where each column's embedding comes from. */
export interface Sequence extends CausalLayout {
  rows: number;
  columns: number;
  /** Position of each column: (columns) where no row is padded, else (rows * columns), 0 at padding. */
  positions: Int32Array;
  /** Token ids of the text, in the order of `sources`. */
  text: Int32Array;
  /**
   * (rows, columns): row of [visual tokens of all rows; newline; embeddings of `text`]. Padding reads the newline.
   */
  sources: Int32Array;
}

/** What a prompt's video stands for. */
export interface VideoTokens {
  /** Id of its placeholder. */
  id: number;
  /** Visual tokens of a clip; a newline follows them. */
  count: number;
  /** Frames of a clip, for messages. */
  frames: number;
}

/** One prompt: tokens before and after the video. */
interface Prompt {
  before: readonly number[];
  after: readonly number[];
}

/**
 * Cuts a prompt at its video, which is one placeholder, or as many as the video has tokens and a newline.
 *
 * @throws DataError for a prompt without a video, with several, or with another number of placeholders
 */
export function cutPrompt(row: readonly number[], { id, count, frames }: VideoTokens, index: number): Prompt {
  const first = row.indexOf(id);
  if (first < 0)
    throw new DataError(
      `prompt ${index}: has no video (token ${id}); a prompt of LLaVA-OneVision needs one <video>, whose id in tokenizer.json is video_token_index of config.json`,
    );
  const end = row.findIndex((token, i) => i > first && token !== id);
  const after = end < 0 ? [] : row.slice(end);
  if (after.includes(id))
    throw new DataError(`prompt ${index}: has several videos (token ${id}), expected one`);
  const length = row.length - first - after.length;
  if (length !== 1 && length !== count + 1)
    throw new DataError(
      `prompt ${index}: has ${length} video tokens in a row, expected 1, or ${count + 1} for ${frames} frames`,
    );
  return { before: row.slice(0, first), after };
}

/**
 * @param prompts one row a sample. @param segments input tokens after the prompt, one row a sample each; shorter rows are
 *   padded on the right, where nobody looks
 * @param limit positions that the model has
 * @throws DataError for a prompt without a video, or a row longer than the limit
 */
export function sequenceOf(
  prompts: TokenRows,
  segments: readonly TokenRows[],
  video: VideoTokens,
  limit: number,
): Sequence {
  const cut = prompts.map((row, i) => cutPrompt(row, video, i));
  const lengths = cut.map(({ before, after }) => before.length + video.count + 1 + after.length);
  const prefix = Math.max(0, ...lengths);
  const widths = segments.map((rows) => Math.max(0, ...rows.map((row) => row.length)));
  const longest = prefix + Math.max(0, ...widths);
  if (longest > limit)
    throw new DataError(
      `a clip of ${video.frames} frames has ${video.count} visual tokens, and with its text ${longest} positions; the model has ${limit} (text_config.max_position_embeddings); lower video.frames`,
    );
  const columns = prefix + widths.reduce((sum, width) => sum + width, 0);
  const rows = prompts.length;
  const newline = rows * video.count;
  const sources = new Int32Array(rows * columns).fill(newline);
  const text: number[] = [];
  const write = (at: number, tokens: readonly number[]) => {
    tokens.forEach((token, i) => {
      sources[at + i] = newline + 1 + text.length;
      text.push(token);
    });
    return at + tokens.length;
  };
  cut.forEach(({ before, after }, row) => {
    let at = write(row * columns + prefix - lengths[row]!, before);
    for (let i = 0; i < video.count; i++) sources[at + i] = row * video.count + i;
    // The newline is there already.
    write(at + video.count + 1, after);
    at = row * columns + prefix;
    segments.forEach((each, s) => {
      write(at, each[row]!);
      at += widths[s]!;
    });
  });
  const starts = lengths.map((length) => prefix - length);
  return {
    ...{ rows, columns, prefix, segments: widths, sources, starts },
    text: Int32Array.from(text),
    positions: positionsOf(prefix, widths, starts),
  };
}

function positionsOf(prefix: number, widths: readonly number[], starts: readonly number[]): Int32Array {
  const line = (length: number, from: number) => Array.from({ length }, (_, i) => from + i);
  const shared = [...line(prefix, 0), ...widths.flatMap((width) => line(width, prefix))];
  const perRow = starts.some((start) => start > 0) ? starts : [0];
  return Int32Array.from(perRow.flatMap((start) => shared.map((position) => Math.max(0, position - start))));
}
