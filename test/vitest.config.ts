/** Settings of the test runner. */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    // Correctness never depends on speed: machines are shared, so no test has a time limit.
    testTimeout: 0,
    hookTimeout: 0,
    pool: 'forks',
    // The default, one fewer than cores, leaves a machine of two cores half idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
