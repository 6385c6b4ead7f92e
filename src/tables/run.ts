/** A table of the paper as a sweep: which trials its rows are, the data that they need, and what they answered. */

import { dirname, join } from 'node:path';
import { DataError, UsageError } from '../base/errors.js';
import { isFile, writeFileAtomic } from '../base/files.js';
import { nearest } from '../base/nearest.js';
import { evaluationFile } from '../config/checks.js';
import { resolveConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { readAnnotations } from '../data/annotations.js';
import { datasetOf } from '../data/datasets/index.js';
import { readSubset } from '../evaluation/score.js';
import { studentKinds } from '../model/registry.js';
import { readAnswers } from '../report/answers.js';
import { needsSeveralFrames } from '../shapes/frames.js';
import { overrideOf, splitOverrides } from '../sweep/axes.js';
import type { PlannedTrial, TrialState } from '../sweep/folder.js';
import { type Arm, resolveSweep, type SweepSpec } from '../sweep/spec.js';
import { evaluateRun } from '../training/evaluateRun.js';
import { runPaths } from '../training/run/folder.js';
import { PAPER_TABLES } from './paper.js';
import { type TableResult, type TableRun, tableResult } from './results.js';
import { type PaperTable, TABLE_DATASETS, type TableDataset, type TableRow, type Writings } from './table.js';

export interface TableRequest {
  /** As typed. */
  number: string;
  dataset: string;
  seeds: readonly number[];
  /** `key=value` texts for all rows. */
  overrides: readonly string[];
  /** File of row numbers for table 6; atp-hard.txt beside the annotations unless given. */
  subset?: string | undefined;
  cwd: string;
}

/** A table whose trials are known. */
export interface TablePlan {
  table: PaperTable;
  dataset: TableDataset;
  seeds: readonly number[];
  spec: SweepSpec;
  /** Recipe that every row is a variation of. */
  recipe: string;
  /** The recipe with what holds for all rows. */
  config: Config;
  writings: Writings;
  subset: string | undefined;
}

/**
 * Finds the table and resolves the trials of its rows. Reads no data.
 *
 * @throws UsageError for a table or data set that is not one, a key in which rows differ, or a list of values
 */
export async function planTable(request: TableRequest): Promise<TablePlan> {
  const { seeds, cwd } = request;
  const table = tableOf(request.number);
  const dataset = datasetNamed(request.dataset);
  requireColumns(table, dataset);
  const recipe = `bench/${dataset}/${dataset === 'shapes' ? 'base' : 'reasvqa'}.yaml`;
  const { axes, fixed } = splitOverrides(request.overrides);
  if (axes[0])
    throw new UsageError(`--set ${axes[0].key}: a table has one value a key; sweep it with reasvqa sweep`);
  const { config } = await resolveConfig({ recipe, overrides: fixed, cwd });
  if (config.data.dataset !== dataset)
    throw new UsageError(`--set data.dataset: the table is asked for ${dataset}`);
  const writings = writingsOf(config, dataset);
  const rows = table.rows.filter((row) => row.arm && noteOf(row, dataset) === undefined);
  const arms = rows.map(({ arm }): Arm => {
    const main = fixed.some((text) => keyOf(text) === REASONING) ? { [REASONING]: writings.refined } : {};
    const settings = { ...main, ...arm!.settings(writings) };
    return { name: arm!.name, set: Object.entries(settings).map(([key, value]) => overrideOf(key, value)) };
  });
  requireSame(table, arms, fixed);
  const spec = await resolveSweep({
    ...{ recipe, arms, seeds, cwd },
    overrides: fixed.filter((text) => keyOf(text) !== REASONING),
  });
  // The world's data are made where they are missing.
  if (dataset === 'shapes') spec.world = { clips: WORLD_CLIPS };
  return { table, dataset, seeds, spec, recipe, config, writings, subset: request.subset };
}

/** Training clips of a world that is made for a table. */
const WORLD_CLIPS = 750;

const REASONING = 'data.reasoning';
const keyOf = (text: string) => text.slice(0, text.indexOf('=')).trim();

function tableOf(text: string): PaperTable {
  const numbers = PAPER_TABLES.map(({ number }) => String(number));
  const found = PAPER_TABLES.find(({ number }) => String(number) === text);
  if (found) return found;
  if (text === '4' || text === '7')
    throw new UsageError(
      `table ${text}: nothing is trained for it; the paper reports ${text === '4' ? "a teacher's accuracies (reasvqa generate prints them)" : 'the sizes of the data sets'}`,
    );
  const meant = numbers.find((number) => number === text.replace(/\D/g, ''));
  const hint = meant ? ` (did you mean ${meant}?)` : '';
  throw new UsageError(`table ${text}: no such table${hint}; expected one of ${numbers.join(', ')}`);
}

function datasetNamed(name: string): TableDataset {
  const found = TABLE_DATASETS.find((dataset) => dataset === name);
  if (found) return found;
  const near = nearest(name.replace(/[^a-z]/gi, ''), TABLE_DATASETS);
  throw new UsageError(
    `--dataset ${name}: no tables for it${near ? ` (did you mean ${near}?)` : ''}; expected one of ${TABLE_DATASETS.join(', ')}`,
  );
}

function requireColumns(table: PaperTable, dataset: TableDataset): void {
  if (table.subset === undefined || table.columns[dataset]) return;
  const others = Object.keys(table.columns);
  throw new UsageError(
    `table ${table.number} --dataset ${dataset}: ATP-hard is a subset of NExT-QA's questions; choose ${others.join(' or ')}`,
  );
}

/** Where the teacher's writing lies: all of it beside the refined reasoning. */
function writingsOf({ data }: Config, dataset: TableDataset): Writings {
  const refined = data.reasoning;
  if (refined === undefined)
    throw new UsageError(`--set ${REASONING}: a table needs the file of refined reasoning`);
  const beside = (name: string) => join(dirname(refined), name);
  const smaller = dataset === 'shapes' ? 'smaller' : 'internvl-4b';
  return {
    refined,
    brief: beside('brief.jsonl'),
    detailed: beside('detailed.jsonl'),
    smallerOriginal: beside(`${smaller}.jsonl`),
    smallerRefined: beside(`${smaller}-refined.jsonl`),
  };
}

/** What a row differs in from others is not to be set for all. */
function requireSame({ number }: PaperTable, arms: readonly Arm[], fixed: readonly string[]): void {
  const varied = new Set(arms.flatMap(({ set = [] }) => set.map(keyOf)));
  const wrong = fixed.map(keyOf).find((key) => key !== REASONING && varied.has(key));
  if (wrong) throw new UsageError(`--set ${wrong}: rows of table ${number} differ in it; leave it out`);
}

/** Why a row cannot be trained; undefined when it can. */
function noteOf({ student }: TableRow, dataset: TableDataset): string | undefined {
  if (!student) return undefined;
  if (!studentKinds().some(({ modelType }) => modelType === student.modelType))
    return `needs the ${student.title} student`;
  return dataset === 'shapes' ? `no small ${student.title} for the shapes world` : undefined;
}

/** The writing that the trials read, each file once. */
export function writingsNeeded({ spec }: TablePlan): string[] {
  return [...new Set(spec.trials.flatMap(({ config }) => config.data.reasoning ?? []))];
}

/**
 * Checks that what the trials and the table read is there.
 *
 * @throws DataError naming the first file that is missing, and the command that makes it
 */
export async function requireData(plan: TablePlan): Promise<void> {
  const { config, recipe } = plan;
  for (const key of ['train', 'val', ...(config.eval.split === 'test' ? (['test'] as const) : [])] as const) {
    const file = config.data[key];
    if (file !== undefined && !(await isFile(file)))
      throw new DataError(
        `${file}: no such file (data.${key}); ${datasetOf(config.data.dataset).title}'s annotations belong there, or name others with --set data.${key}=FILE`,
      );
  }
  for (const file of writingsNeeded(plan))
    if (!(await isFile(file)))
      throw new DataError(`${file}: no such file; make it with ${commandFor(file, recipe, plan.writings)}`);
  if (plan.table.subset) await subsetOf(plan);
}

function commandFor(file: string, recipe: string, writings: Writings): string {
  const generate = (out: string, more = '') =>
    `reasvqa generate ${recipe} --teacher URL --model NAME${more} --out ${out}`;
  const { brief, detailed, smallerOriginal, smallerRefined } = writings;
  if (file === brief) return generate(file, ' --write brief');
  if (file === detailed) return generate(file, ' --write detailed');
  if (file === smallerOriginal) return generate(file);
  const generated = file === smallerRefined ? smallerOriginal : join(dirname(file), 'reasoning.jsonl');
  return `${generate(generated)}, then reasvqa refine ${generated} --out ${file}`;
}

/**
 * Ids of the questions of table 6: NExT-QA's by a list of rows, the shapes world's by what their templates ask.
 *
 * @throws DataError when the list is missing or no list of rows of the annotations
 */
async function subsetOf({ config, dataset, subset }: TablePlan): Promise<Set<string>> {
  const file = evaluationFile(config);
  const { samples } = await readAnnotations({ dataset, file });
  if (dataset === 'shapes' && subset === undefined)
    return new Set(samples.filter(({ question }) => needsSeveralFrames(question)).map(({ id }) => id));
  const list = subset ?? join(dirname(file), 'atp-hard.txt');
  if (!(await isFile(list)))
    throw new DataError(
      `${list}: no such file; make it with reasvqa data atp-hard ${file} ATPHARD.csv --out ${list}, or name another with --subset`,
    );
  return new Set((await readSubset(list, samples.length, file)).map((row) => samples[row]!.id));
}

/**
 * Answers the test split where the table is about it (IntentQA), with each finished trial's best checkpoint; answers that
 * are there already stay. Needs an engine.
 */
export async function answerTest(
  { config }: TablePlan,
  states: readonly TrialState[],
  say: (line: string) => void,
): Promise<void> {
  if (config.eval.split !== 'test') return;
  for (const { trial, state } of states) {
    const out = predictionsFile(trial);
    if (state !== 'done' || (await isFile(out))) continue;
    say(`${trial.id}: answers the test split`);
    const { predictions } = await evaluateRun({
      paths: runPaths(trial.folder),
      config: trial.config,
      file: evaluationFile(trial.config, 'test'),
      onNotice: say,
    });
    await writeFileAtomic(out, predictions.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}

/** Answers of the split that the table is about. */
function predictionsFile({ config, folder }: PlannedTrial): string {
  return config.eval.split === 'test' ? join(folder, 'predictions-test.jsonl') : runPaths(folder).predictions;
}

/** Whether some finished trial has yet to answer the test split. */
export async function lacksTest({ config }: TablePlan, states: readonly TrialState[]): Promise<boolean> {
  if (config.eval.split !== 'test') return false;
  const done = states.filter(({ state }) => state === 'done');
  return !(await Promise.all(done.map(({ trial }) => isFile(predictionsFile(trial))))).every(Boolean);
}

/** @throws DataError naming file:line when the answers of a finished trial are damaged */
export async function collectTable(plan: TablePlan, states: readonly TrialState[]): Promise<TableResult> {
  const { table, dataset, seeds, config, spec } = plan;
  // The folder may hold trials that were asked for earlier.
  const wanted = new Set(spec.trials.map(({ identity }) => identity));
  const done = states.filter(({ state, trial }) => state === 'done' && wanted.has(trial.identity));
  const runs = await Promise.all(
    done.map(
      async ({ trial }): Promise<TableRun> => ({
        arm: trial.arm!,
        seed: trial.config.train.seed,
        answers: await readAnswers(predictionsFile(trial)),
      }),
    ),
  );
  return tableResult({
    ...{ table, dataset, seeds, runs, split: config.eval.split },
    subset: table.subset ? await subsetOf(plan) : undefined,
    noteOf: (row) => noteOf(row, dataset),
  });
}
