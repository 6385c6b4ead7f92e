/** `reasvqa runs`: lists run and sweep folders. */
import type { Command } from 'commander';
import type { Listed } from '../sweep/list.js';
import { fromCwd, type Io, note, print, printJson, table } from './io.js';

export function addRuns(program: Command, io: Io): void {
  program
    .command('runs')
    .argument('[path]', 'folder to look below', 'runs')
    .summary('list run and sweep folders with their state and accuracy')
    .description(
      "Lists the run and sweep folders below a path: whether each is done, running, stopped (the same command continues it), failed or waiting, its accuracy in percent at the best epoch so far (of a sweep its best trial's), beta, seed, engine and hours of training. Folders that cannot be read are named on stderr.",
    )
    .option('--json', 'print the list as JSON (default: off)')
    .action((path: string, options: { json?: boolean }) => runs(io, path, options));
}

async function runs(io: Io, path: string, options: { json?: boolean }): Promise<void> {
  const { listRuns } = await import('../sweep/list.js');
  const { relative } = await import('node:path');
  const listed = await listRuns(fromCwd(io, path), (line) => note(io, `reasvqa: ${line}`));
  if (options.json) return printJson(io, listed);
  if (listed.length === 0) return note(io, `no run or sweep folder below ${path}`);
  const head = ['folder', 'state', 'accuracy', 'beta', 'seed', 'engine', 'hours'];
  const shownPath = (folder: string) => {
    const path = relative(io.cwd, folder);
    return path.startsWith('..') ? folder : path || '.';
  };
  const rows = listed.map((one) => [
    ...[shownPath(one.folder), stateText(one), one.accuracy?.toFixed(2) ?? ''],
    ...[few(one.beta), few(one.seed), few(one.engine), hoursText(one.hours)],
  ]);
  print(io, table([head, ...rows], [2, 6]));
}

const stateText = ({ state, trials }: Listed) => (trials ? `${state} ${trials.done}/${trials.total}` : state);

/** Two digits that say something: a demo trains for half a minute. */
const hoursText = (hours: number | null) =>
  hours === null ? '' : hours < 0.1 ? String(Number(hours.toPrecision(2))) : hours.toFixed(2);

/** All of a few values, else how many there are. */
const few = (values: readonly (string | number)[]) =>
  values.length > 6 ? `${values.length} values` : values.join(', ');
