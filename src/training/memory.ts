/** How much memory one more trial in lockstep takes. */
import { disposeVisual } from '../batches/batch.js';
import { Loader } from '../batches/loader.js';
import type { DeviceMemoryUse } from '../engine/engine.js';
import { trainingContext } from '../model/context.js';
import { gradients } from './gradients.js';
import { responding } from './objectives/objective.js';
import { AdamW } from './optimizer.js';
import type { TrainRequest } from './run.js';
import type { Splits } from './splits.js';
import { attachTrial, type Base, openBuilder } from './trial.js';

/** Bytes of one trial on a base that is open. */
export interface TrialMemory {
  /** As long as it trains: weights of its own, the optimizer's moments, the gradients of an update. */
  kept: number;
  /** While it computes: activations. */
  passing: number;
}

/**
 * Attaches a trial, computes the gradients of its first batch and frees everything again. Nothing in its folder changes.
 *
 * @param memory of the engine in use, asked before and after
 */
export async function measureTrial(
  { config, folder, base, splits }: Pick<TrainRequest, 'config' | 'folder'> & { base: Base; splits: Splits },
  memory: () => DeviceMemoryUse,
): Promise<TrialMemory> {
  const before = memory().inUse;
  const trial = await attachTrial(base, config);
  const optimizer = new AdamW(trial.trainable, config.train);
  try {
    const own = memory().inUse - before;
    const weights = trial.trainable.reduce((sum, { size }) => sum + 4 * size, 0);
    const split = splits.train;
    const builder = openBuilder(trial, config, split, {
      runFolder: folder,
      onWarning: () => undefined,
      training: true,
    });
    const { batch, seed } = config.train;
    const settings = { batch, shuffle: true, seed, dropLast: false, ahead: 0 };
    const loader = new Loader(split.samples, settings, (samples, rng) => builder.prepare(samples, rng));
    memory().resetPeak();
    for await (const { batch: first } of loader.epoch(0)) {
      const input = builder.input(first);
      const { objective, student, trainable } = trial;
      const context = trainingContext(student.precision, config.train.seed, config.train.recompute);
      const { samples, lesson } = first;
      const given = { student, input, samples, builder, lesson, pass: 0 };
      const { grads, losses } = await responding(objective, given, (targets, about) =>
        gradients(student, about, targets, objective, trainable, context),
      );
      losses.dispose();
      for (const grad of grads) grad.dispose();
      disposeVisual(input);
      break;
    }
    const passing = Math.max(0, memory().peak - before - own);
    return { kept: own + (config.train.accumulate > 1 ? weights : 0), passing };
  } finally {
    optimizer.dispose();
    trial.dispose();
  }
}
