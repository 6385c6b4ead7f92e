/** Resolves a recipe: reads it, applies overrides, fills in defaults and checks everything. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { UsageError } from '../base/errors.js';
import { nearest } from '../base/nearest.js';
import { givenOrOwn } from '../base/packageFiles.js';
import { isRecord } from '../base/values.js';
import { datasetOf } from '../data/datasets/index.js';
import { kindOfBase } from '../model/registry.js';
import { contradictions, ineffective } from './checks.js';
import { CONFIG_KEYS, configKey, sectionKeys } from './keys.js';
import { type Override, parseOverride, type Recipe, readRecipe, shown, unknownKey } from './recipe.js';
import { type Config, configSchema } from './schema.js';

export interface ConfigRequest {
  /** Recipe file, or one of the package's such as bench/shapes/base.yaml; without one everything comes from overrides and defaults. */
  recipe?: string;
  /** `key=value` texts, applied in order over the recipe. */
  overrides?: readonly string[];
  /** Folder that `recipe` and paths in overrides are relative to; default the current one. */
  cwd?: string;
  /** Leaves a recipe's section `sweep` to src/sweep/spec.ts; without it such a recipe is refused. */
  sweep?: boolean;
}

export interface ResolvedConfig {
  config: Config;
  /** Where each key's value comes from: `default`, `recipe.yaml:5:3` or `--set train.beta`. */
  sources: Record<string, string>;
  /** One line each: settings that were given and do nothing. */
  warnings: string[];
}

type Values = Record<string, unknown>;

/** The section of a recipe with the keys that a sweep varies. */
const SWEEP = 'sweep';

/**
 * Reads a recipe, applies overrides, fills in defaults, makes paths absolute (against the recipe's folder, or `cwd`
 * for overrides) and checks everything.
 *
 * @throws UsageError: one line with every problem, each with its place, for example
 *   `recipe.yaml:5:3 train.betta: unknown key (did you mean beta?)`.
 */
export async function resolveConfig(request: ConfigRequest): Promise<ResolvedConfig> {
  const cwd = request.cwd ?? process.cwd();
  const recipe = request.recipe
    ? await readRecipe(givenOrOwn(cwd, request.recipe), request.recipe)
    : undefined;
  const overrides = new Map((request.overrides ?? []).map(parseOverride).map((o) => [o.name, o]));
  const places = new Places(recipe, overrides);
  const { [SWEEP]: _, ...single } = recipe?.values ?? {};
  const merged = merge((request.sweep ? single : recipe?.values) ?? {}, overrides);

  const parsed = configSchema.safeParse(merged);
  if (!parsed.success)
    throw usageError(parsed.error.issues.flatMap((issue) => describeIssue(issue, merged, places)));

  const folderOf = (name: string) =>
    overrides.has(name) || !recipe ? cwd : recipe.folderOf(name.split('.'));
  const isGiven = (key: string) => at(merged, key.split('.')) !== undefined;
  const located = await withFetched(withPaths(parsed.data, folderOf), cwd);
  const config = await complete(located, isGiven);
  const line = ({ key, message }: { key: string; message: string }) => places.name(key.split('.'), message);
  const wrong = contradictions(config).map(line);
  if (wrong.length > 0) throw usageError(wrong);

  const sources = Object.fromEntries(
    CONFIG_KEYS.map(({ name }) => [name, places.given(name, merged) ?? 'default']),
  );
  // A run's config.yaml spells out every key: a value that equals its default, or what follows where nothing is said, was not
  // meant to have an effect.
  const usual: Record<string, unknown> = {
    'train.alpha': alphaBeside(configKey('train.beta')!.default as number),
    'train.loraLearningRate': config.train.learningRate,
  };
  const given = (key: string) =>
    sources[key] !== 'default' &&
    !isDeepStrictEqual(at(config, key.split('.')), usual[key] ?? configKey(key)?.default);
  const warnings = ineffective(config, given).map(line);
  return { config, sources, warnings };
}

/** A resolved configuration as YAML that {@link resolveConfig} reads back to the same one. */
export function dumpConfig(config: Config): string {
  return stringify(config, { lineWidth: 0 });
}

/** SHA-256 over the resolved configuration, whatever the order of its keys. */
export function configHash(config: Config): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(config)))
    .digest('hex');
}

/** Says where a key was set. */
class Places {
  constructor(
    private readonly recipe: Recipe | undefined,
    private readonly overrides: ReadonlyMap<string, Override>,
  ) {}

  /** `recipe.yaml:5:3 train.beta: message` or `--set train.beta: message`. */
  name(path: readonly (string | number)[], message: string): string {
    const name = path.filter((step) => typeof step === 'string').join('.');
    if (this.overrides.get(name)?.value !== undefined) return `--set ${name}: ${message}`;
    if (!this.recipe) return `${name}: ${message}`;
    return `${this.recipe.locate(path)} ${name}: ${message}`;
  }

  /** The source of a key that has a value, else undefined. */
  given(name: string, values: Values): string | undefined {
    if (this.overrides.has(name))
      return this.overrides.get(name)!.value === undefined ? undefined : `--set ${name}`;
    const path = name.split('.');
    return at(values, path) === undefined ? undefined : this.recipe?.locate(path);
  }
}

/** The recipe's values with the overrides in place. A section written but left empty counts as absent. */
function merge(values: Values, overrides: ReadonlyMap<string, Override>): Values {
  const merged = structuredClone(values);
  const dropEmpty = (section: string, target: Values) => {
    for (const [key, value] of Object.entries(target)) {
      const name = section ? `${section}.${key}` : key;
      if (!sectionKeys(name)) continue;
      if (value === null) delete target[key];
      else if (isRecord(value)) dropEmpty(name, value);
    }
  };
  dropEmpty('', merged);
  merged.data ??= {};
  for (const { name, value } of overrides.values()) {
    const path = name.split('.');
    const key = path.pop()!;
    let target = merged;
    for (const step of path) {
      target[step] ??= {};
      if (!isRecord(target[step])) return merged;
      target = target[step];
    }
    if (value === undefined) delete target[key];
    else target[key] = value;
  }
  return merged;
}

function describeIssue(issue: z.core.$ZodIssue, values: Values, places: Places): string[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const isSweep = path.length === 0 && key === SWEEP;
      const problem = isSweep
        ? 'many runs in one recipe; run it with reasvqa sweep'
        : unknownKey(path.join('.'), key);
      return places.name([...path, key], problem);
    });
  const name = path.filter((step) => typeof step === 'string').join('.');
  const key = configKey(name);
  const value = at(values, path);
  if (!key)
    return [places.name(path, `expected keys such as ${sectionKeys(name)?.[0]}:, got ${shown(value)}`)];
  const element = path.length > name.split('.').length;
  const expected = element ? key.type.replace('list of ', '') : key.type;
  if (value === undefined && !element) return [places.name(path, `missing; expected ${expected}`)];
  const hint = typeof value === 'string' ? suggestionFor(value, expected) : '';
  return [places.name(path, `expected ${expected}, got ${shown(value)}${hint}`)];
}

function suggestionFor(value: string, expected: string): string {
  const item = expected.replace('list of ', '');
  const near = nearest(value, item.split(' | '));
  if (!near || near === item) return '';
  if (item === expected) return ` (did you mean ${near}?)`;
  return near === value ? ` (write [${near}])` : ` (did you mean [${near}]?)`;
}

function usageError(lines: string[]): UsageError {
  const most = 8;
  const rest = lines.length > most ? `; and ${lines.length - most} more` : '';
  return new UsageError(lines.slice(0, most).join('; ') + rest);
}

/** 1 - 0.8 is 0.19999999999999996 in binary; the weight meant is the nearest 12-digit decimal. */
const alphaBeside = (beta: number) => Number((1 - beta).toFixed(12));

/** Fills in values that follow from others, and from the base model's config.json. */
async function complete(
  parsed: z.output<typeof configSchema>,
  isGiven: (key: string) => boolean,
): Promise<Config> {
  const { data, model, train, text, video } = parsed;
  const { addPunctuation } = datasetOf(data.dataset);
  const kind = await kindOfBase(model.base);
  const groups = model.train ?? (kind && [...kind.defaultGroups]);
  const own = kind?.recipe;
  const { lora } = model;
  if (own && !isGiven('model.lora.targets')) lora.targets = [...own.targets];
  if (own && !isGiven('text.template')) text.template = own.template;
  if (own && !isGiven('video.prefix')) video.prefix = own.prefix;
  const alpha = train.alpha ?? alphaBeside(train.beta);
  // The default is one configuration with the recipes that were written before there was the key.
  const { mode, ...evaluation } = parsed.eval;
  return {
    ...parsed,
    eval: mode === 'answer' ? evaluation : parsed.eval,
    data: { ...data, addPunctuation: data.addPunctuation ?? addPunctuation },
    model: { ...model, tokenizer: model.tokenizer ?? model.base, ...(groups && { train: groups }) },
    train: { ...train, alpha, loraLearningRate: train.loraLearningRate ?? train.learningRate },
  };
}

/** Makes the schema's paths absolute; `folderOf` gives the folder a key's value is relative to. */
function withPaths<T extends object>(parsed: T, folderOf: (name: string) => string): T {
  const copy = structuredClone(parsed) as Values;
  for (const { name, kind } of CONFIG_KEYS) {
    if (kind !== 'path' && kind !== 'pathOrId') continue;
    const steps = name.split('.');
    const key = steps.pop()!;
    const section = at(copy, steps) as Values;
    const value = section[key];
    if (typeof value === 'string') section[key] = absolute(value, folderOf(name), kind === 'pathOrId');
  }
  return copy as T;
}

/** Takes a published model that `weights fetch` has put below the current folder in place of its name. */
async function withFetched<T extends { model: { base: string; tokenizer?: string | undefined } }>(
  parsed: T,
  cwd: string,
): Promise<T> {
  const { base, tokenizer } = parsed.model;
  const isName = (value: string | undefined) => value !== undefined && !isAbsolute(value);
  if (!isName(base) && !isName(tokenizer)) return parsed;
  const { fetchedFolder } = await import('../weights/manifest.js');
  const located = async (value: string) => (isName(value) && (await fetchedFolder(value, cwd))) || value;
  const found = { base: await located(base), ...(tokenizer && { tokenizer: await located(tokenizer) }) };
  return { ...parsed, model: { ...parsed.model, ...found } };
}

/**
 * With `mayBeId`, `org/name` is a Hugging Face repository unless such a folder exists; anything that starts with
 * `.`, `/` or `~/` is a path.
 */
function absolute(value: string, folder: string, mayBeId: boolean): string {
  if (value.startsWith('~/')) return resolve(homedir(), value.slice(2));
  if (isAbsolute(value)) return value;
  const path = resolve(folder, value);
  if (mayBeId && /^[A-Za-z0-9][\w.-]*(\/[\w.-]+)?$/.test(value) && !existsSync(path)) return value;
  return path;
}

function at(values: unknown, path: readonly (string | number)[]): unknown {
  let value = values;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
