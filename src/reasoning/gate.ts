/** Lets requests through: so many at once, and no more than the caps of a run allow. */
import { UsageError } from '../base/errors.js';
import type { PriceTable } from './prices.js';
import type { Usage } from './reply.js';
import type { RequestGate } from './team.js';

/** The most that a file of reasoning may take. */
export interface Caps {
  /** Requests of this run, further attempts included; rows do not tell how many an earlier run sent. */
  requests?: number;
  /** Tokens of prompts and answers, of this run and of the rows of earlier ones. */
  tokens?: number;
  /** Price of those tokens, in the currency of the price table. */
  cost?: number;
}

/** A cap was reached; nothing is wrong. */
export class CapReached extends Error {
  /** @param isSpent whether the rows themselves reached it, so that another run would stop at once */
  constructor(
    message: string,
    readonly isSpent = false,
  ) {
    super(message);
  }
}

interface Amounts {
  tokens: number;
  cost: number;
}

export class Gate implements RequestGate {
  requests = 0;
  /** Of this run and the rows of earlier ones, as servers tell it. */
  readonly spent: Amounts = { tokens: 0, cost: 0 };
  private inFlight = 0;
  /** The dearest answer so far, which the next one is assumed to be like. */
  private readonly dearest: Amounts = { tokens: 0, cost: 0 };
  private anyUsage = false;
  private readonly isFree: boolean;
  private waiting: { pass: () => void; refuse: (error: unknown) => void }[] = [];

  /**
   * @param models that will be asked; where all are free, no cap on cost stops them.
   * @throws UsageError for a cap on cost without prices.
   */
  constructor(
    private readonly slots: number,
    private readonly caps: Caps = {},
    private readonly prices?: PriceTable,
    models: readonly string[] = [],
  ) {
    this.isFree = models.length > 0 && prices?.areFree(models) === true;
    if (caps.cost !== undefined && !prices)
      throw new UsageError('a cap on cost needs the prices of tokens; name their file with --prices');
  }

  /** Whether servers have to tell token counts. */
  get countsTokens(): boolean {
    return this.caps.tokens !== undefined || (this.caps.cost !== undefined && !this.isFree);
  }

  /** Why nobody may be asked at all, as when earlier runs spent everything. */
  refusal(): CapReached | undefined {
    const verdict = this.verdict();
    return verdict instanceof CapReached ? verdict : undefined;
  }

  /** Counts what one answer took. */
  count(usage: Usage, model: string): void {
    const tokens = usage.prompt_tokens + usage.completion_tokens;
    const cost = this.prices?.costOf(model, usage) ?? 0;
    this.anyUsage = true;
    this.spent.tokens += tokens;
    this.spent.cost += cost;
    this.dearest.tokens = Math.max(this.dearest.tokens, tokens);
    this.dearest.cost = Math.max(this.dearest.cost, cost);
  }

  /**
   * Waits for a slot.
   *
   * @throws CapReached when a cap allows no further request; the signal's reason when aborted.
   */
  async enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.waiting.length === 0) {
      const verdict = this.verdict();
      if (verdict instanceof CapReached) throw verdict;
      if (verdict === 'go') return this.start();
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(signal?.reason);
      };
      const settle = (then: () => void) => () => {
        signal?.removeEventListener('abort', leave);
        then();
      };
      const entry = { pass: settle(resolve), refuse: (error: unknown) => settle(() => reject(error))() };
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(entry);
    });
  }

  leave(usage: Usage | undefined, servedAs: string): void {
    this.inFlight--;
    if (usage) this.count(usage, servedAs);
    while (this.waiting.length > 0) {
      const verdict = this.verdict();
      if (verdict === 'wait') return;
      const next = this.waiting.shift();
      if (verdict instanceof CapReached) next?.refuse(verdict);
      else {
        this.start();
        next?.pass();
      }
    }
  }

  private start(): void {
    this.requests++;
    this.inFlight++;
  }

  /** Near a cap the requests under way are waited for, so that all of them together stay below it. */
  private verdict(): 'go' | 'wait' | CapReached {
    const { requests } = this.caps;
    if (requests !== undefined && this.requests >= requests)
      return new CapReached(`--max-requests ${requests} was reached`);
    for (const name of ['tokens', 'cost'] as const) {
      const given = this.caps[name];
      if (given === undefined || (name === 'cost' && this.isFree)) continue;
      // Sums of prices are rounded.
      const cap = given * (1 + 1e-9);
      const next = this.spent[name] + this.dearest[name];
      if (this.spent[name] >= cap || next > cap) return new CapReached(this.reached(name, given), true);
      const all = next + this.inFlight * this.dearest[name];
      if (this.inFlight > 0 && (!this.anyUsage || all > cap)) return 'wait';
    }
    return this.inFlight < this.slots ? 'go' : 'wait';
  }

  private reached(name: keyof Amounts, cap: number): string {
    const spent = name === 'tokens' ? `${this.spent.tokens} tokens` : this.spent.cost.toFixed(4);
    const option = name === 'tokens' ? '--max-total-tokens' : '--max-cost';
    if (cap === 0) return `${option} 0 allows no request to a model with a price`;
    return `${option} ${cap} leaves no room for another answer (${spent} spent)`;
  }
}
