/**
 * Which test files share processes with each other (vitest.config.ts): what they import is loaded once a process instead of
 * once a file, which takes half a second of a core. They start no engine, replace no module, register nothing (a toy
 * dataset would stand in the next file's table) and set no variable that outlives a test; structure.test.ts looks. Every
 * other file has its own process.
 */
const ROOMS = [
  ...['base', 'batches', 'commands', 'config', 'data', 'evaluation'],
  ...['reasoning', 'report', 'shapes', 'text', 'weights'],
];

/** Files of rooms whose other files have their own processes. */
const FILES = {
  bench: ['statistics', 'workload'],
  features: ['store'],
  model: ['tokens', 'blip2/packing', 'blip2/relativeBias'],
  pretraining: ['batch', 'reading', 'stills'],
  rewards: ['porter'],
  serve: ['http', 'queue'],
  sweep: [
    ...['axes', 'comparisons', 'estimate', 'folder', 'list', 'report', 'results', 'spec'],
    ...['taskComparisons', 'world', 'emit/emit', 'slurm/script'],
  ],
  tables: ['paper', 'results'],
  training: [
    ...['schedule', 'objectives/answerTargets', 'objectives/supervised'],
    ...['objectives/rl/advantages', 'objectives/rl/log', 'objectives/rl/passes', 'objectives/rl/survey'],
    ...['run/adapter', 'run/folder', 'run/inputLog', 'run/lossLog', 'run/metrics', 'run/tensorboard'],
  ],
  video: [
    'complete',
    'container',
    'frameNames',
    'jpeg',
    'mp4/cut',
    'perSecond',
    'pieces',
    'preprocess',
    'sample',
  ],
};

export const TOGETHER = [
  ...ROOMS.map((room) => `test/${room}/**/*.test.ts`),
  ...Object.entries(FILES).flatMap(([room, names]) => names.map((name) => `test/${room}/${name}.test.ts`)),
];

/** Files of these rooms that keep their own process: they start an engine, a browser or processes, or set variables. */
export const ALONE = [
  'test/base/files.test.ts',
  'test/base/lock.test.ts',
  'test/base/network.test.ts',
  'test/batches/batch.test.ts',
  'test/batches/clipThreads.test.ts',
  'test/commands/ask.test.ts',
  'test/commands/engine.test.ts',
  'test/commands/features.test.ts',
  'test/config/registries.test.ts',
  'test/data/datasets.test.ts',
  'test/data/datasets/index.test.ts',
  'test/data/published.test.ts',
  'test/evaluation/ask.test.ts',
  'test/reasoning/generate.test.ts',
  'test/reasoning/scale.test.ts',
  'test/report/ownReasoning.test.ts',
  'test/report/page/browser.test.ts',
];
