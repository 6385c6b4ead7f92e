/** Caps of a run and prices of tokens. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { CapReached, type Caps, Gate } from '../../src/reasoning/gate.js';
import { PriceTable } from '../../src/reasoning/prices.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gate-'));
});
afterEach(() => rm(folder, { recursive: true }));
const table = async (value: unknown) => {
  const path = join(folder, 'prices.json');
  await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value));
  return PriceTable.read(path);
};

/** As many workers as slots send requests until the gate refuses. */
async function spend(
  gate: Gate,
  workers: number,
  usage: () => { prompt_tokens: number; completion_tokens: number },
  model = 'm',
) {
  let most = 0;
  let now = 0;
  const worker = async () => {
    for (;;) {
      await gate.enter(undefined);
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      gate.leave(usage(), model);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: workers }, worker));
  for (const end of ends) expect((end as PromiseRejectedResult).reason).toBeInstanceOf(CapReached);
  return most;
}

describe('a gate', () => {
  const usage = () => ({ prompt_tokens: 90, completion_tokens: 10 });

  it.each<[Caps, number]>([
    [{ requests: 7 }, 7],
    [{ tokens: 1000 }, 10],
    [{ tokens: 1099 }, 10],
    [{ cost: 0.0021 }, 21],
    [{ requests: 3, tokens: 100_000 }, 3],
    [{ tokens: 99 }, 1],
  ])('with caps %j lets %d requests through', async (caps, requests) => {
    const gate = new Gate(4, caps, await table({ m: { prompt: 1, completion: 1 } }));
    await spend(gate, 8, usage);
    expect(gate.requests).toBe(requests);
  });

  it('never has more under way than slots, and uses them all', async () => {
    expect(await spend(new Gate(5, { requests: 100 }), 12, usage)).toBe(5);
  });

  it('stays within one answer of a cap when answers differ', async () => {
    const rng = new Rng('tokens');
    const gate = new Gate(8, { tokens: 20_000 });
    await spend(gate, 16, () => ({ prompt_tokens: 100 + rng.int(100), completion_tokens: rng.int(200) }));
    expect(gate.spent.tokens).toBeGreaterThan(19_000);
    expect(gate.spent.tokens).toBeLessThanOrEqual(20_000 + 400);
  });

  it('counts what earlier runs spent', async () => {
    const gate = new Gate(4, { tokens: 1000 });
    gate.count({ prompt_tokens: 800, completion_tokens: 50 }, 'm');
    await expect(gate.enter(undefined)).rejects.toThrow(
      '--max-total-tokens 1000 leaves no room for another answer (850 tokens spent)',
    );
  });

  it('is left by those who are stopped while they wait', async () => {
    const gate = new Gate(1, {});
    await gate.enter(undefined);
    const controller = new AbortController();
    const waiting = gate.enter(controller.signal);
    controller.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    gate.leave(undefined, 'm');
    await gate.enter(undefined);
  });

  it('with a cap of 0 lets free models through, and no request to another', async () => {
    const prices = await table({ free: { prompt: 0, completion: 0 }, paid: { prompt: 0, completion: 1 } });
    const free = new Gate(2, { cost: 0, requests: 5 }, prices, ['free']);
    expect(free.countsTokens).toBe(false);
    expect(free.refusal()).toBeUndefined();
    await spend(free, 3, usage, 'free');
    expect(free.requests).toBe(5);
    for (const models of [['paid'], ['free', 'paid'], ['unknown']]) {
      const gate = new Gate(2, { cost: 0 }, prices, models);
      await expect(gate.enter(undefined)).rejects.toThrow(
        '--max-cost 0 allows no request to a model with a price',
      );
      expect(gate.refusal()).toMatchObject({ isSpent: true });
    }
  });

  it('needs prices for a cap on cost', () => {
    expect(() => new Gate(1, { cost: 1 })).toThrow(UsageError);
  });
});

describe('a price table', () => {
  it('gives the cost of tokens', async () => {
    const prices = await table({ 'a/b': { prompt: 2.5, completion: 10 } });
    expect(prices.costOf('a/b', { prompt_tokens: 1e6, completion_tokens: 5e5 })).toBe(7.5);
    expect(() => prices.check(['a/b', 'constructor'])).toThrow(
      /no price for model "constructor" \(prices are for a\/b\)/,
    );
  });

  it.each<[unknown, string]>([
    ['', 'prices.json: the file is empty; expected prices per million tokens, as in {"gpt-4o"'],
    ['{', 'prices.json: not JSON ('],
    ['[1]', 'prices.json: a table of models was expected, found [1]; expected'],
    [{ m: 3 }, 'prices.json: model "m": found 3 instead of its prices; expected'],
    [{ m: { prompt: 1 } }, 'model "m": the field "completion" is missing; expected'],
    [
      { m: { prompt: -1, completion: 1 } },
      'model "m": field "prompt": a price is a number, 0 or more, found -1;',
    ],
    [{ m: { prompt: 0, completion: '1' } }, 'field "completion": a price is a number, 0 or more, found "1";'],
    [{ m: { prompt: null, completion: 1 } }, 'field "prompt": a price is a number, 0 or more, found null;'],
    [
      '{"m": {"prompt": 1e999, "completion": 1}}',
      'field "prompt": a price is a number, 0 or more, found Infinity;',
    ],
    [{ m: { prompt: 1, completion: 1, per: 1000 } }, 'model "m": unknown field "per"; expected'],
    [{ m: { promt: 1, completion: 1 } }, 'unknown field "promt" (did you mean prompt?); expected'],
  ])('%j is refused', async (value, message) => {
    await expect(table(value)).rejects.toThrow(UsageError);
    await expect(table(value)).rejects.toThrow(message);
  });

  it('that is missing is refused', async () => {
    await writeFile(join(folder, 'marked.json'), '\ufeff{"m": {"prompt": 2, "completion": 4}}\r\n');
    const marked = await PriceTable.read(join(folder, 'marked.json'));
    expect(marked.costOf('m', { prompt_tokens: 1e6, completion_tokens: 0 })).toBe(2);
    await expect(PriceTable.read(join(folder, 'none.json'))).rejects.toThrow(
      /none\.json: no such file; expected prices/,
    );
  });
});
