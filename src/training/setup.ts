/** Sets up everything that runs work with. */

import { DataError, Interrupted } from '../base/errors.js';
import { say } from '../base/progress.js';
import type { Rng } from '../base/random.js';
import { type ClipThreads, openClipThreads } from '../batches/clipThreads.js';
import { sampleLengths } from '../batches/lengths.js';
import { Loader } from '../batches/loader.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { trainingContext } from '../model/context.js';
import { chooseSamples } from './choice.js';
import { GradientSum } from './gradientSum.js';
import type { Choice } from './objectives/objective.js';
import { AdamW } from './optimizer.js';
import {
  listCheckpoints,
  loadCheckpoint,
  type RunState,
  readState,
  removePartials,
  type SavedState,
} from './run/checkpoint.js';
import { type RunPaths, resumption, runPaths } from './run/folder.js';
import { InputLog } from './run/inputLog.js';
import { LossLog } from './run/lossLog.js';
import { MetricsLog } from './run/metrics.js';
import type { Cohort, Run, SharedBatch, TrainRequest } from './run.js';
import { cohortKey, readSplits, type Splits } from './splits.js';
import { attachTrial, type Base, openBase, openBuilder } from './trial.js';

/**
 * A run that cannot be opened (its adapter or a checkpoint is damaged, say) leaves the others theirs.
 *
 * @param requests of runs with one {@link cohortKey}; the first one's signal and base are everyone's
 * @throws DataError for data or weights that cannot be used
 */
export async function openCohort(requests: readonly TrainRequest[], label?: string): Promise<Cohort> {
  const opened = new Opened();
  const runs: Run[] = [];
  const unopened = new Map<TrainRequest, unknown>();
  const dispose = () => opened.dispose();
  try {
    const splits: Splits[] = [];
    for (const { config, splits: read } of requests) splits.push(read ?? (await readSplits(config)));
    requireOneOrder(requests, splits);
    const { base: given, signal, config } = requests[0]!;
    const base = given ?? opened.add(await openBase([config], undefined, 'needed'));
    const { batch, seed, dropLast, lengthBuckets } = config.train;
    const clips = openClipThreads(config.data.workers);
    opened.add({ dispose: () => clips.end() });
    const choices = new Map<TrainRequest, Choice>();
    for (const [i, request] of requests.entries()) {
      if (!given) tell(request, base.notices);
      await chooseSamples(request, splits[i]!.train, base, clips).then(
        (choice) => void choices.set(request, choice),
        (error) => {
          if (error instanceof Interrupted) throw error;
          unopened.set(request, error);
        },
      );
    }
    const samples = [...choices.values()][0]?.samples ?? splits[0]!.train.samples;
    const lengths = lengthBuckets ? sampleLengths(samples, base.tokenizer, config.text) : undefined;
    const loader = new Loader(
      samples,
      { batch, shuffle: true, seed, dropLast, lengths, ahead: config.data.ahead },
      (chosen, rng, ended) => prepare(runs, chosen, rng, ended),
    );
    for (const [i, request] of requests.entries()) {
      const choice = choices.get(request);
      if (!choice) continue;
      const run = await openRun(request, splits[i]!, { base, loader, clips, choice }).catch(
        (error) => void unopened.set(request, error),
      );
      if (run) runs.push(opened.add(run));
    }
    return { runs, unopened, loader, label, signal, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function requireOneOrder(requests: readonly TrainRequest[], splits: readonly Splits[]): void {
  const keys = new Set(requests.map(({ config }, i) => cohortKey(config, splits[i]!)));
  if (keys.size > 1) throw new Error('runs of one cohort read the same samples in the same order');
}

/** The first run reads the batch; each encodes what it learns. */
async function prepare(
  runs: readonly Run[],
  samples: readonly Sample[],
  rng: Rng,
  ended: AbortSignal,
): Promise<SharedBatch> {
  const [first, ...others] = runs;
  const batch = await first!.builder.prepare(samples, rng, ended);
  const lessons = others.map(({ builder, samples: own }) =>
    builder.lesson(batch.samples.map(({ id }) => own.get(id)!)),
  );
  return { ...batch, lessons: [batch.lesson, ...lessons] };
}

const tell = ({ label }: Pick<TrainRequest, 'label'>, lines: readonly string[]) => {
  if (label) for (const line of lines) say(`${label}: ${line}`);
};

async function openRun(
  request: TrainRequest,
  { train, val }: Splits,
  {
    base,
    loader,
    clips,
    choice,
  }: { base: Base; loader: Loader<SharedBatch>; clips: ClipThreads; choice: Choice },
): Promise<Run> {
  const { config, folder, label } = request;
  const { train: settings } = config;
  const notice = (line: string) => tell(request, [line]);
  const paths = runPaths(folder);
  const opened = new Opened();
  try {
    tell(request, [...train.notices, ...(val?.notices ?? [])]);
    const trial = opened.add(await attachTrial(base, config));
    const { student, trainable, objective } = trial;
    // Before a checkpoint's values take the place of those that training began with.
    objective.begin?.(trainable);
    const optimizer = opened.add(new AdamW(trainable, settings));
    const reading = { clips: clips.read, stored: clips.readStored };
    const options = { runFolder: folder, onWarning: notice, ...reading };
    const builder = openBuilder(trial, config, train, { ...options, training: true });
    const answering = val && openBuilder(trial, config, val, { ...options, training: false });
    const { pending, ...state } = await resume(paths, config, optimizer, notice);
    requirePlace(paths, state, loader);
    const metrics = new MetricsLog(folder);
    opened.add({ dispose: () => metrics.close() });
    // A run that begins writes the line of step 0 itself.
    metrics.truncateAfter(state.step === 0 ? -1 : state.step);
    if (state.step === 0 && Object.keys(choice.metrics).length > 0) metrics.scalar(0, choice.metrics);
    const losses = opened.add(new LossLog());
    const inputs = new InputLog();
    if (pending) {
      losses.restore(pending.losses);
      inputs.restore(pending.inputs);
      objective.restore?.(pending.objective);
    }
    return {
      ...{ request, config, paths, trial, optimizer, loader, builder, metrics, losses, inputs, state, label },
      samples: new Map(train.samples.map((sample) => [sample.id, sample])),
      context: trainingContext(student.precision, settings.seed, settings.recompute),
      validation: val && { split: val, evaluator: { ...trial, builder: answering!, config } },
      sum: opened.add(new GradientSum()),
      next: state.batch,
      learns: false,
      untilEpoch: Math.min(settings.epochs, request.untilEpoch ?? settings.epochs),
      dispose: () => opened.dispose(),
    };
  } catch (error) {
    await opened.dispose();
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

  async dispose(): Promise<void> {
    for (const part of this.parts.splice(0).reverse()) await part.dispose();
  }
}

/** The newest checkpoint's state, its values loaded; a fresh state when there is none. */
async function resume(
  paths: RunPaths,
  config: Config,
  optimizer: AdamW,
  notice: (line: string) => void,
): Promise<SavedState> {
  const hash = resumption(config);
  await removePartials(paths.checkpoints);
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
  { batchesPerEpoch }: Loader<SharedBatch>,
): void {
  if (batch < batchesPerEpoch) return;
  throw new DataError(
    `${folder}: stands at batch ${batch} of an epoch that now has ${batchesPerEpoch}: samples or videos are gone since; restore them or use another --run folder`,
  );
}
