/** pass@k, the share of well-formed completions, and which prompts a filter leaves out. */
import { describe, expect, it } from 'vitest';
import {
  type Finding,
  meanPassAt,
  passAt,
  reasonToDrop,
  shareFormed,
} from '../../../../src/training/objectives/rl/passes.js';

const finding = (solved: (boolean | null)[], fields: Partial<Finding> = {}): Finding => ({
  ...{ id: 'a', solved },
  ...fields,
});
const some = (right: number, of: number) => Array.from({ length: of }, (_, i) => i < right);

/** The mean over all choices of k of n completions. */
function counted(k: number, n: number, c: number): number {
  let [all, hits] = [0, 0];
  for (let set = 0; set < 2 ** n; set++) {
    const chosen = Array.from({ length: n }, (_, i) => i).filter((i) => (set >> i) & 1);
    if (chosen.length !== k) continue;
    all++;
    if (chosen.some((i) => i < c)) hits++;
  }
  return hits / all;
}

describe('pass@k', () => {
  it('is the share of choices of k completions with a right one among them', () => {
    for (let n = 1; n <= 9; n++)
      for (let c = 0; c <= n; c++)
        for (let k = 1; k <= n; k++) expect(passAt(k, n, c)).toBeCloseTo(counted(k, n, c), 12);
  });

  it('stays exact where binomials overflow, and needs k completions', () => {
    expect(passAt(1, 256, 64)).toBeCloseTo(0.25, 12);
    expect(passAt(200, 256, 1)).toBeCloseTo(200 / 256, 12);
    expect(() => passAt(9, 8, 1)).toThrow(RangeError);
  });

  it('is averaged over prompts, each over what can be judged of it', () => {
    const findings = [
      finding(some(1, 4)),
      finding([true, null, null, false]),
      finding([null, null]),
      finding([]),
    ];
    expect(meanPassAt(1, findings)).toBeCloseTo((0.25 + 0.5) / 2, 12);
    expect(meanPassAt(4, findings)).toBe(1);
    expect(meanPassAt(1, [finding([null])])).toBeNaN();
    expect(meanPassAt(1, [])).toBeNaN();
  });
});

it('the share of the form is taken over completions, and is none where no form is rewarded', () => {
  const formed = [finding([], { formed: [true, false] }), finding([], { formed: [true, true] })];
  expect(shareFormed(formed)).toBe(0.75);
  expect(shareFormed([finding([true])])).toBeNaN();
});

describe('a prompt is left out', () => {
  it.each([
    ['none', some(8, 8), undefined],
    ['none', [null, null], undefined],
    ['vital', some(8, 8), 'all right'],
    ['vital', some(0, 8), 'all wrong'],
    ['vital', some(1, 8), undefined],
    ['vital', [true, null], 'all right'],
    ['vital', [null, null], 'not judged'],
    ['vital', [], 'not judged'],
    ['versavid', some(8, 8), 'all right'],
    ['versavid', some(5, 8), 'all right'],
    ['versavid', some(4, 8), undefined],
    ['versavid', some(0, 8), undefined],
    ['versavid', [null, null, null, null, null, true], 'not judged'],
    ['versavid', some(2, 2), 'all right'],
  ] as const)('by %s from %j: %s', (filter, solved, reason) => {
    expect(reasonToDrop(finding([...solved]), filter, 0.2)).toBe(reason);
  });

  it('by versavid as a caption whose first five F1 are alike', () => {
    const caption = (f1: number[]) => finding(some(8, 8), { f1 });
    const drop = (f1: number[], variance: number) => reasonToDrop(caption(f1), 'versavid', variance);
    // Mean 0.4, squares 3 * 0.16 + 2 * 0.36 = 1.2, over 4.
    expect(drop([0, 1, 0, 1, 0, 1, 1, 1], 0.31)).toBe('captions alike');
    expect(drop([0, 1, 0, 1, 0, 1, 1, 1], 0.29)).toBeUndefined();
    expect(drop([0.5, 0.5, 0.5, 0.5, 0.5, 0, 1, 0], 0.01)).toBe('captions alike');
    expect(drop([0.5], 0.01)).toBe('captions alike');
    expect(reasonToDrop(caption([0, 0, 0]), 'vital', 0.2)).toBe('all right');
  });
});
