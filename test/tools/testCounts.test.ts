/** The last line of `npm test`. */
import { describe, expect, it } from 'vitest';
// @ts-expect-error a tool without declarations
import { addCounts, countsOfOutput, countsOfVitest, summary } from '../../tools/testCounts.mjs';

const report = (failed: number, files: unknown[] = []) => ({
  numPassedTests: 5,
  numFailedTests: failed,
  numPendingTests: 2,
  numTodoTests: 1,
  testResults: files,
});

describe('test counts', () => {
  it('of vitest', () => {
    expect(countsOfVitest(report(0), 0)).toEqual({ passed: 5, failed: 0, skipped: 3 });
    expect(countsOfVitest(report(2), 1)).toEqual({ passed: 5, failed: 2, skipped: 3 });
  });

  it('a file that cannot be loaded is a failure', () => {
    const files = [
      { status: 'failed', assertionResults: [] },
      { status: 'failed', assertionResults: [{ status: 'failed' }] },
      { status: 'passed', assertionResults: [{ status: 'passed' }] },
    ];
    expect(countsOfVitest(report(1, files), 1).failed).toBe(2);
  });

  it('a bad end is a failure whatever was counted', () => {
    expect(countsOfVitest(undefined, 0).failed).toBe(1);
    expect(countsOfVitest(report(0), 1).failed).toBe(1);
    expect(countsOfOutput('12 passed, 0 failed', 1).failed).toBe(1);
    expect(countsOfOutput('no counts at all', 0).failed).toBe(1);
  });

  it('of a line in an output, the last one', () => {
    const output = 'cpu: 1 passed, 1 failed\nall: 4227 passed, 0 failed, 5 skipped\n';
    expect(countsOfOutput(output, 0)).toEqual({ passed: 4227, failed: 0, skipped: 5 });
    expect(countsOfOutput('7 passed, 2 failed\n', 1)).toEqual({ passed: 7, failed: 2, skipped: 0 });
  });

  it('add up to the closing line', () => {
    const total = { passed: 1, failed: 0, skipped: 2 };
    addCounts(total, { passed: 3, failed: 4, skipped: 5 });
    expect(summary(total)).toBe('4 passed, 4 failed, 7 skipped');
  });
});
