/** Grounding in time: overlaps of spans and their means, also against the official script's numbers. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import type { Span } from '../../../src/data/sample.js';
import { scoreGrounded, spanOfFractions } from '../../../src/evaluation/metrics/nextgqa.js';
import { iop, type PredictedSpan, scoreSpans } from '../../../src/evaluation/metrics/spans.js';
import { iou } from '../../../src/text/overlap.js';
import { describeWithShared, sharedPath } from '../../support/shared.js';

const TRUTH: Span = [2, 6];

describe('the overlap of two spans', () => {
  it.each<[string, PredictedSpan, number, number]>([
    ['the same', [2, 6], 1, 1],
    ['half inside', [4, 8], 2 / 6, 0.5],
    ['around it', [0, 10], 0.4, 0.4],
    ['inside it', [3, 4], 0.25, 1],
    ['behind it', [7, 9], 0, 0],
    ['touching it', [6, 9], 0, 0],
    ['a point inside', [3, 3], 0, 1],
    ['a point on its end', [6, 6], 0, 1],
    ['a point outside', [7, 7], 0, 0],
    ['reversed', [6, 2], 0, 0],
    ['reversed and behind', [9, 7], 0, 0],
    ['from before the video', [-2, 4], 2 / 8, 2 / 6],
    ['far beyond the video', [4, 1e9], 2 / (1e9 - 2), 2 / (1e9 - 4)],
  ])('of a prediction that is %s', (_, predicted, union, precision) => {
    expect(iou(predicted, TRUTH)).toBeCloseTo(union, 12);
    expect(iop(predicted, TRUTH)).toBeCloseTo(precision, 12);
  });

  it('is symmetric as IoU and in [0, 1] for any numbers', () => {
    const rng = new Rng(5);
    const any = () => (rng.int(80) - 20) / 4;
    for (let i = 0; i < 2000; i++) {
      const [a, b] = [
        [any(), any()],
        [any(), any()],
      ] as [PredictedSpan, PredictedSpan];
      expect(iou(a, b)).toBe(iou(b, a));
      for (const value of [iou(a, b), iop(a, b)]) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe('the score of spans', () => {
  it('is the mean over questions, in percent, and counts a missing prediction as 0', () => {
    const score = scoreSpans([
      { spans: [[0, 10]], predicted: [0, 5] },
      { spans: [[0, 10]], predicted: [0, 3] },
      { spans: [[0, 10]] },
      { spans: [[0, 10]], predicted: [0, 10] },
    ]);
    expect(score.count).toBe(4);
    expect(score.missing).toBe(1);
    expect(score.metrics).toEqual({
      mIoU: 45,
      mIoP: 75,
      'R1@0.3': 75,
      'R1@0.5': 50,
      'R1@0.7': 25,
      'IoP@0.3': 75,
      'IoP@0.5': 75,
    });
  });

  it('takes the best IoU and the best IoP over several spans, each for itself', () => {
    // The first span has the better IoU (4/10), the second the better IoP (3/4).
    const { metrics } = scoreSpans([
      {
        spans: [
          [0, 10],
          [5, 8],
        ],
        predicted: [4, 8],
      },
    ]);
    expect(metrics.mIoU).toBeCloseTo(75, 12);
    expect(metrics.mIoP).toBeCloseTo(100, 12);
    const apart = scoreSpans([
      {
        spans: [
          [0, 6],
          [9, 30],
        ],
        predicted: [4, 10],
      },
    ]).metrics;
    expect(apart.mIoU).toBeCloseTo((100 * 2) / 10, 12);
    expect(apart.mIoP).toBeCloseTo((100 * 2) / 6, 12);
  });

  it('of nothing is 0', () => {
    expect(scoreSpans([])).toMatchObject({ count: 0, missing: 0, metrics: { mIoU: 0, 'R1@0.5': 0 } });
  });
});

describe('the score of grounded choices', () => {
  const items = [
    { spans: [TRUTH], predicted: [2, 6] as const, right: true },
    { spans: [TRUTH], predicted: [2, 6] as const, right: false },
    { spans: [TRUTH], predicted: [7, 9] as const, right: true },
    { spans: [TRUTH], right: true },
  ];

  it('passes questions without a span over, as the official script does', () => {
    const { count, missing, metrics } = scoreGrounded(items, true);
    expect([count, missing]).toEqual([3, 1]);
    expect(metrics['Acc@GQA']).toBeCloseTo(100 / 3, 12);
    expect(metrics.mIoU).toBeCloseTo(200 / 3, 12);
    expect(metrics['Acc@QA']).toBe(75);
  });

  it('counts them as 0 elsewhere', () => {
    const { count, missing, metrics } = scoreGrounded(items, false);
    expect([count, missing]).toEqual([4, 1]);
    expect(metrics['Acc@GQA']).toBe(25);
    expect(metrics.mIoU).toBe(50);
  });

  it('has no accuracy without answers', () => {
    expect(Object.keys(scoreGrounded([{ spans: [TRUTH], predicted: [2, 6] }], true).metrics)).toEqual([
      'mIoP',
      'IoP@0.3',
      'IoP@0.5',
      'mIoU',
      'IoU@0.3',
      'IoU@0.5',
      'R1@0.3',
      'R1@0.5',
      'R1@0.7',
    ]);
  });

  it('reads fractions as numpy rounds them, halves to even', () => {
    expect(spanOfFractions([0.25, 0.75], 1)).toEqual([0.2, 0.8]);
    expect(spanOfFractions([0.1, 0.5], 34)).toEqual([3.4, 17]);
    expect(spanOfFractions([-0.25, 0.3333], 1)).toEqual([-0.2, 0.3]);
  });
});

describeWithShared(
  'golden values of NExT-GQA',
  [
    'data/grounding/golden-nextgqa.json',
    'data/grounding/nextgqa_gsub_val.json',
    'data/grounding/nextgqa_val_first1000.csv',
  ],
  () => {
    const read = (name: string) => readFileSync(sharedPath(`data/grounding/${name}`)!, 'utf8');
    const golden = JSON.parse(read('golden-nextgqa.json'));
    const gsub: Record<string, { duration: number; location: Record<string, Span[]> }> = JSON.parse(
      read('nextgqa_gsub_val.json'),
    );
    const windows: Record<string, (d: number) => PredictedSpan> = {
      'whole [0,d]': (d) => [0, d],
      'middle third [d/3,2d/3]': (d) => [d / 3, (2 * d) / 3],
      'first half [0,d/2]': (d) => [0, d / 2],
      'point [d/2,d/2]': (d) => [d / 2, d / 2],
      'after the end [d+1,d+5]': (d) => [d + 1, d + 5],
    };

    it.each(Object.keys(windows))('%s', (window) => {
      const items = Object.values(gsub).flatMap(({ duration, location }) =>
        Object.values(location).map((spans) => ({ spans, predicted: windows[window]!(duration) })),
      );
      const expected = golden['val, all questions'][window];
      const { count, metrics } = scoreGrounded(items, true);
      expect(count).toBe(expected.questions);
      const names = {
        mIoU: 'mIoU',
        mIoP: 'mIoP',
        IoU3: 'IoU@0.3',
        IoU5: 'IoU@0.5',
        IoP3: 'IoP@0.3',
        IoP5: 'IoP@0.5',
      };
      for (const [short, name] of Object.entries(names))
        expect(metrics[name], name).toBeCloseTo(expected[short], 5);
    });

    it('single cases, without their negative values', () => {
      for (const [truth, predicted, union, precision] of golden[
        'single cases: window, prediction -> IoU, IoP'
      ]) {
        expect(iou(predicted, truth)).toBeCloseTo(Math.max(0, union), 8);
        expect(iop(predicted, truth)).toBeCloseTo(Math.max(0, precision), 8);
      }
    });
  },
);
