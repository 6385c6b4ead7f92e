import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { niceStep, type Plot, plotSvg, tickLabel } from '../../src/report/plot.js';
import { parseHtml } from './htmlReader.js';

const plot = (...points: [number, number][][]): Plot => ({
  title: 'Loss',
  xLabel: 'step',
  yLabel: 'loss',
  series: points.map((list, i) => ({
    name: `run ${i}`,
    points: list.map(([x, y]) => ({ x, mean: y, low: y, high: y })),
  })),
});

/** Points of every drawn line. */
function lines(svg: string): [number, number][][] {
  return [...svg.matchAll(/<path d="M([^"Z]+)" fill="none"/g)].map((match) =>
    (match[1] as string).split('L').map((pair) => pair.split(' ').map(Number) as [number, number]),
  );
}

const heightOf = (svg: string) => Number(/viewBox="0 0 360 (\d+)"/.exec(svg)![1]);

it('keeps every drawn point inside the axes, for any data', () => {
  const rng = new Rng('plots');
  for (let i = 0; i < 300; i++) {
    const scale = 10 ** (rng.int(13) - 6);
    const make = () =>
      Array.from({ length: rng.int(700) }, (_, x): [number, number] => [
        x * 10 ** (i % 4),
        rng.pick([rng.normal() * scale, rng.normal() * scale, 0, Number.NaN, Number.POSITIVE_INFINITY]),
      ]);
    const svg = plotSvg({ ...plot(make(), make()), percent: false });
    parseHtml(svg);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    for (const [x, y] of lines(svg).flat()) {
      expect(x).toBeGreaterThanOrEqual(66);
      expect(x).toBeLessThanOrEqual(342);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(y).toBeLessThanOrEqual(heightOf(svg) - 44);
    }
  }
});

it('draws larger values higher and later ones further right', () => {
  const [line] = lines(
    plotSvg(
      plot([
        [0, 1],
        [10, 2],
        [20, 4],
      ]),
    ),
  );
  const [a, b, c] = line as [number, number][];
  expect(a![0]).toBeLessThan(b![0]);
  expect(b![0]).toBeLessThan(c![0]);
  expect(a![1]).toBeGreaterThan(b![1]);
  expect((a![1] - b![1]) * 2).toBeCloseTo(b![1] - c![1], 0);
});

it('breaks the line where a value is not finite', () => {
  const svg = plotSvg(
    plot([
      [0, 1],
      [1, 2],
      [2, Number.NaN],
      [3, 1],
      [4, 2],
    ]),
  );
  expect(lines(svg).map((line) => line.length)).toEqual([2, 2]);
});

it('draws long series as means with their range', () => {
  const long = Array.from({ length: 10_000 }, (_, x): [number, number] => [x, x % 2]);
  const svg = plotSvg(plot(long));
  expect(lines(svg)[0]?.length).toBeLessThanOrEqual(120);
  expect(svg).toContain('opacity="0.14"');
  expect(svg.length).toBeLessThan(20_000);
  expect(plotSvg(plot(long.slice(0, 200)))).not.toContain('opacity="0.14"');
});

it('says when there is nothing, and copes with one point and with equal ones', () => {
  expect(plotSvg(plot([]))).toContain('nothing was recorded');
  expect(plotSvg(plot([[0, Number.NaN]]))).toContain('nothing was recorded');
  for (const data of [
    [[5, 0]],
    [[5, 3]],
    [
      [0, 2],
      [1, 2],
    ],
  ] as [number, number][][]) {
    expect(plotSvg(plot(data))).toContain('<circle');
    expect(plotSvg(plot(data))).not.toMatch(/NaN|Infinity/);
  }
});

it('shows fractions in percent, between 0 and 100', () => {
  const svg = plotSvg({
    ...plot([
      [0, 0.97],
      [1, 1],
    ]),
    percent: true,
  });
  expect(svg).toContain('>100 %</text>');
  expect(svg).not.toMatch(/>1(0[1-9]|1\d) %/);
});

it('tells in words what the curves do', () => {
  const label = parseHtml(
    plotSvg(
      plot([
        [0, 2.5],
        [9, 0.5],
      ]),
    ),
  ).elements[0]?.attributes['aria-label'];
  expect(label).toBe('Loss: loss over step, run 0 from 2.5 to 0.5');
});

it.each([
  [0.7, 1],
  [1, 1],
  [1.1, 2],
  [2.1, 2.5],
  [3, 5],
  [6, 10],
  [0.0031, 0.005],
  [23, 25],
])('a step of at least %d is %d', (least, step) => {
  expect(niceStep(least)).toBeCloseTo(step, 12);
});

it.each<[number, number, boolean, string]>([
  [0.30000000000000004, 0.1, false, '0.3'],
  [2.5, 2.5, false, '2.5'],
  [0.25, 0.25, false, '0.25'],
  [0.5, 0.25, false, '0.50'],
  [-0.0000001, 0.5, false, '0.0'],
  [200, 100, false, '200'],
  [20000, 10000, false, '20k'],
  [2e7, 1e7, false, '2.0e7'],
  [0.45, 0.05, true, '45 %'],
  [0.125, 0.025, true, '12.5 %'],
  [0.00002, 0.00001, false, '2.0e-5'],
])('tick %d in steps of %d is %s', (value, step, percent, label) => {
  expect(tickLabel(value, step, percent)).toBe(label);
});

it('draws the range of several seeds as a band, and keeps the axes at full height under any legend', () => {
  const points = [0, 1, 2].map((x) => ({ x, mean: 2, low: 1, high: 3 }));
  const series = Array.from({ length: 18 }, (_, i) => ({ name: `a setting with a long name, ${i}`, points }));
  const one = plotSvg({ ...plot(), series: series.slice(0, 1) });
  const many = plotSvg({ ...plot(), series });
  expect(one).toContain('opacity="0.14"');
  const tall = (svg: string) =>
    Math.max(
      ...lines(svg)
        .flat()
        .map(([, y]) => y),
    );
  expect(heightOf(many) - tall(many)).toBe(heightOf(one) - tall(one));
  const looks = [
    ...many.matchAll(/stroke="(var[^"]+)" stroke-width="2"[^>]*?(?:stroke-dasharray="([^"]+)")?\/>/g),
  ];
  expect(new Set(looks.map(([, colour, dash]) => `${colour} ${dash}`)).size).toBe(18);
});

it('has no ticks between whole numbers of epochs', () => {
  const svg = plotSvg(
    plot([
      [1, 0.2],
      [2, 0.4],
    ]),
  );
  expect(svg).toContain('>1</text>');
  expect(svg).not.toContain('>1.5</text>');
});
