import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { resolveConfig } from '../../../src/config/load.js';
import type { Answers } from '../../../src/report/answers.js';
import {
  type Figure,
  type FigureTrial,
  figure3,
  figure4,
  figureSvg,
  figureTrial,
  writeFigure,
} from '../../../src/report/figures/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'figures-'));
});
afterAll(() => rm(folder, { recursive: true }));

function answers(label: string, share: number, count = 200): Answers {
  const rng = new Rng(label);
  return new Map(
    Array.from({ length: count }, (_, i) => [`q${i}`, { right: rng.float() < share, type: 'CW' }]),
  );
}

function trial(given: Partial<FigureTrial>): FigureTrial {
  const all = { dataset: 'shapes', beta: 0, fraction: 1, seed: 1, ...given };
  const { dataset, arm, beta, fraction, seed } = all;
  const label = [dataset, arm, beta, fraction, seed].join('/');
  return { answers: answers(label, 0.5 + beta / 5), ...all };
}

const sweep = (dataset = 'shapes') =>
  [0, 0.5, 0.8].flatMap((beta) => [1, 2, 3].map((seed) => trial({ dataset, beta, seed })));

const rowsOf = ({ rows: [header, ...rows] }: Figure) =>
  rows.map((row) => Object.fromEntries(header!.map((name, i) => [name, row[i]])));

describe('figure 4', () => {
  it('has a mean with its error, every seed and the paired difference to beta 0', () => {
    const trials = sweep();
    const rows = rowsOf(figure4(trials));
    const means = rows.filter(({ kind }) => kind === 'mean');
    expect(means.map(({ beta, n, questions }) => [beta, n, questions])).toEqual(
      ['0', '0.5', '0.8'].map((beta) => [beta, '3', '200']),
    );
    const seeds = rows.filter(({ kind }) => kind === 'seed');
    expect(seeds).toHaveLength(9);
    for (const mean of means) {
      const of = seeds.filter(({ beta }) => beta === mean.beta).map(({ accuracy }) => Number(accuracy));
      const average = of.reduce((sum, value) => sum + value) / 3;
      expect(Number(mean.accuracy)).toBeCloseTo(average, 3);
      const variance = of.reduce((sum, value) => sum + (value - average) ** 2, 0) / 2;
      expect(Number(mean.standard_error)).toBeCloseTo(Math.sqrt(variance / 3), 3);
    }
    const [zero, half, best] = means;
    expect(zero!.difference_to_beta_0).toBe('');
    expect(Number(half!.difference_to_beta_0)).toBeCloseTo(
      Number(half!.accuracy) - Number(zero!.accuracy),
      3,
    );
    expect(best!.inside_noise).toBe('false');
    expect(Number(best!.difference_low)).toBeGreaterThan(0);
  });

  it('shows the points that the paper prints, and none where it has none', () => {
    const paper = (dataset: string) =>
      rowsOf(figure4(sweep(dataset)))
        .filter(({ kind }) => kind === 'paper')
        .map(({ beta, accuracy }) => [Number(beta), Number(accuracy)]);
    expect(paper('nextqa')).toEqual([
      [0, 75.4],
      [0.5, 76.8],
      [0.8, 77],
      [0.9, 75.9],
    ]);
    expect(paper('star')).toEqual([
      [0, 71],
      [0.5, 73.2],
      [0.8, 74.5],
    ]);
    expect(paper('shapes')).toEqual([]);
    expect(paper('intentqa')).toEqual([]);
  });

  it('draws half a sweep from what is done and says how many there are', async () => {
    const some = sweep().filter(({ beta, seed }) => beta !== 0.5 || seed === 2);
    const rows = rowsOf(figure4(some.filter(({ beta }) => beta > 0)));
    expect(rows.filter(({ kind }) => kind === 'mean').map(({ n }) => n)).toEqual(['1', '3']);
    expect(rows.every((row) => row.difference_to_beta_0 === '')).toBe(true);
    const half = rowsOf(figure4(some)).find(({ beta, kind }) => beta === '0.5' && kind === 'mean')!;
    expect([half.n, half.paired_seeds, half.standard_error]).toEqual(['1', '1', '']);
    expect(Number(half.mcnemar_p)).toBeGreaterThan(0);
    expect(await figureSvg(figure4(some))).toContain('the shapes world');
  });

  it('gives a panel to each dataset and a line to each arm, in their order', async () => {
    const both = [...sweep('star'), ...sweep('nextqa')];
    const svg = await figureSvg(figure4(both));
    expect(svg.indexOf('>NExT-QA<')).toBeGreaterThan(0);
    expect(svg.indexOf('>STAR<')).toBeGreaterThan(svg.indexOf('>NExT-QA<'));
    const arms = ['wide', 'narrow'].flatMap((arm) => sweep().map((one) => trial({ ...one, arm })));
    expect([...new Set(rowsOf(figure4(arms)).map(({ line }) => line))]).toEqual(['wide', 'narrow']);
    const named = await figureSvg(figure4(arms));
    for (const name of ['wide', 'narrow']) expect(named).toContain(`>${name}<`);
  });

  it('refuses no trials, and two of one place and seed', () => {
    expect(() => figure4([])).toThrow('at least one finished trial');
    expect(() => figure4([trial({ beta: 0.5 }), trial({ beta: 0.5 })])).toThrow(
      'two trials of shapes have beta 0.5 and seed 1',
    );
  });
});

describe('figure 3', () => {
  const trials = ['refined', 'original'].flatMap((arm) =>
    [0.25, 0.5, 0.75, 1].flatMap((fraction) =>
      [1, 2].map((seed) => trial({ dataset: 'nextqa', arm, fraction, beta: 0.5, seed })),
    ),
  );

  it('compares refined with original reasoning at the same share', () => {
    const means = rowsOf(figure3(trials)).filter(({ kind }) => kind === 'mean');
    expect(means).toHaveLength(8);
    for (const { line, fraction, accuracy, difference_to_original } of means) {
      const other = means.find((row) => row.line === 'original' && row.fraction === fraction)!;
      if (line === 'original') expect(difference_to_original).toBe('');
      else expect(Number(difference_to_original)).toBeCloseTo(Number(accuracy) - Number(other.accuracy), 3);
    }
  });

  it('shows what the paper prints of each line', async () => {
    const figure = figure3(trials);
    const paper = rowsOf(figure).filter(({ kind }) => kind === 'paper');
    expect(paper.map(({ line, fraction, accuracy }) => [line, fraction, accuracy])).toEqual([
      ['original', '0.25', '75.3'],
      ['original', '1', '76.2'],
      ['refined', '1', '76.8'],
    ]);
    expect(await figureSvg(figure)).toContain('>the paper: refined<');
  });
});

describe('the files of a figure', () => {
  it('hold the same bytes however often they are made, and in whatever order trials come', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    const warn = vi.spyOn(console, 'warn');
    const paths = await writeFigure(figure4(sweep()), one, 'figure4');
    await writeFigure(figure4(sweep().reverse()), two, 'figure4');
    for (const path of paths) {
      const a = await readFile(path);
      const b = await readFile(path.replace(one, two));
      expect(a.equals(b), path).toBe(true);
    }
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
    expect(paths.map((path) => path.slice(one.length + 1))).toEqual([
      'figure4.vl.json',
      'figure4.svg',
      'figure4.png',
      'figure4.csv',
    ]);
    const svg = await readFile(join(one, 'figure4.svg'), 'utf8');
    expect(svg).toContain('β, weight of the reasoning loss');
    expect(svg).toContain('Accuracy (%)');
    // Nothing but the names of its own forms is an address.
    expect(svg.match(/https?:[^"]*/g)!.filter((url) => !url.includes('www.w3.org'))).toEqual([]);
    const { width, height } = await sharp(join(one, 'figure4.png')).metadata();
    expect(Math.min(width, height)).toBeGreaterThan(500);
    expect(parse(await readFile(join(one, 'figure4.csv')), { columns: true })).toHaveLength(12);
    const spec = JSON.parse(await readFile(join(one, 'figure4.vl.json'), 'utf8'));
    expect(spec.$schema).toContain('vega-lite/v6');
  });

  it('are refused in a folder that cannot be made', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await expect(writeFigure(figure4(sweep()), file, 'figure4')).rejects.toThrow(`${file}: cannot be made`);
  });
});

describe('a finished run', () => {
  const line = (id: string, prediction: number) => JSON.stringify({ id, type: 'CW', prediction, answer: 1 });
  const configOf = async (...overrides: string[]) =>
    (await resolveConfig({ overrides: ['data.dataset=shapes', 'data.videos=videos', ...overrides] })).config;

  it('is a trial of a figure', async () => {
    await writeFile(join(folder, 'predictions.jsonl'), `${line('a', 1)}\n${line('b', 0)}\n`);
    const config = await configOf('train.beta=0.2', 'train.seed=7', 'train.reasoningFraction=0.5');
    expect(await figureTrial({ config, arm: 'refined', folder })).toMatchObject({
      ...{ dataset: 'shapes', arm: 'refined', beta: 0.2, fraction: 0.5, seed: 7 },
      answers: new Map([
        ['a', { right: true, type: 'CW' }],
        ['b', { right: false, type: 'CW' }],
      ]),
    });
    expect(await figureTrial({ config: await configOf('train.mode=stl'), folder })).toMatchObject({
      beta: 0,
    });
  });

  it('whose predictions are damaged is named with the line', async () => {
    await writeFile(join(folder, 'predictions.jsonl'), `${line('a', 1)}\n${line('b', 0).slice(0, 9)}`);
    const config = await configOf();
    await expect(figureTrial({ config, folder })).rejects.toThrow(/predictions\.jsonl:2: json/);
  });
});
