/**
 * What a sweep is asked to do: a recipe, what of it varies, and from that the resolved configuration of every trial.
 *
 * A recipe may have a section `sweep`:
 *
 *     extends: base.yaml
 *     sweep:
 *       grid:
 *         train.beta: [0, 0.2, 0.5, 0.8, 0.9]
 *       arms:                       # settings that go together, each with every value of the grid
 *         refined: { data.reasoning: refined.jsonl }
 *         original: { data.reasoning: generated.jsonl }
 *         # Another recipe than this one; its model.adapter is the run of an earlier arm with the same seed and values of the grid.
 *         rewarded: { recipe: rl.yaml, from: refined }
 *       seeds: 3                    # or the seeds themselves: [1, 2, 3]
 *       figure: 4                   # what is drawn when all trials are done: 3 or 4
 *       # Makes the shapes world's data where the recipe's files are missing: clips to train on; as many to validate as to
 *       # test; refined-0.5.jsonl beside the reasoning, of a teacher that errs about half of the questions;
 *       # refined-first-n.jsonl, the own teacher's texts by another policy of refinement; train.jsonl, val.jsonl and test.jsonl
 *       # of several tasks; at most so many questions of each task about a clip (4); clips of so many frames (16) and beats (4).
 *       world: { clips: 300, others: 500, teachers: [0.5], policies: [first-n], tasks: [choice, ground], questions: 2,
 *                frames: 128, beats: 12 }
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../base/errors.js';
import { givenOrOwn } from '../base/packageFiles.js';
import { configKey } from '../config/keys.js';
import { configHash, resolveConfig } from '../config/load.js';
import { readRecipe, unknownKey } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { SHAPES_TASKS } from '../shapes/tasks/rows.js';
import { identity } from '../training/run/folder.js';
import {
  type Axis,
  checkAxis,
  combinations,
  firstSeeds,
  overrideOf,
  type Settings,
  shortHash,
  splitOverrides,
  trialId,
} from './axes.js';
import type { WorldSize } from './world.js';

const setting = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.unknown())]);

const sectionSchema = z.strictObject({
  grid: z.record(z.string(), z.array(setting).min(1)).default({}),
  arms: z.record(z.string().min(1), z.record(z.string(), setting).nullable()).default({}),
  seeds: z.union([z.int().min(1).max(1000), z.array(z.int().min(0).max(0xffffffff)).min(1)]).optional(),
  figure: z.union([z.literal(3), z.literal(4)]).optional(),
  world: z
    .strictObject({
      clips: z.int().min(2),
      others: z.int().min(1).optional(),
      teachers: z.array(z.number().min(0).max(1)).optional(),
      policies: z.array(z.enum(['original', 'first-n', 'none-of-answer-sentences', 'agreement'])).optional(),
      tasks: z.array(z.enum(SHAPES_TASKS)).min(2).optional(),
      questions: z.int().min(1).max(4).optional(),
      frames: z.int().min(8).optional(),
      beats: z.int().min(4).optional(),
    })
    .optional(),
});

type Section = z.output<typeof sectionSchema>;

/** Settings that go together, under a name: a row of a table, a line of a figure. */
export interface Arm {
  name: string;
  /** Its own recipe; the request's unless given. */
  recipe?: string;
  /** `key=value` texts over the recipe. */
  set?: readonly string[];
  /** The arm that its trials start from: model.adapter is that one's run with the same values of the axes. */
  from?: string;
}

export interface SweepRequest {
  recipe?: string | undefined;
  /** `key=value` texts; a value with commas outside brackets is an axis of the grid. */
  overrides?: readonly string[];
  /** Replaces the recipe's. */
  seeds?: readonly number[] | undefined;
  /** Replaces the recipe's. */
  arms?: readonly Arm[] | undefined;
  /** Folder that relative paths of the request start from; default the current one. */
  cwd?: string;
}

/** One run to be. */
export interface Trial {
  /** Unique in the sweep; the name of its folder. */
  id: string;
  arm?: string | undefined;
  /** The swept keys and their values, `train.seed` among them. */
  settings: Settings;
  config: Config;
  /** Hash of everything that decides the run's numbers. */
  identity: string;
  /** The trial whose run becomes its model.adapter. */
  startsFrom?: string | undefined;
}

/** A sweep as asked for. */
export interface SweepSpec {
  trials: Trial[];
  /** The swept keys in order, `train.seed` last. */
  keys: string[];
  /** Hash of each arm's configuration before anything is varied, by the arm's name ('' without arms). */
  bases: Record<string, string>;
  figure?: 3 | 4 | undefined;
  world?: WorldSize | undefined;
  /** One line each: settings that have no effect in any trial. */
  warnings: string[];
}

/**
 * Resolves every trial of a sweep.
 *
 * @throws UsageError for a recipe, key or value that is not one, an empty grid, or a key that is swept twice
 */
export async function resolveSweep(request: SweepRequest): Promise<SweepSpec> {
  const { recipe, cwd = process.cwd() } = request;
  const { section, folder, place } = await readSection(recipe, cwd);
  const given = splitOverrides(request.overrides ?? []);
  const inRecipe = Object.entries(section.grid).map(([key, values]) =>
    checkAxis(
      { key: knownKey(key, `${place}.grid`), values: values.map((v) => anchored(key, v, folder)) },
      `${place}.grid`,
    ),
  );
  const axes = [...inRecipe.filter(({ key }) => !given.axes.some((axis) => axis.key === key)), ...given.axes];
  const arms = request.arms ?? armsOf(section, folder, place);
  const seeds = seedsOf(request, section, axes);
  const seeded = seeds ? [...axes, { key: SEED, values: seeds }] : seedLast(axes);
  requireDistinct(seeded, arms, given.fixed);
  requireStarts(arms, given.fixed);
  return {
    ...(await resolveTrials(arms, seeded, { recipe, cwd, fixed: given.fixed })),
    figure: section.figure,
    world: section.world,
  };
}

const SEED = 'train.seed';

const seedLast = (axes: readonly Axis[]) => [
  ...axes.filter(({ key }) => key !== SEED),
  ...axes.filter(({ key }) => key === SEED),
];

async function readSection(recipe: string | undefined, cwd: string) {
  if (recipe === undefined) return { section: sectionSchema.parse({}), folder: cwd, place: 'sweep' };
  const path = givenOrOwn(cwd, recipe);
  const { values, locate } = await readRecipe(path, recipe);
  const parsed = sectionSchema.safeParse(values.sweep ?? {});
  if (parsed.success)
    return { section: parsed.data, folder: dirname(path), place: `${locate(['sweep'])} sweep` };
  const issue = parsed.error.issues[0]!;
  const at = ['sweep', ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  throw new UsageError(`${locate(at)} ${at.join('.')}: ${issue.message}`);
}

function armsOf({ arms }: Section, folder: string, place: string): Arm[] {
  return Object.entries(arms).map(([name, settings]) => {
    const where = `${place}.arms ${name}`;
    const { [RECIPE]: recipe, [FROM]: from, ...keys } = settings ?? {};
    for (const [word, value] of Object.entries({ [RECIPE]: recipe, [FROM]: from }))
      if (value !== undefined && typeof value !== 'string')
        throw new UsageError(`${where} ${word}: expected a text, got ${JSON.stringify(value)}`);
    return {
      name,
      ...(typeof recipe === 'string' && { recipe: resolve(folder, recipe) }),
      ...(typeof from === 'string' && { from }),
      set: Object.entries(keys).map(([key, value]) =>
        overrideOf(knownKey(key, where), anchored(key, value, folder)),
      ),
    };
  });
}

/** What an arm may say beside keys of a configuration, whose names all have a dot. */
const [RECIPE, FROM] = ['recipe', 'from'] as const;

/** @throws UsageError for an arm that starts from none before it: what it starts from is trained first */
function requireStarts(arms: readonly Arm[], fixed: readonly string[]): void {
  const isAdapter = (text: string) => text.slice(0, text.indexOf('=')).trim() === 'model.adapter';
  const before: string[] = [];
  for (const { name, from, set = [] } of arms) {
    if (from !== undefined && !before.includes(from))
      throw new UsageError(
        `arm ${name}: from ${from}, expected an arm before it${before.length > 0 ? ` (${before.join(', ')})` : ''}`,
      );
    if (from !== undefined && set.some(isAdapter))
      throw new UsageError(`arm ${name}: model.adapter is the run of arm ${from}; leave out one of them`);
    if (from !== undefined && fixed.some(isAdapter))
      throw new UsageError(
        `--set model.adapter: arm ${name} starts from the run of arm ${from}; leave it out, or change the arms`,
      );
    before.push(name);
  }
}

function knownKey(key: string, where: string): string {
  if (configKey(key)) return key;
  const parts = key.split('.');
  throw new UsageError(`${where} ${key}: ${unknownKey(parts.slice(0, -1).join('.'), parts.at(-1)!)}`);
}

/** A path that is written in a recipe starts from the recipe's folder. */
function anchored(key: string, value: unknown, folder: string): unknown {
  const kind = configKey(key)?.kind;
  if (typeof value !== 'string' || (kind !== 'path' && kind !== 'pathOrId')) return value;
  if (value.startsWith('~/') || (kind === 'pathOrId' && !value.startsWith('.'))) return value;
  return resolve(folder, value);
}

/** A key has one place: the grid, or each arm, or one value for all. */
function requireDistinct(axes: readonly Axis[], arms: readonly Arm[], fixed: readonly string[]): void {
  const nameOf = (text: string) => text.slice(0, text.indexOf('=')).trim();
  const keys = axes.map(({ key }) => key);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  if (twice) throw new UsageError(`${twice}: swept twice; give all its values in one list`);
  for (const { name, set = [] } of arms)
    for (const key of set.map(nameOf))
      if (keys.includes(key))
        throw new UsageError(`${key}: both an axis of the grid and a setting of arm ${name}; give it once`);
      else if (fixed.map(nameOf).includes(key))
        throw new UsageError(`--set ${key}: arm ${name} has its own; leave it out, or change the arms`);
  const both = fixed.map(nameOf).find((key) => keys.includes(key));
  if (both)
    throw new UsageError(`--set ${both}: the sweep varies it; give its values as a list, ${both}=A,B`);
  const names = arms.map(({ name }) => name);
  const same = names.find((name, i) => names.indexOf(name) !== i);
  if (same) throw new UsageError(`arm ${same}: named twice`);
}

function seedsOf(request: SweepRequest, { seeds }: Section, axes: readonly Axis[]): number[] | undefined {
  const swept = axes.some(({ key }) => key === SEED);
  if (swept && request.seeds)
    throw new UsageError(`--seeds: ${SEED} is an axis of the grid already; give one of them`);
  if (swept) return undefined;
  const wanted = request.seeds ?? (typeof seeds === 'number' ? firstSeeds(seeds) : seeds);
  if (!wanted) return undefined;
  checkAxis({ key: SEED, values: [...wanted] }, '--seeds');
  return [...wanted];
}

interface Common {
  recipe: string | undefined;
  cwd: string;
  fixed: readonly string[];
}

async function resolveTrials(
  arms: readonly Arm[],
  axes: readonly Axis[],
  common: Common,
): Promise<Pick<SweepSpec, 'trials' | 'keys' | 'bases' | 'warnings'>> {
  const keys = axes.map(({ key }) => key);
  const trials: Trial[] = [];
  const bases: Record<string, string> = {};
  const told = new Map<string, number>();
  for (const arm of arms.length > 0 ? arms : [undefined]) {
    const resolveWith = (settings: Settings) => resolveArm(arm, settings, common);
    bases[arm?.name ?? ''] = identity((await resolveWith({})).config);
    for (const settings of combinations(axes)) {
      const { config, warnings } = await resolveWith(settings);
      const seed = { [SEED]: config.train.seed };
      const id = trialId(arm?.name, settings, keys);
      trials.push({
        id,
        arm: arm?.name,
        settings: { ...settings, ...seed },
        config,
        identity: identity(config),
      });
      for (const line of warnings) told.set(line, (told.get(line) ?? 0) + 1);
    }
  }
  requireDifferent(trials);
  return {
    trials: withStarts(withUniqueIds(trials), arms),
    keys: keys.includes(SEED) ? keys : [...keys, SEED],
    bases,
    // What one value of a grid leaves without effect (reasoning at beta 0, say) is what the sweep is about.
    warnings: [...told].flatMap(([line, count]) => (count === trials.length ? [line] : [])),
  };
}

/** Values that differ in writing alone (a default and null, `a` and `./a`) would count one trial twice. */
function requireDifferent(trials: readonly Trial[]): void {
  const found = new Map<string, string>();
  for (const { id, arm, config } of trials) {
    const key = JSON.stringify([arm, configHash(config)]);
    const other = found.get(key);
    if (other !== undefined)
      throw new UsageError(`${other} and ${id}: are one configuration; leave one of the values out`);
    found.set(key, id);
  }
}

function resolveArm(arm: Arm | undefined, settings: Settings, { recipe, cwd, fixed }: Common) {
  const file = arm?.recipe ?? recipe;
  const swept = Object.entries(settings).map(([key, value]) => overrideOf(key, value));
  return resolveConfig({
    ...(file === undefined ? {} : { recipe: file }),
    overrides: [...(arm?.set ?? []), ...fixed, ...swept],
    cwd,
    sweep: true,
  });
}

/** Names that came out the same (they differed in letter case, say) are told apart by their arm and configuration. */
function withUniqueIds(trials: readonly Trial[]): Trial[] {
  const count = new Map<string, number>();
  for (const { id } of trials) count.set(id, (count.get(id) ?? 0) + 1);
  return trials.map((trial) =>
    count.get(trial.id)! > 1
      ? { ...trial, id: `${trial.id}-${shortHash(JSON.stringify([trial.arm, configHash(trial.config)]))}` }
      : trial,
  );
}

/** Each trial of an arm with `from` starts from that arm's trial with its own values of the axes. */
function withStarts(trials: readonly Trial[], arms: readonly Arm[]): Trial[] {
  const keyOf = (arm: string | undefined, settings: Settings) => JSON.stringify([arm, settings]);
  const ids = new Map(trials.map(({ id, arm, settings }) => [keyOf(arm, settings), id]));
  const starts = new Map(arms.map(({ name, from }) => [name, from]));
  return trials.map((trial) => {
    const from = trial.arm === undefined ? undefined : starts.get(trial.arm);
    return from === undefined ? trial : { ...trial, startsFrom: ids.get(keyOf(from, trial.settings))! };
  });
}
