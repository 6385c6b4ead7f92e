/** Refuses weights with NaN or infinity. */
import { DataError } from '../base/errors.js';
import type { Dtype, TensorData } from './dtypes.js';

/** Exponent masks of the 16-bit float types: all ones means infinity or NaN. */
const EXPONENT_BITS: Partial<Record<Dtype, number>> = { F16: 0x7c00, BF16: 0x7f80 };

/**
 * Refuses a tensor with NaN or infinity, in Float32Array or as the raw bits of F16 and BF16.
 *
 * @param place file and tensor, for the message.
 * @throws DataError naming the first index that is not finite.
 */
export function requireFinite(
  place: string,
  tensor: { dtype: Dtype; shape: number[]; data: TensorData },
): void {
  const index = firstNotFinite(tensor.dtype, tensor.data);
  if (index < 0) return;
  const value = tensor.data instanceof Uint16Array ? 'NaN or infinity' : String(tensor.data[index]);
  throw new DataError(
    `${place} has ${value} at [${unravel(index, tensor.shape)}]; the weights are damaged, use another copy or an earlier checkpoint`,
  );
}

/** Flat index of the first NaN or infinity, or -1. Integer types have none. */
export function firstNotFinite(dtype: Dtype, data: TensorData): number {
  if (data instanceof Float32Array) {
    // A finite sum proves finite terms, and float64 holds any sum of float32 values that fits in memory: additions in four independent chains run
    // at 3 GB/s, a test of each element at a fraction of that.
    let [a, b, c, d] = [0, 0, 0, 0];
    const whole = data.length - (data.length % 4);
    for (let i = 0; i < whole; i += 4) {
      a += data[i]!;
      b += data[i + 1]!;
      c += data[i + 2]!;
      d += data[i + 3]!;
    }
    for (let i = whole; i < data.length; i++) a += data[i]!;
    return Number.isFinite(a + b + c + d) ? -1 : data.findIndex((x) => !Number.isFinite(x));
  }
  if (data instanceof Float64Array) return data.findIndex((x) => !Number.isFinite(x));
  const mask = EXPONENT_BITS[dtype];
  if (mask === undefined || !(data instanceof Uint16Array) || pairsAreFinite(mask, data)) return -1;
  return data.findIndex((bits) => (bits & mask) === mask);
}

/**
 * Whether all numbers are finite; false may be wrong, true never is. Tests two at a time at 5 GB/s, where one at a time
 * runs at 1: adding one to an exponent carries into the sign's place only for an exponent of all ones.
 */
function pairsAreFinite(mask: number, data: Uint16Array): boolean {
  if (data.byteOffset % 4 !== 0 || data.length % 2 !== 0) return false;
  const one = mask & -mask;
  const [masks, ones] = [(mask << 16) | mask, (one << 16) | one];
  const pairs = new Int32Array(data.buffer, data.byteOffset, data.length / 2);
  let carried = 0;
  for (let i = 0; i < pairs.length; i++) carried |= ((pairs[i]! & masks) + ones) | 0;
  return (carried & 0x80008000) === 0;
}

/** Row-major multi-index of a flat index, as text. */
function unravel(index: number, shape: number[]): string {
  const parts: number[] = [];
  let rest = index;
  for (let i = shape.length - 1; i >= 0; i--) {
    parts.unshift(rest % shape[i]!);
    rest = Math.floor(rest / shape[i]!);
  }
  return parts.join(', ');
}
