/**
 * What other programs may import; the command line is src/cli.ts.
 *
 * Importing starts nothing: TensorFlow.js, image code and the native engine are loaded by the first call that needs them,
 * which is why all these functions return promises. {@link selectEngine} comes first in a program that computes.
 */

export {
  DataError,
  EngineError,
  EXIT,
  type ExitCode,
  Interrupted,
  MissingToolError,
  ReasVqaError,
  UsageError,
} from './base/errors.js';
export type { Split } from './batches/split.js';
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
export type { EngineInfo, EngineName, EngineOptions } from './engine/engine.js';
export type { Answerer, Evaluator, Prediction } from './evaluation/answers.js';
export type { Answer, Question } from './evaluation/ask.js';
export type { Evaluation } from './evaluation/evaluate.js';
export { type Accuracy, type ScoreRequest, type ScoreResult, scorePredictions } from './evaluation/score.js';
export type { TaskScoreRequest, TaskScoreResult } from './evaluation/scoreRequest.js';
export type { ModeScore, SplitScore } from './evaluation/splitScore.js';
export type { Asked, Pictures } from './evaluation/watched.js';
export type { AttachedAdapter } from './model/adapter.js';
export type { StudentKind } from './model/kind.js';
export type { Base, LoadedStudent, LoadOptions } from './model/load.js';
export { registerStudent } from './model/registry.js';
export type * from './model/student.js';
export type { BatchRequestOptions } from './reasoning/batchRequests.js';
export type { BatchResultOptions } from './reasoning/batchResults.js';
export {
  openTeacher,
  type Teacher,
  type TeacherAnswer,
  TeacherError,
  type TeacherSettings,
} from './reasoning/client.js';
export type {
  GenerateOptions as ReasoningOptions,
  GenerateProgress as ReasoningProgress,
  GenerateResult as ReasoningResult,
} from './reasoning/generate.js';
export type { RuleLeak } from './reasoning/leak/drawn.js';
export type { Rate as LeakRate, Rates as LeakRates } from './reasoning/leak/leak.js';
export { type Pattern, patternsFrom } from './reasoning/patterns.js';
export type { PriceTable } from './reasoning/prices.js';
export { type Refined, type RefinedPart, type RefineSettings, refine } from './reasoning/refine.js';
export {
  type RefinedRow,
  type RefineFileOptions,
  type RefineStats,
  refineFile,
} from './reasoning/refineFile.js';
export type { ReasoningRow } from './reasoning/row.js';
export type { ShapesOptions, ShapesSummary } from './shapes/dataset.js';
export type { Execution, Executor } from './sweep/executor.js';
export type { RunSweepRequest, SweepResult } from './sweep/run.js';
export type { SweepRequest, SweepSpec } from './sweep/spec.js';
export { Tokenizer, type TokenizerLoadOptions } from './text/tokenizer.js';
export type { EvaluateRunRequest } from './training/evaluateRun.js';
export type { Objective, ObjectiveSettings, StepInput } from './training/objectives/objective.js';
export type { RunPaths, RunResult } from './training/run/folder.js';
export type { TrainRequest } from './training/run.js';
export type { TrainedRun } from './training/trained.js';
export type { Base as TrialBase, BuilderOptions, Trial } from './training/trial.js';
export type { FrameRequest, Frames } from './video/frames.js';

/** A function of a module that its first call loads. */
function later<Given extends unknown[], Result>(
  load: () => Promise<(...given: Given) => Promise<Result> | Result>,
): (...given: Given) => Promise<Result> {
  return async (...given) => (await load())(...given);
}

/** Makes an engine the backend of TensorFlow.js for this process; `auto` takes the best, and builds it the first time. */
export const selectEngine = later(async () => (await import('./engine/engine.js')).selectEngine);

/** Makes the student of a checkpoint folder (config.json and safetensors, as published) and reads its weights. */
export const loadStudent = later(async () => (await import('./model/load.js')).loadStudent);
/** Opens the frozen weights of a checkpoint folder, which any number of students share. */
export const openBase = later(async () => (await import('./model/load.js')).openBase);
/** A student of its own on shared frozen weights. */
export const attach = later(async () => (await import('./model/load.js')).attach);
/** Writes config.json and model.safetensors, which {@link loadStudent} and transformers read. */
export const saveStudent = later(async () => (await import('./model/load.js')).saveStudent);
/** Gives a student a trained PEFT adapter from its folder. */
export const loadAdapter = later(async () => (await import('./model/adapter.js')).loadAdapter);

/** Makes an objective known under a value of `train.mode`. */
export const registerObjective = later(
  async () => (await import('./training/objectives/index.js')).registerObjective,
);
/** Trains a recipe to the end in a run folder, or continues there. */
export const train = later(async () => (await import('./training/train.js')).train);
/** Resolves a recipe's grid, arms and seeds into trials. */
export const resolveSweep = later(async () => (await import('./sweep/spec.js')).resolveSweep);
/** Plans a sweep, runs the trials that are missing and writes results.csv and the figure. */
export const runSweep = later(async () => (await import('./sweep/run.js')).runSweep);
/** The executor that trains all trials in this process, in lockstep. */
export const runShared = later(async () => (await import('./sweep/shared.js')).runShared);
/** Writes one HTML file over run folders. */
export const writeReport = later(async () => (await import('./report/report.js')).writeReport);
/** Opens a run folder's student at its best checkpoint. */
export const loadRun = later(async () => (await import('./training/trained.js')).loadRun);
/** Reads a split: its samples, the paths of their videos, and notices for the user. */
export const readSplit = later(async () => (await import('./batches/split.js')).readSplit);
/** Opens the weights and tokenizer that several trainings share ({@link TrainRequest}'s base). */
export const openTrialBase = later(async () => (await import('./training/trial.js')).openBase);
/** Makes the builder of a split's batches for a trial; {@link evaluate} needs one. */
export const openBuilder = later(async () => (await import('./training/trial.js')).openBuilder);
/** Answers every sample, in order. */
export const evaluate = later(async () => (await import('./evaluation/evaluate.js')).evaluate);
/** Scores a file of predictions for samples of any task, by the rules of its tasks or of its dataset's own script. */
export const scoreFile = later(async () => (await import('./evaluation/scoreFile.js')).scoreFile);
/** A run's paths, of a folder that holds one. */
export const existingRun = later(async () => (await import('./training/run/folder.js')).existingRun);
/** Answers annotations with a run's best checkpoint, and writes the predictions in the official form. */
export const evaluateRun = later(async () => (await import('./training/evaluateRun.js')).evaluateRun);
/** Asks a student one question about one video: an option or free text, and its reasoning. */
export const ask = later(async () => (await import('./evaluation/ask.js')).ask);

/** Reads frames of a clip from a video file, an animation or a folder of images. */
export const readFrames = later(async () => (await import('./video/frames.js')).readFrames);
/** A large model writes reasoning about every sample, one JSON line each; the same call continues. */
export const generateReasoning = later(
  async () => (await import('./reasoning/generate.js')).generateReasoning,
);
/** Reads a table of prices per million tokens, which the money cap of {@link generateReasoning} takes. */
export const readPrices = later(async () => {
  const { PriceTable } = await import('./reasoning/prices.js');
  return (path: string) => PriceTable.read(path);
});
/** Writes OpenAI batch files with the requests of the samples that a file of reasoning lacks. */
export const writeBatch = later(async () => (await import('./reasoning/batchRequests.js')).writeBatch);
/** Adds the answers of batch results to a file of reasoning. */
export const readBatch = later(async () => (await import('./reasoning/batchResults.js')).readBatch);
/** Writes the built-in world of coloured shapes as a data set in NExT-QA's format. */
export const makeShapes = later(async () => (await import('./shapes/dataset.js')).makeShapes);
