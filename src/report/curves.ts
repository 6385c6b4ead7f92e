/** The curves of a report: one line a setting, the mean over its seeds with their range, from the runs' own logs. */
import { groupBy } from '../base/groups.js';
import type { Accuracy, ScoreResult } from '../evaluation/score.js';
import type { Plot, Point } from './plot.js';
import type { Run } from './runs.js';
import type { Setting } from './settings.js';

/** Metrics that have a plot of their own, or none. */
const NOT_PLOTTED = ['step', 'nonFinite', 'epoch', 'val/accuracy', 'input/samples_per_second'];

/** Plots of everything that metrics.jsonl and evaluations.json hold; those without a point are left out. */
export function plotsOf(settings: readonly Setting[]): Plot[] {
  return [...accuracyPlots(settings), ...metricPlots(settings), throughputPlot(settings)].filter((plot) =>
    plot.series.some(({ points }) => points.length > 0),
  );
}

/** Accuracy after every epoch: in total, then by question type. */
function accuracyPlots(settings: readonly Setting[]): Plot[] {
  const scores = settings.flatMap(({ runs }) =>
    runs.flatMap((run) => run.evaluations.flatMap(({ score }) => score ?? [])),
  );
  const types = [...new Set(scores.flatMap((score) => Object.keys(score.types)))];
  const plot = (title: string, of: (score: ScoreResult) => Accuracy | undefined): Plot => ({
    title,
    xLabel: 'epoch',
    yLabel: 'accuracy',
    percent: true,
    series: settings.map((setting) =>
      seriesOf(setting, ({ evaluations }) =>
        evaluations.flatMap(({ epoch, score }): XY[] => {
          const accuracy = score ? of(score) : undefined;
          return accuracy ? [[epoch + 1, accuracy.correct / accuracy.count]] : [];
        }),
      ),
    ),
  });
  return [
    plot('Validation accuracy', (score) => score.total),
    ...(types.length > 1 ? types.map((type) => plot(`Accuracy: ${type}`, (score) => score.types[type])) : []),
  ];
}

/** Losses first, then whatever else was logged, by name. */
function metricPlots(settings: readonly Setting[]): Plot[] {
  const lines = settings.flatMap(({ runs }) => runs.flatMap(({ metrics }) => metrics));
  const names = [...new Set(lines.flatMap((line) => Object.keys(line)))].filter(
    (name) => !NOT_PLOTTED.includes(name),
  );
  const losses = names.filter((name) => name.includes('loss'));
  return [...losses, ...names.filter((name) => !losses.includes(name))].map((name) => ({
    title: titleOf(name),
    xLabel: 'step',
    yLabel: name,
    series: settings.map((setting) =>
      seriesOf(setting, ({ metrics }) =>
        metrics.flatMap((line): XY[] => (name in line ? [[line.step, numberOf(line[name])]] : [])),
      ),
    ),
  }));
}

/** A value that was not finite is null in the file, and breaks the line. */
const numberOf = (value: unknown) => (typeof value === 'number' ? value : Number.NaN);

const TITLES: Record<string, string> = {
  'train/loss': 'Loss',
  'train/loss_qa': 'Answer loss',
  'train/loss_reasoning': 'Reasoning loss',
  learning_rate: 'Learning rate',
  gradient_norm: 'Gradient norm',
  'input/wait_share': 'Wait for input, share of the time',
  'input/encoder_padding': 'Padding, share of prompt tokens',
  'input/decoder_padding': 'Padding, share of target tokens',
};

const titleOf = (name: string) => TITLES[name] ?? name.replace(/^train\//, '').replaceAll('_', ' ');

function throughputPlot(settings: readonly Setting[]): Plot {
  return {
    title: 'Speed',
    xLabel: 'step',
    yLabel: 'samples/s',
    series: settings.map((setting) => seriesOf(setting, throughput)),
  };
}

/**
 * Samples a second between two lines of metrics, by the clock: updates times batch times accumulate. A line that follows an
 * evaluation is counted from the evaluation's, so what it took is left out; a pause between two calls is not.
 */
export function throughput({ config, metrics, times }: Pick<Run, 'config' | 'metrics' | 'times'>): XY[] {
  const perStep = config.train.batch * config.train.accumulate;
  if (!times) return [];
  return metrics.flatMap((line, i): XY[] => {
    const before = metrics[i - 1];
    if (!before || !('learning_rate' in line) || line.step <= before.step) return [];
    const seconds = times[i]! - times[i - 1]!;
    return seconds > 0 ? [[line.step, ((line.step - before.step) * perStep) / seconds]] : [];
  });
}

type XY = readonly [number, number];

/** Mean and range over a setting's runs at every x that any of them has. */
function seriesOf({ name, runs }: Setting, pointsOf: (run: Run) => XY[]): { name: string; points: Point[] } {
  const byX = groupBy(runs.flatMap(pointsOf), ([x]) => x);
  const points = [...byX].map(([x, members]) => {
    const values = members.map(([, y]) => y);
    return {
      x,
      mean: values.reduce((sum, value) => sum + value, 0) / values.length,
      low: Math.min(...values),
      high: Math.max(...values),
    };
  });
  return { name, points: points.sort((a, b) => a.x - b.x) };
}
