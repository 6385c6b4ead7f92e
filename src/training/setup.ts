/** Sets up everything one run works with. */

import { DataError } from '../base/errors.js';
import { say } from '../base/progress.js';
import type { HostBatch } from '../batches/batch.js';
import { Loader } from '../batches/loader.js';
import { readSplit } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import { trainingContext } from '../model/context.js';
import { AdamW } from './optimizer.js';
import { listCheckpoints, loadCheckpoint, type RunState, readState } from './run/checkpoint.js';
import { identity, type RunPaths } from './run/folder.js';
import { LossLog } from './run/lossLog.js';
import { MetricsLog } from './run/metrics.js';
import type { Run, TrainRequest } from './run.js';
import { attachTrial, openBase, openBuilder } from './trial.js';

/** @throws DataError for data, weights or checkpoints that cannot be used */
export async function openRun(request: TrainRequest, paths: RunPaths): Promise<Run> {
  const { config, folder, label, signal } = request;
  const { train: settings, data } = config;
  const notice = (line: string) => (label ? say(`${label}: ${line}`) : undefined);
  const opened = new Opened();
  try {
    const split = await readSplit(config, data.train!, true);
    const validation = data.val ? await readSplit(config, data.val, false) : undefined;
    for (const line of [...split.notices, ...(validation?.notices ?? [])]) notice(line);

    const base = request.base ?? opened.add(await openBase([config]));
    if (!request.base) for (const line of base.notices) notice(line);
    const trial = opened.add(await attachTrial(base, config));
    const { student, trainable } = trial;
    const optimizer = opened.add(new AdamW(trainable, settings));

    const options = { runFolder: folder, onWarning: notice };
    const builder = openBuilder(trial, config, split, { ...options, training: true });
    const loader = new Loader(
      split.samples,
      { batch: settings.batch, shuffle: true, seed: settings.seed, dropLast: settings.dropLast },
      (samples, rng) => builder.prepare(samples, rng),
    );
    const answering = validation && openBuilder(trial, config, validation, { ...options, training: false });
    const state = await resume(paths, config, optimizer, notice);
    requirePlace(paths, state, loader);
    const metrics = new MetricsLog(folder);
    opened.add({ dispose: () => metrics.close() });
    metrics.truncateAfter(state.step);
    return {
      ...{ config, paths, trial, optimizer, loader, builder, metrics, state, label, signal },
      context: trainingContext(student.precision, settings.seed, settings.recompute),
      validation: validation && { split: validation, evaluator: { ...trial, builder: answering!, config } },
      losses: opened.add(new LossLog()),
      dispose: () => opened.dispose(),
    };
  } catch (error) {
    opened.dispose();
    throw error;
  }
}

/** What has to be freed, last first. */
class Opened {
  private readonly parts: { dispose(): unknown }[] = [];

  add<T extends { dispose(): unknown }>(part: T): T {
    this.parts.push(part);
    return part;
  }

  dispose(): void {
    for (const part of this.parts.reverse()) part.dispose();
  }
}

/** The newest checkpoint's state, its values loaded; a fresh state when there is none. */
async function resume(
  paths: RunPaths,
  config: Config,
  optimizer: AdamW,
  notice: (line: string) => void,
): Promise<RunState> {
  const hash = identity(config);
  const last = (await listCheckpoints(paths.checkpoints)).at(-1);
  if (last === undefined) return { step: 0, epoch: 0, batch: 0, seconds: 0, config: hash };
  const state = await readState(paths.checkpoints, last, hash);
  await loadCheckpoint(paths.checkpoints, last, optimizer);
  notice(`continues at step ${state.step}, epoch ${state.epoch + 1}`);
  return state;
}

/** Refuses to resume past the end of an epoch: the data has shrunk since. */
function requirePlace(
  { folder }: RunPaths,
  { batch }: RunState,
  { batchesPerEpoch }: Loader<HostBatch>,
): void {
  if (batch < batchesPerEpoch) return;
  throw new DataError(
    `${folder}: stands at batch ${batch} of an epoch that now has ${batchesPerEpoch}: samples or videos are gone since; restore them or use another --run folder`,
  );
}
