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

/** An element is kept when its word is at least this; unsigned 32-bit. */
export function dropoutThreshold(rate: number): number {
  return Math.min(Math.round(rate * 4294967296), 4294967295);
}

/** One block: four unsigned words for a counter of four words and a key of two, written to `out`. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const hi0 = multiplyHigh(M0, c0);
    const hi1 = multiplyHigh(M1, c2);
    const lo0 = Math.imul(M0, c0);
    const lo1 = Math.imul(M1, c2);
    c0 = hi1 ^ c1 ^ k0;
    c1 = lo1;
    c2 = hi0 ^ c3 ^ k1;
    c3 = lo0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** Upper half of the 64-bit product of two unsigned 32-bit numbers, from 16-bit parts (all sums below 2^53). */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 65536) + (cross - (cross % 65536)) / 65536) | 0;
}

/** 1 where an element is kept and 0 where it is dropped; (rows, columns), row-major. */
export function philoxKeepMask(rows: number, columns: number, key: DropoutKey): Float32Array {
  const mask = new Float32Array(rows * columns);
  const threshold = dropoutThreshold(key.rate);
  const words = new Uint32Array(4);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += 4) {
      philox([column >>> 2, row, key.call, key.step], [key.seed, KEY1], words);
      const count = Math.min(4, columns - column);
      const at = row * columns + column;
      for (let w = 0; w < count; w++) mask[at + w] = words[w]! >= threshold ? 1 : 0;
    }
  }
  return mask;
}
