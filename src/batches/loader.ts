/** Streams the batches of an epoch, the next ones prepared while the caller works on the current one. */
import { setMaxListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Rng } from '../base/random.js';
import type { Sample } from '../data/sample.js';
import { epochRng, Order, type OrderSettings } from './order.js';

export interface LoaderSettings extends OrderSettings {
  /** Batches prepared ahead of the current one, at most (data.ahead); 1 unless given. */
  ahead?: number;
}

interface Loaded<T> {
  /** Index of the batch within its epoch. */
  index: number;
  samples: Sample[];
  batch: T;
  /** Milliseconds that the caller waited for it. */
  waited: number;
}

/**
 * Streams batches in an order that depends on the seed and the epoch alone, so that a resumed run sees what an
 * uninterrupted one would have seen. The next batches are prepared (decoded, tokenised) while the caller works on the
 * current one; no more than `ahead` are in memory or in work beside it.
 */
export class Loader<T> {
  private readonly order: Order;

  /**
   * @param make prepares one batch; its randomness must come from the given generator. The signal fires when the batch is
   *   not wanted any more.
   */
  constructor(
    private readonly samples: readonly Sample[],
    private readonly settings: LoaderSettings,
    private readonly make: (samples: Sample[], rng: Rng, signal: AbortSignal) => Promise<T>,
  ) {
    this.order = new Order(samples.length, settings);
  }

  get batchesPerEpoch(): number {
    return this.order.batchesPerEpoch;
  }

  get samplesPerEpoch(): number {
    return this.order.samplesPerEpoch;
  }

  /**
   * Batches of one epoch, starting at batch `from`. An error comes when its batch does. Whoever stops early leaves no
   * batch in preparation: they are cancelled, and the stream ends after they have.
   */
  async *epoch(epoch: number, from = 0): AsyncGenerator<Loaded<T>> {
    const { ahead = 1 } = this.settings;
    const rng = epochRng(this.settings, epoch);
    const batches = this.order.batches(epoch).map((indices) => indices.map((i) => this.samples[i]!));
    const ended = new AbortController();
    // Every clip of every batch ahead listens to it.
    setMaxListeners(0, ended.signal);
    const queue: Promise<T>[] = [];
    try {
      for (let index = from; index < batches.length; index++) {
        const asked = performance.now();
        for (let next = index + queue.length; next < batches.length && queue.length <= ahead; next++) {
          const batch = this.make(batches[next]!, rng.fork(`batch-${next}`), ended.signal);
          // Whoever stops early must not leave an unhandled rejection behind.
          batch.catch(() => undefined);
          queue.push(batch);
        }
        const batch = await queue.shift()!;
        // Batches that are in memory resolve at once: without a turn of the event loop no signal would be seen before the end.
        await turn();
        yield { index, samples: batches[index]!, batch, waited: performance.now() - asked };
      }
    } finally {
      ended.abort();
      await Promise.allSettled(queue);
    }
  }
}
