/**
 * Successive halving (Jamieson and Talwalkar 2016): after an epoch the better half of the settings goes on, the others stop. It
 * is cheaper than training every trial to the end and another protocol: results name it, and a folder follows one.
 *
 * Settings are ranked by validation accuracy at their best epoch so far, meaned over their seeds. A schedule is not shortened: a
 * trial that reaches the last epoch has the bits of a trial of a full sweep.
 */

import { UsageError } from '../base/errors.js';
import { groupBy } from '../base/groups.js';
import { Rng } from '../base/random.js';
import { meritOf } from '../evaluation/splitScore.js';
import { bestOf, type EpochEvaluation, readEvaluations, runPaths } from '../training/run/folder.js';
import type { Execution } from './executor.js';
import { type PlannedTrial, recordHalved, trialState } from './folder.js';
import { runShared, type SharedOptions } from './shared.js';

/** After `epoch` epochs, `keep` settings go on. */
export interface Rung {
  epoch: number;
  keep: number;
}

/**
 * Half of the settings, rounded down, goes on at each rung until one is left; the epochs between rungs double as far as whole
 * epochs allow: 6 settings and 10 epochs give 3 after epoch 3 and 1 after epoch 5.
 */
export function rungs(settings: number, epochs: number): Rung[] {
  const halvings = Math.floor(Math.log2(settings));
  return Array.from({ length: halvings }, (_, i) => ({
    epoch: Math.max(i + 1, Math.round(epochs * 2 ** (i - halvings))),
    keep: Math.floor(settings / 2 ** (i + 1)),
  })).filter(({ epoch }) => epoch < epochs);
}

/** Tries every trial as far as its setting's accuracy carries it; see {@link Executor}. */
export async function runHalving(execution: Execution, options: SharedOptions = {}): Promise<void> {
  let going = bySetting(execution.sweep.trials);
  for (const { epoch, keep } of rungs(going.length, epochsOf(execution.sweep.trials))) {
    await trainUntil(execution, going.flat(), { ...options, untilEpoch: epoch });
    const ranked = await rank(going, epoch);
    for (const { trials, accuracy } of ranked.slice(keep))
      for (const trial of trials) await recordHalved(trial, { epoch, accuracy });
    going = ranked.slice(0, keep).map(({ trials }) => trials);
    execution.say(`after epoch ${epoch} go on: ${going.map(([first]) => first!.id).join(', ')}`);
  }
  await trainUntil(execution, going.flat(), options);
}

/** Trials that differ in the seed alone. */
function bySetting(trials: readonly PlannedTrial[]): PlannedTrial[][] {
  const settingOf = ({ arm, settings: { 'train.seed': _, ...setting } }: PlannedTrial) =>
    // A plan that was widened has keys in more than one order.
    JSON.stringify([arm, Object.entries(setting).sort()]);
  return [...groupBy(trials, settingOf).values()];
}

function epochsOf(trials: readonly PlannedTrial[]): number {
  const without = trials.find(({ config }) => !config.data.val);
  if (without)
    throw new UsageError(`--halving: needs data.val, by whose accuracy it chooses; ${without.id} has none`);
  const epochs = [...new Set(trials.map(({ config }) => config.train.epochs))];
  if (epochs.length > 1)
    throw new UsageError(
      `--halving: compares trials of as many epochs, got train.epochs ${epochs.join(', ')}`,
    );
  return epochs[0]!;
}

async function trainUntil(
  execution: Execution,
  trials: readonly PlannedTrial[],
  options: SharedOptions,
): Promise<void> {
  const behind: PlannedTrial[] = [];
  for (const trial of trials) if (await isBehind(trial, options.untilEpoch)) behind.push(trial);
  if (behind.length > 0) await runShared({ ...execution, trials: behind }, options);
}

async function isBehind(trial: PlannedTrial, epoch: number | undefined): Promise<boolean> {
  if ((await trialState(trial)).state === 'done') return false;
  return (
    epoch === undefined ||
    (await evaluationsUntil(trial, epoch)).every((evaluation) => evaluation.epoch < epoch - 1)
  );
}

async function evaluationsUntil({ folder }: PlannedTrial, epoch: number) {
  const evaluations = await readEvaluations(runPaths(folder)).catch(() => []);
  return evaluations.filter((evaluation) => evaluation.epoch < epoch);
}

/** Accuracy without rounding; without choice questions, what stands for it. */
function percentOf(evaluation: EpochEvaluation): number {
  const { correct, count } = evaluation.score?.total ?? { correct: 0, count: 0 };
  return count > 0 ? (100 * correct) / count : meritOf(evaluation);
}

/** Best first. What failed is left out; equal ones are in an order drawn with the epoch as the seed. */
async function rank(
  settings: readonly PlannedTrial[][],
  epoch: number,
): Promise<{ trials: PlannedTrial[]; accuracy: number }[]> {
  const ranked: { trials: PlannedTrial[]; accuracy: number }[] = [];
  for (const trials of new Rng(`halving/${epoch}`).shuffle([...settings])) {
    const best = await Promise.all(trials.map(async (trial) => bestOf(await evaluationsUntil(trial, epoch))));
    const found = best.flatMap((evaluation) => (evaluation ? [percentOf(evaluation)] : []));
    if (found.length === 0) continue;
    ranked.push({ trials, accuracy: found.reduce((sum, value) => sum + value, 0) / found.length });
  }
  return ranked.sort((a, b) => b.accuracy - a.accuracy);
}
