/** The leak of a refinement while it runs: rows are drawn from the stream, and the reader by rule is measured on them. */
import { Rng } from '../../base/random.js';
import type { GeneratedText } from '../generated.js';
import { chanceOf, type Rates, ruleRates } from './leak.js';

/** What the reader by rule recovers before and after refinement. */
export interface RuleLeak {
  /** Rows it was measured on. */
  rows: number;
  /** The mean of 1 / options. */
  chance: number;
  before: Rates;
  after: Rates;
}

/** Reading takes a hundred times as long as refining, and this many rows give intervals of 2.2 points at most. */
export const DRAWN_ROWS = 2000;

/** Rows drawn evenly from a stream of unknown length, in bounded memory: Vitter's algorithm R (1985). */
export class DrawnRows {
  private readonly rng = new Rng('leak/drawn');
  private readonly kept: { row: GeneratedText; refined: string }[] = [];
  private seen = 0;

  /** @param most rows that are kept. */
  constructor(private readonly most = DRAWN_ROWS) {}

  add(row: GeneratedText, refined: string): void {
    const place = this.seen++ < this.most ? this.kept.length : this.rng.int(this.seen);
    if (place < this.most) this.kept[place] = { row, refined };
  }

  /** Of captions, which answer nothing, there is no teacher's answer; of no rows nothing is measured. */
  measure(): RuleLeak | null {
    const rows = this.kept.map(({ row }) => row);
    if (rows.length === 0) return null;
    const after = new Map(this.kept.map(({ row, refined }) => [row.id, refined]));
    return {
      rows: rows.length,
      chance: chanceOf(rows),
      before: ruleRates(rows, ({ reasoning }) => reasoning),
      after: ruleRates(rows, ({ id }) => after.get(id)!),
    };
  }
}
