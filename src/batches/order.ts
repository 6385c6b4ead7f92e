/** The order of an epoch: which samples make each batch, a function of the seed and the epoch alone. */
import { UsageError } from '../base/errors.js';
import { Rng } from '../base/random.js';

export interface OrderSettings {
  batch: number;
  /** Reshuffle every epoch by (seed, epoch); annotation order otherwise. */
  shuffle: boolean;
  seed: number;
  /** Leave an incomplete last batch out (training); keep it (evaluation). */
  dropLast: boolean;
  /**
   * Lengths of every sample, the one that costs most first: a shuffled batch then has samples that are about as long, which
   * cuts padding (length buckets). Every sample still comes once an epoch.
   */
  lengths?: readonly (readonly number[])[] | undefined;
}

/**
 * Samples are sorted by length within parts of the shuffled epoch: 50 batches, where neighbours are about as long, and at most
 * a quarter of the epoch, so that samples meet others in every epoch (both as Hugging Face's LengthGroupedSampler).
 */
const [MOST_BATCHES, LEAST_PARTS] = [50, 4];

export class Order {
  /** @throws UsageError when there are fewer samples than a batch, and an incomplete one is left out. */
  constructor(
    private readonly count: number,
    private readonly settings: OrderSettings,
  ) {
    if (this.batchesPerEpoch === 0)
      throw new UsageError(
        `train.batch: ${settings.batch} is larger than the ${count} samples there are; lower it or set train.dropLast=false`,
      );
  }

  get batchesPerEpoch(): number {
    const { batch, dropLast } = this.settings;
    return dropLast ? Math.floor(this.count / batch) : Math.ceil(this.count / batch);
  }

  get samplesPerEpoch(): number {
    return Math.min(this.count, this.batchesPerEpoch * this.settings.batch);
  }

  /** Indices of the samples of each batch of an epoch; only the last may be incomplete. */
  batches(epoch: number): number[][] {
    const { batch, shuffle, lengths } = this.settings;
    const rng = epochRng(this.settings, epoch);
    const order = Array.from({ length: this.count }, (_, i) => i);
    if (shuffle) rng.fork('order').shuffle(order);
    if (!shuffle || !lengths) return cut(order, batch).slice(0, this.batchesPerEpoch);
    // Left out, or put last, are the last of the shuffled order: of any length, and others in every epoch.
    const whole = order.length - (order.length % batch);
    const part = Math.max(1, Math.min(MOST_BATCHES, Math.floor(whole / batch / LEAST_PARTS)));
    const sorted = cut(order.slice(0, whole), part * batch).flatMap((samples) =>
      cut(
        samples.sort((a, b) => compare(lengths[a]!, lengths[b]!)),
        batch,
      ),
    );
    const batches = rng.fork('batches').shuffle(sorted);
    const rest = order.slice(whole);
    return rest.length > 0 && batches.length < this.batchesPerEpoch ? [...batches, rest] : batches;
  }
}

/** The generator of an epoch; each batch and each sample draws from a fork of it. */
export function epochRng({ seed }: Pick<OrderSettings, 'seed'>, epoch: number): Rng {
  return new Rng(`${seed}/epoch-${epoch}`);
}

function cut<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** By the first length that differs. */
function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((length, i) => length !== b[i]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
