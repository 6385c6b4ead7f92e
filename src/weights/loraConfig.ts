/**
 * PEFT's adapter_config.json, with the keys of PEFT 0.21. The tensors of a saved adapter hold everything but their
 * scale, so there are four kinds of keys. Rank and scale are used. Keys that chose modules or initial values are
 * ignored. Keys that change the computation must be off. Unknown keys of later versions must be off too, since their
 * kind is not known.
 */
import { z } from 'zod';
import { DataError, UsageError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { quote } from './header.js';

/** Settings of a LoRA adapter from PEFT's adapter_config.json, in the terms of the LoRA paper. */
export interface LoraConfig {
  r: number;
  alpha: number;
  dropout: number;
  /** Module name suffixes, or a regular expression for whole paths, or 'all-linear'. */
  targetModules: string[] | string;
  /** Module pattern -> rank or alpha of those modules. */
  rankPattern: Record<string, number>;
  alphaPattern: Record<string, number>;
  /** Scale by alpha / sqrt(r) instead of alpha / r. */
  useRslora: boolean;
  /** Base model of the adapter's training, for provenance. */
  baseModel?: string;
  /** The keys that chose modules beside target_modules; they are written again after further training. */
  selection?: Record<string, unknown>;
}

const rank = z.number().int().positive();

const schema = z.looseObject({
  r: rank.default(8),
  lora_alpha: z.number().positive().default(8),
  lora_dropout: z.number().min(0).max(1).default(0),
  target_modules: z.union([z.array(z.string()).min(1), z.string().min(1)]),
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  use_rslora: z.boolean().nullish(),
  base_model_name_or_path: z.string().nullish(),
});

/** Keys beside target_modules that chose the modules of an adapter. */
const SELECTION = ['exclude_modules', 'layers_to_transform', 'layers_pattern'];

/** Keys that do not change a saved adapter's computation. */
const HARMLESS = new Set([
  ...Object.keys(schema.shape),
  ...SELECTION,
  'auto_mapping',
  'corda_config',
  'ensure_weight_tying',
  'eva_config',
  // PEFT turns it off for Linear layers.
  'fan_in_fan_out',
  'inference_mode',
  'init_lora_weights',
  'loftq_config',
  'lora_ga_config',
  'megatron_core',
  'peft_type',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
]);

/** Keys that change an adapter's computation, or mean more than LoRA's two matrices a module. */
const REFUSED = new Set([
  'alora_invocation_tokens',
  'arrow_config',
  'bias',
  'kasa_config',
  'layer_replication',
  'lora_bias',
  'megatron_config',
  'modules_to_save',
  'monteclora_config',
  'target_parameters',
  'trainable_token_indices',
  'use_bdlora',
  'use_dora',
  'use_qalora',
  'velora_config',
]);

/** Initialisations that leave the base weights unchanged; others subtract the adapter's initial value from them. */
const HARMLESS_INITS = ['gaussian', 'eva', 'orthogonal'];

/**
 * Checks a parsed adapter_config.json.
 *
 * @throws DataError naming the key; options we do not implement (DoRA, trained biases, ...) are refused by name.
 */
export function parseLoraConfig(json: unknown, origin: string): LoraConfig {
  const type = isRecord(json) ? json.peft_type : undefined;
  if (isRecord(json) && type !== 'LORA')
    throw new DataError(`${origin}: peft_type is ${quote(type)}; only "LORA" is supported`);
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new DataError(`${origin}: ${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  const config = result.data;
  for (const [key, value] of Object.entries(config)) refuseOption(key, value, origin);
  refuseInit(config.init_lora_weights, origin);
  for (const pattern of Object.keys({ ...config.rank_pattern, ...config.alpha_pattern })) {
    if (!isRegExp(pattern)) throw new DataError(`${origin}: ${quote(pattern)} is not a regular expression`);
  }
  const selection = Object.entries(config).filter(([key, value]) => SELECTION.includes(key) && !isOff(value));
  return {
    r: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    targetModules: config.target_modules,
    rankPattern: config.rank_pattern ?? {},
    alphaPattern: config.alpha_pattern ?? {},
    useRslora: config.use_rslora ?? false,
    ...(config.base_model_name_or_path ? { baseModel: config.base_model_name_or_path } : {}),
    ...(selection.length > 0 ? { selection: Object.fromEntries(selection) } : {}),
  };
}

function refuseOption(key: string, value: unknown, origin: string): void {
  if (HARMLESS.has(key) || isOff(value) || (key === 'bias' && value === 'none')) return;
  const why = REFUSED.has(key)
    ? 'which is not supported; expected it to be off, or the adapter merged into its model (merge_and_unload of PEFT)'
    : 'a key that is not known here; set it to null if a saved adapter computes the same without it';
  throw new DataError(`${origin}: ${key} is ${quote(value)}, ${why}`);
}

function refuseInit(init: unknown, origin: string): void {
  if (typeof init !== 'string' || HARMLESS_INITS.includes(init.toLowerCase())) return;
  throw new DataError(
    `${origin}: init_lora_weights ${quote(init)} is not known to leave the base weights as they were; convert the adapter to plain LoRA with PEFT first`,
  );
}

function isOff(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** A class of transformers that PEFT wraps, and its module. */
interface WrappedClass {
  name: string;
  library: string;
}

/** The classes of a model and of its language model. */
export interface WrappedClasses {
  whole: WrappedClass;
  language: WrappedClass;
}

/** The JSON of adapter_config.json; only keys that every PEFT since 0.8 knows. */
export function loraConfigJson(config: LoraConfig, wrapped: WrappedClass): Record<string, unknown> {
  return {
    alpha_pattern: config.alphaPattern,
    auto_mapping: { base_model_class: wrapped.name, parent_library: wrapped.library },
    base_model_name_or_path: config.baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    ...config.selection,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: config.r,
    rank_pattern: config.rankPattern,
    revision: null,
    target_modules: config.targetModules,
    task_type: null,
    use_dora: false,
    use_rslora: config.useRslora,
  };
}

/** Rank, alpha and the factor on B A x of one module. `path` is relative to the model the adapter wraps. */
export function loraScaling(config: LoraConfig, path: string): { r: number; alpha: number; scaling: number } {
  const r = patternValue(config.rankPattern, path) ?? config.r;
  const alpha = patternValue(config.alphaPattern, path) ?? config.alpha;
  return { r, alpha, scaling: alpha / (config.useRslora ? Math.sqrt(r) : r) };
}

/** PEFT's get_pattern_key: the first pattern that matches the path's end, from the start of a component. */
function patternValue(patterns: Record<string, number>, path: string): number | undefined {
  for (const [pattern, value] of Object.entries(patterns)) {
    if (compile('^(?:.*\\.)?(?:', pattern, ')$').test(path)) return value;
  }
  return undefined;
}

/**
 * Whether PEFT would adapt the Linear layer at `path`: a list matches whole names or dotted suffixes, a text is a
 * regular expression for the whole path, and 'all-linear' takes all but the output head.
 */
export function isTarget(path: string, targetModules: string[] | string): boolean {
  if (targetModules === 'all-linear') return !/(^|\.)lm_head$/.test(path);
  if (typeof targetModules === 'string') return compile('^(?:', targetModules, ')$').test(path);
  return targetModules.some((target) => path === target || path.endsWith(`.${target}`));
}

/**
 * Whether the configuration says that an adapter has no such module. A text never does: it is a pattern of Python, which
 * may be none of JavaScript, and a saved adapter has its modules whatever chose them.
 */
export function contradicts({ targetModules }: LoraConfig, path: string): boolean {
  return Array.isArray(targetModules) && !isTarget(path, targetModules);
}

/** Whether a target specification selects these modules among `all` and no others; false for a pattern that only Python reads. */
export function selectsExactly(
  targetModules: string[] | string,
  modules: readonly string[],
  all: readonly string[],
): boolean {
  if (typeof targetModules === 'string' && !isRegExp(targetModules)) return false;
  const wanted = new Set(modules);
  return all.every((path) => isTarget(path, targetModules) === wanted.has(path));
}

/**
 * The modules among `paths` that a target specification selects, in the given order.
 *
 * @throws UsageError when it selects none.
 */
export function selectTargets(paths: Iterable<string>, targetModules: string[] | string): string[] {
  const all = [...paths];
  const selected = all.filter((path) => isTarget(path, targetModules));
  if (selected.length === 0) {
    const example = all[0] === undefined ? '' : `, such as ${all[0]}`;
    throw new UsageError(
      `LoRA target modules ${quote(targetModules)} match none of the ${all.length} Linear layers${example}`,
    );
  }
  return selected;
}

/** A pattern of Python's `re` between an anchored prefix and suffix. */
function compile(prefix: string, pattern: string, suffix: string): RegExp {
  if (!isRegExp(pattern)) throw new UsageError(`LoRA pattern ${quote(pattern)} is not a regular expression`);
  return new RegExp(prefix + fromPython(pattern) + suffix);
}

/**
 * Python's syntax that differs from JavaScript's: \A and \Z for the ends, (?P<name>...) and (?P=name) for named groups.
 */
function fromPython(pattern: string): string {
  return pattern.replace(/\\(.)|\(\?P(?:<|=(\w+)\))/gs, (text, escaped, name) => {
    if (escaped !== undefined) return escaped === 'A' ? '^' : escaped === 'Z' ? '$' : text;
    return name === undefined ? '(?<' : `\\k<${name}>`;
  });
}

function isRegExp(pattern: string): boolean {
  try {
    new RegExp(`(?:${fromPython(pattern)})`);
    return true;
  } catch {
    return false;
  }
}
