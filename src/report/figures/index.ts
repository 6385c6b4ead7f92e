/** The paper's figures from finished trials. */
import type { Config } from '../../config/schema.js';
import { runPaths } from '../../training/run/folder.js';
import { readAnswers } from '../answers.js';
import { drawFigure } from './draw.js';
import type { Figure } from './figure.js';
import { FIGURE_3, FIGURE_4 } from './paper.js';
import { type FigureTrial, pointsOf } from './points.js';

export { type Figure, figureSvg, writeFigure } from './figure.js';
export type { FigureTrial } from './points.js';

/** A finished trial of a sweep: what it was configured to, and the folder of its run. */
export interface FinishedRun {
  config: Config;
  arm?: string | undefined;
  folder: string;
}

/** @throws DataError naming file:line when the folder's predictions are missing or damaged */
export async function figureTrial({ config, arm, folder }: FinishedRun): Promise<FigureTrial> {
  const { mode, beta, reasoningFraction, seed } = config.train;
  return {
    ...{ dataset: config.data.dataset, arm, seed, fraction: reasoningFraction },
    beta: mode === 'stl' ? 0 : beta,
    answers: await readAnswers(runPaths(folder).predictions),
  };
}

const SPREAD = ['Mean over seeds with its standard error;', 'small dots are single seeds.'];

/**
 * Figure 4: accuracy against beta, and differences to beta 0 that are paired over questions and seeds. What is there is
 * drawn: a beta of which some seeds are missing has a smaller `n` in the csv.
 *
 * @throws UsageError when no trial is given, or two have one beta and seed
 */
export function figure4(trials: readonly FigureTrial[]): Figure {
  return drawFigure({
    title: 'Accuracy by weight of the reasoning loss',
    subtitle: SPREAD,
    xName: 'beta',
    xTitle: 'β, weight of the reasoning loss (α = 1 − β)',
    xAxis: { tickCount: 6 },
    baseline: 'beta_0',
    unnamed: 'this sweep',
    points: pointsOf(trials, {
      xName: 'beta',
      xOf: ({ beta }) => beta,
      isBaseline: (other, { dataset, line }) =>
        other.x === 0 && other.dataset === dataset && other.line === line,
    }),
    paper: FIGURE_4,
  });
}

/** Name of the arm of Figure 3 whose reasoning was left as it came. */
const ORIGINAL = 'original';

/**
 * Figure 3: accuracy against the share of correct reasoning, a line an arm (`original`, `refined`), and differences to
 * the arm `original` at the same share.
 *
 * @throws UsageError when no trial is given, or two have one arm, share and seed
 */
export function figure3(trials: readonly FigureTrial[]): Figure {
  return drawFigure({
    title: 'Accuracy by share of correct reasoning',
    subtitle: SPREAD,
    xName: 'fraction',
    xTitle: 'Share of the correct reasoning',
    xAxis: { values: [0, 0.25, 0.5, 0.75, 1], format: '%' },
    baseline: ORIGINAL,
    unnamed: 'this sweep',
    points: pointsOf(trials, {
      xName: 'fraction',
      xOf: ({ fraction }) => fraction,
      isBaseline: (other, { dataset, line, x }) =>
        other.line === ORIGINAL && line !== ORIGINAL && other.dataset === dataset && other.x === x,
    }),
    paper: FIGURE_3,
  });
}
