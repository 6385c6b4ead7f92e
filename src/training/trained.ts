/** A run's trial at its best checkpoint. */
import { ReasVqaError } from '../base/errors.js';
import { resolveConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { listCheckpoints, loadTrainables } from './run/checkpoint.js';
import { bestOf, existingRun, type RunPaths, readEvaluations } from './run/folder.js';
import { openTrial, type Sight, type Trial } from './trial.js';

/** A finished (or still running) run's student at its best checkpoint, for evaluation and the report. */
export async function openTrained(
  paths: RunPaths,
  config: Config,
  sight: Sight = 'now',
): Promise<{ trial: Trial; step: number }> {
  const steps = await listCheckpoints(paths.checkpoints);
  const best = bestOf(await readEvaluations(paths))?.step ?? steps.at(-1);
  if (best === undefined || !steps.includes(best))
    throw new ReasVqaError(`${paths.folder}: has no checkpoint yet; train first`, 3);
  const trial = await openTrial(config, sight);
  try {
    await loadTrainables(paths.checkpoints, best, trial.trainable);
    return { trial, step: best };
  } catch (error) {
    trial.dispose();
    throw error;
  }
}

/** A run's student and all that it is asked with: what `ask` and `evaluate` take. Dispose of it. */
export type TrainedRun = Trial & { config: Config; paths: RunPaths; step: number };

/**
 * Opens a run folder by its path alone.
 *
 * @param overrides `key=value` texts over the run's own config.yaml
 * @throws DataError for a folder that holds no run, or no checkpoint yet
 */
export async function loadRun(folder: string, overrides: readonly string[] = []): Promise<TrainedRun> {
  const paths = await existingRun(folder);
  const { config } = await resolveConfig({ recipe: paths.config, overrides });
  const { trial, step } = await openTrained(paths, config);
  return { ...trial, config, paths, step };
}
