/** What a table of the paper is: columns, rows, the printed numbers, and the settings that train each of its own rows. */
import { datasetOf } from '../data/datasets/index.js';
import type { Settings } from '../sweep/axes.js';

/** Data sets that tables run on: the paper's three, and the built-in world. */
export const TABLE_DATASETS = ['nextqa', 'star', 'intentqa', 'shapes'] as const;
export type TableDataset = (typeof TABLE_DATASETS)[number];

/** Files of the teacher's writing that rows train on, beside the main one. */
export interface Writings {
  /** Refined reasoning of the main teacher: `data.reasoning` of the recipe. */
  refined: string;
  /** Captions of the videos (`reasvqa generate --write`). */
  brief: string;
  detailed: string;
  /** Of the smaller teacher: as it came, and refined. */
  smallerOriginal: string;
  smallerRefined: string;
}

/** A row that is trained here. */
export interface TableArm {
  /** Name of the recipe in bench/<dataset> where there is one, and of the sweep's arm. */
  name: string;
  /** Keys over the data set's main recipe. */
  settings: (writings: Writings) => Settings;
}

export interface TableRow {
  name: string;
  /** Absent for rows of other people's models, which are printed only. */
  arm?: TableArm;
  /** Printed numbers in percent by data set, in the order of its columns; null is a dash. */
  paper: Partial<Record<TableDataset, readonly (number | null)[]>>;
  /** What it needs that this program may not have yet: `model_type` and name of a student. */
  student?: { modelType: string; title: string };
  /** Name of the arm it is compared with; the table's unless given. */
  baseline?: string;
}

export interface PaperTable {
  number: number;
  title: string;
  /** Groups or types of questions that have a column, by data set; the total comes last. */
  columns: Partial<Record<TableDataset, readonly string[]>>;
  rows: readonly TableRow[];
  /** Name of the arm that other rows are compared with. */
  baseline?: string;
  /** Which questions are scored. */
  subset?: 'atp-hard';
}

export interface Column {
  /** As the paper prints it. */
  label: string;
  /** Types of questions in it; all when undefined. */
  types: ReadonlySet<string> | undefined;
}

const LABELS: Readonly<Record<string, string>> = {
  Tem: 'Tem.',
  Cau: 'Cau.',
  Des: 'Des.',
  Interaction: 'Int.',
  Sequence: 'Seq.',
  Prediction: 'Pre.',
  Feasibility: 'Fea.',
};

/** The columns of a table for a data set. */
export function columnsOf({ columns }: PaperTable, dataset: TableDataset): Column[] {
  const { groups, countsAs = {} } = datasetOf(dataset);
  const typesOf = (group: string) => {
    const reported = groups[group] ?? [group];
    const counted = Object.keys(countsAs).filter((type) => reported.includes(countsAs[type]!));
    return new Set([...reported, ...counted]);
  };
  const named = (columns[dataset] ?? []).map((group) => ({
    label: LABELS[group] ?? group,
    types: typesOf(group),
  }));
  return [...named, { label: 'Tot.', types: undefined }];
}
