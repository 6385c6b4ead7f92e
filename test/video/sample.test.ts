/** The frames of a clip against SeViLA's. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { clipRange, framesWithEnds, isConstantRate, sampleFrames } from '../../src/video/sample.js';

/** numpy.linspace(lo, hi, n + 1).astype(int)[0:n + 1], printed by numpy 2.4 for cases where rounding matters. */
const NUMPY: [number, number, number, number[]][] = [
  [
    0,
    690,
    21,
    [0, 32, 65, 98, 131, 164, 197, 229, 262, 295, 328, 361, 394, 427, 459, 492, 525, 558, 591, 624, 657, 690],
  ],
  [
    0,
    1050,
    49,
    [
      0, 21, 42, 64, 85, 107, 128, 150, 171, 192, 214, 235, 257, 278, 300, 321, 342, 364, 385, 407, 428, 449,
      471, 492, 514, 535, 557, 578, 600, 621, 642, 664, 685, 707, 728, 750, 771, 792, 814, 835, 857, 878, 899,
      921, 942, 964, 985, 1007, 1028, 1050,
    ],
  ],
  [
    0,
    287,
    35,
    [
      0, 8, 16, 24, 32, 41, 49, 57, 65, 73, 82, 90, 98, 106, 114, 122, 131, 139, 147, 155, 164, 172, 180, 188,
      196, 204, 213, 221, 229, 237, 245, 254, 262, 270, 278, 287,
    ],
  ],
  [
    0,
    328,
    20,
    [0, 16, 32, 49, 65, 82, 98, 114, 131, 147, 164, 180, 196, 213, 229, 245, 262, 278, 295, 311, 328],
  ],
  [
    0,
    718,
    44,
    [
      0, 16, 32, 48, 65, 81, 97, 114, 130, 146, 163, 179, 195, 212, 228, 244, 261, 277, 293, 310, 326, 342,
      358, 375, 391, 407, 424, 440, 456, 473, 489, 505, 522, 538, 554, 571, 587, 603, 620, 636, 652, 669, 685,
      701, 718,
    ],
  ],
  [
    0,
    878,
    26,
    [
      0, 33, 67, 101, 135, 168, 202, 236, 270, 303, 337, 371, 405, 438, 472, 506, 540, 574, 607, 641, 675,
      709, 742, 776, 810, 844, 878,
    ],
  ],
  [
    0,
    728,
    42,
    [
      0, 17, 34, 52, 69, 86, 104, 121, 138, 156, 173, 190, 208, 225, 242, 260, 277, 294, 312, 329, 346, 364,
      381, 398, 416, 433, 450, 467, 485, 502, 520, 537, 554, 572, 589, 606, 624, 641, 658, 676, 693, 710, 728,
    ],
  ],
  [0, 460, 14, [0, 32, 65, 98, 131, 164, 197, 229, 262, 295, 328, 361, 394, 427, 460]],
  [
    0,
    1000,
    38,
    [
      0, 26, 52, 78, 105, 131, 157, 184, 210, 236, 263, 289, 315, 342, 368, 394, 421, 447, 473, 499, 526, 552,
      578, 605, 631, 657, 684, 710, 736, 763, 789, 815, 842, 868, 894, 921, 947, 973, 1000,
    ],
  ],
  [
    0,
    240,
    44,
    [
      0, 5, 10, 16, 21, 27, 32, 38, 43, 49, 54, 59, 65, 70, 76, 81, 87, 92, 98, 103, 109, 114, 119, 125, 130,
      136, 141, 147, 152, 158, 163, 169, 174, 180, 185, 190, 196, 201, 207, 212, 218, 223, 229, 234, 240,
    ],
  ],
  [
    0,
    364,
    42,
    [
      0, 8, 17, 26, 34, 43, 52, 60, 69, 78, 86, 95, 104, 112, 121, 130, 138, 147, 156, 164, 173, 182, 190,
      199, 208, 216, 225, 233, 242, 251, 260, 268, 277, 286, 294, 303, 312, 320, 329, 338, 346, 355, 364,
    ],
  ],
  [
    0,
    575,
    35,
    [
      0, 16, 32, 49, 65, 82, 98, 114, 131, 147, 164, 180, 197, 213, 229, 246, 262, 279, 295, 312, 328, 344,
      361, 377, 394, 410, 427, 443, 459, 476, 492, 509, 525, 542, 558, 575,
    ],
  ],
  [405, 1272, 11, [405, 483, 562, 641, 720, 799, 877, 956, 1035, 1114, 1193, 1272]],
  [125, 467, 6, [125, 182, 239, 296, 353, 410, 467]],
  [278, 904, 6, [278, 382, 486, 591, 695, 799, 904]],
  [125, 350, 3, [125, 200, 275, 350]],
  [
    413,
    662,
    23,
    [
      413, 423, 434, 445, 456, 467, 477, 488, 499, 510, 521, 532, 542, 553, 564, 575, 586, 597, 607, 618, 629,
      640, 651, 662,
    ],
  ],
  [37, 311, 6, [37, 82, 128, 174, 219, 265, 311]],
];

/** The formula again, word for word as numpy documents it: start + i * (stop - start) / num, the end exact. */
function edges(lo: number, hi: number, n: number): number[] {
  const values = [];
  for (let i = 0; i < n; i++) values.push(Math.floor(i * ((hi - lo) / n) + lo));
  return [...values, hi];
}

describe('sampleFrames', () => {
  test('intervals equal numpy where its rounding shows', () => {
    for (const [lo, hi, n, expected] of NUMPY) {
      const frameCount = 100000;
      const middles = sampleFrames({ frameCount, lo, hi }, n);
      const fromNumpy = expected
        .slice(0, -1)
        .map((edge, i) => Math.floor((edge + (expected[i + 1] as number)) / 2));
      expect(middles, `linspace(${lo}, ${hi}, ${n + 1})`).toEqual(fromNumpy);
    }
  });

  test('the middle of every interval; random clips', () => {
    const rng = new Rng('uniform');
    for (let round = 0; round < 2000; round++) {
      const frameCount = 1 + rng.int(400);
      const lo = rng.int(frameCount + 1);
      const hi = lo + rng.int(frameCount + 1 - lo);
      const count = 1 + rng.int(40);
      const n = Math.min(count, frameCount);
      const cut = edges(lo, hi, n);
      const expected = Array.from({ length: n }, (_, i) =>
        Math.min(Math.floor(((cut[i] as number) + (cut[i + 1] as number)) / 2), frameCount - 1),
      );
      const got = sampleFrames({ frameCount, lo, hi }, count);
      expect(got.slice(0, n)).toEqual(expected);
      expect(got).toHaveLength(count);
      expect(got.slice(n).every((index) => index === got[n - 1])).toBe(true);
      expect(got.every((index, i) => index >= 0 && index < frameCount && index >= (got[i - 1] ?? 0))).toBe(
        true,
      );
    }
  });

  test('random picks lie in their interval, reach every frame of it, and repeat with the seed', () => {
    const range = { frameCount: 40, lo: 3, hi: 37 };
    const cut = edges(3, 37, 5);
    const seen = cut.slice(0, -1).map(() => new Set<number>());
    const rng = new Rng('random');
    for (let round = 0; round < 2000; round++) {
      sampleFrames(range, 5, rng).forEach((index, i) => {
        seen[i]?.add(index);
      });
    }
    seen.forEach((indices, i) => {
      const all = Array.from({ length: 40 }, (_, k) => k).filter((k) => k >= cut[i]! && k < cut[i + 1]!);
      expect([...indices].sort((a, b) => a - b)).toEqual(all);
    });
    expect(sampleFrames(range, 5, new Rng(7))).toEqual(sampleFrames(range, 5, new Rng(7)));
    expect(sampleFrames(range, 5, new Rng(7))).not.toEqual(sampleFrames(range, 5, new Rng(8)));
  });

  test('fewer frames than asked for repeat the last one', () => {
    expect(sampleFrames({ frameCount: 3, lo: 0, hi: 3 }, 5)).toEqual([0, 1, 2, 2, 2]);
    expect(sampleFrames({ frameCount: 1, lo: 0, hi: 1 }, 4, new Rng(1))).toEqual([0, 0, 0, 0]);
  });

  test('a clip that starts at the end of the video gives its last frame', () => {
    expect(sampleFrames({ frameCount: 10, lo: 10, hi: 10 }, 2)).toEqual([9, 9]);
  });
});

describe('clipRange', () => {
  const steady = (n: number, fps: number) => ({
    fps,
    times: Float64Array.from({ length: n }, (_, i) => i / fps),
  });

  test('constant rate: int(seconds * fps), clamped', () => {
    const rng = new Rng('clip');
    for (let round = 0; round < 500; round++) {
      const fps = rng.pick([10, 24, 25, 30000 / 1001, 60]);
      const n = 1 + rng.int(300);
      const start = (rng.float() * n * 1.2) / fps;
      const end = start + rng.float() * 5;
      const lo = Math.min(n, Math.trunc(start * fps));
      expect(clipRange(steady(n, fps), start, end)).toEqual({
        frameCount: n,
        lo,
        hi: Math.max(lo, Math.min(n, Math.trunc(end * fps))),
      });
    }
    expect(clipRange(steady(10, 5), undefined, undefined)).toEqual({ frameCount: 10, lo: 0, hi: 10 });
    expect(clipRange(steady(10, 5), undefined, 1)).toEqual({ frameCount: 10, lo: 0, hi: 5 });
  });

  test('variable rate: the frames on screen, found by a plain search', () => {
    const rng = new Rng('vfr');
    for (let round = 0; round < 300; round++) {
      const gaps = Array.from({ length: 1 + rng.int(30) }, () => rng.pick([0.02, 0.1, 0.9]));
      const times = new Float64Array(gaps.length);
      for (let i = 1; i < times.length; i++) times[i] = times[i - 1]! + gaps[i]!;
      const fps = times.length / (times.at(-1)! + 0.05);
      if (isConstantRate(times, fps)) continue;
      const on = (t: number) =>
        t >= times.at(-1)! + 1 / fps ? times.length : times.findLastIndex((s) => s <= t);
      const start = rng.float() * (times.at(-1)! + 0.2);
      const end = start + rng.float();
      const range = clipRange({ times, fps }, start, end);
      expect([range.lo, range.hi]).toEqual([on(start), on(end)]);
    }
  });

  test('a late frame by less than half a frame is still a constant rate, one by more is not', () => {
    const times = Float64Array.of(0, 0.1, 0.2 + 0.049, 0.3);
    expect(isConstantRate(times, 10)).toBe(true);
    times[2] = 0.2 + 0.051;
    expect(isConstantRate(times, 10)).toBe(false);
  });
});

describe('framesWithEnds', () => {
  // numpy.linspace(lo, hi - 1, count, dtype=int), printed by numpy.
  test.each<[lo: number, hi: number, count: number, frames: number[]]>([
    [
      0,
      690,
      32,
      [
        0, 22, 44, 66, 88, 111, 133, 155, 177, 200, 222, 244, 266, 288, 311, 333, 355, 377, 400, 422, 444,
        466, 488, 511, 533, 555, 577, 600, 622, 644, 666, 689,
      ],
    ],
    [3, 100, 8, [3, 16, 30, 44, 57, 71, 85, 99]],
    [7, 1234, 13, [7, 109, 211, 313, 415, 517, 620, 722, 824, 926, 1028, 1130, 1233]],
    [0, 5, 8, [0, 0, 1, 1, 2, 2, 3, 4]],
    [0, 1, 4, [0, 0, 0, 0]],
    [10, 11, 3, [10, 10, 10]],
    [0, 287, 1, [0]],
  ])("of the clip [%i, %i) are numpy's %i", (lo, hi, count, expected) => {
    expect(framesWithEnds({ frameCount: 100_000, lo, hi }, count)).toEqual(expected);
  });

  test('stay in the video for a clip at or past its end, and for an empty one', () => {
    expect(framesWithEnds({ frameCount: 5, lo: 5, hi: 5 }, 2)).toEqual([4, 4]);
    expect(framesWithEnds({ frameCount: 5, lo: 2, hi: 2 }, 3)).toEqual([2, 2, 2]);
    expect(framesWithEnds({ frameCount: 5, lo: 3, hi: 9 }, 2)).toEqual([3, 4]);
  });
});
