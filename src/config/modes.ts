/** The values of `train.mode`: names of objectives (src/training/objectives), which register themselves. */
const modes = new Set(['mtl', 'stl']);

/** Makes a name known to recipes. */
export function registerMode(name: string): void {
  modes.add(name);
}

export const trainingModes = (): string[] => [...modes];
