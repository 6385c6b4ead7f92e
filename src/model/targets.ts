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
