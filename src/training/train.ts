/**
 * The training loop, from batch to checkpoint.
 *
 * A run is a folder (runFolder.ts). Calling `train` on a folder that has a checkpoint continues there; on one engine
 * and thread count the result equals an uninterrupted run's bit for bit, because the order of samples, the dropout
 * bits and the schedule all follow from the seed and the step.
 */
import { copyFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { checkForTraining } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { Loader } from '../data/loader.js';
import { DataError, Interrupted } from '../errors.js';
import { type Evaluator, evaluate } from '../evaluation/evaluate.js';
import { type ScoreResult, scoreAnswers } from '../evaluation/score.js';
import { writeFileAtomic } from '../files.js';
import type { Context } from '../model/context.js';
import type { Parameter } from '../model/layers/module.js';
import { DropoutStream } from '../ops/dropout.js';
import { createProgress, say } from '../progress.js';
import type { BatchBuilder, HostBatch } from './batches.js';
import {
  keepCheckpoints,
  listCheckpoints,
  loadCheckpoint,
  type RunState,
  readState,
  saveCheckpoint,
} from './checkpoint.js';
import { type Dataset, readDataset } from './dataset.js';
import { LossLog } from './lossLog.js';
import { MetricsLog } from './metrics.js';
import { gradients, type Objective } from './objective.js';
import { AdamW } from './optimizer.js';
import {
  bestOf,
  claimRunFolder,
  identity,
  makeRunFolder,
  type RunPaths,
  type RunResult,
  readEvaluations,
  readResult,
  writeRunInfo,
} from './runFolder.js';
import { holdRunFolder } from './runLock.js';
import { learningRateAt } from './schedule.js';
import { openBuilder, openStudent, type Student } from './student.js';

export interface TrainRequest {
  config: Config;
  /** Run folder, made when missing. */
  folder: string;
  /** What run.json says about the engine. */
  engine: Record<string, unknown>;
  /** Stops after the current step, with a checkpoint. */
  signal?: AbortSignal;
  /** Prints progress under this name; silent when absent. */
  label?: string;
}

/** Everything one run works with. */
interface Run {
  config: Config;
  paths: RunPaths;
  student: Student;
  optimizer: AdamW;
  context: Context;
  loader: Loader<HostBatch>;
  builder: BatchBuilder;
  evaluator: Evaluator | undefined;
  validation: Dataset | undefined;
  metrics: MetricsLog;
  losses: LossLog;
  state: RunState;
  label: string | undefined;
  signal: AbortSignal | undefined;
}

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
  const { config, label } = request;
  const run = await openRun(request, paths);
  try {
    await writeRunInfo(paths, config, request.engine, run.state.step > 0);
    requirePlace(run);
    while (run.state.epoch < config.train.epochs) {
      await finishEvaluation(run);
      await trainEpoch(run);
    }
    await finishEvaluation(run);
    const result = await writeResult(run);
    if (label) say(`${label}: ${describeResult(result)}`);
    return result;
  } finally {
    run.metrics.close();
    run.losses.dispose();
    run.optimizer.dispose();
    run.student.model.dispose();
  }
}

async function openRun(request: TrainRequest, paths: RunPaths): Promise<Run> {
  const { config, label } = request;
  const notice = (line: string) => (label ? say(`${label}: ${line}`) : undefined);
  const dataset = await readDataset(config, config.data.train!, true);
  const validation = config.data.val ? await readDataset(config, config.data.val, false) : undefined;
  for (const line of [...dataset.notices, ...(validation?.notices ?? [])]) notice(line);
  const student = await openStudent(config);
  for (const line of student.notices) notice(line);
  const optimizer = new AdamW(student.trainable, config.train);
  try {
    return await startRun(request, paths, { dataset, validation, student, optimizer }, notice);
  } catch (error) {
    optimizer.dispose();
    student.model.dispose();
    throw error;
  }
}

async function startRun(
  { config, folder, label, signal }: TrainRequest,
  paths: RunPaths,
  opened: Pick<Run, 'validation' | 'student' | 'optimizer'> & { dataset: Dataset },
  notice: (line: string) => void,
): Promise<Run> {
  const { dataset, validation, student, optimizer } = opened;
  const { train: settings } = config;
  const builder = openBuilder(student, config, dataset, folder, notice);
  const loader = new Loader(
    dataset.samples,
    { batch: settings.batch, shuffle: true, seed: settings.seed, dropLast: settings.dropLast },
    (samples, rng) => builder.prepare(samples, true, rng),
  );
  const evaluator = validation && {
    model: student.model,
    tokenizer: student.tokenizer,
    builder: openBuilder(student, config, validation, folder, notice),
    config,
    startId: student.answerStartId,
  };
  const state = await resume(paths, config, optimizer, notice);
  const metrics = new MetricsLog(folder);
  metrics.truncateAfter(state.step);
  const context = {
    training: true,
    dropout: new DropoutStream(settings.seed),
    recompute: settings.recompute,
  };
  return {
    ...{ config, paths, student, optimizer, context, loader, builder, evaluator, validation },
    ...{ metrics, losses: new LossLog(), state, label, signal },
  };
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

/** A run that stands behind the end of its epoch would never reach it. */
function requirePlace({ paths, state, loader }: Run): void {
  if (state.batch < loader.batchesPerEpoch) return;
  throw new DataError(
    `${paths.folder}: stands at batch ${state.batch} of an epoch that now has ${loader.batchesPerEpoch}: samples or videos are gone since; restore them or use another --run folder`,
  );
}

/** One pass over the data, from where the state stands to the end of the epoch, with a checkpoint there. */
async function trainEpoch(run: Run): Promise<void> {
  const { config, loader, state, signal } = run;
  const { accumulate, checkpointEverySteps } = config.train;
  const progress = stepProgress(run);
  const started = performance.now() - state.seconds * 1000;
  let pending: Accumulated | undefined;
  let learns = state.batch > 0;
  try {
    for await (const { index, batch } of loader.epoch(state.epoch, state.batch)) {
      const last = index + 1 === loader.batchesPerEpoch;
      reportSkipped(run, batch);
      learns ||= batch.samples.length > 0;
      if (last && !learns) throw nothingReadable(run, batch);
      if (batch.samples.length > 0) pending = accumulateBatch(run, batch, index, pending);
      // An epoch's last update takes what there is, so that no batch is lost.
      if (pending && (pending.batches === accumulate || last)) {
        update(run, pending, index);
        pending = undefined;
        progress?.tick(index + 1, run.losses.last && `loss ${run.losses.last.loss.toFixed(3)}`);
      }
      if (pending) continue;
      Object.assign(state, last ? { epoch: state.epoch + 1, batch: 0 } : { batch: index + 1 });
      const due = checkpointEverySteps > 0 && state.step % checkpointEverySteps === 0;
      const saving = last || due || signal?.aborted;
      if (saving) run.losses.settle();
      state.seconds = (performance.now() - started) / 1000;
      if (saving) await save(run);
      if (signal?.aborted) throw interrupted(run);
    }
  } finally {
    tf.dispose(pending?.grads ?? []);
    progress?.done();
  }
  tellCuts(run, run.builder);
}

function tellCuts({ label }: Run, builder: BatchBuilder): void {
  const line = label && builder.cutNotice();
  if (line) say(`${label}: ${line}`);
}

/** Sums of the batches that one update is made of. */
interface Accumulated {
  grads: tf.Tensor[];
  batches: number;
}

/** Losses and gradients of one batch, added to those before it. */
function accumulateBatch(run: Run, host: HostBatch, index: number, before?: Accumulated): Accumulated {
  const { student, builder, context, state, loader } = run;
  context.dropout.startStep(state.epoch * loader.batchesPerEpoch + index);
  const batch = builder.toTensors(host, student.learnsVision);
  const { losses, grads } = gradients(student.model, batch, objectiveOf(run), student.trainable, context);
  tf.dispose([batch.features, batch.pixels].filter((tensor) => tensor !== undefined));
  const samples = host.samples.map((sample) => sample.id);
  try {
    run.losses.add(losses, { step: state.step + 1, epoch: state.epoch + 1, samples });
  } catch (error) {
    tf.dispose(grads);
    throw error;
  }
  if (!before) return { grads, batches: 1 };
  const sums = before.grads.map((sum, i) => tf.add(sum, grads[i]!));
  tf.dispose([before.grads, grads]);
  return { grads: sums, batches: before.batches + 1 };
}

function objectiveOf({ config, student }: Run): Objective {
  const { mode, alpha, beta } = config.train;
  // Single-task training has one target, whatever beta says.
  const weights = mode === 'stl' ? { alpha: 1, beta: 0 } : { alpha, beta };
  const { answerStartId, reasoningStartId } = student;
  return { ...weights, answerStartId, reasoningStartId };
}

/** One optimizer step. */
function update(run: Run, { grads, batches }: Accumulated, index: number): void {
  const { config, optimizer, state, loader, metrics } = run;
  const { train: settings } = config;
  const forwardPasses = state.epoch * loader.batchesPerEpoch + index;
  const rate = learningRateAt(settings, forwardPasses, loader.batchesPerEpoch, settings.epochs);
  const loraShare = settings.loraLearningRate / settings.learningRate;
  const isLora = (parameter: Parameter) => /\.lora_[AB]\.weight$/.test(parameter.name);
  const norm = optimizer.update(grads, (p) => (isLora(p) ? rate * loraShare : rate), 1 / batches);
  tf.dispose(grads);
  state.step++;
  // The end of the run as well: a short one would have no line at all.
  const ends = forwardPasses + 1 === settings.epochs * loader.batchesPerEpoch;
  if (state.step % settings.logEverySteps !== 0 && !ends) return;
  const { loss, qa, reasoning } = run.losses.take();
  metrics.scalar(state.step, {
    epoch: state.epoch,
    'train/loss': loss,
    'train/loss_qa': qa,
    ...(reasoning === undefined ? {} : { 'train/loss_reasoning': reasoning }),
    learning_rate: rate,
    ...(Number.isNaN(norm) ? {} : { gradient_norm: norm }),
  });
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

function stepProgress({ label, config, state, loader }: Run) {
  if (!label) return undefined;
  const name = `${label} epoch ${state.epoch + 1}/${config.train.epochs}`;
  return createProgress({ label: name, total: loader.batchesPerEpoch, unit: 'batches', start: state.batch });
}

async function save({ paths, student, optimizer, state, metrics }: Run): Promise<void> {
  metrics.flush();
  const { model, adapter } = student;
  await saveCheckpoint(paths.checkpoints, { model, adapter, optimizer }, state);
  const best = bestOf(await readEvaluations(paths));
  await keepCheckpoints(paths.checkpoints, best ? [best.step, state.step] : [state.step]);
}

function interrupted({ paths, state }: Run): Interrupted {
  return new Interrupted(
    `${paths.folder}: stopped at step ${state.step} with a checkpoint; run the same command again to continue`,
  );
}

/** Evaluates the epoch that the state has just completed, unless that is done. */
async function finishEvaluation(run: Run): Promise<void> {
  const { state, paths, evaluator, validation, config, label, metrics } = run;
  const epoch = state.epoch - 1;
  const earlier = await readEvaluations(paths);
  if (!evaluator || !validation || state.batch > 0 || epoch < 0 || earlier.some((e) => e.epoch === epoch))
    return;
  const progress = label
    ? createProgress({
        label: `${label} evaluation ${epoch + 1}`,
        total: validation.samples.length,
        unit: 'questions',
      })
    : undefined;
  let done = 0;
  const { predictions, skipped } = await evaluate(evaluator, validation.samples, (count) => {
    done += count;
    progress?.tick(done);
    if (run.signal?.aborted) throw interrupted(run);
  });
  const score = scorePredictions(config, validation, predictions);
  progress?.done(`accuracy ${score.total.accuracy.toFixed(2)} %`);
  if (label) for (const { id, reason } of skipped) say(`${label}: left out ${id}: ${reason}`);
  tellCuts(run, evaluator.builder);
  const lines = predictions.map((prediction) => `${JSON.stringify(prediction)}\n`);
  await writeFileAtomic(paths.predictionsOf(epoch), lines.join(''));
  metrics.scalar(state.step, { epoch, 'val/accuracy': score.total.accuracy });
  const evaluations = [...earlier, { epoch, step: state.step, score, skipped: skipped.length }];
  await writeFileAtomic(paths.evaluations, `${JSON.stringify(evaluations, null, 2)}\n`);
  await keepCheckpoints(paths.checkpoints, [bestOf(evaluations)!.step, state.step]);
}

function scorePredictions(
  config: Config,
  { samples }: Dataset,
  predictions: { id: string; prediction: number }[],
): ScoreResult {
  const byId = new Map(predictions.map(({ id, prediction }) => [id, prediction]));
  const answered = samples.filter((sample) => byId.has(sample.id));
  return scoreAnswers(config.data.dataset, answered, byId);
}

/** Loads nothing: the best checkpoint stays on disk. Writes predictions.jsonl and, last, result.json. */
async function writeResult({ config, paths, state, optimizer, loader, metrics }: Run): Promise<RunResult> {
  const best = bestOf(await readEvaluations(paths));
  if (best) await copyFile(paths.predictionsOf(best.epoch), paths.predictions);
  metrics.flush();
  const samples = config.train.epochs * loader.samplesPerEpoch;
  const result: RunResult = {
    bestEpoch: best?.epoch ?? config.train.epochs - 1,
    bestStep: best?.step ?? state.step,
    score: best?.score ?? null,
    epochs: config.train.epochs,
    steps: state.step,
    seconds: state.seconds,
    samplesPerSecond: samples / state.seconds,
    trainableParameters: optimizer.parameters.reduce((sum, p) => sum + p.size, 0),
    beta: config.train.mode === 'stl' ? 0 : config.train.beta,
    seed: config.train.seed,
    config: identity(config),
  };
  await writeFileAtomic(paths.result, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

function describeResult({ score, bestEpoch, seconds, samplesPerSecond }: RunResult): string {
  const speed = `${seconds.toFixed(0)} s of training, ${samplesPerSecond.toFixed(1)} samples/s`;
  if (!score) return `done, ${speed}`;
  return `best accuracy ${score.total.accuracy.toFixed(2)} % (epoch ${bestEpoch + 1}), ${speed}`;
}
