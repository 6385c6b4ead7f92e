/** What other programs may import; the command line is src/cli.ts. */

export { DataError, EngineError, EXIT, Interrupted, ReasVqaError, UsageError } from './base/errors.js';
export {
  type ConfigRequest,
  configHash,
  dumpConfig,
  type ResolvedConfig,
  resolveConfig,
} from './config/load.js';
export type { Config } from './config/schema.js';
export { type AnnotationRequest, readAnnotations } from './data/annotations.js';
export { type DatasetRecord, datasetNames, registerDataset } from './data/datasets/index.js';
export { type Problem, ProblemLog } from './data/problems.js';
export { optionLetter, type Sample } from './data/sample.js';
export { type Accuracy, type ScoreRequest, type ScoreResult, scorePredictions } from './evaluation/score.js';
export type { StudentKind } from './model/kind.js';
export { registerStudent } from './model/registry.js';
