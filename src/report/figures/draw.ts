/** Accuracy over a setting as a vega-lite specification: a panel a dataset, a colour a line, the paper's points in grey. */
import type { TopLevelSpec } from 'vega-lite';
import { datasetOf } from '../../data/datasets/index.js';
import { SERIES_COLOURS } from '../plot.js';
import type { Figure } from './figure.js';
import type { PaperPoint } from './paper.js';
import { type FigurePoint, questionsOf } from './points.js';

export interface Drawing {
  title: string;
  /** Its lines. */
  subtitle: string[];
  /** Name of the csv's column, the axis's title and what else vega-lite is told of it. */
  xName: string;
  xTitle: string;
  xAxis: { tickCount: number } | { values: number[]; format: string };
  /** What differences are to, as the csv's columns name it. */
  baseline: string;
  /** Legend of a line that has no name. */
  unnamed: string;
  points: readonly FigurePoint[];
  paper: readonly PaperPoint[];
}

const PAPER = 'the paper';
/** Grey that is 4.5 : 1 against white. */
const GREY = '#6b6b6b';
const SHAPES = ['circle', 'square', 'triangle-up', 'cross', 'triangle-down', 'stroke'];

export function drawFigure(drawing: Drawing): Figure {
  return { title: drawing.title, spec: specOf(drawing), rows: rowsOf(drawing) };
}

function specOf(drawing: Drawing): TopLevelSpec {
  const { title, subtitle, points } = drawing;
  const datasets = [...new Set(points.map(({ dataset }) => dataset))];
  const paper = drawing.paper.filter(({ dataset }) => datasets.includes(dataset));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, subtitle, anchor: 'start', fontSize: 14, subtitleFontSize: 12, offset: 12 },
    description: `${title}. ${subtitle.join(' ')}`,
    background: 'white',
    padding: 12,
    config: {
      font: 'sans-serif',
      axis: { labelFontSize: 12, titleFontSize: 13, gridColor: '#e4e4e4', domainColor: '#444' },
      legend: {
        labelFontSize: 12,
        labelLimit: 260,
        orient: 'bottom',
        direction: 'horizontal',
        symbolSize: 90,
      },
      view: { stroke: null },
    },
    datasets: {
      means: points.map(({ dataset, line, x, mean, standardError }) => ({
        ...{ dataset, series: seriesOf(drawing, line), x, accuracy: rounded(mean) },
        ...(Number.isNaN(standardError)
          ? {}
          : { low: rounded(mean - standardError), high: rounded(mean + standardError) }),
      })),
      seeds: points.flatMap(({ dataset, line, x, accuracies, runs }) =>
        accuracies.map((accuracy, i) => ({
          ...{ dataset, series: seriesOf(drawing, line), x, accuracy: rounded(accuracy) },
          seed: runs[i]!.seed,
        })),
      ),
      paper: paper.map(({ dataset, line, x, accuracy }) => ({
        ...{ dataset, series: paperSeries(line), x, accuracy },
      })),
    },
    hconcat: datasets.map((dataset) => panel(drawing, dataset, paper)),
  } as TopLevelSpec;
}

const seriesOf = ({ unnamed }: Drawing, line: string) => line || unnamed;
const paperSeries = (line: string | undefined) => (line ? `${PAPER}: ${line}` : PAPER);

/** Scales of colour and mark that every layer has, and so one legend. */
function seriesScale({ points, unnamed }: Drawing, paper: readonly PaperPoint[]) {
  const lines = [...new Set(points.map(({ line }) => line || unnamed))];
  const printed = [...new Set(paper.map(({ line }) => paperSeries(line)))];
  const at = (list: readonly string[], i: number) => list[i % list.length]!;
  const domain = [...lines, ...printed];
  const colours = [...lines.map((_, i) => at(SERIES_COLOURS, i)), ...printed.map(() => GREY)];
  const shapes = [
    ...lines.map((_, i) => at(SHAPES, i)),
    ...printed.map((_, i) => (i === 0 ? 'diamond' : 'triangle-right')),
  ];
  return {
    color: {
      field: 'series',
      type: 'nominal',
      scale: { domain, range: colours },
      legend: { title: null, columns: 1 },
    },
    shape: { field: 'series', type: 'nominal', scale: { domain, range: shapes } },
  };
}

function panel(drawing: Drawing, dataset: string, paper: readonly PaperPoint[]) {
  const { xTitle, xAxis } = drawing;
  const { color, shape } = seriesScale(drawing, paper);
  const of = (name: string) => ({
    data: { name },
    transform: [{ filter: { field: 'dataset', equal: dataset } }],
  });
  const x = {
    field: 'x',
    type: 'quantitative',
    title: xTitle,
    scale: { domain: [0, 1], nice: false, padding: 8 },
    axis: xAxis,
  };
  const y = { field: 'accuracy', type: 'quantitative', title: 'Accuracy (%)', scale: { zero: false } };
  return {
    title: { text: datasetOf(dataset).title, fontSize: 13 },
    width: 380,
    height: 270,
    layer: [
      {
        ...of('paper'),
        mark: { type: 'line', strokeDash: [5, 4], strokeWidth: 1.2 },
        encoding: { x, y, color },
      },
      {
        ...of('paper'),
        mark: { type: 'point', filled: true, size: 80, opacity: 1 },
        encoding: { x, y, color, shape },
      },
      { ...of('means'), mark: { type: 'line', strokeWidth: 2 }, encoding: { x, y, color } },
      {
        ...of('means'),
        mark: { type: 'errorbar', ticks: { size: 8 }, thickness: 1.5 },
        encoding: {
          x,
          y: { ...y, field: 'low' },
          y2: { field: 'high' },
          color,
        },
      },
      {
        ...of('seeds'),
        mark: { type: 'circle', size: 26, opacity: 0.55 },
        encoding: { x, y, color },
      },
      {
        ...of('means'),
        mark: { type: 'point', filled: true, size: 75, opacity: 1 },
        encoding: { x, y, color, shape },
      },
    ],
  };
}

/** One row a mean, a seed and a point of the paper. */
function rowsOf({ xName, baseline, points, paper }: Drawing): string[][] {
  const header = [
    ...['dataset', 'line', xName, 'kind', 'seed', 'n', 'questions', 'accuracy', 'standard_error'],
    ...[`difference_to_${baseline}`, 'difference_low', 'difference_high', 'difference_standard_error'],
    ...['paired_seeds', 'seed_standard_error', 'mcnemar_p', 'inside_noise'],
  ];
  const ours = points.flatMap((point) => [
    meanRow(point),
    ...point.runs.map(({ seed, answers }, i) => [
      ...[point.dataset, point.line, number(point.x), 'seed', String(seed), '1', String(answers.size)],
      number(point.accuracies[i]),
    ]),
  ]);
  const datasets = new Set(points.map(({ dataset }) => dataset));
  const printed = paper
    .filter(({ dataset }) => datasets.has(dataset))
    .map(({ dataset, line = '', x, accuracy }) => [
      ...[dataset, line, number(x), 'paper', '', '', '', number(accuracy)],
    ]);
  const full = (row: string[]) => [...row, ...Array<string>(header.length - row.length).fill('')];
  return [header, ...ours.map(full), ...printed.map(full)];
}

function meanRow(point: FigurePoint): string[] {
  const { dataset, line, x, runs, mean, standardError, comparison: c } = point;
  return [
    ...[dataset, line, number(x), 'mean', '', String(runs.length), String(questionsOf(point))],
    ...[number(mean), number(standardError)],
    ...(c ? [c.difference, c.low, c.high, c.standardError].map((value) => number(100 * value)) : []),
    ...(c ? [String(c.seeds.length), number(100 * c.seedStandardError), number(c.mcnemar)] : []),
    ...(c ? [String(c.insideNoise)] : []),
  ];
}

/** Four decimals of a percentage are more than any split has. */
const rounded = (value: number) => Number(value.toFixed(4));
const number = (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? '' : String(rounded(value));
