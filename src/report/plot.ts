import { escapeHtml } from './escape.js';

export interface Plot {
  title: string;
  xLabel: string;
  yLabel: string;
  /** The y values are fractions, shown in percent. */
  percent?: boolean;
  series: Series[];
}

export interface Series {
  name: string;
  /** In the order of x; a point whose mean is not finite breaks the line. */
  points: readonly Point[];
}

/** A value with the range that it is the mean of. */
export interface Point {
  x: number;
  mean: number;
  low: number;
  high: number;
}

/**
 * Line plots as inline SVG. Colours are CSS variables of the page (`--s0` ...) with defaults, so that a plot follows
 * light and dark; series differ by dashes as well, for print and for eyes that do not tell the colours apart.
 */
const WIDTH = 360;
/** Of the axes alone; the legend stands above them. */
const AXES = 176;
const LEFT = 66;
const RIGHT = 18;
const BOTTOM = 44;
const LEGEND_LINE = 18;

/** Okabe and Ito's palette, in the order that keeps neighbours apart. */
export const SERIES_COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#56b4e9'];
const DASHES = ['', '7 4', '2 3', '9 3 2 3', '12 4', '4 4'];

/** Names longer than this are cut in a legend. */
const LONGEST_NAME = 40;

/** More points than this are drawn as the mean of so many stretches, with their range as a band. */
const STRETCHES = 120;

/** SVG of a plot; a plot without a finite point says so instead of axes. */
export function plotSvg(plot: Plot): string {
  const drawn = plot.series.map(reduce);
  const points = drawn.flatMap((line) => line.filter((point) => point !== undefined));
  const legend = legendRows(plot.series);
  const top = 10 + legend.length * LEGEND_LINE;
  const base = top + AXES;
  const height = base + BOTTOM;
  const label = `${plot.title}: ${plot.yLabel} over ${plot.xLabel}, ${describe(plot)}`;
  const head =
    `<svg class="plot" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(label)}" ` +
    'xmlns="http://www.w3.org/2000/svg" font-family="inherit" font-size="12">';
  if (points.length === 0) {
    return `${head}<text x="${WIDTH / 2}" y="${height / 2}" text-anchor="middle" fill="var(--muted, #666)">nothing was recorded</text></svg>`;
  }
  const x = axis(
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
    { whole: points.every(({ x }) => Number.isInteger(x)) },
  );
  const y = axis(
    points.flatMap((point) => [point.low, point.high]),
    base,
    top,
    { fraction: plot.percent ?? false },
  );
  return [
    head,
    yAxis(plot, y),
    xAxis(plot, x, base),
    ...drawn.map((line, i) => band(line, x, y, i)),
    ...drawn.map((line, i) => curve(line, x, y, i)),
    legendSvg(legend),
    '</svg>',
  ].join('\n');
}

/** A series as at most {@link STRETCHES} points; undefined breaks the line. */
function reduce(series: Series): (Point | undefined)[] {
  const { points } = series;
  const size = points.length > STRETCHES * 2 ? Math.ceil(points.length / STRETCHES) : 1;
  const reduced: (Point | undefined)[] = [];
  for (let at = 0; at < points.length; at += size) {
    const stretch = points.slice(at, at + size).filter(isFinitePoint);
    if (stretch.length === 0) {
      reduced.push(undefined);
      continue;
    }
    const meanOf = (of: (point: Point) => number) =>
      stretch.reduce((sum, point) => sum + of(point), 0) / stretch.length;
    reduced.push({
      x: meanOf(({ x }) => x),
      mean: meanOf(({ mean }) => mean),
      low: Math.min(...stretch.map(({ low }) => low)),
      high: Math.max(...stretch.map(({ high }) => high)),
    });
  }
  return reduced;
}

const isFinitePoint = ({ x, mean, low, high }: Point) => [x, mean, low, high].every(Number.isFinite);

interface Axis {
  at(value: number): number;
  ticks: number[];
  step: number;
}

/** What the values of an axis are: fractions end at 0 and 1, whole numbers have no ticks between them. */
interface AxisKind {
  fraction?: boolean;
  whole?: boolean;
}

/** A linear axis from `from` to `to` (pixels) that holds all values and ends on round ones. */
function axis(values: number[], from: number, to: number, { fraction, whole }: AxisKind): Axis {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (low > 0 && low < 0.35 * high) low = 0;
  if (low === high) {
    const room = Math.abs(low) > 0 ? Math.abs(low) * 0.5 : 0.5;
    low -= room;
    high += room;
  }
  const step = whole ? Math.max(1, Math.ceil(niceStep((high - low) / 5))) : niceStep((high - low) / 5);
  let first = Math.floor(low / step + 1e-9);
  let last = Math.ceil(high / step - 1e-9);
  if (fraction) {
    first = Math.max(first, 0);
    last = Math.min(last, Math.round(1 / step));
  }
  const start = first * step;
  const scale = (to - from) / ((last - first) * step);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { at: (value) => from + (value - start) * scale, ticks, step };
}

/** The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `least`. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** A tick's label with the digits its step needs. */
export function tickLabel(value: number, step: number, percent = false): string {
  const scaled = percent ? value * 100 : value;
  const size = percent ? step * 100 : step;
  if (Math.abs(scaled) >= 1e6 || (scaled !== 0 && size < 1e-4))
    return scaled.toExponential(1).replace('e+', 'e');
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(size) + 1e-9)));
  const exact = Number.isInteger(Math.round(size * 10 ** digits * 1e6) / 1e6) ? digits : digits + 1;
  const shown = scaled.toFixed(exact).replace(/^-(0(?:\.0*)?)$/, '$1');
  if (percent) return `${shown} %`;
  return Number(shown) >= 10_000 ? `${Number(shown) / 1000}k` : shown;
}

const px = (value: number) => value.toFixed(1).replace(/\.0$/, '');

function yAxis(plot: Plot, y: Axis): string {
  const rows = y.ticks.map((tick) => {
    const at = px(y.at(tick));
    return (
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="var(--grid, #e3e6ea)"/>` +
      `<text x="${LEFT - 7}" y="${at}" dy="0.33em" text-anchor="end" fill="var(--muted, #5b6470)">${tickLabel(tick, y.step, plot.percent)}</text>`
    );
  });
  const middle = px((y.at(y.ticks[0] as number) + y.at(y.ticks.at(-1) as number)) / 2);
  return `${rows.join('')}<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle" fill="var(--muted, #5b6470)">${escapeHtml(plot.yLabel)}</text>`;
}

function xAxis(plot: Plot, x: Axis, base: number): string {
  const marks = x.ticks.map((tick) => {
    const at = px(x.at(tick));
    return (
      `<line x1="${at}" x2="${at}" y1="${base}" y2="${base + 4}" stroke="var(--muted, #5b6470)"/>` +
      `<text x="${at}" y="${base + 17}" text-anchor="middle" fill="var(--muted, #5b6470)">${tickLabel(tick, x.step)}</text>`
    );
  });
  return (
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${base}" y2="${base}" stroke="var(--muted, #5b6470)"/>${marks.join('')}` +
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${base + BOTTOM - 8}" text-anchor="middle" fill="var(--muted, #5b6470)">${escapeHtml(plot.xLabel)}</text>`
  );
}

function stretches(line: (Point | undefined)[]): Point[][] {
  const runs: Point[][] = [[]];
  for (const point of line) {
    if (point) (runs.at(-1) as Point[]).push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

function band(line: (Point | undefined)[], x: Axis, y: Axis, series: number): string {
  return stretches(line)
    .filter((run) => run.some((point) => point.high > point.low))
    .map((run) => {
      const upper = run.map((point) => `${px(x.at(point.x))} ${px(y.at(point.high))}`);
      const lower = run.map((point) => `${px(x.at(point.x))} ${px(y.at(point.low))}`).reverse();
      return `<path d="M${[...upper, ...lower].join('L')}Z" fill="${colour(series)}" opacity="0.14"/>`;
    })
    .join('');
}

function curve(line: (Point | undefined)[], x: Axis, y: Axis, series: number): string {
  const runs = stretches(line);
  const paths = runs.map((run) => {
    const path = run.map((point) => `${px(x.at(point.x))} ${px(y.at(point.mean))}`).join('L');
    return `<path d="M${path}" fill="none" stroke="${colour(series)}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"${dash(series)}/>`;
  });
  // Few points are evaluations, which deserve to be seen one by one; a single point has no line at all.
  const points = runs.flat();
  const dots =
    points.length <= 25
      ? points.map(
          (point) =>
            `<circle cx="${px(x.at(point.x))}" cy="${px(y.at(point.mean))}" r="3" fill="${colour(series)}"/>`,
        )
      : [];
  return [...paths, ...dots].join('');
}

function colour(series: number): string {
  const at = series % SERIES_COLOURS.length;
  return `var(--s${at}, ${SERIES_COLOURS[at]})`;
}

function dash(series: number): string {
  // Past six series a colour comes again with another dash.
  const pattern = DASHES[(series + Math.floor(series / SERIES_COLOURS.length)) % DASHES.length];
  return pattern ? ` stroke-dasharray="${pattern}"` : '';
}

interface LegendItem {
  name: string;
  series: number;
  x: number;
}

/** Legend entries in as many rows as they need; 6.6 px a character is the width of common fonts at 12 px. */
function legendRows(series: Series[]): LegendItem[][] {
  const rows: LegendItem[][] = [];
  let x = Number.POSITIVE_INFINITY;
  series.forEach((item, i) => {
    const name = item.name.length > LONGEST_NAME ? `${item.name.slice(0, LONGEST_NAME - 1)}…` : item.name;
    const width = 44 + name.length * 6.6;
    if (x + width > WIDTH - RIGHT) {
      rows.push([]);
      x = LEFT;
    }
    (rows.at(-1) as LegendItem[]).push({ name, series: i, x });
    x += width;
  });
  return rows;
}

function legendSvg(rows: LegendItem[][]): string {
  return rows
    .flatMap((row, line) =>
      row.map(({ name, series, x }) => {
        const y = 10 + line * LEGEND_LINE;
        return (
          `<line x1="${px(x)}" x2="${px(x + 26)}" y1="${y}" y2="${y}" stroke="${colour(series)}" stroke-width="2.5"${dash(series)}/>` +
          `<text x="${px(x + 32)}" y="${y}" dy="0.33em" fill="var(--text, #1b1f24)">${escapeHtml(name)}</text>`
        );
      }),
    )
    .join('');
}

/** What a reader who cannot see the curves is told: where each begins and ends. */
function describe(plot: Plot): string {
  return plot.series
    .map(({ name, points }) => {
      const finite = points.filter(isFinitePoint);
      const show = (y: number) =>
        plot.percent ? `${(y * 100).toFixed(1)} %` : Number(y.toPrecision(3)).toString();
      const first = finite[0];
      const last = finite.at(-1);
      return first && last
        ? `${name} from ${show(first.mean)} to ${show(last.mean)}`
        : `${name} without values`;
    })
    .join('; ');
}
