/** What tokens cost, from a table of the user's. */
import { readFile } from 'node:fs/promises';
import { messageOf, UsageError } from '../base/errors.js';
import { nearest } from '../base/nearest.js';
import { isRecord } from '../base/values.js';
import { shown } from '../data/problems.js';
import type { Usage } from './reply.js';

const FIELDS = ['prompt', 'completion'] as const;
/** Prices of one model per million tokens, in any one currency. */
type Price = Record<(typeof FIELDS)[number], number>;
const EXAMPLE = '{"gpt-4o": {"prompt": 2.5, "completion": 10}}';

export class PriceTable {
  constructor(
    private readonly path: string,
    private readonly prices: ReadonlyMap<string, Price>,
  ) {}

  /**
   * Reads `{"model": {"prompt": price, "completion": price}}`, per million tokens.
   *
   * @throws UsageError naming the file, the model and the field for anything else.
   */
  static async read(path: string): Promise<PriceTable> {
    const refuse = (what: string): never => {
      throw new UsageError(`${path}: ${what}; expected prices per million tokens, as in ${EXAMPLE}`);
    };
    const text = await readFile(path, 'utf8').catch((error) =>
      refuse(error.code === 'ENOENT' ? 'no such file' : `cannot be read (${messageOf(error)})`),
    );
    let value: unknown;
    try {
      // Editors of Windows put a mark before the text.
      value = JSON.parse(text.replace(/^\ufeff/, ''));
    } catch (error) {
      return refuse(text.trim() === '' ? 'the file is empty' : `not JSON (${messageOf(error)})`);
    }
    if (!isRecord(value)) return refuse(`a table of models was expected, found ${shown(value)}`);
    const prices = new Map<string, Price>();
    for (const [model, entry] of Object.entries(value)) {
      const fault = faultOf(entry);
      if (fault) return refuse(`model "${model}": ${fault}`);
      prices.set(model, entry as Price);
    }
    return new PriceTable(path, prices);
  }

  /** @throws UsageError when a model is not in the table. */
  check(models: Iterable<string>): void {
    for (const model of models) this.priceOf(model);
  }

  /** Whether no token of these models costs anything. */
  areFree(models: Iterable<string>): boolean {
    return [...models].every((model) => FIELDS.every((field) => this.prices.get(model)?.[field] === 0));
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

/** What is wrong with the entry of a model, in words. */
function faultOf(entry: unknown): string | undefined {
  if (!isRecord(entry)) return `found ${shown(entry)} instead of its prices`;
  const odd = Object.keys(entry).find((key) => !FIELDS.includes(key as never));
  const missing = FIELDS.find((field) => !(field in entry));
  if (odd !== undefined) {
    const meant = nearest(odd, FIELDS);
    return `unknown field "${odd}"${meant ? ` (did you mean ${meant}?)` : ''}`;
  }
  if (missing) return `the field "${missing}" is missing`;
  const wrong = FIELDS.find((field) => !Number.isFinite(entry[field]) || (entry[field] as number) < 0);
  return wrong && `field "${wrong}": a price is a number, 0 or more, found ${shown(entry[wrong])}`;
}
