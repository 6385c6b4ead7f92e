import { z } from 'zod';
import { DataError, UsageError } from '../errors.js';
import { quote } from './header.js';

/** What PEFT's adapter_config.json says about a LoRA adapter, in the terms of the LoRA paper. */
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
  /** What the adapter was trained on, for provenance. */
  baseModel?: string;
}

const rank = z.number().int().positive();

const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: rank.default(8),
  lora_alpha: z.number().positive().default(8),
  lora_dropout: z.number().min(0).max(1).default(0),
  target_modules: z.union([z.array(z.string()).min(1), z.string().min(1)]),
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  use_rslora: z.boolean().nullish(),
  base_model_name_or_path: z.string().nullish(),
});

/** Keys that do not change what a saved adapter computes. Any other key must be off: null, false, empty. */
const HARMLESS = new Set([
  ...Object.keys(schema.shape),
  'auto_mapping',
  'corda_config',
  'ensure_weight_tying',
  'eva_config',
  'inference_mode',
  'init_lora_weights',
  'loftq_config',
  'lora_ga_config',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
]);

/** Initialisations that also change the base weights, so that the saved adapter fits those alone. */
const BASE_CHANGING_INITS = /^(pissa|olora|corda|loftq|lora_ga)/;

/**
 * Checks a parsed adapter_config.json.
 *
 * @throws DataError naming the key; options we do not implement (DoRA, layer selection, ...) are refused by name.
 */
export function parseLoraConfig(json: unknown, origin: string): LoraConfig {
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new DataError(`${origin}: ${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  const config = result.data;
  for (const [key, value] of Object.entries(config)) {
    if (HARMLESS.has(key) || isOff(value) || (key === 'bias' && value === 'none')) continue;
    throw new DataError(
      `${origin}: ${key} is ${quote(value)}, which is not supported; expected it to be off`,
    );
  }
  if (typeof config.init_lora_weights === 'string' && BASE_CHANGING_INITS.test(config.init_lora_weights)) {
    throw new DataError(
      `${origin}: init_lora_weights ${quote(config.init_lora_weights)} changes the base weights; convert the adapter to plain LoRA with PEFT first`,
    );
  }
  const patterns = [...Object.keys(config.rank_pattern ?? {}), ...Object.keys(config.alpha_pattern ?? {})];
  if (typeof config.target_modules === 'string') patterns.push(config.target_modules);
  for (const pattern of patterns) {
    if (!isRegExp(pattern)) throw new DataError(`${origin}: ${quote(pattern)} is not a regular expression`);
  }
  return {
    r: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    targetModules: config.target_modules,
    rankPattern: config.rank_pattern ?? {},
    alphaPattern: config.alpha_pattern ?? {},
    useRslora: config.use_rslora ?? false,
    ...(config.base_model_name_or_path ? { baseModel: config.base_model_name_or_path } : {}),
  };
}

function isOff(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The JSON of adapter_config.json; only keys that every PEFT since 0.8 knows. */
export function loraConfigJson(config: LoraConfig, wrapsT5: boolean): Record<string, unknown> {
  return {
    alpha_pattern: config.alphaPattern,
    auto_mapping: wrapsT5
      ? {
          base_model_class: 'T5ForConditionalGeneration',
          parent_library: 'transformers.models.t5.modeling_t5',
        }
      : {
          base_model_class: 'Blip2ForConditionalGeneration',
          parent_library: 'transformers.models.blip_2.modeling_blip_2',
        },
    base_model_name_or_path: config.baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
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
    if (compile(`^(?:.*\\.)?(?:${pattern})$`, pattern).test(path)) return value;
  }
  return undefined;
}

/**
 * Whether PEFT would adapt the Linear layer at `path`: a list matches whole names or dotted suffixes, a text is a
 * regular expression for the whole path, and 'all-linear' takes all but the output head.
 */
export function isTarget(path: string, targetModules: string[] | string): boolean {
  if (targetModules === 'all-linear') return !/(^|\.)lm_head$/.test(path);
  if (typeof targetModules === 'string') return compile(`^(?:${targetModules})$`, targetModules).test(path);
  return targetModules.some((target) => path === target || path.endsWith(`.${target}`));
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

function compile(source: string, shown: string): RegExp {
  if (!isRegExp(shown)) throw new UsageError(`LoRA pattern ${quote(shown)} is not a regular expression`);
  return new RegExp(source);
}

function isRegExp(source: string): boolean {
  try {
    new RegExp(`(?:${source})`);
    return true;
  } catch {
    return false;
  }
}
