/** Multi-head attention. */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat } from './check.js';
import { checkKey, dropout, dropoutNumbers } from './dropout.js';
import { hasFused, runKernel } from './kernels.js';
import type { DropoutKey } from './philox.js';
import { isFrozen, isTapeOn, jointly, type Thunks, taped } from './tape.js';

interface AttentionOptions {
  heads: number;
  /** Multiplies q k^T: usually 1 / sqrt(D), or 1 where the weights hold that factor. */
  scale: number;
  /** (heads | 1, Lq, Lk), added to the scores; a large negative number masks. */
  bias?: tf.Tensor3D | undefined;
  /** (B, Lk) float32: 1 keep, 0 masked. A query with no key left gives zeros. */
  keyMask?: tf.Tensor2D | undefined;
  /** Number of valid rows of k and v, for a cache with room for more; it replaces Lk. All rows by default. */
  keys?: number | undefined;
  /**
   * Allow products with operands rounded to 16 bits, where the engine gains by it (native-cuda: f16, on the tensor
   * cores); sums and softmax stay float32. False by default.
   */
  half?: boolean | undefined;
  /** `half`, and allow a result stored in bf16 (see bf16.ts). False by default. */
  bf16?: boolean | undefined;
  /** Dropout of the probabilities: row (b * heads + h) * Lq + i, column j. */
  dropout?: DropoutKey | undefined;
}

/**
 * Multi-head attention: softmax(scale * q k^T + bias, masked) v for every head, softmax in float32.
 *
 * @param q (B, Lq, heads * D)
 * @param k (B, Lk, heads * D)
 * @param v (B, Lk, heads * Dv)
 * @returns (B, Lq, heads * Dv)
 *
 * Gradients to q, k, v and the bias. The fused form keeps no (Lq, Lk) matrix for the backward pass: it computes the
 * probabilities again, one block of query rows at a time.
 */
export function attention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  options: AttentionOptions,
): tf.Tensor3D {
  checkAttention(q, k, v, options);
  const { keys } = options;
  const fused = hasFused('ReasAttention');
  // A kernel can read fewer rows of one item, not of several; and a gradient covers all rows.
  if (keys !== undefined && keys < k.shape[1] && !(fused && k.shape[0] === 1 && !isTapeOn()))
    return tf.tidy(() =>
      attention(q, firstRows(k, keys), firstRows(v, keys), { ...options, keys: undefined }),
    );
  return fused ? fusedAttention(q, k, v, options) : composedAttention(q, k, v, options);
}

/**
 * Attention of a sequence to itself, with queries, keys and values as thirds of one tensor. They are not split where no
 * gradient is recorded and the engine has a kernel.
 *
 * @param qkv (B, L, 3 * heads * D)
 * @returns (B, L, heads * D)
 */
export function selfAttention(
  qkv: tf.Tensor3D,
  options: Pick<AttentionOptions, 'heads' | 'scale' | 'half' | 'bf16' | 'dropout'>,
): tf.Tensor3D {
  const { heads, scale, bf16 = false } = options;
  const half = bf16 || options.half === true;
  checkFloat('selfAttention', { qkv });
  const ok = qkv.rank === 3 && heads >= 1 && qkv.shape[1] > 0 && qkv.shape[2] % (3 * heads) === 0;
  check(ok, 'selfAttention', `qkv (B, L, 3 * ${heads} D), L > 0`, { qkv });
  if (options.dropout) checkKey(options.dropout);
  if (!isTapeOn() && hasFused('ReasAttention')) {
    const [keys, numbers] = [qkv.shape[1], dropoutNumbers(options.dropout)];
    const attrs = { heads, scale, keys, half, bf16, keep: false, dropout: numbers };
    const [out] = runKernel('ReasAttention', { q: qkv }, attrs);
    return out as tf.Tensor3D;
  }
  return tf.tidy(() => {
    const [q, k, v] = tf.split(qkv, 3, 2) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    return attention(q, k, v, options);
  });
}

function firstRows(x: tf.Tensor3D, rows: number): tf.Tensor3D {
  return tf.slice(x, [0, 0, 0], [x.shape[0], rows, x.shape[2]]);
}

function checkAttention(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, options: AttentionOptions): void {
  const { heads, bias, keyMask } = options;
  const all: Record<string, tf.Tensor> = { q, k, v };
  if (bias) all.bias = bias;
  if (keyMask) all.keyMask = keyMask;
  checkFloat('attention', all);
  const [batch, Lq, width] = q.shape;
  const Lk = options.keys ?? k.shape[1];
  const ok =
    q.rank === 3 &&
    k.rank === 3 &&
    v.rank === 3 &&
    heads >= 1 &&
    k.shape[0] === batch &&
    v.shape[0] === batch &&
    v.shape[1] === k.shape[1] &&
    Lk > 0 &&
    Lk <= k.shape[1] &&
    k.shape[2] === width &&
    width % heads === 0 &&
    v.shape[2] % heads === 0 &&
    (!bias ||
      (bias.rank === 3 &&
        (bias.shape[0] === heads || bias.shape[0] === 1) &&
        bias.shape[1] === Lq &&
        bias.shape[2] === Lk)) &&
    (!keyMask || (keyMask.rank === 2 && keyMask.shape[0] === batch && keyMask.shape[1] === Lk));
  const expected = `q (B, Lq, ${heads} D), k (B, Lk, ${heads} D), v (B, Lk, ${heads} Dv), bias (${heads} or 1, Lq, Lk), keyMask (B, Lk), Lk > 0`;
  check(ok, 'attention', expected, all);
  if (options.dropout) checkKey(options.dropout);
}

/** Far below any score, and still finite: exp(score - max) is exactly 0 beside any kept key. */
const MASKED = 1e30;

function composedAttention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  options: AttentionOptions,
): tf.Tensor3D {
  const { heads, scale, bias, keyMask } = options;
  const [batch, Lq] = q.shape;
  const Lk = k.shape[1];
  return tf.tidy(() => {
    const split = (x: tf.Tensor3D): tf.Tensor4D =>
      tf.transpose(tf.reshape(x, [batch, x.shape[1], heads, x.shape[2] / heads]), [0, 2, 1, 3]);
    let scores: tf.Tensor = tf.matMul(split(q), split(k), false, true);
    if (scale !== 1) scores = tf.mul(scores, scale);
    if (bias) scores = tf.add(scores, tf.expandDims(bias, 0));
    const keep = keyMask && tf.reshape(keyMask, [batch, 1, 1, Lk]);
    if (keep) scores = tf.add(scores, tf.mul(tf.sub(keep, 1), MASKED));
    let p: tf.Tensor = tf.softmax(scores);
    if (keep) p = tf.mul(p, keep);
    const weights = tf.reshape(dropout(tf.reshape(p, [batch * heads * Lq, Lk]), options.dropout), p.shape);
    const out = tf.transpose(tf.matMul(weights, split(v)), [0, 2, 1, 3]);
    return tf.reshape(out, [batch, Lq, v.shape[2]]) as tf.Tensor3D;
  });
}

/**
 * Buffers of biases whose gradient some block has asked for. A relative bias is shared by all blocks of a stack: the
 * first block of a backward pass computes its gradient in a run of its own, the others in the run that computes dq, dk
 * and dv.
 */
const biasGradientWanted = new WeakSet<object>();

function fusedAttention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  options: AttentionOptions,
): tf.Tensor3D {
  const { heads, scale, bias, keyMask, keys = k.shape[1], bf16 = false } = options;
  const half = bf16 || options.half === true;
  // Written out at each use: copying an object and adding to it took a fifth of a small attention.
  const numbers = dropoutNumbers(options.dropout);
  const attrs = { heads, scale, keys, half, bf16, keep: isTapeOn(), dropout: numbers };
  const inputs: Record<string, tf.Tensor> = { q, k, v };
  if (bias && !isFrozen(bias)) inputs.bias = bias;
  const optional = (tensors: tf.Tensor[]): { bias?: tf.Tensor; keyMask?: tf.Tensor } => {
    const named: { bias?: tf.Tensor; keyMask?: tf.Tensor } = {};
    if (bias) named.bias = tensors[0]!;
    if (keyMask) named.keyMask = tensors[bias ? 1 : 0]!;
    return named;
  };
  const extra: tf.Tensor[] = [];
  if (bias) extra.push(bias);
  if (keyMask) extra.push(keyMask);

  return taped(
    'attention',
    inputs,
    (save) => {
      const operands = { q, k, v, ...optional(extra) };
      const [out, kept] = runKernel('ReasAttention', operands, attrs);
      save([...extra, ...(kept ? [kept] : [q, k, v])]);
      return out!;
    },
    (dy, saved) => {
      const rest = saved.slice(0, extra.length);
      const [first, ...others] = saved.slice(extra.length) as [tf.Tensor, ...tf.Tensor[]];
      const operands = others.length > 0 ? { q: first, k: others[0]!, v: others[1]! } : { kept: first };
      const named = { dy, ...operands, ...optional(rest) };
      const queryWidth = q.shape[2];
      const run = (wantQkv: boolean, wantBias: boolean): tf.Tensor[] =>
        runKernel('ReasAttentionGrad', named, {
          heads,
          scale,
          keys,
          half,
          dropout: numbers,
          queryWidth,
          wantQkv,
          wantBias,
        });
      const biasId = bias && rest[0]!.dataId;
      const withBias = biasId !== undefined && biasGradientWanted.has(biasId);
      const joint = jointly(() => run(true, withBias));
      const thunks: Thunks = { q: () => joint(0), k: () => joint(1), v: () => joint(2) };
      if (biasId !== undefined) {
        thunks.bias = () => {
          biasGradientWanted.add(biasId);
          return withBias ? joint(3) : run(false, true)[0]!;
        };
      }
      return thunks;
    },
  ) as tf.Tensor3D;
}
