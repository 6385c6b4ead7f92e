/** Grounding in time: how well one predicted span covers what is asked about. */
import type { Span } from '../../data/sample.js';
import { iou } from '../../text/overlap.js';

/** A predicted [start, end] in seconds as a model gives it: it may be a point, reversed, or beyond the video. */
export type PredictedSpan = readonly [number, number];

/** Thresholds at which recall (of IoU) and precision (of IoP) are reported. */
const IOU_THRESHOLDS = [0.3, 0.5, 0.7] as const;
const IOP_THRESHOLDS = [0.3, 0.5] as const;

/** A question's true spans, and the one predicted; undefined where there is no prediction. */
export interface SpanItem {
  spans: readonly Span[];
  predicted?: PredictedSpan | undefined;
}

export interface SpanScore {
  /** Questions, those without a prediction included. */
  count: number;
  /** Questions without a prediction; they count as 0. */
  missing: number;
  /** Percent by name: mIoU, mIoP, R1@0.3, R1@0.5, R1@0.7, IoP@0.3, IoP@0.5. */
  metrics: Record<string, number>;
}

/**
 * Intersection over the length of the prediction, in [0, 1]. A predicted point has 1 inside the truth, its ends included,
 * and a reversed prediction 0 (NExT-GQA, eval_ground.py).
 */
export function iop(predicted: PredictedSpan, truth: PredictedSpan): number {
  const [start, end] = predicted;
  if (start === end) return truth[0] <= start && start <= truth[1] ? 1 : 0;
  if (end < start) return 0;
  return Math.max(0, Math.min(end, truth[1]) - Math.max(start, truth[0])) / (end - start);
}

/** The largest IoU and the largest IoP over the true spans, each for itself. */
export function bestOverlap({ spans, predicted }: SpanItem): { iou: number; iop: number } {
  let best = { iou: 0, iop: 0 };
  if (predicted === undefined) return best;
  for (const truth of spans)
    best = { iou: Math.max(best.iou, iou(predicted, truth)), iop: Math.max(best.iop, iop(predicted, truth)) };
  return best;
}

/**
 * Scores one predicted span a question. `R1@m` is the share of questions with an IoU of m or more, as QVHighlights' script and
 * papers on language models have it (2D-TAN asks for more than m); `mIoU` is the mean of the one prediction.
 */
export function scoreSpans(items: readonly SpanItem[]): SpanScore {
  const overlaps = items.map(bestOverlap);
  const mean = (of: (overlap: { iou: number; iop: number }) => number) =>
    items.length === 0 ? 0 : (100 * overlaps.reduce((sum, overlap) => sum + of(overlap), 0)) / items.length;
  const metrics: Record<string, number> = { mIoU: mean(({ iou }) => iou), mIoP: mean(({ iop }) => iop) };
  for (const m of IOU_THRESHOLDS) metrics[`R1@${m}`] = mean(({ iou }) => (iou >= m ? 1 : 0));
  for (const m of IOP_THRESHOLDS) metrics[`IoP@${m}`] = mean(({ iop }) => (iop >= m ? 1 : 0));
  const missing = items.filter(({ predicted }) => predicted === undefined).length;
  return { count: items.length, missing, metrics };
}
