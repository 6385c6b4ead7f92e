/** A finished table as text for a terminal, as Markdown, or as csv. */
import { csv } from '../base/csv.js';
import { datasetOf } from '../data/datasets/index.js';
import { differenceText, signed } from '../report/statistics.js';
import type { ResultRow, TableCell, TableResult } from './results.js';

export const TABLE_FORMATS = ['text', 'markdown', 'csv'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export function formatTable(result: TableResult, format: TableFormat): string {
  if (format === 'csv') return csv(csvRows(result)).trimEnd();
  const cells = [headerOf(result), ...result.rows.flatMap((row) => linesOf(result, row))];
  const body = format === 'markdown' ? markdown(cells) : aligned(cells);
  const [title, ...notes] = remarks(result);
  const gap = format === 'markdown' ? '\n\n' : '\n';
  return [format === 'markdown' ? `**${title}**` : title, body, notes.join(gap)].filter(Boolean).join(gap);
}

/** The title, then what the reader has to know. */
function remarks({ number, title, dataset, split, seeds, rows, printed }: TableResult): string[] {
  const several = seeds.length > 1;
  const lines = [
    `Table ${number}: ${title}. ${datasetOf(dataset).title}, ${split} split, accuracy in percent`,
    `seeds ${seeds.join(', ')}: ${several ? 'mean +- standard error over seeds' : '+- standard error over questions'}${printed ? '; in brackets ours less the paper' : ''}`,
  ];
  if (!printed) lines.push(`the paper has no table ${number} for ${datasetOf(dataset).title}`);
  if (rows.some(({ comparison }) => comparison))
    lines.push(
      '~ inside the noise: the 95 % interval of the difference, paired over questions and seeds (bootstrap, 10,000 resamples of questions), holds 0',
    );
  const missing = rows.filter(({ arm, seeds: done, note }) => arm && !note && done.length < seeds.length);
  for (const { name, seeds: done } of missing)
    lines.push(`${name}: ${done.length} of ${seeds.length} runs are done`);
  return lines;
}

const hasComparison = ({ rows }: TableResult) => rows.some(({ comparison }) => comparison);

function headerOf(result: TableResult): string[] {
  return ['', ...result.columns, ...(hasComparison(result) ? ['total less that of'] : [])];
}

/** A row's own line and, where the paper prints numbers, theirs below it; other people's rows have theirs alone. */
function linesOf(result: TableResult, row: ResultRow): string[][] {
  const tail = (text: string) => (hasComparison(result) ? [text] : []);
  const printed = row.cells.map(({ paper }) => paper?.toFixed(1) ?? '-');
  if (!row.arm) return [[row.name, ...printed, ...tail('')]];
  const theirs = row.cells.some(({ paper }) => paper !== undefined)
    ? [['  the paper', ...printed, ...tail('')]]
    : [];
  if (row.note) {
    const empty = row.cells.map((_, i) => (i === 0 ? row.note! : ''));
    return [[row.name, ...empty, ...tail('')], ...theirs];
  }
  return [[row.name, ...row.cells.map(cellText), ...tail(comparisonText(row))], ...theirs];
}

function cellText({ ours, standardError, paper }: TableCell): string {
  if (ours === undefined) return '-';
  const difference = paper === undefined ? '' : ` (${signed(ours - paper)})`;
  return `${ours.toFixed(1)} +- ${standardError!.toFixed(1)}${difference}`;
}

function comparisonText({ comparison }: ResultRow): string {
  if (!comparison) return '';
  return `${comparison.baseline}: ${differenceText(comparison)}`;
}

function aligned(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function markdown(rows: readonly string[][]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.trim().replaceAll('|', '\\|').replaceAll('~', '\\~')).join(' | ')} |`;
  const [header, ...body] = rows;
  return [line(header!), `|${header!.map(() => '---').join('|')}|`, ...body.map(line)].join('\n');
}

/** One row a cell: nothing is rounded beyond four decimals. */
function csvRows({ number, dataset, split, columns, rows }: TableResult): string[][] {
  const header = [
    ...[
      'table',
      'dataset',
      'split',
      'row',
      'arm',
      'column',
      'paper',
      'ours',
      'standard_error',
      'ours_less_paper',
    ],
    ...['seeds', 'questions', 'baseline', 'difference', 'difference_low', 'difference_high'],
    ...['difference_standard_error', 'seed_standard_error', 'mcnemar_p', 'inside_noise', 'note'],
  ];
  const body = rows.flatMap((row) =>
    row.cells.map(({ paper, ours, standardError, questions }, i) => {
      // A comparison is over all questions: the last column's.
      const c = i === row.cells.length - 1 ? row.comparison : undefined;
      const percent = (value: number | undefined) => decimal(value === undefined ? undefined : 100 * value);
      return [
        ...[String(number), dataset, split, row.name, row.arm ?? '', columns[i]!],
        ...[decimal(paper), decimal(ours), decimal(standardError)],
        decimal(ours === undefined || paper === undefined ? undefined : ours - paper),
        ...[String(row.seeds.length), String(questions), c?.baseline ?? ''],
        ...[percent(c?.difference), percent(c?.low), percent(c?.high), percent(c?.standardError)],
        ...[
          percent(c?.seedStandardError),
          decimal(c?.mcnemar),
          c ? String(c.insideNoise) : '',
          row.note ?? '',
        ],
      ];
    }),
  );
  return [header, ...body];
}

const decimal = (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? '' : String(Number(value.toFixed(4)));
