/** A table as it came out: our accuracies beside the paper's, and which differences between rows are noise. */
import { type Answers, accuracyOf, answersWhere } from '../report/answers.js';
import {
  type Comparison,
  compare,
  meanAndStandardError,
  proportionStandardError,
  type SeededAnswers,
} from '../report/statistics.js';
import { columnsOf, type PaperTable, type TableDataset, type TableRow } from './table.js';

/** A finished run of a row. */
export interface TableRun extends SeededAnswers {
  /** Name of the row's arm. */
  arm: string;
}

/** Accuracies in percent. */
export interface TableCell {
  /** Undefined where the paper prints nothing. */
  paper: number | undefined;
  /** Mean over seeds; undefined before a run has finished and where no question belongs to the column. */
  ours: number | undefined;
  /** Over seeds; of one seed, over questions. */
  standardError: number | undefined;
  questions: number;
}

export interface ResultRow {
  name: string;
  /** Absent for rows that are printed only. */
  arm: string | undefined;
  cells: TableCell[];
  /** Seeds that are done. */
  seeds: number[];
  /** Why there are no runs, where that is for a reason. */
  note: string | undefined;
  /** With the row's baseline, over all questions of the table. */
  comparison: (Comparison & { baseline: string }) | undefined;
}

export interface TableResult {
  number: number;
  title: string;
  dataset: TableDataset;
  split: string;
  /** Seeds that were asked for. */
  seeds: readonly number[];
  columns: string[];
  rows: ResultRow[];
  /** Whether the paper has numbers for this data set. */
  printed: boolean;
}

export interface ResultRequest {
  table: PaperTable;
  dataset: TableDataset;
  split: string;
  seeds: readonly number[];
  /** Finished runs only. */
  runs: readonly TableRun[];
  /** Ids of the questions that count; all unless given. */
  subset?: ReadonlySet<string> | undefined;
  /** Why a row has no runs. */
  noteOf: (row: TableRow) => string | undefined;
}

/** Puts runs into the table. Rows without runs keep the paper's numbers; rows of the paper without any here are left out. */
export function tableResult(request: ResultRequest): TableResult {
  const { table, dataset, split, seeds, subset } = request;
  const columns = columnsOf(table, dataset);
  const runs = request.runs.map((run) => ({
    ...run,
    answers: subset ? answersWhere(run.answers, (id) => subset.has(id)) : run.answers,
  }));
  const of = (arm: string | undefined) => runs.filter((run) => run.arm === arm);
  const baselines = new Set(table.rows.map((row) => baselineOf(table, row)));
  const rows = table.rows
    .filter(({ arm, paper }) => arm !== undefined || paper[dataset]?.some((value) => value !== null))
    .map((row): ResultRow => {
      const own = row.arm ? of(row.arm.name) : [];
      const baseline = baselineOf(table, row);
      return {
        name: row.name,
        arm: row.arm?.name,
        cells: columns.map(({ types }, i) => ({
          paper: row.paper[dataset]?.[i] ?? undefined,
          ...cellOf(
            own.map(({ answers }) => answers),
            types,
          ),
        })),
        seeds: own.map(({ seed }) => seed),
        note: request.noteOf(row),
        comparison: baselines.has(row.arm?.name)
          ? undefined
          : comparisonOf(own, of(baseline), table, baseline),
      };
    });
  return {
    ...{ number: table.number, title: table.title, dataset, split, seeds },
    columns: columns.map(({ label }) => label),
    rows,
    printed: table.rows.some(({ paper }) => paper[dataset] !== undefined),
  };
}

/** Name of the arm that a row is compared with. */
function baselineOf(table: PaperTable, { arm, baseline }: TableRow): string | undefined {
  return arm ? (baseline ?? table.baseline) : undefined;
}

function comparisonOf(
  own: readonly TableRun[],
  others: readonly TableRun[],
  table: PaperTable,
  baseline: string | undefined,
): ResultRow['comparison'] {
  const found = compare(own, others);
  const row = table.rows.find(({ arm }) => arm?.name === baseline);
  return found && row ? { ...found, baseline: row.name } : undefined;
}

function cellOf(runs: readonly Answers[], types: ReadonlySet<string> | undefined): Omit<TableCell, 'paper'> {
  const answers = runs.map((all) => (types ? answersWhere(all, (_, { type }) => types.has(type)) : all));
  const questions = answers.length > 0 ? Math.min(...answers.map(({ size }) => size)) : 0;
  if (questions === 0) return { ours: undefined, standardError: undefined, questions };
  const { mean, standardError } = meanAndStandardError(answers.map(accuracyOf));
  const error = answers.length > 1 ? standardError : proportionStandardError(mean, questions);
  return { ours: 100 * mean, standardError: 100 * error, questions };
}
