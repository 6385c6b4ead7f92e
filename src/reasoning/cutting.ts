/** A text from which ranges are removed one pass after another, with a record of what was removed and why. */

/** A piece of the original text and, when it was removed, the rule that removed it. */
export interface RefinedPart {
  text: string;
  removedBy?: string;
}

export interface Refined {
  /** The refined text; empty when nothing to learn from is left. */
  refined: string;
  /** Removed sentences and words, in the order of the text. */
  removed: string[];
  /** Number of removals by rule. */
  counts: Record<string, number>;
  /** The original in kept and removed pieces, with white space that replaces a mark. */
  parts: RefinedPart[];
}

/** A range to remove, and the rule that removes it. */
export interface Removal {
  start: number;
  end: number;
  by: string;
}

/** White space removed together with the text beside it. */
export const SPACE = '';

export class Cutting {
  /** What is left so far. */
  current: string;
  private readonly text: string;
  private kept: { start: number; end: number }[] = [];
  private readonly removed: Removal[] = [];

  /** @param pieces of the text; those with `removedBy` are removed already */
  constructor(pieces: readonly RefinedPart[]) {
    this.text = pieces.length === 1 ? pieces[0]!.text : pieces.map((piece) => piece.text).join('');
    let start = 0;
    for (const { text, removedBy } of pieces) {
      const end = start + text.length;
      if (removedBy === undefined) this.kept.push({ start, end });
      else this.removed.push({ start, end, by: removedBy });
      start = end;
    }
    this.current = this.remaining();
  }

  /** Removes ranges of {@link current} that are in order and do not overlap. */
  remove(ranges: readonly Removal[]): void {
    const kept: { start: number; end: number }[] = [];
    let next = 0;
    let at = 0;
    for (const { start, end } of this.kept) {
      const shift = start - at;
      let from = start;
      for (let range = ranges[next]; range && range.start + shift < end; range = ranges[next]) {
        const cutFrom = Math.max(range.start + shift, from);
        const cutTo = Math.min(range.end + shift, end);
        if (cutFrom > from) kept.push({ start: from, end: cutFrom });
        if (cutTo > cutFrom) this.removed.push({ start: cutFrom, end: cutTo, by: range.by });
        from = Math.max(from, cutTo);
        if (range.end + shift > end) break;
        next++;
      }
      if (from < end) kept.push({ start: from, end });
      at += end - start;
    }
    this.kept = kept;
    this.current = this.remaining();
  }

  /** A text without a letter or digit left is nothing to learn from. */
  result(): Refined {
    if (!/[\p{L}\p{N}]/u.test(this.current)) this.remove([{ start: 0, end: this.current.length, by: SPACE }]);
    const parts: RefinedPart[] = [];
    const removed: string[] = [];
    const counts: Record<string, number> = {};
    const pieces: { start: number; end: number; by?: string }[] = [...this.kept, ...this.removed]
      .filter(({ start, end }) => end > start)
      .sort((a, b) => a.start - b.start);
    for (let i = 0; i < pieces.length; ) {
      const { start, by } = pieces[i]!;
      let { end } = pieces[i]!;
      for (i++; pieces[i] && pieces[i]!.by === by; i++) end = pieces[i]!.end;
      const text = this.text.slice(start, end);
      if (by === undefined) parts.push({ text });
      else {
        parts.push({ text, removedBy: by });
        if (by === SPACE) continue;
        removed.push(text.trim());
        counts[by] = (counts[by] ?? 0) + 1;
      }
    }
    return { refined: this.current, removed, counts, parts };
  }

  private remaining(): string {
    const { kept, text } = this;
    if (kept.length === 1) return text.slice(kept[0]!.start, kept[0]!.end);
    return kept.map(({ start, end }) => text.slice(start, end)).join('');
  }
}

/**
 * The white space to remove around removed units: between two kept ones the white space with the most newlines stays, at
 * the ends none.
 *
 * @param units the text's, in order
 * @param gone whether a unit is removed
 */
export function spacesBeside(
  text: string,
  units: readonly { start: number; end: number }[],
  gone: (unit: number) => boolean,
): Removal[] {
  const removals: Removal[] = [];
  const add = (start: number, end: number) => {
    if (end > start) removals.push({ start, end, by: SPACE });
  };
  const gap = (i: number) => ({ start: units[i - 1]?.end ?? 0, end: units[i]?.start ?? text.length });
  // Gap i lies before unit i; the last one behind the last unit.
  for (let i = 0; i <= units.length; ) {
    let j = i;
    while (j < units.length && gone(j)) j++;
    const open = i === 0;
    const closed = j === units.length;
    if (j > i) {
      let widest = -1;
      let most = -1;
      for (let k = i; k <= j; k++) {
        const { start, end } = gap(k);
        const lines = newlines(text, start, end);
        if (!open && !closed && lines > most) [widest, most] = [k, lines];
      }
      for (let k = i; k <= j; k++) if (k !== widest) add(gap(k).start, gap(k).end);
    }
    i = j + 1;
  }
  return removals;
}

function newlines(text: string, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (text.charCodeAt(i) === 10) count++;
  return count;
}
