/** What tokens cost, from a table of the user's. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, UsageError } from '../base/errors.js';
import type { Usage } from './reply.js';

/** Prices of one model per million tokens, in any one currency. */
const PRICE = z.strictObject({ prompt: z.number().nonnegative(), completion: z.number().nonnegative() });
const EXAMPLE = '{"gpt-4o": {"prompt": 2.5, "completion": 10}}';

export class PriceTable {
  constructor(
    private readonly path: string,
    private readonly prices: ReadonlyMap<string, z.infer<typeof PRICE>>,
  ) {}

  /**
   * Reads `{"model": {"prompt": price, "completion": price}}`, per million tokens.
   *
   * @throws UsageError naming the file and the model for anything else.
   */
  static async read(path: string): Promise<PriceTable> {
    let value: unknown;
    try {
      // Editors of Windows put a mark before the text.
      value = JSON.parse((await readFile(path, 'utf8')).replace(/^\ufeff/, ''));
    } catch (error) {
      throw new UsageError(`${path}: no price table (${messageOf(error)}); expected ${EXAMPLE}`, {
        cause: error,
      });
    }
    const table = z.record(z.string(), z.unknown()).safeParse(value);
    if (!table.success) throw new UsageError(`${path}: no price table; expected ${EXAMPLE}`);
    const prices = new Map<string, z.infer<typeof PRICE>>();
    for (const [model, entry] of Object.entries(table.data)) {
      const price = PRICE.safeParse(entry);
      if (!price.success) {
        const issue = price.error.issues[0];
        const where = [model, ...(issue?.path ?? [])].join('.');
        throw new UsageError(
          `${path}: ${where}: ${issue?.message}; expected prices per million tokens, as in ${EXAMPLE}`,
        );
      }
      prices.set(model, price.data);
    }
    return new PriceTable(path, prices);
  }

  /** @throws UsageError when a model is not in the table. */
  check(models: Iterable<string>): void {
    for (const model of models) this.priceOf(model);
  }

  /** @throws UsageError when the model is not in the table. */
  costOf(model: string, { prompt_tokens, completion_tokens }: Usage): number {
    const { prompt, completion } = this.priceOf(model);
    return (prompt * prompt_tokens + completion * completion_tokens) / 1e6;
  }

  private priceOf(model: string) {
    const price = this.prices.get(model);
    if (price) return price;
    const known = [...this.prices.keys()].slice(0, 5).join(', ') || 'none';
    throw new UsageError(
      `${this.path}: no price for model "${model}" (prices are for ${known}); add it, as in ${EXAMPLE}`,
    );
  }
}
