/**
 * The settings of a report: runs that differ in nothing but their seed are one. A setting is named by the keys that differ
 * between settings.
 */

import { basename } from 'node:path';
import { groupBy } from '../base/groups.js';
import { isRecord } from '../base/values.js';
import { CONFIG_KEYS, configKey } from '../config/keys.js';
import type { Config } from '../config/schema.js';
import type { Run } from './runs.js';

export interface Setting {
  /** Unique among the report's settings. */
  name: string;
  /** In the order that they were given in. */
  runs: Run[];
  /** The value of every key that differs between settings, as text. */
  values: Record<string, string>;
}

/** Keys that decide no number, that only tell seeds apart, or that follow from another (alpha = 1 - beta). */
const SILENT = /^features\.|^train\.(seed|alpha|checkpointEverySteps|logEverySteps)$/;

/** More keys than this do not make a name: a number tells the settings apart. */
const MOST_KEYS = 4;

/** Groups runs, in the order in which their settings appear. */
export function groupRuns(runs: readonly Run[]): Setting[] {
  const settingOf = ({ config }: Run) =>
    JSON.stringify([...valuesOf(config)].filter(([name]) => !SILENT.test(name)));
  const groups = [...groupBy(runs, settingOf).values()];
  const keys = differingKeys(groups.map(([first]) => first!.config));
  const names = namesOf(groups, keys);
  return groups.map((group, i) => ({
    name: names[i]!,
    runs: group,
    values: Object.fromEntries(keys.map((key) => [key, valuesOf(group[0]!.config).get(key) ?? ''])),
  }));
}

/** Keys whose values differ between configurations, in schema order. */
export function differingKeys(configs: readonly Config[]): string[] {
  const all = configs.map(valuesOf);
  const differ = (key: string) => new Set(all.map((values) => values.get(key))).size > 1;
  return CONFIG_KEYS.map(({ name }) => name).filter(
    (key) => !SILENT.test(key) && differ(key) && !follows(key, all),
  );
}

/** The LoRA rate is the learning rate unless given. */
function follows(key: string, all: ReadonlyMap<string, string>[]): boolean {
  return (
    key === 'train.loraLearningRate' &&
    all.every((values) => values.get(key) === values.get('train.learningRate'))
  );
}

/** Every key's value as text, by dotted name; empty for a key that is not set. */
export function valuesOf(config: Config): Map<string, string> {
  return new Map(
    CONFIG_KEYS.map(({ name }) => [
      name,
      textOf(
        name.split('.').reduce<unknown>((value, part) => (isRecord(value) ? value[part] : undefined), config),
      ),
    ]),
  );
}

const textOf = (value: unknown): string =>
  value === undefined || value === null
    ? ''
    : Array.isArray(value)
      ? value.map(textOf).join(', ')
      : typeof value === 'string'
        ? value
        : JSON.stringify(value);

function namesOf(groups: readonly Run[][], keys: readonly string[]): string[] {
  const labels = groups.map(([first]) => first!.label);
  if (unique(labels) && labels.every((label) => label !== undefined)) return labels as string[];
  const textsBy = (named: readonly string[]) =>
    groups.map(([first], i) => {
      const values = valuesOf(first!.config);
      const parts = named.map((key) => `${lastName(key)} ${shortValue(key, values.get(key)!)}`);
      return [labels[i], ...parts].filter((part) => part !== undefined).join(', ') || alone(first!);
    });
  // Where the data lie tells little of a setting; it may be all that tells two apart.
  const short = textsBy(keys.filter((key) => !FILES.test(key)).slice(0, MOST_KEYS));
  const texts = unique(short) ? short : textsBy(keys.slice(0, MOST_KEYS));
  return unique(texts) ? texts : texts.map((text, i) => `${text} (${i + 1})`);
}

const FILES = /^data\.(videos|train|val|test|map)$/;

/** The name of a report's only setting. */
const alone = ({ config }: Run) => `beta ${config.train.beta}`;

const lastName = (key: string) => key.split('.').at(-1)!;

function shortValue(key: string, value: string): string {
  if (value === '') return 'not set';
  return /^path/.test(configKey(key)!.kind) ? basename(value) : value;
}

const unique = (texts: readonly unknown[]) => new Set(texts).size === texts.length;
