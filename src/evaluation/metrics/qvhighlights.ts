/** QVHighlights' scores (jayleicn/moment_detr, standalone_eval/eval.py): moments a query names, and highlights among clips. */
import type { Span } from '../../data/sample.js';
import { iou } from '../../text/overlap.js';

/** A predicted window in seconds and how sure the model is of it. */
export type ScoredWindow = readonly [start: number, end: number, score: number];

/** A query with its true windows, and what was predicted for it. */
export interface MomentItem {
  windows: readonly Span[];
  /** Best first; undefined or empty where there is no prediction. */
  predicted?: readonly ScoredWindow[] | undefined;
  /** For each 2-second clip of the video the scores of three annotators, 0 to 4. */
  saliency?: readonly (readonly number[])[] | undefined;
  /** A score for each clip. */
  predictedSaliency?: readonly number[] | undefined;
}

export interface MomentScore {
  count: number;
  /** Queries without a predicted window; they count as 0. */
  missing: number;
  metrics: Record<string, number>;
}

/** IoU from 0.50 to 0.95 in steps of 0.05. */
const THRESHOLDS = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/** Windows of a query that count. */
const MOST_WINDOWS = 10;

/** True windows by length in seconds: longer than the first, at most the second. */
const LENGTHS = { short: [0, 10], middle: [10, 30], long: [30, 150] } as const;

/** From this score on an annotator calls a clip very good. */
const VERY_GOOD = 4;

/**
 * Scores in percent. `R1@m`: the first window has an IoU of m or more with a true one. `mAP@m` is the mean over queries of the
 * average precision, `mAP` its mean over ten m; `mAP-short` and so on have only true windows of that length, over the queries that
 * have any. `HL-mAP` and `HL-Hit1`, about clips that annotators call very good, are there where clips are scored.
 */
export function scoreMoments(items: readonly MomentItem[]): MomentScore {
  const metrics: Record<string, number> = {};
  const overlaps = items.map(({ windows, predicted }) => {
    const first = predicted?.[0];
    return first ? Math.max(0, ...windows.map((window) => iou([first[0], first[1]], window))) : 0;
  });
  metrics.mIoU = percent(overlaps);
  for (const m of THRESHOLDS) metrics[`R1@${m}`] = percent(overlaps.map((overlap) => (overlap >= m ? 1 : 0)));
  const precisions = items.map(precisionsOf);
  const at = (m: number) => percent(precisions.map((own) => own[THRESHOLDS.indexOf(m)]!));
  metrics['mAP@0.5'] = at(0.5);
  metrics['mAP@0.75'] = at(0.75);
  metrics.mAP = percent(precisions.map(mean));
  for (const [name, [above, most]] of Object.entries(LENGTHS)) {
    const inRange = items
      .map((item) => ({ ...item, windows: item.windows.filter(([s, e]) => e - s > above && e - s <= most) }))
      .filter(({ windows }) => windows.length > 0);
    if (inRange.length > 0) metrics[`mAP-${name}`] = percent(inRange.map((item) => mean(precisionsOf(item))));
  }
  if (items.some(({ predictedSaliency }) => predictedSaliency)) {
    metrics['HL-mAP'] = percent(items.map(highlightPrecision));
    metrics['HL-Hit1'] = percent(items.map(highlightHit));
  }
  return {
    count: items.length,
    missing: items.filter(({ predicted }) => !predicted?.length).length,
    metrics,
  };
}

const mean = (values: readonly number[]) =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
const percent = (values: readonly number[]) => 100 * mean(values);

/** The average precision of a query's windows at each threshold. */
function precisionsOf({ windows, predicted = [] }: MomentItem): number[] {
  const sorted = predicted.slice(0, MOST_WINDOWS).sort((a, b) => b[2] - a[2]);
  const overlaps = sorted.map(([start, end]) => windows.map((window) => iou([start, end], window)));
  return THRESHOLDS.map((threshold) => averagePrecision(overlaps, windows.length, threshold));
}

/** Each window takes the true one of the highest IoU that no earlier window has; precision is interpolated (VOC 2011). */
function averagePrecision(
  overlaps: readonly (readonly number[])[],
  count: number,
  threshold: number,
): number {
  const taken = new Set<number>();
  const points = overlaps.map((own, rank) => {
    let best = -1;
    for (const [i, overlap] of own.entries())
      if (overlap >= threshold && !taken.has(i) && (best < 0 || overlap > own[best]!)) best = i;
    if (best >= 0) taken.add(best);
    return { right: best >= 0, precision: taken.size / (rank + 1) };
  });
  let highest = 0;
  let sum = 0;
  for (const { right, precision } of points.reverse()) {
    highest = Math.max(highest, precision);
    if (right) sum += highest;
  }
  return sum / count;
}

/** The mean over annotators of the average precision of the clips' scores. */
function highlightPrecision({ saliency = [], predictedSaliency = [] }: MomentItem): number {
  const scores = saliency.map((_, clip) => predictedSaliency[clip] ?? 0);
  const annotators = saliency[0]?.length ?? 0;
  return mean(
    Array.from({ length: annotators }, (_, who) =>
      clipPrecision(
        saliency.map((given) => given[who]! >= VERY_GOOD),
        scores,
      ),
    ),
  );
}

/**
 * The mean, over the steps at which more good clips are found, of the best precision from there on. Clips of one score are found
 * together. Without a good clip it is 0, with good clips alone 1.
 */
function clipPrecision(good: readonly boolean[], scores: readonly number[]): number {
  if (!good.includes(true)) return 0;
  if (!good.includes(false)) return 1;
  const order = [...good.keys()].sort((a, b) => scores[b]! - scores[a]!);
  const steps: { found: number; precision: number }[] = [];
  let found = 0;
  for (const [rank, clip] of order.entries()) {
    if (good[clip]) found++;
    const isLast = rank + 1 === order.length || scores[order[rank + 1]!] !== scores[clip];
    if (isLast) steps.push({ found, precision: found / (rank + 1) });
  }
  let highest = 0;
  const kept: number[] = [];
  for (const [i, { found, precision }] of [...steps.entries()].reverse()) {
    highest = Math.max(highest, precision);
    if (found > (steps[i - 1]?.found ?? 0)) kept.push(highest);
  }
  return mean(kept);
}

/** Whether any annotator calls the clip of the highest score very good; 1 or 0. */
function highlightHit({ saliency = [], predictedSaliency = [] }: MomentItem): number {
  let top = 0;
  for (const [clip, score] of predictedSaliency.entries()) if (score > predictedSaliency[top]!) top = clip;
  const given = predictedSaliency.length === 0 ? undefined : saliency[top];
  return given?.some((score) => score >= VERY_GOOD) ? 1 : 0;
}
