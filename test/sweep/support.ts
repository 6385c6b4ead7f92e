import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../../src/config/load.js';
import type { Execution } from '../../src/sweep/executor.js';
import { type PlannedTrial, planSweep, type Sweep, type SweepInfo } from '../../src/sweep/folder.js';
import { runShared, type SharedOptions } from '../../src/sweep/shared.js';
import { resolveSweep, type SweepSpec } from '../../src/sweep/spec.js';
import { type World, worldConfig } from '../training/support.js';

let count = 0;

/** A sweep over the tiny world; `sets` as on the command line. */
export async function specOf(world: World, sets: readonly string[]): Promise<SweepSpec> {
  const recipe = join(world.folder, `recipe-${count++}.yaml`);
  await writeFile(recipe, dumpConfig(await worldConfig(world)));
  return resolveSweep({ recipe, overrides: ['train.alpha=null', ...sets] });
}

/** A new sweep folder, with no other beside it: equal trials of sweeps beside each other are trained once. */
export const newSweepFolder = (world: World): string => join(world.folder, `sweeps-${count++}`, 'sweep');

export async function makeSweep(
  world: World,
  sets: readonly string[],
  protocol: SweepInfo['protocol'] = 'full',
): Promise<Sweep> {
  return planSweep(newSweepFolder(world), await specOf(world, sets), protocol);
}

/** What an executor is given, and the lines that it says. */
export function executionOf(
  sweep: Sweep,
  {
    signal = new AbortController().signal,
    trials = sweep.trials,
  }: { signal?: AbortSignal; trials?: PlannedTrial[] } = {},
): { execution: Execution; said: string[] } {
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  return { execution: { sweep, trials, signal, engine: { engine: 'auto' }, say }, said };
}

/** Runs a sweep's trials in this process. @returns the lines that it says */
export async function run(
  sweep: Sweep,
  { signal, trials, ...options }: SharedOptions & { signal?: AbortSignal; trials?: PlannedTrial[] } = {},
): Promise<string[]> {
  const { execution, said } = executionOf(sweep, { ...(signal && { signal }), ...(trials && { trials }) });
  await runShared(execution, options);
  return said;
}
