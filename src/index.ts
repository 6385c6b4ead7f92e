/** What other programs may import; the command line is src/cli.ts. */
export {
  type ConfigRequest,
  configHash,
  dumpConfig,
  type ResolvedConfig,
  resolveConfig,
} from './config/load.js';
export type { Config } from './config/schema.js';
export { type AnnotationRequest, DATASETS, type DatasetName, readAnnotations } from './data/readers/index.js';
export { optionLetter, type Sample } from './data/sample.js';
export { DataError, EngineError, EXIT, Interrupted, ReasVqaError, UsageError } from './errors.js';
export { type Accuracy, type ScoreRequest, type ScoreResult, scorePredictions } from './evaluation/score.js';
