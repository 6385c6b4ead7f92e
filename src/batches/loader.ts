/** Streams the batches of an epoch, the next one prepared while the caller works on the current one. */
import { setImmediate as turn } from 'node:timers/promises';
import { UsageError } from '../base/errors.js';
import { Rng } from '../base/random.js';
import type { Sample } from '../data/sample.js';

export interface LoaderSettings {
  batch: number;
  /** Reshuffle every epoch by (seed, epoch); annotation order otherwise. */
  shuffle: boolean;
  seed: number;
  /** Leave an incomplete last batch out (training); keep it (evaluation). */
  dropLast: boolean;
}

interface Loaded<T> {
  /** Index of the batch within its epoch. */
  index: number;
  samples: Sample[];
  batch: T;
}

/**
 * Streams batches in an order that depends on the seed and the epoch alone, so that a resumed run sees what an
 * uninterrupted one would have seen. The next batch is prepared (decoded, tokenised) while the caller works on the
 * current one.
 */
export class Loader<T> {
  /** @param make prepares one batch; its randomness must come from the given generator. */
  constructor(
    private readonly samples: readonly Sample[],
    private readonly settings: LoaderSettings,
    private readonly make: (samples: Sample[], rng: Rng, epoch: number) => Promise<T>,
  ) {
    if (this.batchesPerEpoch === 0)
      throw new UsageError(
        `train.batch: ${settings.batch} is larger than the ${samples.length} samples there are; lower it or set train.dropLast=false`,
      );
  }

  get batchesPerEpoch(): number {
    const { batch, dropLast } = this.settings;
    return dropLast ? Math.floor(this.samples.length / batch) : Math.ceil(this.samples.length / batch);
  }

  get samplesPerEpoch(): number {
    return Math.min(this.samples.length, this.batchesPerEpoch * this.settings.batch);
  }

  /** Batches of one epoch, starting at batch `from`. */
  async *epoch(epoch: number, from = 0): AsyncGenerator<Loaded<T>> {
    const { seed, batch: size, shuffle } = this.settings;
    const rng = new Rng(`${seed}/epoch-${epoch}`);
    const order = this.samples.map((_, i) => i);
    if (shuffle) rng.fork('order').shuffle(order);
    const prepare = (index: number): Promise<Loaded<T>> => {
      const samples = order.slice(index * size, (index + 1) * size).map((i) => this.samples[i]!);
      return this.make(samples, rng.fork(`batch-${index}`), epoch).then((batch) => ({
        index,
        samples,
        batch,
      }));
    };
    const count = this.batchesPerEpoch;
    let next = from < count ? prepare(from) : undefined;
    for (let index = from; next; index++) {
      const current = await next;
      next = index + 1 < count ? prepare(index + 1) : undefined;
      // Whoever stops early must not leave an unhandled rejection behind.
      next?.catch(() => {});
      // Batches that are in memory resolve at once: without a turn of the event loop no signal would be seen before the end.
      await turn();
      yield current;
    }
  }
}
