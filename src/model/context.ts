/** The context of a forward pass: dropout, gradient checkpointing and precision. */
import { DropoutStream } from '../ops/dropout.js';
import type { DropoutKey } from '../ops/philox.js';

/**
 * Gradient checkpointing: the backward pass recomputes no activations (false), all inside transformer blocks (true), or
 * those of feed-forward layers and the Q-Former (`light`). workloads/xl.json takes 14.1, 10.3 and 11.8 GB on
 * native-cuda; a step of workloads/small.json takes 316, 415 and 371 ms on native-cpu.
 */
export type Recompute = boolean | 'light';

/** How frozen matrices are stored, and whether float32 may be rounded for 16-bit units (src/model/precision.ts). */
export type Precision = 'f32' | 'bf16';

/** Settings of one forward pass: training or evaluation, dropout, gradient checkpointing, precision. */
export interface Context {
  training: boolean;
  dropout: DropoutStream;
  recompute: Recompute;
  /** Whether float32 may be rounded for 16-bit units: precision bf16 (src/model/precision.ts). */
  mixed: boolean;
}

/** Evaluation: no dropout, nothing recomputed. */
export function inferenceContext(precision: Precision = 'f32'): Context {
  return { training: false, dropout: new DropoutStream(0), recompute: false, mixed: precision === 'bf16' };
}

/** Training with dropout bits drawn from a seed; `dropout.startStep` begins each step. */
export function trainingContext(precision: Precision, seed: number, recompute: Recompute): Context {
  return { ...inferenceContext(precision), training: true, dropout: new DropoutStream(seed), recompute };
}

/** The next dropout key in training; undefined (no dropout) otherwise. */
export function nextDropout(context: Context, rate: number): DropoutKey | undefined {
  return context.training ? context.dropout.next(rate) : undefined;
}
