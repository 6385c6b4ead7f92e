/**
 * Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011): a counter-based generator,
 * so the bit of one element depends on its position alone, never on the order of evaluation or on the engine.
 *
 * Dropout's use of it: key = (seed, 0x5EA5), counter = (column >> 2, row, call, step), word column & 3.
 */
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const KEY1 = 0x5ea5;

/** Names one use of dropout: `rate` in (0, 1), the run's `seed`, the training `step`, the `call` within the step. */
export interface DropoutKey {
  rate: number;
  seed: number;
  step: number;
  call: number;
}

/** Threshold, unsigned 32-bit: an element is kept when its word is at least this. */
export function dropoutThreshold(rate: number): number {
  return Math.min(Math.round(rate * 4294967296), 4294967295);
}

/** One block: four unsigned words for a counter of four words and a key of two, written to `out`. */
export function philox(counter: ArrayLike<number>, key: readonly [number, number], out: Uint32Array): void {
  block(counter, roundKeys(key[0], key[1]), out);
}

/** The ten rounds' keys, two words each. */
function roundKeys(key0: number, key1: number): Int32Array {
  const keys = new Int32Array(20);
  for (let round = 0; round < 10; round++) {
    keys[2 * round] = key0 + Math.imul(round, W0);
    keys[2 * round + 1] = key1 + Math.imul(round, W1);
  }
  return keys;
}

function block(counter: ArrayLike<number>, keys: Int32Array, out: Uint32Array): void {
  let c0 = counter[0]! | 0;
  let c1 = counter[1]! | 0;
  let c2 = counter[2]! | 0;
  let c3 = counter[3]! | 0;
  for (let at = 0; at < 20; at += 2) {
    const hi0 = multiplyHigh(M0, c0);
    const hi1 = multiplyHigh(M1, c2);
    const lo0 = Math.imul(M0, c0);
    const lo1 = Math.imul(M1, c2);
    c0 = hi1 ^ c1 ^ keys[at]!;
    c1 = lo1;
    c2 = hi0 ^ c3 ^ keys[at + 1]!;
    c3 = lo0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** Upper half of the 64-bit product of two unsigned 32-bit numbers, from 16-bit parts in wrapping 32-bit arithmetic. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) >>> 0) + (Math.imul(aLow, bLow) >>> 16);
  // middle < 2^32: (2^16 - 1)^2 + 2^16 - 1 = (2^16 - 1) 2^16
  const cross = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) | 0;
}

/** 1 where an element is kept and 0 where it is dropped; (rows, columns), row-major. */
export function philoxKeepMask(rows: number, columns: number, key: DropoutKey): Float32Array {
  const mask = new Float32Array(rows * columns);
  const threshold = dropoutThreshold(key.rate);
  const words = new Uint32Array(4);
  const counter = new Int32Array(4);
  const keys = roundKeys(key.seed, KEY1);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += 4) {
      counter[0] = column >>> 2;
      counter[1] = row;
      counter[2] = key.call;
      counter[3] = key.step;
      block(counter, keys, words);
      const count = Math.min(4, columns - column);
      const at = row * columns + column;
      for (let w = 0; w < count; w++) mask[at + w] = words[w]! >= threshold ? 1 : 0;
    }
  }
  return mask;
}
