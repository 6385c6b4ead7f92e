/**
 * The leak check's trained reader: a logistic regression over a question's options (softmax of their scores), trained by
 * stochastic gradient descent with AdaGrad's steps (Duchi et al. 2011). The same on every machine: no thread, no library.
 */
import { Rng } from '../../base/random.js';
import { type Features, TABLE } from './features.js';

export interface Example {
  /** Of every option. */
  options: readonly Features[];
  /** 0-based. */
  answer: number;
}

const PASSES = 6;
const RATE = 0.3;
/** Weight decay of a feature at each of its steps. */
const DECAY = 1e-4;

/** @returns the score of each option of a question */
export function trainClassifier(
  examples: readonly Example[],
  seed: string,
): (options: readonly Features[]) => number[] {
  const weights = new Float64Array(TABLE);
  const squares = new Float64Array(TABLE).fill(1e-2);
  const scores = (options: readonly Features[]) => options.map((features) => dot(weights, features));
  const rng = new Rng(`leak/${seed}`);
  const order = examples.map((_, i) => i);
  for (let pass = 0; pass < PASSES; pass++)
    for (const i of rng.shuffle(order)) {
      const { options, answer } = examples[i]!;
      const probabilities = softmax(scores(options));
      options.forEach(({ at, ends, values }, option) => {
        const error = probabilities[option]! - (option === answer ? 1 : 0);
        if (Math.abs(error) < 1e-6) return;
        for (let run = 0, k = 0; run < ends.length; run++)
          for (const own = error * values[run]!; k < ends[run]!; k++) {
            const place = at[k]!;
            const gradient = own + DECAY * weights[place]!;
            squares[place]! += gradient * gradient;
            weights[place]! -= (RATE * gradient) / Math.sqrt(squares[place]!);
          }
      });
    }
  return scores;
}

function dot(weights: Float64Array, { at, ends, values }: Features): number {
  let sum = 0;
  for (let run = 0, k = 0; run < ends.length; run++)
    for (const value = values[run]!; k < ends[run]!; k++) sum += weights[at[k]!]! * value;
  return sum;
}

function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}
