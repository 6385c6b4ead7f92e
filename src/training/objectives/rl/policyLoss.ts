/**
 * The policy-gradient loss of GRPO and its relatives over the tokens of sampled completions, as TRL 1.10 computes it
 * (trl/trainer/grpo_trainer.py), differentiable in the tokens' log-probabilities.
 *
 * Tokens are flat here, in any order: which completion each belongs to says `completion`. A token of none (padding, a forced
 * token, a tool's words, anything after the end) changes nothing, whatever its log-probability is.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { LossType } from '../../../config/modes.js';

/** exp of it stays finite in float32, and no KL of a token reaches infinity (VersaVid-R1: 11). */
const LARGEST_LOG_RATIO = 11;

export interface PolicySettings {
  type: LossType;
  /** The ratio of probabilities counts down to 1 - epsilon. */
  epsilon: number;
  /** And up to 1 + epsilonHigh; epsilon unless given (DAPO: 0.28). */
  epsilonHigh?: number | undefined;
  /** Largest ratio where the advantage is negative, which nothing else bounds; none unless given. */
  delta?: number | undefined;
  /** Weight of the KL divergence from the reference; 0 needs no reference. */
  beta: number;
  /** Whether a ratio is a token's own or its completion's (GSPO: the mean of the logarithms); `token` unless given. */
  level?: 'token' | 'sequence' | undefined;
  /** Tokens that a completion may have at most; for dr_grpo. */
  maxLength?: number | undefined;
}

/** What the loss knows about the tokens besides their log-probabilities. */
export interface PolicyBatch {
  /** Completion of each token; -1 for one that does not count. */
  completion: ArrayLike<number>;
  /** One a completion; completions without a token count as completions. */
  advantages: readonly number[];
  /** Log-probabilities under the policy that wrote the tokens; the present ones unless given, as a constant. */
  old?: Float32Array | undefined;
  /** Log-probabilities under the reference; needed where beta is not 0. */
  reference?: Float32Array | undefined;
  /** Tokens that dapo divides by; those of this batch unless given. */
  tokens?: number | undefined;
}

/** Values of a batch for metrics, means over its tokens. */
export interface PolicyMetrics {
  /** Share of tokens whose ratio was below 1 - epsilon, or above 1 + epsilonHigh, in the direction of the advantage. */
  clipLow: number;
  clipHigh: number;
  /** Divergence from the reference (estimator k3); absent without one. */
  kl?: number;
  /** -log p of the tokens drawn: an unbiased estimate of the entropy where they were drawn from p itself. */
  entropy: number;
  tokens: number;
}

/**
 * @param logp (N) log-probability of each token under the present policy.
 * @returns the scalar to minimise. Where `old` is absent every ratio is 1 and the value says nothing, the gradient does.
 */
export function policyLoss(logp: tf.Tensor1D, batch: PolicyBatch, settings: PolicySettings): tf.Scalar {
  const { completion } = batch;
  const { beta, delta, level = 'token' } = settings;
  const [low, high] = bounds(settings);
  return tf.tidy(() => {
    const { values, counts } = counted(logp, completion);
    const old = batch.old ? masked(batch.old, completion) : (values.dataSync() as Float32Array);
    const shares = tokenShares(batch, settings, counts);
    const change = tf.sub(values, tf.tensor1d(old)) as tf.Tensor1D;
    const { logRatio, advantages, weights } = unitsOf(change, batch, shares, counts, level);
    const ratio = tf.exp(tf.clipByValue(logRatio, -80, 80));
    const capped = delta === undefined ? ratio : tf.minimum(ratio, delta);
    const a = tf.tensor1d(advantages);
    const gain = tf.minimum(tf.mul(capped, a), tf.mul(tf.clipByValue(ratio, low, high), a));
    const loss = tf.neg(tf.sum(tf.mul(gain, tf.tensor1d(weights)))) as tf.Scalar;
    if (beta === 0) return loss;
    const reference = tf.tensor1d(masked(referenceOf(batch), completion));
    const above = tf.clipByValue(tf.sub(reference, values), -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO);
    const kl = tf.sub(tf.sub(tf.exp(above), above), 1);
    return tf.add(loss, tf.mul(tf.sum(tf.mul(kl, tf.tensor1d(shares))), beta)) as tf.Scalar;
  });
}

/** Clip shares, KL and entropy of the same batch. @param logp (N), on the host */
export function policyMetrics(
  logp: ArrayLike<number>,
  { completion, advantages, old, reference }: PolicyBatch,
  settings: PolicySettings,
): PolicyMetrics {
  const [low, high] = bounds(settings);
  const ratios = old && (settings.level === 'sequence' ? sequenceRatios(logp, old, completion) : undefined);
  const sums = { clipLow: 0, clipHigh: 0, kl: 0, entropy: 0 };
  let tokens = 0;
  for (let i = 0; i < completion.length; i++) {
    const index = completion[i]!;
    if (index < 0) continue;
    tokens++;
    const ratio = ratios?.[index] ?? (old ? Math.exp(logp[i]! - old[i]!) : 1);
    if (ratio < low && advantages[index]! < 0) sums.clipLow++;
    if (ratio > high && advantages[index]! > 0) sums.clipHigh++;
    if (reference) sums.kl += k3(reference[i]! - logp[i]!);
    sums.entropy -= logp[i]!;
  }
  const { kl, ...rest } = sums;
  const means = Object.fromEntries(Object.entries(rest).map(([name, sum]) => [name, sum / tokens]));
  return {
    ...(means as Omit<PolicyMetrics, 'tokens' | 'kl'>),
    ...(reference && { kl: kl / tokens }),
    tokens,
  };
}

/** Schulman's estimate of KL(p, reference) from one token of p, which is never negative. @param above log(reference / p) */
function k3(above: number): number {
  const clamped = Math.min(LARGEST_LOG_RATIO, Math.max(-LARGEST_LOG_RATIO, above));
  return Math.exp(clamped) - clamped - 1;
}

const bounds = ({ epsilon, epsilonHigh = epsilon }: PolicySettings) =>
  [1 - epsilon, 1 + epsilonHigh] as const;

/** The log-probabilities with 0 where a token does not count, even in place of -Infinity, and tokens of each completion. */
function counted(logp: tf.Tensor1D, completion: ArrayLike<number>) {
  if (logp.shape[0] !== completion.length)
    throw new Error(`policyLoss: ${logp.shape[0]} log-probabilities for ${completion.length} tokens`);
  const counts: number[] = [];
  const counting = Uint8Array.from(completion, (index) => {
    if (index >= 0) counts[index] = (counts[index] ?? 0) + 1;
    return index >= 0 ? 1 : 0;
  });
  const values = tf.where(tf.tensor1d(counting, 'bool'), logp, tf.zerosLike(logp)) as tf.Tensor1D;
  return { values, counts };
}

const masked = (values: Float32Array, completion: ArrayLike<number>) =>
  values.map((value, i) => (completion[i]! < 0 ? 0 : value));

function referenceOf({ reference }: PolicyBatch): Float32Array {
  if (!reference) throw new Error('policyLoss: beta needs the log-probabilities of a reference');
  return reference;
}

/** Share of each token in the loss; 0 for one that does not count. */
function tokenShares(
  { completion, advantages, tokens }: PolicyBatch,
  { type, maxLength }: PolicySettings,
  counts: readonly number[],
): Float32Array {
  const completions = advantages.length;
  if (type === 'dr_grpo' && !(maxLength! > 0)) throw new Error('policyLoss: dr_grpo needs maxLength');
  const own = counts.reduce((sum, count) => sum + (count ?? 0), 0);
  const divisor = (index: number): number => {
    if (type === 'grpo') return completions * counts[index]!;
    if (type === 'dr_grpo') return completions * maxLength!;
    return Math.max(1, type === 'dapo' ? (tokens ?? own) : own);
  };
  return Float32Array.from(completion, (index) => (index < 0 ? 0 : 1 / divisor(index)));
}

/** What has a ratio of its own: every token, or every completion with the shares of its tokens together. */
function unitsOf(
  change: tf.Tensor1D,
  { completion, advantages }: PolicyBatch,
  shares: Float32Array,
  counts: readonly number[],
  level: 'token' | 'sequence',
) {
  if (level === 'token') {
    const ofTokens = Float32Array.from(completion, (index) => (index < 0 ? 0 : advantages[index]!));
    return { logRatio: change, advantages: ofTokens, weights: shares };
  }
  const tokens = completion.length;
  const averaging = new Float32Array(advantages.length * tokens);
  const weights = new Float32Array(advantages.length);
  for (let i = 0; i < tokens; i++) {
    const index = completion[i]!;
    if (index < 0) continue;
    averaging[index * tokens + i] = 1 / counts[index]!;
    weights[index]! += shares[i]!;
  }
  const means = tf.matMul(
    tf.tensor2d(averaging, [advantages.length, tokens]),
    tf.reshape(change, [tokens, 1]) as tf.Tensor2D,
  );
  return {
    logRatio: tf.reshape(means, [-1]) as tf.Tensor1D,
    advantages: Float32Array.from(advantages),
    weights,
  };
}

function sequenceRatios(logp: ArrayLike<number>, old: Float32Array, completion: ArrayLike<number>): number[] {
  const sums: { sum: number; count: number }[] = [];
  for (let i = 0; i < completion.length; i++) {
    const index = completion[i]!;
    if (index < 0) continue;
    sums[index] ??= { sum: 0, count: 0 };
    sums[index].sum += logp[i]! - old[i]!;
    sums[index].count++;
  }
  return sums.map(({ sum, count }) => Math.exp(sum / count));
}
