/** The objectives by `train.mode`: one line each. */
import { registerMode } from '../../config/modes.js';
import type { Objective, ObjectiveSettings } from './objective.js';
import { rl } from './rl/rl.js';
import { mtl, stl } from './supervised.js';

type MakeObjective = (settings: ObjectiveSettings) => Objective;

const objectives = new Map<string, MakeObjective>();

/** Makes an objective known under a value of `train.mode`. */
export function registerObjective(mode: string, make: MakeObjective): void {
  objectives.set(mode, make);
  registerMode(mode);
}

registerObjective('mtl', mtl);
registerObjective('stl', stl);
registerObjective('rl', rl);

/** The objective of a recipe, whose mode the schema has checked. */
export function objectiveOf(settings: ObjectiveSettings): Objective {
  const { mode } = settings.config.train;
  const make = objectives.get(mode);
  if (!make) throw new Error(`train.mode ${mode}: no such objective`);
  return make(settings);
}
