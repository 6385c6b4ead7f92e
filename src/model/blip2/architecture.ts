/** BLIP-2 with a T5 language model (Li et al. 2023), as its student and its kind both describe it. */
import type { Architecture } from '../student.js';

/** Prefixes of parameter names, by trainable group (the paper: "modality projection layers and LoRA"). */
const GROUPS = {
  qformer: 'qformer.',
  query_tokens: 'query_tokens',
  language_projection: 'language_projection.',
  post_layernorm: 'vision_model.post_layernorm.',
} as const;

export const architecture: Architecture = {
  modelType: 'blip-2',
  title: 'BLIP-2 with FlanT5',
  groups: Object.keys(GROUPS),
  // SeViLA's set, and LoRA.
  defaultGroups: [...Object.keys(GROUPS), 'lora'],
  groupOf: (name) => Object.entries(GROUPS).find(([, prefix]) => name.startsWith(prefix))?.[0],
};
