/** Chooses the next token of each row from its logits on the host: the likeliest, or one drawn with the row's seed. */
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../base/random.js';
import type { Generated, GenerateOptions, Sampling } from './student.js';

/** Runs a generation to its end. */
export function finish(steps: Generator<Generated, Generated, void>): Generated {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The tokens that each row of a batch has generated so far. */
export class Written implements Generated {
  readonly ids: number[][];
  readonly logProbs: number[][];
  private readonly finished: boolean[];

  constructor(
    rows: number,
    private readonly options: GenerateOptions,
  ) {
    this.ids = Array.from({ length: rows }, () => []);
    this.logProbs = Array.from({ length: rows }, () => []);
    this.finished = new Array<boolean>(rows).fill(false);
  }

  get isDone(): boolean {
    return !this.finished.includes(false);
  }

  add(next: Int32Array, logProbs: number[] | undefined): void {
    next.forEach((id, row) => {
      if (this.finished[row]) return;
      if (logProbs) this.logProbs[row]!.push(logProbs[row]!);
      if (id === this.options.eosId) this.finished[row] = true;
      else this.ids[row]!.push(id);
    });
  }
}

/**
 * The likeliest token of each row of logits, but for a banned one.
 *
 * @param tokens only ids below it count
 */
export function argMaxRows(logits: tf.Tensor2D, banned?: number, tokens?: number): Int32Array<ArrayBuffer> {
  const [rows, width] = logits.shape;
  let allowed = tokens !== undefined && tokens < width ? tf.slice(logits, [0, 0], [rows, tokens]) : logits;
  if (banned !== undefined) {
    const mask = new Float32Array(allowed.shape[1]);
    mask[banned] = -1e9;
    allowed = tf.add(allowed, tf.tensor1d(mask));
  }
  return tf.argMax(allowed, 1).dataSync() as Int32Array<ArrayBuffer>;
}

/** One token a row, with its log-probability under softmax(logits), or softmax(logits / temperature). */
export interface Choice {
  ids: Int32Array<ArrayBuffer>;
  logProbs: number[];
}

export class HostChooser {
  private readonly streams: Rng[] | undefined;

  /**
   * @param sampling draws; without it the likeliest token is taken. @param tokens only ids below it are chosen
   * @throws RangeError for a temperature, topP or number of seeds that cannot be
   */
  constructor(
    rows: number,
    private readonly sampling?: Sampling,
    private readonly tokens?: number,
  ) {
    if (!sampling) return;
    const { temperature, topP = 1, seeds } = sampling;
    if (!(temperature > 0)) throw new RangeError(`sampling: temperature ${temperature}, expected above 0`);
    if (!(topP > 0 && topP <= 1)) throw new RangeError(`sampling: topP ${topP}, expected in (0, 1]`);
    if (seeds.length !== rows) throw new RangeError(`sampling: ${seeds.length} seeds for ${rows} rows`);
    this.streams = seeds.map((seed) => new Rng(seed));
  }

  /**
   * @param logits (rows, vocabulary) float32. @param banned a token that is not chosen. @param forced the token of every
   *   row; its stream draws nothing then
   */
  choose(logits: tf.Tensor2D, banned?: number, forced?: number): Choice {
    const [rows, width] = logits.shape;
    const values = logits.dataSync();
    const { temperature = 1, temperedLogProbs } = this.sampling ?? {};
    const divisor = temperedLogProbs ? temperature : 1;
    const ids = new Int32Array(rows);
    const logProbs: number[] = [];
    for (let row = 0; row < rows; row++) {
      const scores = values.subarray(row * width, (row + 1) * width) as Float32Array;
      const id = forced ?? this.pick(row, scores.subarray(0, this.tokens), banned);
      ids[row] = id;
      logProbs.push(scores[id]! / divisor - logSumExp(scores, divisor));
    }
    return { ids, logProbs };
  }

  private pick(row: number, scores: Float32Array, banned?: number): number {
    const stream = this.streams?.[row];
    if (!stream) return argMax(scores, banned);
    const { temperature, topP = 1 } = this.sampling!;
    return draw(scores, temperature, topP, stream.float(), banned);
  }
}

function argMax(scores: Float32Array, banned?: number): number {
  let best = -1;
  for (let id = 0; id < scores.length; id++)
    if (id !== banned && (best < 0 || scores[id]! > scores[best]!)) best = id;
  return best;
}

/** Of the scores over the divisor. */
function logSumExp(scores: Float32Array, divisor: number): number {
  const largest = scores[argMax(scores)]!;
  let sum = 0;
  for (const score of scores) sum += Math.exp((score - largest) / divisor);
  return largest / divisor + Math.log(sum);
}

/**
 * Nucleus sampling (Holtzman et al. 2020): the likeliest tokens whose probabilities reach topP, drawn by their shares.
 *
 * @param uniform in [0, 1)
 */
function draw(
  scores: Float32Array,
  temperature: number,
  topP: number,
  uniform: number,
  banned?: number,
): number {
  const largest = scores[argMax(scores, banned)]!;
  const weights = Float64Array.from(scores, (score, id) =>
    id === banned ? 0 : Math.exp((score - largest) / temperature),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = topP < 1 ? likeliest(weights, topP * total) : weights.keys();
  const candidates = [...order];
  const kept = candidates.reduce((sum, id) => sum + weights[id]!, 0);
  let left = uniform * kept;
  let last = candidates[0]!;
  for (const id of candidates) {
    if (weights[id] === 0) continue;
    last = id;
    left -= weights[id]!;
    if (left < 0) break;
  }
  return last;
}

/** Ids by falling weight, up to the first whose sum reaches `enough`; equal weights by id. */
function likeliest(weights: Float64Array, enough: number): number[] {
  const order = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]! || a - b);
  let sum = 0;
  const end = order.findIndex((id) => {
    sum += weights[id]!;
    return sum >= enough;
  });
  return order.slice(0, end + 1 || order.length);
}
