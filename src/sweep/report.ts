/** What a report over run and sweep folders is made of: the runs of every sweep, with its figures. */
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DataError } from '../base/errors.js';
import type { ReportRequest } from '../report/report.js';
import { runPaths } from '../training/run/folder.js';
import { settingName } from './comparisons.js';
import { isSweep, type PlannedTrial, readSweep, type TrialState, trialStates } from './folder.js';

/** The part of a report's request that folders tell. */
export type ReportParts = Required<Pick<ReportRequest, 'figures' | 'notices'>> & Pick<ReportRequest, 'runs'>;

/**
 * Runs, figures and what is left out, of folders in the order given.
 *
 * @throws DataError for a path that is no folder, and for a sweep without a run
 */
export async function reportParts(folders: readonly string[]): Promise<ReportParts> {
  const parts = await Promise.all(folders.map(partsOf));
  return {
    runs: parts.flatMap(({ runs }) => runs),
    figures: parts.flatMap(({ figures }) => figures),
    notices: parts.flatMap(({ notices }) => notices),
  };
}

async function partsOf(folder: string): Promise<ReportParts> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw new DataError(
      `${folder}: ${found ? 'is a file' : 'no such folder'}; give the folder of reasvqa train --run or of reasvqa sweep --sweep (reasvqa runs lists them)`,
    );
  return (await isSweep(folder)) ? sweepParts(folder) : { runs: [{ folder }], figures: [], notices: [] };
}

async function sweepParts(folder: string): Promise<ReportParts> {
  const sweep = await readSweep(folder);
  const states = await trialStates(sweep);
  const begun = await Promise.all(states.map(({ trial }) => hasConfig(trial)));
  const runs = states.flatMap(({ trial }, i) => (begun[i] ? [runOf(trial)] : []));
  if (runs.length === 0)
    throw new DataError(
      `${folder}: none of its ${states.length} trials has begun; start them with reasvqa sweep`,
    );
  const figures = await Promise.all(FIGURES.map((name) => readFigure(folder, name)));
  const { protocol } = sweep.info;
  return {
    runs,
    figures: figures.flatMap(({ figure }) => figure ?? []),
    notices: [
      ...(protocol === 'full'
        ? []
        : [`${folder}: its trials follow the protocol ${protocol}: some were stopped early`]),
      ...stateNotices(folder, states, begun),
      ...figures.flatMap(({ notice }) => notice ?? []),
    ],
  };
}

const hasConfig = async ({ folder }: PlannedTrial) =>
  (await stat(runPaths(folder).config).catch(() => undefined)) !== undefined;

/** Without arms the keys that differ name a setting; an arm's own keys may be many. */
function runOf(trial: PlannedTrial): ReportRequest['runs'][number] {
  const { folder } = trial;
  return trial.arm ? { folder, label: settingName(trial) } : { folder };
}

function stateNotices(folder: string, states: readonly TrialState[], begun: readonly boolean[]): string[] {
  const total = states.length;
  const waiting = begun.filter((has) => !has).length;
  const unfinished = states.filter(({ state }, i) => !['done', 'halved'].includes(state) && begun[i]).length;
  return [
    ...(waiting > 0 ? [`${folder}: ${waiting} of ${total} trials have not begun`] : []),
    ...(unfinished > 0 ? [`${folder}: ${unfinished} of ${total} trials are not finished`] : []),
    ...states.flatMap(({ trial, error }) => (error ? [`${trial.folder}: failed: ${error.message}`] : [])),
  ];
}

const FIGURES = ['figure4.svg', 'figure3.svg'];

interface FoundFigure {
  figure?: { title: string; svg: string };
  notice?: string;
}

async function readFigure(folder: string, name: string): Promise<FoundFigure> {
  const path = join(folder, name);
  const svg = await readFile(path, 'utf8').catch(() => undefined);
  if (svg === undefined) return {};
  if (!/^\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>]*>\s*)?<svg[\s>]/.test(svg) || !/<\/svg>\s*$/.test(svg))
    return { notice: `${path}: is not a whole SVG; the report goes on without it` };
  const number = /\d/.exec(name)![0];
  return { figure: { title: `Figure ${number} of ${basename(folder)}`, svg } };
}
