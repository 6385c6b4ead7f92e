/** The operations in float64, written as the formulas are; row-major arrays. */
import { type DropoutKey, philoxKeepMask } from '../../src/ops/index.js';

/** a (M, K) times b (N, K) transposed. */
export function matMulTransposed(
  a: Float64Array,
  b: Float64Array,
  M: number,
  N: number,
  K: number,
): Float64Array {
  const out = new Float64Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[i * K + k]! * b[j * K + k]!;
      out[i * N + j] = sum;
    }
  }
  return out;
}

export function dropoutReference(x: Float64Array, columns: number, key?: DropoutKey): Float64Array {
  if (!key) return x;
  const mask = philoxKeepMask(x.length / columns, columns, key);
  return x.map((value, i) => (value * mask[i]!) / (1 - key.rate));
}

export interface LinearSizes {
  rows: number;
  inputs: number;
  outputs: number;
  r: number;
}

export function linearReference(
  t: Record<string, Float64Array>,
  { rows, inputs, outputs, r }: LinearSizes,
  scale: number,
  key?: DropoutKey,
): Float64Array {
  const y = matMulTransposed(t.x!, t.weight!, rows, outputs, inputs);
  const low = t.A && matMulTransposed(dropoutReference(t.x!, inputs, key), t.A, rows, r, inputs);
  const update = low && matMulTransposed(low, t.B!, rows, outputs, r);
  return y.map((value, i) => value + (t.bias?.[i % outputs] ?? 0) + scale * (update?.[i] ?? 0));
}

export interface AttentionSizes {
  batch: number;
  heads: number;
  Lq: number;
  Lk: number;
  D: number;
  Dv: number;
  biasHeads: number;
}

export interface AttentionCase extends AttentionSizes {
  mask: boolean;
  /** Of dropout. */
  rate: number;
}

export function attentionReference(
  t: Record<string, Float64Array>,
  s: AttentionSizes,
  scale: number,
  key?: DropoutKey,
): Float64Array {
  const { batch, heads, Lq, Lk, D, Dv } = s;
  const keep = key && philoxKeepMask(batch * heads * Lq, Lk, key);
  const out = new Float64Array(batch * Lq * heads * Dv);
  for (let row = 0; row < batch * heads * Lq; row++) {
    const i = row % Lq;
    const h = Math.floor(row / Lq) % heads;
    const b = Math.floor(row / (Lq * heads));
    const scores = new Float64Array(Lk);
    for (let j = 0; j < Lk; j++) {
      let sum = 0;
      for (let d = 0; d < D; d++) {
        sum += t.q![((b * Lq + i) * heads + h) * D + d]! * t.k![((b * Lk + j) * heads + h) * D + d]!;
      }
      scores[j] = sum * scale + (t.bias?.[((s.biasHeads === 1 ? 0 : h) * Lq + i) * Lk + j] ?? 0);
    }
    const kept = (j: number): boolean => (t.keyMask?.[b * Lk + j] ?? 1) === 1;
    const largest = Math.max(...scores.filter((_, j) => kept(j)));
    const p = scores.map((score, j) => (kept(j) ? Math.exp(score - largest) : 0));
    const total = p.reduce((a, x) => a + x, 0);
    for (let j = 0; j < Lk; j++) {
      if (p[j] === 0) continue;
      const probability = (p[j]! / total) * (keep ? keep[row * Lk + j]! / (1 - key.rate) : 1);
      for (let d = 0; d < Dv; d++) {
        out[((b * Lq + i) * heads + h) * Dv + d]! += probability * t.v![((b * Lk + j) * heads + h) * Dv + d]!;
      }
    }
  }
  return out;
}

export function layerNormReference(t: Record<string, Float64Array>, d: number, eps: number): Float64Array {
  const x = t.x!;
  const out = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += d) {
    const values = x.subarray(row, row + d);
    const mean = values.reduce((a, b) => a + b, 0) / d;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / d;
    for (let j = 0; j < d; j++) {
      out[row + j] = ((values[j]! - mean) / Math.sqrt(variance + eps)) * t.weight![j]! + t.bias![j]!;
    }
  }
  return out;
}

export function rmsNormReference(t: Record<string, Float64Array>, d: number, eps: number): Float64Array {
  const x = t.x!;
  return x.map((value, i) => {
    const row = Math.floor(i / d) * d;
    const meanSquare = x.subarray(row, row + d).reduce((a, b) => a + b * b, 0) / d;
    return (value / Math.sqrt(meanSquare + eps)) * t.weight![i % d]!;
  });
}

/** erf to about 1e-16: its Maclaurin series below 3, the continued fraction of erfc above. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 100; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  return Math.sign(x) * (1 - erfc(a));
}

/** erfc for x >= 2 by its continued fraction (Abramowitz and Stegun 7.1.14); keeps relative accuracy in the tail. */
export function erfc(x: number): number {
  let fraction = x;
  for (let n = 200; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

export function geluReference(x: number, form: 'erf' | 'tanh'): number {
  if (form === 'tanh') return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  if (x < -3) return 0.5 * x * erfc(-x * Math.SQRT1_2);
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

/** Loss per row of softmax(hidden weight^T) against labels; 0 where the label is -100. */
export function crossEntropyReference(
  t: Record<string, Float64Array>,
  labels: Int32Array,
  V: number,
  d: number,
): Float64Array {
  const logits = matMulTransposed(t.hidden!, t.weight!, labels.length, V, d);
  return Float64Array.from(labels, (label, i) => {
    if (label === -100) return 0;
    const row = logits.subarray(i * V, (i + 1) * V);
    const largest = Math.max(...row);
    return largest + Math.log(row.reduce((a, z) => a + Math.exp(z - largest), 0)) - row[label]!;
  });
}
