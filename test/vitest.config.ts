/** Settings of the test runner. */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { ALONE, TOGETHER } from './support/together.js';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    // Correctness never depends on speed: machines are shared, so no test has a time limit.
    testTimeout: 0,
    hookTimeout: 0,
    pool: 'forks',
    // The default, one fewer than cores, leaves a machine of two cores half idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // The short files come last, so that no core waits long for the other at the end.
    projects: [
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: TOGETHER,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'alone too', include: ALONE, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: TOGETHER,
          exclude: ALONE,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
