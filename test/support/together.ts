/**
 * Which test files share processes with each other (vitest.config.ts): what they import is loaded once a process instead of
 * once a file. They start no engine, replace no module, register nothing (a toy dataset would stand in the next
 * file's table) and set no variable that outlives a test; structure.test.ts looks. Every other file has its own process.
 */
const ROOMS = ['evaluation', 'reasoning', 'report', 'shapes', 'text', 'weights'];

export const TOGETHER = ROOMS.map((room) => `test/${room}/**/*.test.ts`);

/** Files of these rooms that keep their own process: they start an engine, a browser or processes, or set variables. */
export const ALONE = [
  'test/evaluation/ask.test.ts',
  'test/reasoning/generate.test.ts',
  'test/reasoning/scale.test.ts',
  'test/report/ownReasoning.test.ts',
  'test/report/page/browser.test.ts',
];
