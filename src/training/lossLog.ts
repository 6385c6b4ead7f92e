import { ReasVqaError } from '../errors.js';
import type { LossValues, PendingLosses } from './objective.js';

/** The batch that losses belong to. */
export interface LossPlace {
  /** The update that it counts to, from 1. */
  step: number;
  /** From 1. */
  epoch: number;
  samples: string[];
}

/** Means over batches; a task that no batch had is absent. */
export interface LossMeans {
  loss: number;
  qa: number;
  reasoning?: number;
}

/** How many batches may wait: bounds what they hold, and how late a loss that is not finite is noticed. */
export const MOST_UNREAD = 64;

/**
 * Losses since the last line of metrics. They stay on the device until somebody needs them: reading waits for everything
 * that a GPU was given to do, and meanwhile it is given nothing new.
 */
export class LossLog {
  private unread: { losses: PendingLosses; place: LossPlace }[] = [];
  private values: LossValues[] = [];
  private latest: LossMeans | undefined;

  /** @throws as {@link settle}, of an earlier batch, when many wait. */
  add(losses: PendingLosses, place: LossPlace): void {
    this.unread.push({ losses, place });
    if (this.unread.length > MOST_UNREAD) this.settle();
  }

  /** Reads what is left. @throws ReasVqaError for the first loss that is not finite, with the ids of its samples. */
  settle(): void {
    for (let next = this.unread.shift(); next; next = this.unread.shift()) {
      const values = next.losses.read();
      const { step, epoch, samples } = next.place;
      if (!Number.isFinite(values.loss))
        throw new ReasVqaError(
          `loss is ${values.loss} at step ${step} (epoch ${epoch}), samples ${samples.join(', ')}; nothing of this step was saved; lower train.learningRate or set train.clipNorm=1`,
          1,
        );
      this.values.push(values);
    }
  }

  /** Means over the batches since the last call; NaN when there are none. Settles. */
  take(): LossMeans {
    this.settle();
    const reasoning = this.values.map((v) => v.reasoning).filter((value) => !Number.isNaN(value));
    this.latest = {
      loss: mean(this.values.map((v) => v.loss)),
      qa: mean(this.values.map((v) => v.qa)),
      ...(reasoning.length > 0 ? { reasoning: mean(reasoning) } : {}),
    };
    this.values = [];
    return this.latest;
  }

  /** What {@link take} gave last, for a progress line: it reads nothing. */
  get last(): LossMeans | undefined {
    return this.latest;
  }

  dispose(): void {
    for (const { losses } of this.unread) losses.dispose();
    this.unread = [];
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
