/** The figure of a sweep, drawn from the trials that are done. */

import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import { type Sweep, sweepPaths, type TrialState } from './folder.js';

/**
 * Draws the figure that the recipe names; figure 4 for a sweep of beta and seeds alone, whatever the recipe. Files lie in the
 * sweep's folder: `figure4.svg`, `.png`, `.csv`, `.vl.json`.
 *
 * @param say told why there is none, where one is asked for
 * @returns the path of the SVG, undefined when nothing was drawn
 */
export async function drawSweepFigure(
  sweep: Sweep,
  states: readonly TrialState[],
  say: (line: string) => void,
): Promise<string | undefined> {
  const { figure = isBetaSweep(sweep) ? 4 : undefined, protocol } = sweep.info;
  const done = states.filter(({ state }) => state === 'done');
  if (figure === undefined || done.length === 0) return undefined;
  if (protocol !== 'full') {
    say(
      `figure ${figure} is not drawn: trials were stopped early (${protocol}), so that points cannot be compared`,
    );
    return undefined;
  }
  const figures = await import('../report/figures/index.js');
  try {
    const trials = await Promise.all(done.map(({ trial }) => figures.figureTrial(trial)));
    const name = `figure${figure}`;
    const drawn = figure === 4 ? figures.figure4(trials) : figures.figure3(trials);
    await figures.writeFigure(drawn, sweepPaths(sweep.folder).folder, name);
    return join(sweep.folder, `${name}.svg`);
  } catch (error) {
    say(`figure ${figure} is not drawn: ${messageOf(error)}`);
    return undefined;
  }
}

function isBetaSweep({ info: { keys }, trials }: Sweep): boolean {
  const swept = keys.filter((key) => key !== 'train.seed');
  return swept.length === 1 && swept[0] === 'train.beta' && trials.every(({ arm }) => arm === undefined);
}
