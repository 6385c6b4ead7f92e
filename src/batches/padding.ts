/** How much of a batch is padding: rows of token ids are padded to the longest of the batch. */
import type { Target, TokenRows } from '../model/student.js';

/** Token positions of a batch, padded ones included, and how many of them are padding. */
export interface Padding {
  positions: number;
  padded: number;
}

/** The encoder's text: prompts, and those that a target has of its own. */
export function encoderPadding(prompts: TokenRows, targets: readonly Target[]): Padding {
  return total([prompts, ...targets.flatMap((target) => (target.prompts ? [target.prompts] : []))]);
}

/** The decoder's text: every target that has a token. */
export function decoderPadding(targets: readonly Target[]): Padding {
  return total(targets.map(({ rows }) => rows));
}

function total(parts: readonly TokenRows[]): Padding {
  const sum = { positions: 0, padded: 0 };
  for (const rows of parts) {
    const positions = rows.length * Math.max(0, ...rows.map(({ length }) => length));
    sum.positions += positions;
    sum.padded += positions - rows.reduce((tokens, { length }) => tokens + length, 0);
  }
  return sum;
}
