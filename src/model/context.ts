import { DropoutStream } from '../ops/dropout.js';
import type { DropoutKey } from '../ops/philox.js';

/** What a forward pass is for: whether dropout is on and where its bits come from. */
export interface Context {
  training: boolean;
  dropout: DropoutStream;
  /** Recompute each transformer block in the backward pass instead of keeping its activations. */
  recompute: boolean;
}

/** Evaluation: no dropout, nothing recomputed. */
export function inferenceContext(): Context {
  return { training: false, dropout: new DropoutStream(0), recompute: false };
}

/** The next dropout key in training; undefined (no dropout) otherwise. */
export function nextDropout(context: Context, rate: number): DropoutKey | undefined {
  return context.training ? context.dropout.next(rate) : undefined;
}
