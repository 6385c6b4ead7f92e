import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config/load.js';
import { datasetRecords } from '../../src/data/datasets/index.js';
import { PAPER_TABLES } from '../../src/tables/paper.js';
import { planTable } from '../../src/tables/run.js';
import { columnsOf, TABLE_DATASETS, type TableDataset } from '../../src/tables/table.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

const bench = fileURLToPath(new URL('../../bench', import.meta.url));

describe('the tables', () => {
  it('have a number of the paper for every column, or none', () => {
    for (const table of PAPER_TABLES)
      for (const dataset of TABLE_DATASETS)
        for (const { name, paper } of table.rows)
          if (paper[dataset])
            expect(paper[dataset].length, `table ${table.number}, ${name}`).toBe(
              columnsOf(table, dataset).length,
            );
  });

  it('have columns of types that the data sets know', () => {
    for (const table of PAPER_TABLES)
      for (const dataset of TABLE_DATASETS) {
        const { types } = datasetRecords().find(({ name }) => name === dataset)!;
        for (const column of columnsOf(table, dataset))
          for (const type of column.types ?? []) expect(types).toContain(type);
      }
    const [, causal] = columnsOf(PAPER_TABLES[0]!, 'nextqa');
    expect(causal).toEqual({ label: 'Cau.', types: new Set(['CW', 'CH']) });
    // NExT-QA's own script counts TP as TN.
    expect(columnsOf(PAPER_TABLES[0]!, 'nextqa')[0]!.types).toEqual(new Set(['TN', 'TC', 'TP']));
  });

  it('name each arm once, and baselines that are among them', () => {
    for (const { number, rows, baseline } of PAPER_TABLES) {
      const arms = rows.flatMap(({ arm }) => arm?.name ?? []);
      expect(new Set(arms).size).toBe(arms.length);
      for (const name of [baseline, ...rows.map((row) => row.baseline)])
        if (name !== undefined) expect(arms, `table ${number}`).toContain(name);
    }
  });

  const recipeOf = (dataset: TableDataset, arm: string) => {
    if (dataset === 'star' || !arm.startsWith('smaller-refined'))
      return arm === 'reasvqa' && dataset === 'shapes' ? 'base' : arm;
    return arm.replace('smaller-refined', 'internvl-4b');
  };
  it.each(TABLE_DATASETS)('train what the recipes of %s train', async (dataset) => {
    const compared: string[] = [];
    for (const { number } of PAPER_TABLES.filter(({ subset }) => !subset || dataset === 'nextqa')) {
      const { spec } = await planTable({
        ...{ number: String(number), dataset, seeds: [42], overrides: [], cwd: '/' },
      });
      for (const { arm, config } of spec.trials) {
        const recipe = join(bench, dataset, `${recipeOf(dataset, arm!)}.yaml`);
        const resolved = await resolveConfig({ recipe }).catch(() => undefined);
        if (!resolved) continue;
        expect(config, recipe).toEqual(resolved.config);
        compared.push(basename(recipe, '.yaml'));
      }
    }
    const decoders = ['0.5b', '7b'].flatMap((size) => [`llava-${size}-qa`, `llava-${size}-reasvqa`]);
    const main = ['qa', 'reasvqa', 'stl-correct', 'stl-all', 'mtl-correct', 'mtl-all', ...decoders];
    const more = {
      nextqa: [...main, 'internvl-4b-all', 'internvl-4b-correct'],
      intentqa: [...main, 'internvl-4b-all', 'internvl-4b-correct'],
      star: [...main, 'without-lora', 'without-both', 'captions-brief', 'captions-detailed'],
      shapes: ['base'],
    };
    expect(new Set(compared)).toEqual(new Set(more[dataset]));
  });
});

const text = sharedPath('paper/reasvqa.txt');

/** The numbers of each row above a caption, in order; a dash is null. Gains in brackets and means over data sets are ours. */
async function printed(number: number): Promise<(number | null)[][]> {
  const lines = (await readFile(text!, 'utf8')).split('\n');
  const caption = lines.findIndex((line) => line.startsWith(`Table ${number}:`));
  const rows: string[] = [];
  for (let i = caption - 1; lines[i]!.includes('\t') || lines[i] === ''; i--) rows.unshift(lines[i]!);
  return rows
    .map((row) =>
      row
        .split('\t')
        .slice(1)
        .map((cell) => cell.replace(/\(.*\)/, '').trim()),
    )
    .map((cells) => cells.filter((cell) => /^(\d+\.\d|-)$/.test(cell)))
    .filter((cells) => cells.some((cell) => cell !== '-'))
    .map((cells) => cells.map((cell) => (cell === '-' ? null : Number(cell))));
}

describeWithShared('the numbers of the paper', ['paper/reasvqa.txt'], () => {
  const rowsOf = (number: number, ...datasets: TableDataset[]) =>
    PAPER_TABLES.find((table) => table.number === number)!.rows.map(({ paper }) =>
      datasets.flatMap((dataset) => paper[dataset] ?? []),
    );

  it.each([
    [1, ['nextqa', 'star']],
    [2, ['intentqa']],
    [6, ['nextqa']],
    [8, ['star']],
    [9, ['star']],
  ] as const)('of table %i are those printed', async (number, datasets) => {
    // A dash for "no language model" stands before the numbers of some rows.
    const width = rowsOf(number, ...datasets)[0]!.length;
    expect(rowsOf(number, ...datasets)).toEqual((await printed(number)).map((row) => row.slice(-width)));
  });

  it.each([3, 5])('of table %i are those printed, but for the mean', async (number) => {
    const rows = (await printed(number)).map((row) => row.slice(0, 3));
    expect(rowsOf(number, 'nextqa', 'star', 'intentqa')).toEqual(rows);
  });

  it('of table 10 are those printed, its columns as rows', async () => {
    const [original, refined] = await printed(10);
    const expected = [0, 1, 2].flatMap((i) => [original, refined].map((row) => [row![i]!, row![i + 3]!]));
    expect(rowsOf(10, 'nextqa', 'intentqa')).toEqual(expected);
  });
});
