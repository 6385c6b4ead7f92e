/**
 * The training loop, from batch to checkpoint.
 *
 * A run is a folder (run/folder.ts). Calling `train` on a folder that has a checkpoint continues there; on one engine
 * and thread count the result equals an uninterrupted run's bit for bit, because the order of samples, the dropout
 * bits and the schedule all follow from the seed and the step.
 */
import { DataError } from '../base/errors.js';
import { createProgress, say } from '../base/progress.js';
import { disposeVisual, type HostBatch } from '../batches/batch.js';
import { checkForTraining } from '../config/checks.js';
import { engineFacts } from '../engine/engine.js';
import { isLora } from '../model/trainable.js';
import { finishEvaluation, tellCuts } from './epochEvaluation.js';
import { GradientSum } from './gradientSum.js';
import { gradients } from './gradients.js';
import { describeResult, writeResult } from './result.js';
import { keepCheckpoints, saveCheckpoint } from './run/checkpoint.js';
import {
  bestOf,
  claimRunFolder,
  makeRunFolder,
  type RunPaths,
  type RunResult,
  readEvaluations,
  readResult,
  writeRunInfo,
} from './run/folder.js';
import { holdRunFolder } from './run/lock.js';
import { interrupted, type Run, type TrainRequest } from './run.js';
import { learningRateAt } from './schedule.js';
import { openRun } from './setup.js';

export type { TrainRequest } from './run.js';

/**
 * Trains a recipe to the end and returns its result; at once when the folder already has one.
 *
 * @throws Interrupted (exit 75) when the signal fires: a checkpoint is saved, the same command continues.
 */
export async function train(request: TrainRequest): Promise<RunResult> {
  const { config, folder } = request;
  checkForTraining(config);
  const paths = await makeRunFolder(folder);
  const release = await holdRunFolder(folder);
  try {
    await claimRunFolder(paths, config);
    return (await readResult(paths)) ?? (await trainToEnd(request, paths));
  } finally {
    release();
  }
}

async function trainToEnd(request: TrainRequest, paths: RunPaths): Promise<RunResult> {
  const { config, engine = engineFacts(), label } = request;
  const run = await openRun(request, paths);
  try {
    await writeRunInfo(paths, config, engine, run.state.step > 0);
    while (run.state.epoch < config.train.epochs) {
      await finishEvaluation(run);
      await trainEpoch(run);
    }
    await finishEvaluation(run);
    const result = await writeResult(run);
    if (label) say(`${label}: ${describeResult(result)}`);
    return result;
  } finally {
    run.dispose();
  }
}

/** One pass over the data, from where the state stands to the end of the epoch, with a checkpoint there. */
async function trainEpoch(run: Run): Promise<void> {
  const { config, loader, state, signal } = run;
  const { checkpointEverySteps } = config.train;
  const progress = epochProgress(run);
  const started = performance.now() - state.seconds * 1000;
  const sum = new GradientSum();
  let learns = state.batch > 0;
  try {
    for await (const { index, batch } of loader.epoch(state.epoch, state.batch)) {
      const last = index + 1 === loader.batchesPerEpoch;
      reportSkipped(run, batch);
      learns ||= batch.samples.length > 0;
      if (last && !learns) throw nothingReadable(run, batch);
      step(run, batch, index, sum);
      if (sum.batches > 0) continue;
      progress?.tick(index + 1, run.losses.last && `loss ${run.losses.last.loss.toFixed(3)}`);
      Object.assign(state, last ? { epoch: state.epoch + 1, batch: 0 } : { batch: index + 1 });
      const due = checkpointEverySteps > 0 && state.step % checkpointEverySteps === 0;
      const saving = last || due || signal?.aborted;
      if (saving) run.losses.settle();
      state.seconds = (performance.now() - started) / 1000;
      if (saving) await save(run);
      if (signal?.aborted) throw interrupted(run);
    }
  } finally {
    sum.dispose();
    progress?.done();
  }
  tellCuts(run, run.builder);
}

/** From batch to AdamW: losses and gradients of one batch, and an update once enough batches are summed up. */
function step(run: Run, batch: HostBatch, index: number, sum: GradientSum): void {
  const { config, trial, optimizer, context, state, loader } = run;
  const { train: settings } = config;
  const { student, objective, trainable } = trial;
  const pass = state.epoch * loader.batchesPerEpoch + index;

  if (batch.samples.length > 0) {
    context.dropout.startStep(pass);
    const input = run.builder.input(batch);
    const { samples, lesson } = batch;
    const targets = objective.respond?.({ student, input, samples, lesson, pass }) ?? lesson.targets;
    const { losses, grads } = gradients(student, input, targets, objective, trainable, context);
    disposeVisual(input);
    sum.add(grads);
    const ids = samples.map(({ id }) => id);
    run.losses.add(losses, { step: state.step + 1, epoch: state.epoch + 1, samples: ids });
  }
  // An epoch's last update takes what there is, so that no batch is lost.
  const ends = index + 1 === loader.batchesPerEpoch;
  if (sum.batches === 0 || (sum.batches < settings.accumulate && !ends)) return;

  const rate = learningRateAt(settings, pass, loader.batchesPerEpoch, settings.epochs);
  const loraRate = rate * (settings.loraLearningRate / settings.learningRate);
  const norm = sum.take((grads, batches) =>
    optimizer.update(grads, ({ name }) => (isLora(name) ? loraRate : rate), 1 / batches),
  );
  state.step++;
  logStep(run, pass, rate, norm);
}

function logStep(
  { config, state, loader, losses, metrics }: Run,
  pass: number,
  rate: number,
  norm: number,
): void {
  // The end of the run as well: a short one would have no line at all.
  const ends = pass + 1 === config.train.epochs * loader.batchesPerEpoch;
  if (state.step % config.train.logEverySteps !== 0 && !ends) return;
  const { loss, parts } = losses.take();
  metrics.scalar(state.step, {
    epoch: state.epoch,
    'train/loss': loss,
    ...Object.fromEntries(Object.entries(parts).map(([name, value]) => [`train/loss_${name}`, value])),
    learning_rate: rate,
    ...(Number.isNaN(norm) ? {} : { gradient_norm: norm }),
  });
}

async function save({ paths, trial, optimizer, state, metrics }: Run): Promise<void> {
  metrics.flush();
  await saveCheckpoint(paths.checkpoints, trial, optimizer, state);
  const best = bestOf(await readEvaluations(paths));
  await keepCheckpoints(paths.checkpoints, best ? [best.step, state.step] : [state.step]);
}

function epochProgress({ label, config, state, loader }: Run) {
  if (!label) return undefined;
  const name = `${label} epoch ${state.epoch + 1}/${config.train.epochs}`;
  return createProgress({ label: name, total: loader.batchesPerEpoch, unit: 'batches', start: state.batch });
}

function reportSkipped({ label }: Run, { skipped }: HostBatch): void {
  if (label) for (const { sample, reason } of skipped) say(`${label}: left out ${sample.id}: ${reason}`);
}

/** A whole epoch without a sample: going on would end in a finished run that learned nothing. */
function nothingReadable({ config, loader }: Run, { skipped }: HostBatch): DataError {
  return new DataError(
    `${config.data.videos}: no video of the ${loader.samplesPerEpoch} samples can be read; the last: ${skipped[0]?.reason}`,
  );
}
