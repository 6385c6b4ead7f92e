/** Attention of a decoder-only model: a prompt and segments after it, with fewer key heads than query heads. */
import * as tf from '@tensorflow/tfjs-core';
import { attention } from './attention.js';
import { check, checkFloat } from './check.js';
import { hasFused, runKernel } from './kernels.js';
import type { DropoutKey } from './philox.js';
import { isTapeOn, jointly, taped } from './tape.js';

/**
 * Who sees whom in packed rows of L = prefix + sum(segments) columns. A prompt column sees the prompt up to itself. A
 * column of a segment sees the whole prompt, and its own segment up to itself. The first `starts[b]` columns of row b are
 * padding: nobody sees them.
 */
export interface CausalLayout {
  prefix: number;
  /** Lengths; none for a prompt alone. */
  segments: readonly number[];
  /** One a row, from 0 to prefix. */
  starts: ArrayLike<number>;
}

/** A layout as tensors, made once for all blocks of a model: those that the kernel reads, or those of the composed form. */
export interface CausalMask {
  /** int32 (B): first column of each row that is no padding. */
  starts?: tf.Tensor1D | undefined;
  /** int32 (L): first column of each column's own segment; the next column for those of the prompt. */
  begins?: tf.Tensor1D | undefined;
  /** (1, L, L): 0 or -1e9. */
  bias?: tf.Tensor3D | undefined;
  /** (B, L): 0 for padding. */
  keyMask?: tf.Tensor2D | undefined;
}

export interface CausalOptions {
  heads: number;
  /** Heads of k and v; head h reads key head floor(h * keyHeads / heads). */
  keyHeads: number;
  scale: number;
  mask: CausalMask;
  /** As in {@link attention}. */
  half?: boolean | undefined;
  /** Allows a result stored in bf16, which the composed form never makes. */
  bf16?: boolean | undefined;
  /** Dropout of the probabilities; on every engine in the composed form. */
  dropout?: DropoutKey | undefined;
}

/** @param dropout whether attention drops probabilities, which the kernel does not */
export function causalMask(layout: CausalLayout, dropout = false): CausalMask {
  const { prefix, segments, starts } = layout;
  const length = prefix + segments.reduce((sum, each) => sum + each, 0);
  for (let row = 0; row < starts.length; row++)
    if (!(starts[row]! >= 0 && starts[row]! <= prefix))
      throw new Error(`causalMask: row ${row} starts at ${starts[row]}; expected 0 to ${prefix}`);
  const begins = beginsOf(prefix, segments);
  if (!dropout && hasFused('ReasCausalAttention'))
    return { starts: tf.tensor1d(Int32Array.from(starts), 'int32'), begins: tf.tensor1d(begins, 'int32') };
  const bias = new Float32Array(length * length).fill(MASKED);
  for (let i = 0; i < length; i++) {
    bias.fill(0, i * length, i * length + Math.min(prefix, i + 1));
    bias.fill(0, i * length + begins[i]!, i * length + Math.max(begins[i]!, i + 1));
  }
  const keep = new Float32Array(starts.length * length).fill(1);
  for (let row = 0; row < starts.length; row++) keep.fill(0, row * length, row * length + starts[row]!);
  return {
    bias: tf.tensor3d(bias, [1, length, length]),
    keyMask: tf.tensor2d(keep, [starts.length, length]),
  };
}

/** Large enough that exp underflows to 0, and far from the padding's 1e30. */
const MASKED = -1e9;

function beginsOf(prefix: number, segments: readonly number[]): Int32Array {
  const begins = Array.from({ length: prefix }, (_, i) => i + 1);
  let at = prefix;
  for (const length of segments) {
    begins.push(...new Array<number>(length).fill(at));
    at += length;
  }
  return Int32Array.from(begins);
}

/**
 * softmax(scale * q k^T, masked) v for every head; softmax in float32. A column of padding gives zeros. No matrix of
 * (L, L) is made by the kernel, which computes nothing of what is masked.
 *
 * @param q (B, L, heads * D)
 * @param k (B, L, keyHeads * D)
 * @param v (B, L, keyHeads * D)
 * @returns (B, L, heads * D)
 *
 * Gradients to q, k and v.
 */
export function causalAttention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  options: CausalOptions,
): tf.Tensor3D {
  const { heads, keyHeads, scale, mask } = options;
  checkCausal(q, k, v, options);
  const { starts, begins, bias, keyMask } = mask;
  const { bf16 = false, dropout } = options;
  const half = bf16 || options.half === true;
  if (starts && begins)
    return fusedCausal(q, k, v, { starts, begins }, { heads, keyHeads, scale, half }, bf16);
  return tf.tidy(() => {
    // Not stored in bf16, which the product with the mask does not read.
    const out = attention(q, repeatHeads(k, keyHeads, heads), repeatHeads(v, keyHeads, heads), {
      ...{ heads, scale, bias, keyMask, half, dropout },
    });
    // A padded query has no key of its own left and would look at later ones.
    return tf.mul(out, tf.expandDims(keyMask!, 2));
  });
}

function checkCausal(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  { heads, keyHeads, mask }: CausalOptions,
): void {
  checkFloat('causalAttention', { q, k, v });
  const [batch, length, width] = q.shape;
  const { starts, begins, bias, keyMask } = mask;
  const size = width / heads;
  const isKey = (x: tf.Tensor) =>
    x.rank === 3 && x.shape[0] === batch && x.shape[1] === length && x.shape[2] === keyHeads * size;
  const fitsMask =
    starts && begins
      ? starts.size === batch && begins.size === length
      : bias?.shape[1] === length && keyMask?.shape[0] === batch;
  check(
    q.rank === 3 && Number.isInteger(size) && heads % keyHeads === 0 && isKey(k) && isKey(v) && fitsMask,
    'causalAttention',
    `q (B, L, ${heads} D), k and v (B, L, ${keyHeads} D), a mask of B rows and L columns`,
    { q, k, v },
  );
}

/** (B, L, keyHeads * D) to (B, L, heads * D): each head as often as query heads read it. Differentiable. */
export function repeatHeads(x: tf.Tensor3D, keyHeads: number, heads: number): tf.Tensor3D {
  if (keyHeads === heads) return x;
  const [batch, length, width] = x.shape;
  return tf.tidy(() => {
    const each = tf.reshape(x, [batch * length, keyHeads, 1, width / keyHeads]);
    return tf.reshape(tf.tile(each, [1, 1, heads / keyHeads, 1]), [
      batch,
      length,
      (width / keyHeads) * heads,
    ]);
  });
}

/** How a query of decoding reads a cache of keys and values. */
export interface GroupedQueryOptions {
  heads: number;
  keyHeads: number;
  scale: number;
  /** (heads, 1, keys), added to the scores. */
  bias?: tf.Tensor3D | undefined;
  /** Number of valid rows of k and v, which may have room for more. */
  keys: number;
}

/**
 * Attention of one query to a cache, with fewer key heads than query heads; for evaluation.
 *
 * @param q (1, 1, heads * D). @param k (1, at least `keys`, keyHeads * D). @param v as k. @returns (1, 1, heads * D)
 */
export function groupedQuery(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  { heads, keyHeads, scale, bias, keys }: GroupedQueryOptions,
): tf.Tensor3D {
  checkFloat('groupedQuery', { q, k, v });
  const size = q.shape[2] / heads;
  const isCache = (x: tf.Tensor) => x.shape[0] === 1 && x.shape[1]! >= keys && x.shape[2] === keyHeads * size;
  const fits = q.shape[0] === 1 && q.shape[1] === 1 && heads % keyHeads === 0 && isCache(k) && isCache(v);
  const fitsBias = !bias || (bias.shape[0] === heads && bias.shape[1] === 1 && bias.shape[2] === keys);
  check(
    fits && fitsBias && keys > 0,
    'groupedQuery',
    `q (1, 1, ${heads} D), k and v (1, ${keys} or more, ${keyHeads} D), bias (${heads}, 1, ${keys})`,
    { q, k, v, ...(bias && { bias }) },
  );
  if (hasFused('ReasGroupedQuery') && !isTapeOn())
    return runKernel('ReasGroupedQuery', { q, k, v, bias }, { heads, keyHeads, scale, keys }) as tf.Tensor3D;
  return tf.tidy(() =>
    attention(q, repeatHeads(k, keyHeads, heads), repeatHeads(v, keyHeads, heads), {
      heads,
      scale,
      bias,
      keys,
    }),
  );
}

interface Numbers {
  heads: number;
  keyHeads: number;
  scale: number;
  half: boolean;
}

function fusedCausal(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  layout: { starts: tf.Tensor1D; begins: tf.Tensor1D },
  attrs: Numbers,
  bf16: boolean,
): tf.Tensor3D {
  const { starts, begins } = layout;
  return taped(
    'causalAttention',
    { q, k, v },
    (save) => {
      const operands = { q, k, v, starts, begins };
      const [out, kept] = runKernel('ReasCausalAttention', operands, { ...attrs, bf16, keep: isTapeOn() });
      save([starts, begins, ...(kept ? [kept] : [q, k, v])]);
      return out!;
    },
    (dy, saved) => {
      const [starts, begins, first, ...others] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, ...tf.Tensor[]];
      const operands = others.length > 0 ? { q: first, k: others[0]!, v: others[1]! } : { kept: first };
      const all = jointly(() =>
        runKernel('ReasCausalAttentionGrad', { dy, starts, begins, ...operands }, attrs),
      );
      return { q: () => all(0), k: () => all(1), v: () => all(2) };
    },
  ) as tf.Tensor3D;
}
