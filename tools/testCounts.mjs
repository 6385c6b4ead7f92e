/**
 * Counts of passed, failed and skipped tests from what the runners report. A run that ends badly always counts as at
 * least one failure, whatever its report says.
 * @typedef {{passed: number, failed: number, skipped: number}} Counts
 */

/**
 * @param {any} report vitest's JSON report, undefined when there is none
 * @param {number} code vitest's exit code
 * @returns {Counts}
 */
export function countsOfVitest(report, code) {
  if (!report) return { passed: 0, failed: 1, skipped: 0 };
  // A file that could not be loaded failed without a single test in it.
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  const counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken,
    skipped: report.numPendingTests + report.numTodoTests,
  };
  return atLeastOneFailure(counts, code);
}

/**
 * @param {string} output holds a line `N passed, N failed` with or without `, N skipped`; the last one counts
 * @param {number} code the exit code
 * @returns {Counts}
 */
export function countsOfOutput(output, code) {
  const line = [...output.matchAll(/(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/g)].at(-1);
  if (!line) return { passed: 0, failed: 1, skipped: 0 };
  const [passed, failed, skipped] = line.slice(1).map((text) => Number(text ?? 0));
  return atLeastOneFailure({ passed, failed, skipped }, code);
}

/** @param {Counts} total @param {Counts} more */
export function addCounts(total, more) {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

/** @param {Counts} counts */
export function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function atLeastOneFailure(counts, code) {
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}
