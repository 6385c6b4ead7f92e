/** The points of a figure: trials of one setting, which differ in their seeds, as a mean with its spread. */
import { UsageError } from '../../base/errors.js';
import { datasetRecords } from '../../data/datasets/index.js';
import { type Answers, accuracyOf } from '../answers.js';
import { type Comparison, compare, meanAndStandardError, type SeededAnswers } from '../statistics.js';

/** What a figure takes of a finished trial. */
export interface FigureTrial {
  dataset: string;
  /** Name of the settings that go together (an arm of a sweep); its trials are a line of their own. */
  arm?: string | undefined;
  beta: number;
  /** Share of the reasoning that was trained on, in [0, 1]. */
  fraction: number;
  seed: number;
  answers: Answers;
}

/** One setting of a line. Accuracies are in percent. */
export interface FigurePoint {
  dataset: string;
  line: string;
  x: number;
  runs: SeededAnswers[];
  /** In the order of the seeds. */
  accuracies: number[];
  mean: number;
  /** Over seeds; NaN for one. */
  standardError: number;
  /** With the baseline's point; undefined for the baseline itself and where there is none. */
  comparison: Comparison | undefined;
}

export interface PointRequest {
  /** What the horizontal axis is, for messages, and its value. */
  xName: string;
  xOf: (trial: FigureTrial) => number;
  /** Whether a point is what the other is compared with. */
  isBaseline: (candidate: FigurePoint, of: FigurePoint) => boolean;
}

/**
 * Gathers trials into points: datasets in the order of their records, lines in that of the trials, x and seeds ascending.
 *
 * @throws UsageError when no trial is given, or two have one place and seed
 */
export function pointsOf(trials: readonly FigureTrial[], request: PointRequest): FigurePoint[] {
  const { xName, xOf, isBaseline } = request;
  if (trials.length === 0) throw new UsageError('a figure needs at least one finished trial, got none');
  const points = new Map<string, FigurePoint>();
  for (const trial of trials) {
    const { dataset, arm = '', seed, answers } = trial;
    const x = xOf(trial);
    const key = JSON.stringify([dataset, arm, x]);
    const point = points.get(key) ?? emptyPoint(dataset, arm, x);
    if (point.runs.some((run) => run.seed === seed))
      throw new UsageError(
        `two trials of ${dataset}${arm && `, arm ${arm},`} have ${xName} ${x} and seed ${seed}; a figure shows ${xName} and seeds, name what else differs as arms`,
      );
    point.runs.push({ seed, answers });
    points.set(key, point);
  }
  const all = inOrder([...points.values()]);
  for (const point of all) summarise(point);
  for (const point of all) {
    const baseline = all.find((other) => other !== point && isBaseline(other, point));
    if (baseline) point.comparison = compare(point.runs, baseline.runs);
  }
  return all;
}

function emptyPoint(dataset: string, line: string, x: number): FigurePoint {
  const nothing = { accuracies: [], mean: Number.NaN, standardError: Number.NaN, comparison: undefined };
  return { dataset, line, x, runs: [], ...nothing };
}

function summarise(point: FigurePoint): void {
  point.runs.sort((a, b) => a.seed - b.seed);
  point.accuracies = point.runs.map(({ answers }) => 100 * accuracyOf(answers));
  Object.assign(point, meanAndStandardError(point.accuracies));
}

function inOrder(points: FigurePoint[]): FigurePoint[] {
  const known = datasetRecords().map(({ name }) => name);
  const lines = [...new Set(points.map(({ line }) => line))];
  const rank = ({ dataset, line }: FigurePoint) =>
    known.indexOf(dataset) * lines.length + lines.indexOf(line);
  return points.sort((a, b) => rank(a) - rank(b) || a.x - b.x);
}

/** Questions that every run of a point answered, or that the fewest did where some could not read all. */
export function questionsOf({ runs }: FigurePoint): number {
  return Math.min(...runs.map(({ answers }) => answers.size));
}
