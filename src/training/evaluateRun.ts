/** A run's best checkpoint, or a base model as it is, answers a split; the predictions are written in the official form. */
import { dirname } from 'node:path';
import { DataError, UsageError } from '../base/errors.js';
import { makeFolder, writeFileAtomic } from '../base/files.js';
import { openClipThreads } from '../batches/clipThreads.js';
import { readSplit } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import { datasetOf } from '../data/datasets/index.js';
import { type Sample, taskOf } from '../data/sample.js';
import type { Prediction } from '../evaluation/answers.js';
import { officialPredictions, type ScoreResult } from '../evaluation/score.js';
import { evaluateSplit } from '../evaluation/split.js';
import type { ModeScore } from '../evaluation/splitScore.js';
import type { RunPaths } from './run/folder.js';
import { openTrained } from './trained.js';
import { trajectoriesOf, trajectoryLines } from './trajectories.js';
import { openBuilder, openTrial, type Trial } from './trial.js';

export interface EvaluateRunRequest {
  /** The run; without it the recipe's base model is asked as it is, with `model.adapter` if that is named. */
  paths?: RunPaths | undefined;
  config: Config;
  /** Annotations to answer. */
  file: string;
  /**
   * Prediction file; its folder is made. In the official form of choices, or one JSON line {id, prediction, span, text} a sample
   * where there are other tasks. None is written without.
   */
  out?: string;
  /** File for the dialogues of a student that looks again, one JSON line a sample. None is written without. */
  trajectories?: string | undefined;
  /** Only the first so many questions. */
  limit?: number | undefined;
  onProgress?: (done: number, total: number) => void;
  onNotice?: (line: string) => void;
}

export interface EvaluatedRun extends Pick<ModeScore, 'tasks' | 'direct'> {
  answered: number;
  predictions: Prediction[];
  /** Of the choice questions; undefined without any, and for a blind split. */
  score: ScoreResult | undefined;
}

/**
 * @throws DataError for annotations, videos or checkpoints that cannot be used; UsageError for stored features of no run that
 *   have no folder
 */
export async function evaluateRun(request: EvaluateRunRequest): Promise<EvaluatedRun> {
  const { paths, config, file, out, trajectories, limit, onProgress, onNotice = () => undefined } = request;
  if (!paths && config.features.cache && config.features.folder === undefined)
    throw new UsageError(
      'features.folder: missing; without a run stored features need a folder of their own',
    );
  const split = await readSplit(config, file, false);
  for (const line of split.notices) onNotice(line);
  const samples = split.samples.slice(0, limit);
  const clips = openClipThreads(config.data.workers);
  const trial = await opened(paths, config, onNotice);
  try {
    const reading = { clips: clips.read, stored: clips.readStored };
    const options = { runFolder: paths?.folder ?? '', onWarning: onNotice, training: false, ...reading };
    const builder = openBuilder(trial, config, split, options);
    const { answered, predictions, byId, scores } = await evaluateSplit(
      { ...trial, builder, config },
      samples,
      {
        onProgress: (done) => onProgress?.(done, samples.length),
        onNotice,
        blind: true,
        learned: await learnedBy(config, samples, onNotice),
      },
    );
    if (out !== undefined) {
      await makeFolder(dirname(out));
      await writeFileAtomic(
        out,
        answered.every((sample) => taskOf(sample) === 'choice')
          ? officialPredictions(answered, byId, datasetOf(config.data.dataset).predictionKey)
          : predictionLines(predictions),
      );
    }
    if (trajectories !== undefined) {
      await makeFolder(dirname(trajectories));
      const own = await trajectoriesOf(config.train, answered, predictions, onNotice);
      await writeFileAtomic(trajectories, trajectoryLines(own));
    }
    const { score, ...others } = scores ?? { score: null };
    return { answered: answered.length, predictions, score: score ?? undefined, ...others };
  } finally {
    await clips.end();
    trial.dispose();
  }
}

/** The training samples as training reads them, which chance levels of other tasks than choice are drawn from; a notice where they cannot be read. */
async function learnedBy(
  config: Config,
  samples: readonly Sample[],
  onNotice: (line: string) => void,
): Promise<Sample[]> {
  const { train } = config.data;
  if (train === undefined || samples.every((sample) => taskOf(sample) === 'choice')) return [];
  try {
    return (await readSplit(config, train, true)).samples;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    onNotice(`no chance levels of open answers and spans, which training samples tell: ${error.message}`);
    return [];
  }
}

/** What `score --dataset jsonl` reads, and the reasoning where the answers come behind one. */
function predictionLines(predictions: readonly Prediction[]): string {
  const lines = predictions.map(({ id, prediction, span, text, reasoning }) =>
    JSON.stringify({ id, prediction, span, text, reasoning }),
  );
  return lines.map((line) => `${line}\n`).join('');
}

async function opened(
  paths: RunPaths | undefined,
  config: Config,
  onNotice: (line: string) => void,
): Promise<Trial> {
  if (paths) return (await openTrained(paths, config, 'needed')).trial;
  // A fresh adapter adds nothing: one of its matrices is zero.
  const { notices, ...trial } = await openTrial(config, 'needed');
  for (const line of notices) onNotice(line);
  return trial;
}
