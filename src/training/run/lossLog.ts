/** The losses of a run between two lines of metrics. */
import { ReasVqaError } from '../../base/errors.js';
import type { PendingLosses } from '../gradients.js';
import type { LossValues } from '../objectives/objective.js';

/** The batch that losses belong to. */
interface LossPlace {
  /** The update that it counts to, from 1. */
  step: number;
  /** From 1. */
  epoch: number;
  samples: string[];
}

/** Most batches with unread losses: bounds their memory, and the delay until a loss that is not finite is noticed. */
export const MOST_UNREAD = 64;

/**
 * Losses since the last line of metrics. They stay on the device until they are needed, because reading waits until a
 * GPU has finished its queue and leaves it idle.
 */
export class LossLog {
  private unread: { losses: PendingLosses; place: LossPlace }[] = [];
  private values: LossValues[] = [];
  private latest: LossValues | undefined;

  /** @throws as {@link settle}, of an earlier batch, when many wait. */
  add(losses: PendingLosses, place: LossPlace): void {
    this.unread.push({ losses, place });
    if (this.unread.length > MOST_UNREAD) this.settle();
  }

  /**
   * Reads the unread losses. @throws ReasVqaError for the first loss that is not finite, with the ids of its samples.
   */
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

  /** Means over the batches since the last call, of each target over the batches that had it; NaN when there are none. */
  take(): LossValues {
    this.settle();
    const names = new Set(this.values.flatMap(({ parts }) => Object.keys(parts)));
    this.latest = {
      loss: mean(this.values.map(({ loss }) => loss)),
      parts: Object.fromEntries([...names].map((name) => [name, this.meanOf(name)])),
    };
    this.values = [];
    return this.latest;
  }

  private meanOf(name: string): number {
    return mean(this.values.flatMap(({ parts }) => (name in parts ? [parts[name]!] : [])));
  }

  /** The losses since the last line of metrics, as a checkpoint keeps them. @throws as {@link settle} */
  pending(): LossValues[] {
    this.settle();
    return this.values;
  }

  /** Goes on from losses that a checkpoint kept. */
  restore(values: readonly LossValues[]): void {
    this.values = [...values];
  }

  /** The last result of {@link take}, for a progress line; nothing is read. */
  get last(): LossValues | undefined {
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
