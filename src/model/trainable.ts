import type { Parameter } from './module.js';
import type { ReasVqa } from './reasvqa.js';

/** Groups of parameters that a recipe can train (reference-models: "modality projection layers and LoRA"). */
export const TRAINABLE_GROUPS = [
  'qformer',
  'query_tokens',
  'language_projection',
  'post_layernorm',
  'lora',
  'all',
] as const;

export type TrainableGroup = (typeof TRAINABLE_GROUPS)[number];

/** The group a parameter belongs to; undefined for what stays frozen unless everything is trained. */
function groupOf(name: string): TrainableGroup | undefined {
  if (/\.lora_[AB]\.weight$/.test(name)) return 'lora';
  if (name.startsWith('qformer.')) return 'qformer';
  if (name === 'query_tokens') return 'query_tokens';
  if (name.startsWith('language_projection.')) return 'language_projection';
  if (name.startsWith('vision_model.post_layernorm.')) return 'post_layernorm';
  return undefined;
}

/** Whether a parameter learns when the given groups do. */
export function isTrained(parameter: Parameter, groups: readonly TrainableGroup[]): boolean {
  const group = groupOf(parameter.name);
  return groups.includes('all') || (group !== undefined && groups.includes(group));
}

/** Marks the parameters of the given groups as trainable, all others as frozen; returns the trainable ones. */
export function selectTrainable(model: ReasVqa, groups: readonly TrainableGroup[]): Parameter[] {
  const selected = (parameter: Parameter) => isTrained(parameter, groups);
  model.setTrainable(selected);
  return [...model.parameters()].filter(selected);
}

/** Whether the vision model before `post_layernorm`, or an adapter of it, learns, so that its features cannot be kept. */
export function trainsVision(parameters: readonly Parameter[]): boolean {
  return parameters.some((p) => p.name.startsWith('vision_model.') && groupOf(p.name) !== 'post_layernorm');
}
