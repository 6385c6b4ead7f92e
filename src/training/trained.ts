import type { Config } from '../config/schema.js';
import { ReasVqaError } from '../errors.js';
import { listCheckpoints, loadTrainables } from './checkpoint.js';
import { bestOf, type RunPaths, readEvaluations } from './runFolder.js';
import { openStudent, type Student } from './student.js';

/** A finished (or still running) run's student at its best checkpoint, for evaluation and the report. */
export async function openTrained(
  paths: RunPaths,
  config: Config,
): Promise<{ student: Student; step: number }> {
  const student = await openStudent(config);
  const steps = await listCheckpoints(paths.checkpoints);
  const best = bestOf(await readEvaluations(paths))?.step ?? steps.at(-1);
  if (best === undefined || !steps.includes(best)) {
    student.model.dispose();
    throw new ReasVqaError(`${paths.folder}: has no checkpoint yet; train first`, 3);
  }
  await loadTrainables(paths.checkpoints, best, student.trainable);
  return { student, step: best };
}
