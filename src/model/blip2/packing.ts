/**
 * Several decoder targets in one sequence: `[answer | reasoning]` goes through the decoder once, with positions that
 * restart at each segment and a mask that keeps segments apart, so the packed pass equals separate passes.
 */
import { IGNORED } from '../../ops/labels.js';
import type { Labels } from '../tokens.js';

export interface PackedTargets {
  rows: number;
  /** Length of each segment; their sum is `columns`. */
  lengths: number[];
  columns: number;
  /** Decoder input ids (rows, columns): each segment's labels shifted right behind its start token. */
  inputIds: Int32Array;
  /** (rows, columns); -100 = ignored. */
  labels: Int32Array;
  /** Position of each column inside its segment. */
  positions: Int32Array;
  /** Additive mask (columns, columns): 0 where a query may look, {@link MASKED} elsewhere. */
  mask: Float32Array;
}

/** Large enough that exp underflows to 0 after any bias, small enough that float32 sums stay finite. */
export const MASKED = -1e9;

/**
 * @param segments one entry per target, all with the same number of rows.
 * @param startIds decoder start token of each segment.
 * @param padId input id where the shifted label is ignored (T5 `_shift_right`).
 */
export function packTargets(segments: Labels[], startIds: number[], padId: number): PackedTargets {
  const first = segments[0];
  if (!first) throw new Error('packTargets: no target');
  const rows = first.data.length / first.columns;
  const lengths = segments.map((segment) => segment.columns);
  const columns = lengths.reduce((a, b) => a + b, 0);
  const inputIds = new Int32Array(rows * columns);
  const labels = new Int32Array(rows * columns);
  let offset = 0;
  segments.forEach((segment, s) => {
    if (segment.data.length !== rows * segment.columns)
      throw new Error(`packTargets: target ${s} has ${segment.data.length} labels, expected ${rows} rows`);
    for (let row = 0; row < rows; row++)
      for (let t = 0; t < segment.columns; t++) {
        const at = row * columns + offset + t;
        const previous = t === 0 ? startIds[s]! : segment.data[row * segment.columns + t - 1]!;
        inputIds[at] = previous === IGNORED ? padId : previous;
        labels[at] = segment.data[row * segment.columns + t]!;
      }
    offset += segment.columns;
  });
  return { rows, lengths, columns, inputIds, labels, positions: positionsOf(lengths), mask: maskOf(lengths) };
}

function positionsOf(lengths: number[]): Int32Array {
  return Int32Array.from(lengths.flatMap((length) => Array.from({ length }, (_, i) => i)));
}

/** Block-diagonal causal mask. */
function maskOf(lengths: number[]): Float32Array {
  const columns = lengths.reduce((a, b) => a + b, 0);
  const mask = new Float32Array(columns * columns).fill(MASKED);
  let start = 0;
  for (const length of lengths) {
    for (let i = start; i < start + length; i++) mask.fill(0, i * columns + start, i * columns + i + 1);
    start += length;
  }
  return mask;
}
