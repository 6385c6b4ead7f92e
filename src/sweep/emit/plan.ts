/** What a job file for another scheduler needs to know of a plan. */
import { basename, dirname, sep } from 'node:path';
import { UsageError } from '../../base/errors.js';
import { isRecord } from '../../base/values.js';
import { configKey } from '../../config/keys.js';
import type { EngineChoice } from '../executor.js';
import type { PlannedTrial, Sweep } from '../folder.js';
import { engineArguments, requireOneLine, shellWord } from '../process.js';
import type { SlurmOptions } from '../slurm/script.js';
import { indexOf } from '../trial.js';

/** What a trial's machine is asked for. */
export interface EmitOptions extends Pick<SlurmOptions, 'gres' | 'cpusPerTask' | 'mem' | 'maxParallel'> {
  /** Container image that has reasvqa on its PATH. */
  image?: string;
  /** Volume claims of Kubernetes, or volumes of SkyPilot, one for each folder of {@link mountFolders}. */
  volume?: readonly string[];
}

export interface Emission {
  sweep: Sweep;
  /** Those still to run, in the order of the plan; at least one. */
  trials: readonly PlannedTrial[];
  engine: EngineChoice;
  options: EmitOptions;
}

/** Stands where --image was not given. */
export const IMAGE = 'registry.example.com/reasvqa:latest';

/** A name for a scheduler's object: lower case, digits and hyphens, at most 50 characters, none at its ends. */
export function objectName(folder: string): string {
  const plain = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '');
  return plain === '' ? 'reasvqa' : `reasvqa-${plain}`;
}

/** Lines of plan.jsonl to run. */
export function linesOf({ sweep, trials }: Emission): number[] {
  return trials.map((trial) => indexOf(sweep, trial));
}

/** The command of one trial. @param index shell text of its line of plan.jsonl */
export function trialCommand({ sweep, engine }: Emission, index: string): string {
  const words = ['reasvqa', 'sweep', 'trial', sweep.folder, '--index'].map(shellWord);
  return [...words, index, ...engineArguments(engine).map(shellWord)].join(' ');
}

/**
 * The folders that a trial's machine must see at the same paths as this one: those that hold the sweep and the files that its
 * recipes name, one below each top folder (`/data`).
 */
export function mountFolders({ sweep, trials }: Emission): string[] {
  const byTop = new Map<string, string>();
  for (const path of [sweep.folder, ...trials.flatMap(({ config }) => pathsOf(config, ''))]) {
    requireOneLine(path);
    const parent = dirname(path);
    const folder = parent === sep ? path : parent;
    const top = folder.split(sep)[1]!;
    byTop.set(top, commonFolder(byTop.get(top) ?? folder, folder));
  }
  return [...byTop.values()];
}

function pathsOf(value: unknown, key: string): string[] {
  if (isRecord(value))
    return Object.entries(value).flatMap(([name, inner]) =>
      pathsOf(inner, key === '' ? name : `${key}.${name}`),
    );
  const kind = configKey(key)?.kind;
  const isPath = kind === 'path' || kind === 'pathOrId';
  return isPath && typeof value === 'string' && value.startsWith(sep) ? [value] : [];
}

function commonFolder(a: string, b: string): string {
  let folder = a;
  while (!`${b}${sep}`.startsWith(`${folder}${sep}`)) folder = dirname(folder);
  return folder;
}

/** GPUs of `--gres gpu:h100:2`: their kind, if named, and how many; undefined without --gres. */
export function gpusOf({ gres }: EmitOptions): { kind?: string; count: number } | undefined {
  if (gres === undefined) return undefined;
  const match = /^gpu(?::([a-z][\w-]*))?(?::(\d+))?$/i.exec(gres);
  if (!match) throw new UsageError(`--gres ${gres}: expected GPUs, such as gpu:1 or gpu:h100:1`);
  const [, kind, count = '1'] = match;
  return { ...(kind === undefined ? {} : { kind }), count: Number(count) };
}

/** Gibibytes of `--mem 32G`, or megabytes where no unit is given, as in Slurm; undefined without --mem. */
export function memoryOf({ mem }: EmitOptions): number | undefined {
  if (mem === undefined) return undefined;
  const match = /^(\d+)([KMGT]?)B?$/i.exec(mem);
  if (!match) throw new UsageError(`--mem ${mem}: expected a size such as 32G`);
  const power = { K: -2, M: -1, G: 0, T: 1 }[(match[2] || 'M').toUpperCase()]!;
  return Math.ceil(Number(match[1]) * 1024 ** power);
}

/** What to do about {@link IMAGE}. */
export const NO_IMAGE = 'image (--image): one that has reasvqa on its PATH';

/** The comment at the head of a file. @param launch how its trials are started @param fill what the person has to fill in */
export function headOf(folder: string, launch: string, fill: readonly string[]): string {
  return [
    `The trials of the sweep in ${folder} that are not done, ${launch}`,
    `Afterwards collect the results: reasvqa sweep collect ${shellWord(folder)}`,
    ...(fill.length > 0 ? ['To fill in:', ...fill.map((line) => `  ${line}`)] : []),
  ]
    .map((line) => `# ${line}\n`)
    .join('');
}
