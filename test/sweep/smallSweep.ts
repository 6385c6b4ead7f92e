/** Sweeps of small trials, planned into a folder, for tests of what runs them. */

import { writeFile } from 'node:fs/promises';
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
