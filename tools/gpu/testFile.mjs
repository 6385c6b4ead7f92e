/**
 * Runs the tests of one bundled file in this process and sends what came out to the parent (tools/gpu/tests.mjs).
 *
 *   node testFile.mjs FILE
 */
import { pathToFileURL } from 'node:url';
import { startTests } from '@vitest/runner';
import { getSuites, getTestName, getTests } from '@vitest/runner/utils';

/** As test/vitest.config.ts has it: in order, one at a time, without a time limit. */
const config = {
  root: process.cwd(),
  setupFiles: [],
  passWithNoTests: false,
  allowOnly: false,
  sequence: { hooks: 'stack', setupFiles: 'list', seed: 0 },
  maxConcurrency: 1,
  testTimeout: 0,
  hookTimeout: 0,
  retry: 0,
  tags: [],
  strictTags: false,
};

const runner = { config, importFile: (path) => import(pathToFileURL(path).href) };
const [file] = await startTests([process.argv[2]], runner);
process.send(outcome(file), () => process.disconnect());

/** A hook that fails, or a file that cannot be loaded, is a failure of its suite; the tests in it count as skipped. */
function outcome(file) {
  const tests = getTests(file);
  const failed = [...getSuites(file), ...tests].filter((task) => task.result?.errors?.length > 0);
  const passed = tests.filter((test) => test.result?.state === 'pass');
  const skipped = tests.filter((test) => !passed.includes(test) && !failed.includes(test));
  return {
    passed: passed.length,
    failures: failed.map((task) => ({
      name: getTestName(task),
      errors: task.result.errors.map(({ message, stack }) => ({ message, stack })),
    })),
    skipped: skipped.map((test) => ({ name: getTestName(test), ...reasonOf(test) })),
  };
}

/** The project's tests say in a title why they, or the suite around them, are skipped. */
function reasonOf(test) {
  const [, reason] = /SKIPPED[:,] (.+?)\)?(?: > |$)/.exec(getTestName(test)) ?? [];
  return reason === undefined ? {} : { reason };
}
