/** QVHighlights' metrics by hand. */
import { describe, expect, it } from 'vitest';
import { type MomentItem, scoreMoments } from '../../../src/evaluation/metrics/qvhighlights.js';

const metrics = (...items: MomentItem[]) => scoreMoments(items).metrics;

describe('moments', () => {
  it('are found where the first window fits a true one, by R1 from 0.5 to 0.95', () => {
    // IoU 8/10 with the second window; the better second prediction does not count.
    const own = metrics({
      windows: [
        [0, 10],
        [20, 30],
      ],
      predicted: [
        [20, 28, 0.1],
        [0, 10, 0.9],
      ],
    });
    expect([own['R1@0.5'], own['R1@0.8'], own['R1@0.85'], own.mIoU]).toEqual([100, 100, 0, 80]);
    expect(Object.keys(own).filter((name) => name.startsWith('R1'))).toHaveLength(10);
  });

  it('have an interpolated average precision, sorted by score, each true window once', () => {
    // By score: miss, hit, repeated hit, hit of the second. Precisions 1/2 and 2/4.
    const predicted = [
      [0, 10, 0.8],
      [0, 10, 0.7],
      [50, 60, 0.9],
      [20, 30, 0.6],
    ] as const;
    expect(
      metrics({
        windows: [
          [0, 10],
          [20, 30],
        ],
        predicted,
      })['mAP@0.5'],
    ).toBeCloseTo(50, 12);
    const half = metrics({
      windows: [
        [0, 10],
        [20, 30],
      ],
      predicted: [[0, 10, 1]],
    });
    expect(half.mAP).toBeCloseTo(50, 12);
  });

  it('count the first ten windows alone', () => {
    const far = Array.from({ length: 10 }, (_, i) => [100 + i, 101 + i, 1] as const);
    expect(metrics({ windows: [[0, 10]], predicted: [...far, [0, 10, 2]] }).mAP).toBe(0);
  });

  it('are told by length, (0, 10], (10, 30] and (30, 150] s', () => {
    const items: MomentItem[] = [
      { windows: [[0, 10]], predicted: [[0, 10, 1]] },
      {
        windows: [
          [0, 11],
          [20, 30],
        ],
        predicted: [[20, 30, 1]],
      },
    ];
    const own = metrics(...items);
    expect(own['mAP-short']).toBe(100);
    expect(own['mAP-middle']).toBe(0);
    expect(own).not.toHaveProperty('mAP-long');
  });

  it('without a prediction count as 0 and are told apart', () => {
    const score = scoreMoments([
      { windows: [[0, 4]], predicted: [[0, 4, 1]] },
      { windows: [[0, 4]] },
      { windows: [[0, 4]], predicted: [] },
    ]);
    expect([score.count, score.missing]).toEqual([3, 2]);
    expect(score.metrics['R1@0.7']).toBeCloseTo(100 / 3, 12);
    expect(score.metrics.mAP).toBeCloseTo(100 / 3, 12);
  });
});

describe('highlights', () => {
  const saliency = [
    [4, 0, 0],
    [0, 0, 0],
    [4, 4, 0],
    [1, 2, 3],
  ];
  const item = (predictedSaliency: number[]): MomentItem => ({
    windows: [[0, 2]],
    predicted: [[0, 2, 1]],
    saliency,
    predictedSaliency,
  });

  it('hit where an annotator calls the best clip very good', () => {
    expect(metrics(item([0.1, 0.2, 0.9, 0.3]))['HL-Hit1']).toBe(100);
    expect(metrics(item([0.1, 0.2, 0.3, 0.9]))['HL-Hit1']).toBe(0);
    expect(metrics(item([0, 0, 0, 0, 9]))['HL-Hit1']).toBe(0);
  });

  it('have the mean of the annotators average precisions', () => {
    // Order 2, 3, 0, 1: first annotator 1 and 2/3, second 1, third has none.
    expect(metrics(item([0.2, 0.1, 0.9, 0.3]))['HL-mAP']).toBeCloseTo(
      (100 * ((1 + 2 / 3) / 2 + 1 + 0)) / 3,
      10,
    );
  });

  it('take clips of one score together, and scores that are missing for 0', () => {
    // All alike: precision 2/4 and 1/4, each one step.
    expect(metrics(item([0]))['HL-mAP']).toBeCloseTo((100 * (2 / 4 + 1 / 4 + 0)) / 3, 10);
  });
});
