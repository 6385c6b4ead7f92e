/** NExT-GQA's scores (doc-doc/NExT-GQA, eval_ground.py): an answer counts where its evidence was found as well. */
import { bestOverlap, type SpanItem, scoreSpans } from './spans.js';

/** A grounded question; `right` says whether its answer is, and is undefined where no answers are scored. */
export interface GroundedItem extends SpanItem {
  right?: boolean | undefined;
}

export interface GroundedScore {
  /** Questions that the metrics of spans and Acc@GQA are means over. */
  count: number;
  /** Questions without a predicted span. */
  missing: number;
  /** Percent by name, in the order of the official table; Acc@GQA and Acc@QA only where answers are given. */
  metrics: Record<string, number>;
}

/** Best IoP from which a right answer counts as grounded. */
const GROUNDED = 0.5;

/**
 * Scores grounded questions. `Acc@GQA` is the share of questions whose best IoP is 0.5 or more and whose answer is right; `Acc@QA`
 * is that of right answers, whatever the span. `R1@m` is `IoU@m` by the name that other data sets have for it.
 *
 * @param passOver leaves questions without a predicted span out, as the official script does; otherwise they count as 0
 */
export function scoreGrounded(items: readonly GroundedItem[], passOver: boolean): GroundedScore {
  const given = items.filter(({ predicted }) => predicted !== undefined);
  const counted = passOver ? given : items;
  const { metrics: spans } = scoreSpans(counted);
  const answered = items.filter(({ right }) => right !== undefined);
  const share = (of: readonly unknown[], all: readonly unknown[]) =>
    all.length === 0 ? 0 : (100 * of.length) / all.length;
  const metrics: Record<string, number> = {};
  if (answered.length > 0)
    metrics['Acc@GQA'] = share(
      given.filter((item) => item.right === true && bestOverlap(item).iop >= GROUNDED),
      counted,
    );
  for (const name of ['mIoP', 'IoP@0.3', 'IoP@0.5', 'mIoU'] as const) metrics[name] = spans[name]!;
  for (const m of ['0.3', '0.5']) metrics[`IoU@${m}`] = spans[`R1@${m}`]!;
  for (const m of ['0.3', '0.5', '0.7']) metrics[`R1@${m}`] = spans[`R1@${m}`]!;
  if (answered.length > 0)
    metrics['Acc@QA'] = share(
      answered.filter(({ right }) => right),
      answered,
    );
  return { count: counted.length, missing: items.length - given.length, metrics };
}

/**
 * A span given in fractions of a video of `duration` seconds, rounded to 0.1 s as numpy rounds, halves to even (eval_ground.py
 * with `gs=True`).
 */
export function spanOfFractions([start, end]: readonly [number, number], duration: number): [number, number] {
  return [tenths(start * duration), tenths(end * duration)];
}

function tenths(seconds: number): number {
  const scaled = seconds * 10;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  return (up ? floor + 1 : floor) / 10;
}
