/** What a report says of its runs in words: where the numbers come from, every run, the keys that all have in common. */
import { basename } from 'node:path';
import { formatDuration } from '../base/progress.js';
import { bestOf } from '../training/run/folder.js';
import type { AccuracyTable } from './accuracy.js';
import type { Fact } from './page/html.js';
import { type Run, shortFolder } from './runs.js';
import { differingKeys, type Setting, valuesOf } from './settings.js';

const runsOf = (settings: readonly Setting[]): Run[] => settings.flatMap(({ runs }) => runs);

/** Engine, machine, data, cost: of several different values all are named. */
export function factsOf(settings: readonly Setting[]): Fact[] {
  const runs = runsOf(settings);
  const distinct = (of: (run: Run) => string | undefined) =>
    [...new Set(runs.map(of).filter((text) => text !== undefined && text !== ''))].join('; ');
  const done = runs.flatMap(({ result }) => result ?? []);
  const seconds = done.reduce((sum, result) => sum + result.seconds, 0);
  return [
    { label: 'Engine', value: distinct(({ engine }) => engineText(engine)) },
    { label: 'Machine', value: distinct(({ machine }) => machine) },
    { label: 'Data', value: distinct(({ config }) => config.data.dataset) },
    { label: 'Training questions', value: distinct(({ config }) => fileText(config.data.train)) },
    {
      label: 'Validation questions',
      value: distinct(({ config, score }) => validationText(config.data.val, score?.total.count)),
    },
    { label: 'Base model', value: distinct(({ config }) => config.model.base) },
    {
      label: 'Learned parameters',
      value: distinct(({ result }) => result?.trainableParameters.toLocaleString('en')),
    },
    { label: 'Seeds', value: distinct(({ config }) => String(config.train.seed)) },
    { label: 'Runs', value: `${runs.length}, ${done.length} of them finished` },
    { label: 'Training time', value: done.length > 0 ? formatDuration(seconds * 1000) : '' },
    { label: 'Commit', value: distinct(({ commit }) => commit) },
  ].filter(({ value }) => value !== '');
}

function engineText({ name, ...facts }: Run['engine']): string {
  const told = Object.entries(facts).map(([key, value]) => `${key} ${value}`);
  return told.length > 0 ? `${name} (${told.join(', ')})` : name;
}

const fileText = (path: string | undefined) => (path === undefined ? undefined : basename(path));

function validationText(path: string | undefined, count: number | undefined): string | undefined {
  if (path === undefined) return undefined;
  return count === undefined ? basename(path) : `${count} of ${basename(path)}`;
}

/** A head and one row a run. */
export function runRows(settings: readonly Setting[]): string[][] {
  const keys = Object.keys(settings[0]?.values ?? {});
  const head = [
    ...[
      'Run',
      ...keys,
      'seed',
      'state',
      'best epoch',
      'accuracy',
      'at the last epoch',
      'training',
      'samples/s',
    ],
    'peak memory',
  ];
  const rows = settings.flatMap(({ values, runs }) =>
    runs.map(({ paths, config, result, score, evaluations }) => {
      const last = result ? result.last : evaluations.at(-1)?.score;
      const best = result?.bestEpoch ?? bestOf(evaluations)?.epoch;
      return [
        ...[shortFolder(paths.folder), ...keys.map((key) => values[key]!), String(config.train.seed)],
        ...[result ? 'done' : 'not finished', best === undefined ? '' : String(best + 1)],
        ...[percent(score?.total), percent(last?.total)],
        ...(result ? costOf(result) : ['', '', '']),
      ];
    }),
  );
  return [head, ...rows];
}

const percent = (accuracy: { correct: number; count: number } | undefined) =>
  accuracy ? `${((100 * accuracy.correct) / accuracy.count).toFixed(2)} %` : '';

function costOf(result: NonNullable<Run['result']>): string[] {
  const { seconds, samplesPerSecond, peakMemoryBytes: peak } = result;
  const memory = peak === undefined ? '' : `${(peak / 2 ** 20).toFixed(0)} MiB`;
  return [formatDuration(seconds * 1000), samplesPerSecond.toFixed(1), memory];
}

/** Keys with one value in all runs; those that are not set are left out. */
export function sharedKeys(settings: readonly Setting[]): Fact[] {
  const configs = runsOf(settings).map(({ config }) => config);
  const differing = new Set(differingKeys(configs));
  return [...(configs[0] ? valuesOf(configs[0]) : [])]
    .filter(([key, value]) => value !== '' && key !== 'train.seed' && !differing.has(key))
    .map(([label, value]) => ({ label, value }));
}

/** What came out, in a sentence a table. */
export function summaryOf(settings: readonly Setting[], tables: readonly AccuracyTable[]): string {
  const runs = runsOf(settings).length;
  const what = `${runs === 1 ? 'One run' : `${runs} runs`} of ${settings.length === 1 ? 'one setting' : `${settings.length} settings`}.`;
  return [what, ...tables.map(outcome)].join(' ');
}

function outcome({ rows, gains }: AccuracyTable): string {
  const totals = rows.flatMap(({ name, cells }) => {
    const total = cells.at(-1);
    return total ? [{ name, accuracy: total.accuracy }] : [];
  });
  const best = totals.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
  const share = (fraction: number) => (100 * fraction).toFixed(2);
  const gain = gains?.rows.find(({ name }) => name === best.name)?.cells.at(-1);
  const sentence = `${best.name} answers ${share(best.accuracy)} % of the validation questions right`;
  if (!gains) return `${sentence}.`;
  if (!gain) return `${sentence}, the most of ${rows.length} settings.`;
  const noise = gain.insideNoise ? ', which is inside the noise' : '';
  return `${sentence}, the most of ${rows.length} settings and ${share(gain.difference)} points more than ${gains.baseline}${noise}.`;
}
