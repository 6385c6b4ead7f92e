/**
 * The training loop, from batch to checkpoint.
 *
 * A run is a folder (run/folder.ts). Calling `train` on a folder that has a checkpoint continues there; on one engine
 * and thread count the result equals an uninterrupted run's bit for bit, because the order of samples, the dropout
 * bits and the schedule all follow from the seed and the step. Runs that read the same samples in the same order train
 * in lockstep (`trainTogether`): each computes the bits that it would compute alone.
 */
import { DataError, UsageError } from '../base/errors.js';
import { holdFolder } from '../base/lock.js';
import { createProgress, say } from '../base/progress.js';
import type { Lesson } from '../batches/batch.js';
import { decoderPadding, encoderPadding } from '../batches/padding.js';
import { SharedInput } from '../batches/sharedInput.js';
import { checkForTraining } from '../config/checks.js';
import { engineFacts } from '../engine/engine.js';
import type { StudentInput } from '../model/student.js';
import { isLora } from '../model/trainable.js';
import { finishEvaluations, tellCuts } from './epochEvaluation.js';
import { gradients } from './gradients.js';
import { responding } from './objectives/objective.js';
import { describeResult, writeResult } from './result.js';
import { keepCheckpoints, saveCheckpoint } from './run/checkpoint.js';
import {
  bestOf,
  claimRunFolder,
  makeRunFolder,
  type RunResult,
  readEvaluations,
  readResult,
  writeRunInfo,
} from './run/folder.js';
import {
  attempt,
  type Cohort,
  going,
  interrupted,
  type Run,
  type SharedBatch,
  type TrainRequest,
} from './run.js';
import { learningRateAt } from './schedule.js';
import { openCohort } from './setup.js';
import { writeRollout } from './trajectories.js';

export type { TrainRequest } from './run.js';

/**
 * Trains a recipe to the end and returns its result; at once when the folder already has one.
 *
 * @throws Interrupted (exit 75) when the signal fires: a checkpoint is saved, the same command continues.
 */
export async function train(request: TrainRequest): Promise<RunResult> {
  const [outcome] = await trainTogether([request], { label: request.label });
  if (outcome!.error !== undefined) throw outcome!.error;
  return outcome!.result!;
}

/** What became of one run of several. */
export interface Outcome {
  request: TrainRequest;
  /** Absent for a run that failed, or was to stop before its last epoch. */
  result?: RunResult;
  error?: unknown;
}

/**
 * Trains runs that read the same samples in the same order ({@link cohortKey}) in lockstep, on one read of each batch. One that
 * fails does not stop the others; one that is finished already is only read.
 *
 * @throws Interrupted when the signal fires: every run has a checkpoint. Any other error means that none could go on.
 */
export async function trainTogether(
  requests: readonly TrainRequest[],
  { label }: { label?: string | undefined } = {},
): Promise<Outcome[]> {
  const outcomes: Outcome[] = requests.map((request) => ({ request }));
  const releases: (() => void)[] = [];
  try {
    for (const outcome of outcomes)
      await claim(outcome, releases).catch((error) => {
        outcome.error = error;
      });
    const open = outcomes.filter(({ result, error }) => !result && error === undefined);
    if (open.length > 0) await trainOpen(open, label);
    return outcomes;
  } finally {
    for (const release of releases) release();
  }
}

/** Holds the run's folder, and reads its result where it has one. */
async function claim(outcome: Outcome, releases: (() => void)[]): Promise<void> {
  const { config, folder } = outcome.request;
  checkForTraining(config);
  const paths = await makeRunFolder(folder);
  releases.push(await holdFolder(folder));
  await claimRunFolder(paths, config);
  const result = await readResult(paths);
  if (result) outcome.result = result;
}

async function trainOpen(outcomes: readonly Outcome[], label: string | undefined): Promise<void> {
  const requests = outcomes.map(({ request }) => request);
  const cohort = await openCohort(requests, label);
  try {
    await trainCohort(cohort);
    for (const outcome of outcomes) {
      const run = cohort.runs.find(({ request }) => request === outcome.request);
      if (run) await finish(run, outcome);
      else outcome.error = cohort.unopened.get(outcome.request);
    }
  } finally {
    await cohort.dispose();
  }
}

async function finish(run: Run, outcome: Outcome): Promise<void> {
  if (run.failure === undefined && run.state.epoch === run.config.train.epochs)
    await attempt(run, async () => {
      outcome.result = await writeResult(run);
      if (run.label) say(`${run.label}: ${describeResult(outcome.result)}`);
    });
  if (run.failure !== undefined) outcome.error = run.failure;
}

async function trainCohort(cohort: Cohort): Promise<void> {
  for (const run of cohort.runs) {
    const { engine = engineFacts() } = run.request;
    await attempt(run, () => writeRunInfo(run.paths, run.config, engine, run.state.step > 0));
  }
  for (let epoch = nextEpoch(cohort); epoch !== undefined; epoch = nextEpoch(cohort)) {
    await finishEvaluations(cohort);
    await trainEpoch(cohort, epoch);
  }
  await finishEvaluations(cohort);
}

/** The earliest epoch that a run still has to train: after a kill some may stand behind others. */
function nextEpoch(cohort: Cohort): number | undefined {
  const epochs = going(cohort).flatMap(({ state, untilEpoch }) =>
    state.epoch < untilEpoch ? [state.epoch] : [],
  );
  return epochs.length > 0 ? Math.min(...epochs) : undefined;
}

/** One pass over the data for the runs that stand in this epoch, with a checkpoint at its end. */
async function trainEpoch(cohort: Cohort, epoch: number): Promise<void> {
  const { loader, signal } = cohort;
  const standing = going(cohort).filter(
    ({ state, untilEpoch }) => state.epoch === epoch && epoch < untilEpoch,
  );
  for (const run of standing) Object.assign(run, { next: run.state.batch, learns: run.state.batch > 0 });
  const from = Math.min(...standing.map(({ next }) => next));
  const progress = epochProgress(cohort, epoch, from);
  const seconds = stopwatch();
  try {
    for await (const { index, batch, waited } of loader.epoch(epoch, from)) {
      // A run that stands further on joins when the others have come so far.
      const due = standing.filter(({ failure, next }) => failure === undefined && next === index);
      if (due.length === 0) break;
      reportSkipped(cohort, batch);
      const inputs = new SharedInput(batch);
      try {
        for (const run of due)
          await attempt(run, async () => {
            const lesson = batch.lessons[cohort.runs.indexOf(run)]!;
            noteInput(run, batch, lesson, waited);
            const turn = { batch, lesson, index };
            if (batch.samples.length === 0) await advance(run, turn);
            else await inputs.use(run.trial, run.builder, (input) => advance(run, { ...turn, input }));
          });
      } finally {
        inputs.dispose();
      }
      const each = seconds() / due.length;
      for (const { state } of due) state.seconds += each;
      progress?.tick(index + 1, standOf(due[0]!));
      // Runs of a cohort sum up as many batches an update: they end it together.
      const updated = due.filter(({ failure, sum }) => failure === undefined && sum.batches === 0);
      if (updated.length === 0) continue;
      const stops = signal?.aborted ?? false;
      for (const run of updated)
        await attempt(run, async () => {
          const reason = run.trial.objective.stop?.(run.state.step);
          if (stops || reason !== undefined || isSaveDue(run)) await save(run);
          if (reason !== undefined) throw stopped(run, reason);
        });
      if (stops && going(cohort).length > 0) throw interrupted(cohort);
    }
  } finally {
    for (const { sum, inputs } of standing) {
      sum.dispose();
      inputs.pause();
    }
    progress?.done();
  }
  for (const run of standing) tellCuts(run);
}

/** Seconds since the last call. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const [before, now] = [last, performance.now()];
    last = now;
    return (now - before) / 1000;
  };
}

/** A batch as one run gets it. */
interface Turn {
  batch: SharedBatch;
  lesson: Lesson;
  /** Absent when no video of the batch could be read. */
  input?: StudentInput;
  index: number;
}

function noteInput({ inputs }: Run, { samples, prompts }: SharedBatch, { targets }: Lesson, waited: number) {
  const encoder = encoderPadding(prompts, targets);
  inputs.add({ samples: samples.length, waited, encoder, decoder: decoderPadding(targets) });
}

/** One batch of one run: the step, and where it leaves the run. */
async function advance(run: Run, turn: Turn): Promise<void> {
  const { state, loader } = run;
  const { batch, index } = turn;
  const last = index + 1 === loader.batchesPerEpoch;
  run.learns ||= batch.samples.length > 0;
  if (last && !run.learns) throw nothingReadable(run, batch);
  await step(run, turn);
  run.next = index + 1;
  if (run.sum.batches === 0)
    Object.assign(state, last ? { epoch: state.epoch + 1, batch: 0 } : { batch: index + 1 });
}

/** Whether the update that just ended is followed by a checkpoint: at the end of an epoch, and as often as asked for. */
function isSaveDue({ state, config }: Run): boolean {
  const { checkpointEverySteps } = config.train;
  return state.batch === 0 || (checkpointEverySteps > 0 && state.step % checkpointEverySteps === 0);
}

/** From batch to AdamW: losses and gradients of one batch, and an update once enough batches are summed up. */
async function step(run: Run, { batch, lesson, input, index }: Turn): Promise<void> {
  const { config, trial, optimizer, context, state, loader, sum } = run;
  const { train: settings } = config;
  const { student, objective, trainable } = trial;
  const pass = state.epoch * loader.batchesPerEpoch + index;

  const { samples } = batch;
  if (input) {
    context.dropout.startStep(pass);
    const passing = objective.dropsNothing ? { ...context, training: false } : context;
    const given = { student, input, samples, builder: run.builder, lesson, pass };
    const { losses, grads } = await responding(objective, given, (targets, about) =>
      gradients(student, about, targets, objective, trainable, passing),
    );
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
    optimizer.update(
      grads,
      ({ name }) => (isLora(name) ? loraRate : rate),
      objective.scale?.(batches) ?? 1 / batches,
    ),
  );
  state.step++;
  await logStep(run, pass, rate, norm);
}

async function logStep(
  { config, paths, trial, state, loader, losses, inputs, metrics }: Run,
  pass: number,
  rate: number,
  norm: number,
): Promise<void> {
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
    ...trial.objective.metrics?.(),
    ...inputs.take(),
  });
  const spoken = trial.objective.trajectories?.() ?? [];
  if (spoken.length > 0) await writeRollout(paths.folder, state.step, spoken);
}

async function save({ paths, trial, optimizer, state, metrics, losses, inputs }: Run): Promise<void> {
  const objective = trial.objective.pending?.();
  const pending = { losses: losses.pending(), inputs: inputs.pending(), objective };
  metrics.flush();
  await saveCheckpoint(paths.checkpoints, trial, optimizer, { ...state, pending });
  const best = bestOf(await readEvaluations(paths));
  await keepCheckpoints(paths.checkpoints, best ? [best.step, state.step] : [state.step]);
}

function epochProgress({ label, loader, runs }: Cohort, epoch: number, start: number) {
  if (!label) return undefined;
  const epochs = Math.max(...runs.map(({ config }) => config.train.epochs));
  const name = `${label} epoch ${epoch + 1}/${epochs}`;
  return createProgress({ label: name, total: loader.batchesPerEpoch, unit: 'batches', start });
}

/** What the last line of metrics said, for the progress line. */
const standOf = ({ losses, inputs }: Run) =>
  losses.last && [`loss ${losses.last.loss.toFixed(3)}`, inputs.line].filter(Boolean).join(', ');

function reportSkipped({ label }: Cohort, { skipped }: SharedBatch): void {
  if (label) for (const { sample, reason } of skipped) say(`${label}: left out ${sample.id}: ${reason}`);
}

/** What ends a run that its objective stops; it continues from its checkpoint. */
function stopped({ paths, state }: Run, reason: string): UsageError {
  return new UsageError(`${paths.folder}: stopped at step ${state.step} with a checkpoint: ${reason}`);
}

/** A whole epoch without a sample: going on would end in a finished run that learned nothing. */
function nothingReadable({ config, loader }: Run, { skipped }: SharedBatch): DataError {
  return new DataError(
    `${config.data.videos}: no video of the ${loader.samplesPerEpoch} samples can be read; the last: ${skipped[0]?.reason}`,
  );
}
