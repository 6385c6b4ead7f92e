/** Sweeps of small trials, planned into a folder, for tests of what runs them. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../../src/config/load.js';
import { planSweep, type Sweep } from '../../src/sweep/folder.js';
import { resolveSweep } from '../../src/sweep/spec.js';
import { type World, worldConfig } from '../training/support.js';

/** A plan of one trial a beta over a world. @param settings `key=value` texts for all of them */
export async function planBetas(
  world: World,
  folder: string,
  betas: readonly number[],
  ...settings: string[]
): Promise<Sweep> {
  const recipe = join(world.folder, 'recipe.yaml');
  await writeFile(recipe, dumpConfig(await worldConfig(world, 'features.cache=false')));
  const overrides = [`train.alpha=null`, `train.beta=${betas.join(',')}`, ...settings];
  return planSweep(folder, await resolveSweep({ recipe, overrides }));
}

/** Whether a trial has saved a checkpoint. */
export async function hasCheckpoint(sweep: Sweep, trial: number): Promise<boolean> {
  const folder = join(sweep.trials[trial]!.folder, 'checkpoints');
  return (await readdir(folder).catch(() => [])).some((name) => name.startsWith('step-'));
}

/** Number of the process that trains a trial of a sweep, given by its name or its line of the plan. */
export async function processOf({ folder }: Sweep, trial: string): Promise<number | undefined> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words.includes('sweep') && words.includes(folder) && words.includes(trial)) return Number(pid);
  }
  return undefined;
}
