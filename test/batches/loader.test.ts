/** The order of batches, and reading ahead. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { Loader, type LoaderSettings } from '../../src/batches/loader.js';
import type { Sample } from '../../src/data/sample.js';

function samples(count: number): Sample[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `s${i}`,
    dataset: 'test',
    video: `v${i}`,
    question: '?',
    options: ['a', 'b'],
    type: 'x',
  }));
}

const SETTINGS: LoaderSettings = { batch: 4, shuffle: true, seed: 7, dropLast: false };

/** Ids of every batch of an epoch, with a number drawn from the generator each batch was given. */
async function epochOf(loader: Loader<{ ids: string[]; drawn: number }>, epoch: number, from = 0) {
  const batches: { index: number; ids: string[]; drawn: number }[] = [];
  for await (const { index, samples: asked, batch } of loader.epoch(epoch, from)) {
    expect(batch.ids).toEqual(asked.map((sample) => sample.id));
    batches.push({ index, ...batch });
  }
  return batches;
}

function loaderOf(count: number, settings: Partial<LoaderSettings> = {}) {
  return new Loader(samples(count), { ...SETTINGS, ...settings }, async (chosen, rng) => ({
    ids: chosen.map((sample) => sample.id),
    drawn: rng.uint32(),
  }));
}

describe('the order of batches', () => {
  it('visits every sample once an epoch', async () => {
    const rng = new Rng('once');
    for (let round = 0; round < 30; round++) {
      const [count, batch] = [1 + rng.int(40), 1 + rng.int(9)];
      const loader = loaderOf(count, { batch, shuffle: rng.int(2) === 1, seed: rng.int(1000) });
      const batches = await epochOf(loader, rng.int(5));
      expect(batches).toHaveLength(loader.batchesPerEpoch);
      expect(batches.map(({ index }) => index)).toEqual(batches.map((_, i) => i));
      expect(batches.slice(0, -1).every(({ ids }) => ids.length === batch)).toBe(true);
      expect(batches.flatMap(({ ids }) => ids).sort()).toEqual(
        samples(count)
          .map(({ id }) => id)
          .sort(),
      );
    }
  });

  it('leaves out only the samples of an incomplete last batch when it may', async () => {
    const loader = loaderOf(22, { dropLast: true });
    expect(loader.batchesPerEpoch).toBe(5);
    const batches = await epochOf(loader, 0);
    expect(new Set(batches.flatMap(({ ids }) => ids)).size).toBe(20);
    expect(batches.every(({ ids }) => ids.length === 4)).toBe(true);
    // Over the epochs no sample is always the one left out.
    const seen = new Set<string>();
    for (let epoch = 0; epoch < 10; epoch++)
      for (const { ids } of await epochOf(loader, epoch)) for (const id of ids) seen.add(id);
    expect(seen.size).toBe(22);
  });

  it('follows seed and epoch alone', async () => {
    expect(await epochOf(loaderOf(30), 3)).toEqual(await epochOf(loaderOf(30), 3));
    expect(await epochOf(loaderOf(30), 3)).not.toEqual(await epochOf(loaderOf(30), 4));
    expect(await epochOf(loaderOf(30), 3)).not.toEqual(await epochOf(loaderOf(30, { seed: 8 }), 3));
    const loader = loaderOf(30);
    await epochOf(loader, 0);
    expect(await epochOf(loader, 3)).toEqual(await epochOf(loaderOf(30), 3));
  });

  it('resumed at any batch is the tail of the whole epoch, random draws included', async () => {
    const whole = await epochOf(loaderOf(30), 2);
    const lengths = samples(30).map((_, i) => [(i * 7) % 5, i % 3]);
    const sorted = await epochOf(loaderOf(30, { lengths }), 2);
    for (let from = 0; from <= whole.length; from++) {
      expect(await epochOf(loaderOf(30), 2, from)).toEqual(whole.slice(from));
      expect(await epochOf(loaderOf(30, { lengths, ahead: 3 }), 2, from)).toEqual(sorted.slice(from));
    }
  });

  it('is the order of the annotations without shuffling', async () => {
    const batches = await epochOf(loaderOf(10, { shuffle: false }), 5);
    expect(batches.flatMap(({ ids }) => ids)).toEqual(samples(10).map(({ id }) => id));
  });

  it.each([undefined, 0, 1, 2, 3, 9])(
    'prepares as many batches ahead as it may and no more: %s',
    async (ahead) => {
      const started: number[] = [];
      const settings = ahead === undefined ? SETTINGS : { ...SETTINGS, ahead };
      const loader = new Loader(samples(20), settings, async () => started.push(started.length));
      const seen: number[] = [];
      for await (const { index, waited } of loader.epoch(0)) {
        seen.push(index);
        expect(waited).toBeGreaterThanOrEqual(0);
        expect(started).toHaveLength(Math.min(index + 1 + (ahead ?? 1), 5));
      }
      expect(seen).toEqual([0, 1, 2, 3, 4]);
    },
  );

  it('gives the same batches however many it prepares ahead, and whichever is ready first', async () => {
    const epochs = [0, 1, 4].map(async (ahead) => {
      const loader = new Loader(samples(22), { ...SETTINGS, ahead }, async (chosen, rng) => {
        const ids = chosen.map(({ id }) => id);
        for (let i = rng.fork('delay').int(5); i > 0; i--)
          await new Promise((resolve) => setImmediate(resolve));
        return { ids, drawn: rng.uint32() };
      });
      return epochOf(loader, 2);
    });
    const [plain, ...others] = await Promise.all(epochs);
    for (const other of others) expect(other).toEqual(plain);
  });

  it('cancels what it prepares when it is stopped, and ends after that has ended', async () => {
    const events: string[] = [];
    const loader = new Loader(samples(40), { ...SETTINGS, ahead: 3 }, async (_chosen, _rng, signal) => {
      const batch = events.push('start');
      if (batch === 1) return;
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => setImmediate(() => reject(signal.reason)));
      }).finally(() => events.push('end'));
    });
    for await (const _ of loader.epoch(0)) break;
    expect(events).toEqual(['start', 'start', 'start', 'start', 'end', 'end', 'end']);
    // As well when the caller throws.
    events.length = 0;
    const fails = async () => {
      for await (const _ of loader.epoch(0)) throw new Error('the step failed');
    };
    await expect(fails()).rejects.toThrow('the step failed');
    expect(events.filter((event) => event === 'end')).toHaveLength(3);
  });

  it('passes an error on when its batch comes, and leaves none behind when stopped early', async () => {
    const loader = new Loader(samples(20), SETTINGS, async () => {
      if (++calls === 3) throw new Error('bad batch');
      return calls;
    });
    let calls = 0;
    const seen: number[] = [];
    const run = async () => {
      for await (const { index } of loader.epoch(0)) seen.push(index);
    };
    await expect(run()).rejects.toThrow('bad batch');
    expect(seen).toEqual([0, 1]);
    calls = 1;
    for await (const { index } of loader.epoch(0)) if (index === 0) break;
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('lets signals in between batches that are in memory', async () => {
    let fired = false;
    setImmediate(() => {
      fired = true;
    });
    const seen: boolean[] = [];
    for await (const _ of loaderOf(20).epoch(0)) seen.push(fired);
    expect(seen.at(-1)).toBe(true);
  });

  it('refuses a batch that no epoch can fill', () => {
    expect(() => loaderOf(3, { dropLast: true })).toThrow(UsageError);
    expect(() => loaderOf(3, { dropLast: true })).toThrow(/train\.batch: 4 is larger than the 3 samples/);
    expect(loaderOf(3).batchesPerEpoch).toBe(1);
    expect(() => loaderOf(0)).toThrow(UsageError);
  });
});
