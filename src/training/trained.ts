/** A run's trial at its best checkpoint. */

import { ReasVqaError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import { listCheckpoints, loadTrainables } from './run/checkpoint.js';
import { bestOf, type RunPaths, readEvaluations } from './run/folder.js';
import { openTrial, type Trial } from './trial.js';

/** A finished (or still running) run's student at its best checkpoint, for evaluation and the report. */
export async function openTrained(paths: RunPaths, config: Config): Promise<{ trial: Trial; step: number }> {
  const trial = await openTrial(config);
  const steps = await listCheckpoints(paths.checkpoints);
  const best = bestOf(await readEvaluations(paths))?.step ?? steps.at(-1);
  if (best === undefined || !steps.includes(best)) {
    trial.dispose();
    throw new ReasVqaError(`${paths.folder}: has no checkpoint yet; train first`, 3);
  }
  await loadTrainables(paths.checkpoints, best, trial.trainable);
  return { trial, step: best };
}
