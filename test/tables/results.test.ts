import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import type { Answers } from '../../src/report/answers.js';
import { formatTable } from '../../src/tables/format.js';
import { PAPER_TABLES } from '../../src/tables/paper.js';
import { type TableRun, tableResult } from '../../src/tables/results.js';
import type { TableDataset } from '../../src/tables/table.js';

const STAR_TYPES = ['Interaction', 'Sequence', 'Prediction', 'Feasibility'];

/** 400 questions, a hundred a type; of every hundred the first `right` are answered right, from question `offset` on. */
function answers(right: number, offset = 0, types: readonly string[] = STAR_TYPES): Answers {
  return new Map(
    types.flatMap((type) =>
      Array.from({ length: 100 }, (_, i): [string, { right: boolean; type: string }] => [
        `${type}_${i}`,
        { right: (i + offset) % 100 < right, type },
      ]),
    ),
  );
}

const run = (arm: string, seed: number, right: number, offset = 0): TableRun => ({
  ...{ arm, seed, answers: answers(right, offset) },
});

function result(number: number, runs: TableRun[], dataset: TableDataset = 'star', seeds = [1, 2, 3]) {
  const table = PAPER_TABLES.find((each) => each.number === number)!;
  const noteOf = ({ student }: { student?: { title: string } }) =>
    student ? `needs the ${student.title} student` : undefined;
  return tableResult({ table, dataset, split: 'val', seeds, runs, noteOf });
}

const TABLE_8 = [
  ...[1, 2, 3].map((seed) => run('reasvqa', seed, 74 + seed)),
  ...[1, 2, 3].map((seed) => run('qa', seed, 60)),
  ...[1, 2].map((seed) => run('without-lora', seed, 74 + seed, 50)),
];

describe('a table', () => {
  const table = result(8, TABLE_8);
  const [ours, qa, withoutLora, withoutBoth] = table.rows;

  it('has means and standard errors over seeds beside the paper', () => {
    expect(ours!.cells.map(({ paper }) => paper)).toEqual([75.9, 76.6, 67.3, 62.0, 74.5]);
    for (const { ours: mean, standardError, questions } of ours!.cells) {
      expect(mean).toBeCloseTo(76, 9);
      expect(standardError).toBeCloseTo(Math.sqrt(1 / 3), 9);
      expect([100, 400]).toContain(questions);
    }
    expect(withoutLora!.seeds).toEqual([1, 2]);
    expect(withoutBoth!.cells.every(({ ours: mean }) => mean === undefined)).toBe(true);
  });

  it('marks differences between rows that are noise', () => {
    expect(ours!.comparison).toBeUndefined();
    expect(qa!.comparison).toMatchObject({ baseline: 'ReasVQA (3B)', insideNoise: false, seeds: [1, 2, 3] });
    expect(qa!.comparison!.difference).toBeCloseTo(-0.16, 9);
    // As many right answers, to other questions.
    expect(withoutLora!.comparison).toMatchObject({ insideNoise: true, seeds: [1, 2], difference: 0 });
    expect(withoutBoth!.comparison).toBeUndefined();
  });

  it('is read in a terminal', () => {
    expect(formatTable(table, 'text').split('\n')).toEqual([
      'Table 8: Ablation of each component of ReasVQA. STAR, val split, accuracy in percent',
      expect.stringMatching(/^ +Int\. +Seq\. +Pre\. +Fea\. +Tot\. +total less that of$/),
      expect.stringMatching(/^ReasVQA \(3B\) +76\.0 \+- 0\.6 \(\+0\.1\) .* 76\.0 \+- 0\.6 \(\+1\.5\)$/),
      expect.stringMatching(/^ {2}the paper +75\.9 +76\.6 +67\.3 +62\.0 +74\.5$/),
      expect.stringMatching(
        /^w\/o\. Reasoning +60\.0 \+- 0\.0 \(-11\.4\) .* ReasVQA \(3B\): -16\.0 \[-\d+\.\d, -\d+\.\d\]$/,
      ),
      expect.stringContaining('the paper'),
      expect.stringMatching(/ReasVQA \(3B\): 0\.0 \[-\d\.\d, \+\d\.\d\] ~$/),
      expect.stringContaining('the paper'),
      expect.stringMatching(/^w\/o\. both +- +- +- +- +-$/),
      expect.stringContaining('the paper'),
      'seeds 1, 2, 3: mean +- standard error over seeds; in brackets ours less the paper',
      expect.stringMatching(/^~ inside the noise: the 95 % interval of the difference/),
      'w/o. LoRA: 2 of 3 runs are done',
      'w/o. both: 0 of 3 runs are done',
    ]);
  });

  it('is a Markdown table whose rows have one width', () => {
    const lines = formatTable(table, 'markdown').split('\n');
    const rows = lines.filter((line) => line.startsWith('|'));
    expect(new Set(rows.map((row) => row.split('|').length))).toEqual(new Set([9]));
    expect(rows[1]).toBe('|---|---|---|---|---|---|---|');
    expect(lines[0]).toMatch(/^\*\*Table 8: .*\*\*$/);
    // Two of them would strike through what is between them.
    expect(rows.join('\n')).toContain('\\~');
  });

  it('is csv, a row a cell', () => {
    const rows: Record<string, string>[] = parse(formatTable(table, 'csv'), { columns: true });
    expect(rows).toHaveLength(4 * 5);
    expect(rows[4]).toMatchObject({
      ...{ table: '8', dataset: 'star', row: 'ReasVQA (3B)', arm: 'reasvqa', column: 'Tot.' },
      ...{ paper: '74.5', ours: '76', standard_error: '0.5774', ours_less_paper: '1.5', seeds: '3' },
      ...{ questions: '400', baseline: '', inside_noise: '' },
    });
    expect(rows[9]).toMatchObject({ difference: '-16', inside_noise: 'false', baseline: 'ReasVQA (3B)' });
    expect(rows[14]).toMatchObject({ difference: '0', inside_noise: 'true', seeds: '2' });
  });
});

describe('other tables', () => {
  it('print the rows of other models as they are', () => {
    const text = formatTable(result(1, [run('reasvqa', 1, 70)], 'star', [1]), 'text');
    expect(text).toMatch(/^SeViLA +66\.4 +70\.3 +61\.2 +55\.7 +67\.2$/m);
    // It has no numbers for STAR.
    expect(text).not.toContain('Just Ask');
    expect(text).toContain('+- standard error over questions');
    expect(text).toMatch(/^ReasVQA \(ours\) +70\.0 \+- 4\.6 \(-5\.9\)/m);
  });

  it('say which rows need a student that is not there, with the numbers of the paper', () => {
    const text = formatTable(result(3, []), 'text');
    expect(text).toMatch(
      /^LLaVA-OV\(7B\) w\. ReasVQA +needs the LLaVA-OneVision student\n {2}the paper +68\.2$/m,
    );
    expect(text).not.toContain('LLaVA-OV(7B): 0 of');
  });

  it('compare refined reasoning with original of the same share in table 10', () => {
    const runs = ['smaller-original-all', 'smaller-refined-all', 'smaller-refined-correct'].map((arm, i) =>
      run(arm, 1, 50 + 10 * i),
    );
    const rows = result(10, runs, 'nextqa', [1]).rows.filter(({ comparison }) => comparison);
    expect(rows.map(({ name, comparison }) => [name, comparison!.baseline])).toEqual([
      ['Refined, All', 'Original, All'],
    ]);
  });

  it('score a subset alone', () => {
    const table = PAPER_TABLES.find(({ number }) => number === 6)!;
    const all = answers(60, 0, ['CW', 'TN', 'DO']);
    const { rows } = tableResult({
      ...{ table, dataset: 'nextqa', split: 'val', seeds: [1], noteOf: () => undefined },
      runs: [{ arm: 'reasvqa', seed: 1, answers: all }],
      subset: new Set(['CW_0', 'CW_99', 'TN_1', 'elsewhere']),
    });
    const cells = rows.at(-1)!.cells.map(({ ours, questions, paper }) => [paper, ours, questions]);
    expect(cells).toEqual([
      [69.2, 50, 2],
      [65.7, 100, 1],
      [67.7, expect.closeTo(200 / 3, 9), 3],
    ]);
  });
});
