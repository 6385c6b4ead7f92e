/** Targets of a batch sorted for forward passes, and the losses of several passes joined. */
import * as tf from '@tensorflow/tfjs-core';
import { groupBy } from '../base/groups.js';
import type { Target, TokenLosses, TokenRows } from './student.js';

/** A target with its index among those given. */
export interface Member {
  target: Target;
  index: number;
}

/** Targets by the prompt they answer: each prompt is read once, and its targets are learned in one pass. */
export function promptGroups(
  members: Member[],
  shared: TokenRows,
): { prompts: TokenRows; members: Member[] }[] {
  const groups = groupBy(members, ({ target }) => target.prompts ?? shared);
  return [...groups].map(([prompts, members]) => ({ prompts, members }));
}

/** The targets that have a token. @throws Error when none has */
export function learnedTargets(targets: readonly Target[]): Member[] {
  const learned = targets
    .map((target, index) => ({ target, index }))
    .filter(({ target: { rows } }) => rows.some((row) => row.length > 0));
  if (learned.length === 0) throw new Error('losses: no target has a token');
  return learned;
}

/**
 * What the head reads, divided by the temperatures of the targets: logits / temperature for every token.
 *
 * @param hidden (N, d). @param target index of the target that each row belongs to, -1 for padding
 */
export function tempered(hidden: tf.Tensor2D, members: readonly Member[], target: Int16Array): tf.Tensor2D {
  const temperatures = new Map(members.map(({ target, index }) => [index, target.temperature ?? 1]));
  for (const temperature of temperatures.values())
    if (!(temperature > 0)) throw new RangeError(`losses: temperature ${temperature}, expected above 0`);
  if ([...temperatures.values()].every((temperature) => temperature === 1)) return hidden;
  const factors = Float32Array.from(target, (index) => 1 / (temperatures.get(index) ?? 1));
  return tf.mul(hidden, tf.tensor2d(factors, [factors.length, 1]));
}

/** Each of the first axis's parts so many times in a row. */
export function repeated<T extends tf.Tensor>(x: T, times: number): T {
  return tf.tidy(() => {
    const rows = Int32Array.from({ length: x.shape[0]! * times }, (_, row) => Math.floor(row / times));
    return tf.gather(x, tf.tensor1d(rows, 'int32')) as T;
  });
}

/** The losses of several passes as those of one. */
export function joined(parts: TokenLosses[]): TokenLosses {
  const [first, ...rest] = parts as [TokenLosses, ...TokenLosses[]];
  if (rest.length === 0) return first;
  return {
    values: tf.concat(parts.map(({ values }) => values)),
    target: Int16Array.from(parts.flatMap(({ target }) => [...target])),
    row: Int32Array.from(parts.flatMap(({ row }) => [...row])),
    likeliest: () => Int32Array.from(parts.flatMap(({ likeliest }) => [...likeliest()])),
  };
}
