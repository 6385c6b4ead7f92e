/** Settings of the test runner. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    // Correctness never depends on speed: machines are shared, so no test has a time limit.
    testTimeout: 0,
    hookTimeout: 0,
    pool: 'forks',
  },
});
