/** LoRA adapters of a student: fresh ones, and those of a PEFT folder, read and written. */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../base/errors.js';
import { isTarget, type WrappedClasses } from '../weights/loraConfig.js';
import {
  type AdapterBase,
  type LoraConfig,
  type LoraModule,
  loraScaling,
  readAdapter,
  selectsExactly,
  selectTargets,
  writeAdapter,
} from '../weights/peft.js';
import { type Linear, linearsOf } from './layers/linear.js';
import type { AdapterNames, Student } from './student.js';

/** What an adapter is added to. */
type AdapterHost = Pick<Student, 'module' | 'languageModelPath' | 'adapters'>;

/** The adapter a model carries: what PEFT's adapter_config.json would say, and which paths have it. */
export interface AttachedAdapter {
  config: LoraConfig;
  base: AdapterBase;
  /** Path of the language model, with a dot. */
  prefix: string;
  /** What PEFT wraps; BLIP-2 and its T5 unless given. */
  classes?: WrappedClasses | undefined;
}

/**
 * Adds fresh adapters to the language model: every Linear layer that the targets select (PEFT's rules), A
 * kaiming-uniform and B zero, to be initialised with the model's other missing parameters.
 *
 * @throws UsageError when the targets select nothing.
 */
export function addAdapter(student: AdapterHost, config: LoraConfig): AttachedAdapter {
  const { languageModelPath: prefix, adapters } = student;
  const linears = linearsOf(student.module);
  const paths = [...linears.keys()]
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length));
  const selected = selectTargets(paths, config.targetModules);
  const added = new Map<string, Scaled>();
  for (const path of selected) {
    const { r, scaling } = loraScaling(config, path);
    linears.get(prefix + path)!.addLora({ r, scaling, dropout: config.dropout });
    added.set(prefix + path, { r, scaling });
  }
  const all = [...linears.keys()];
  if (adapters) {
    const given = inLanguageModel(config, prefix, adapters).targetModules;
    const targets =
      typeof config.targetModules === 'string' ? patternOf([...added.keys()], all, prefix) : given;
    const whole = underOurNames({ ...config, targetModules: targets }, added, all, prefix);
    return { config: whole, base: 'blip2', prefix, classes: adapters.classes };
  }
  const isPattern = typeof config.targetModules === 'string' && config.targetModules !== 'all-linear';
  const targetModules = isPattern ? patternOf(selected, paths, '') : config.targetModules;
  return { config: { ...config, targetModules }, base: 't5', prefix };
}

/** Rank and scale of an adapted layer. */
type Scaled = Pick<LoraModule, 'r' | 'scaling'>;

/**
 * A pattern for paths of Linear layers that selects these and no others. PEFT tests a pattern on modules of every kind, and
 * refuses one that selects an attention or an activation besides; this one ends in names of Linear layers.
 */
function patternOf(paths: readonly string[], all: readonly string[], prefix: string): string {
  if (paths.every((path) => path.startsWith(prefix)))
    for (const length of [1, 2, 3]) {
      const endings = new Set(
        paths.map((path) => path.slice(prefix.length).split('.').slice(-length).join('.')),
      );
      const pattern = `${escaped(prefix)}(.*\\.)?(${[...endings].map(escaped).join('|')})`;
      if (selectsExactly(pattern, paths, all)) return pattern;
    }
  return paths.map(escaped).join('|');
}

const escaped = (path: string) => path.replaceAll('.', '\\.');

/**
 * The configuration for the whole model. A list of names would also select layers of the vision tower, which has a q_proj
 * too; PEFT takes a text as a pattern for whole paths.
 */
function inLanguageModel(config: LoraConfig, prefix: string, { canonical }: AdapterNames): LoraConfig {
  if (typeof config.targetModules === 'string') return config;
  const names = config.targetModules.map((target) => {
    const own = canonical(target) ?? target;
    return escaped(own.startsWith(prefix) ? own.slice(prefix.length) : own);
  });
  return { ...config, targetModules: `${escaped(prefix)}(.*\\.)?(${names.join('|')})` };
}

/**
 * Adds the adapter of a PEFT folder with its weights.
 *
 * @throws DataError naming the module that the model lacks or whose shape differs.
 */
export async function loadAdapter(student: AdapterHost, folder: string): Promise<AttachedAdapter> {
  const { languageModelPath: prefix, adapters } = student;
  const linears = linearsOf(student.module);
  const { config, base, modules } = await readAdapter(folder, {
    prefix,
    ...(adapters && { canonical: adapters.canonical }),
    startsAt: (path) =>
      linears.has(prefix + path) || (!linears.has(path) && /^(encoder|decoder|lm_head)\./.test(path)),
  });
  for (const [path, module] of modules) {
    const frozen = adapters && frozenPath(path, student, adapters, linears);
    if (frozen !== undefined)
      throw new DataError(
        `${folder}: the adapter changes ${frozen}; adapters of ${adapters!.frozen.name} are not supported, expected layers below ${prefix.slice(0, -1)}`,
      );
    const linear = linears.get(path);
    if (!linear)
      throw new DataError(`${folder}: the adapter changes ${path}, which is no Linear layer of this model`);
    requireFit(folder, path, module, linear);
    linear.addLora({ r: module.r, scaling: module.scaling, dropout: config.dropout });
    linear.lora!.A.set(tf.tensor2d(module.a, [module.r, module.inFeatures]));
    linear.lora!.B.set(tf.tensor2d(module.b, [module.outFeatures, module.r]));
  }
  requireWhole(folder, config, new Set(modules.keys()), { paths: linears.keys(), prefix });
  const written =
    adapters && base === 'blip2'
      ? underOurNames(inLanguageModel(config, prefix, adapters), modules, [...linears.keys()], prefix)
      : config;
  return { config: written, base, prefix, classes: adapters?.classes };
}

/**
 * Without its weights a layer would be read as one that training left unchanged. Patterns are not followed: they may be
 * Python's, or for other names of the same layers.
 *
 * @throws DataError naming the first layer of the language model that target_modules lists and the file lacks
 */
function requireWhole(
  folder: string,
  { targetModules, selection }: LoraConfig,
  adapted: ReadonlySet<string>,
  { paths, prefix }: { paths: Iterable<string>; prefix: string },
): void {
  if (typeof targetModules === 'string' || selection) return;
  const missing = [...paths].filter(
    (path) => path.startsWith(prefix) && !adapted.has(path) && isTarget(path, targetModules),
  );
  if (missing.length > 0)
    throw new DataError(
      `${folder}: adapter_model.safetensors lacks ${missing.length} of the layers that target_modules ${JSON.stringify(targetModules)} names, ${missing[0]} the first; save the adapter again, or list the layers that it has in target_modules`,
    );
}

/** The frozen part's layer that an adapter's path means, also where PEFT wrapped that part alone; undefined for others. */
function frozenPath(
  path: string,
  { languageModelPath: prefix }: AdapterHost,
  { frozen }: AdapterNames,
  linears: ReadonlyMap<string, Linear>,
): string | undefined {
  if (path.startsWith(frozen.prefix)) return path;
  const alone = path.startsWith(prefix) ? frozen.prefix + path.slice(prefix.length) : undefined;
  return alone !== undefined && !linears.has(path) && linears.has(alone) ? alone : undefined;
}

/**
 * The configuration of an adapter for the names that it is written under: patterns for another layout of names select
 * nothing there. What chose modules beside target_modules is left out, since the targets are those that are adapted.
 *
 * @param all paths of every Linear layer
 */
function underOurNames(
  { selection: _, ...config }: LoraConfig,
  modules: ReadonlyMap<string, Scaled>,
  all: readonly string[],
  prefix: string,
): LoraConfig {
  const adapted = [...modules.keys()];
  const { targetModules: given } = config;
  const targetModules = selectsExactly(given, adapted, all) ? given : patternOf(adapted, all, prefix);
  const isRight = adapted.every((path) => {
    const { r, scaling } = loraScaling(config, path);
    return r === modules.get(path)!.r && scaling === modules.get(path)!.scaling;
  });
  if (isRight) return { ...config, targetModules };
  const unlike = (usual: number, numberOf: (module: Scaled) => number) =>
    Object.fromEntries(
      [...modules]
        .map(([path, module]) => [escaped(path), numberOf(module)] as const)
        .filter(([, v]) => v !== usual),
    );
  // alpha / r times r may be a rounding away from alpha.
  const alphaOf = ({ r, scaling }: Scaled) =>
    Number((scaling * (config.useRslora ? Math.sqrt(r) : r)).toPrecision(12));
  return {
    ...config,
    targetModules,
    rankPattern: unlike(config.r, ({ r }) => r),
    alphaPattern: unlike(config.alpha, alphaOf),
  };
}

function requireFit(folder: string, path: string, module: LoraModule, linear: Linear): void {
  if (module.inFeatures !== linear.inFeatures || module.outFeatures !== linear.outFeatures)
    throw new DataError(
      `${folder}: the adapter of ${path} is for (${module.outFeatures}, ${module.inFeatures}), the model has (${linear.outFeatures}, ${linear.inFeatures})`,
    );
}

/** Writes the model's adapter in PEFT's layout. */
export async function saveAdapter(
  student: AdapterHost,
  adapter: AttachedAdapter,
  folder: string,
): Promise<void> {
  const modules = new Map<string, LoraModule>();
  for (const [path, linear] of linearsOf(student.module)) {
    if (!linear.lora) continue;
    const { A, B, scaling } = linear.lora;
    modules.set(path, {
      a: (await A.value.data()) as Float32Array,
      b: (await B.value.data()) as Float32Array,
      r: A.shape[0]!,
      inFeatures: linear.inFeatures,
      outFeatures: linear.outFeatures,
      scaling,
    });
  }
  await writeAdapter(folder, { ...adapter, modules });
}
