/** Token ids and labels of a batch as rectangles, padded on the right. */
import { IGNORED } from '../ops/labels.js';
import type { TokenRows } from './student.js';

/** Token ids of a batch, row major (rows, columns), with 1 where a token is real. */
export interface Tokens {
  ids: Int32Array;
  mask: Int32Array;
  columns: number;
}

/** Labels of one target for a batch: row major (rows, columns), -100 = ignored. */
export interface Labels {
  data: Int32Array;
  columns: number;
}

/** Pads rows of ids with `padId`, to the longest. */
export function padTokens(rows: TokenRows, padId: number): Tokens {
  const columns = longest(rows);
  const ids = new Int32Array(rows.length * columns).fill(padId);
  const mask = new Int32Array(rows.length * columns);
  for (const [i, row] of rows.entries()) {
    ids.set(row, i * columns);
    mask.fill(1, i * columns, i * columns + row.length);
  }
  return { ids, mask, columns };
}

/** Pads rows of labels with -100, to the longest. */
export function padLabels(rows: TokenRows): Labels {
  const columns = longest(rows);
  const data = new Int32Array(rows.length * columns).fill(IGNORED);
  for (const [i, row] of rows.entries()) data.set(row, i * columns);
  return { data, columns };
}

const longest = (rows: TokenRows) => rows.reduce((length, row) => Math.max(length, row.length), 0);
