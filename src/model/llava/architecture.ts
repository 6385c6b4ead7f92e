/** LLaVA-OneVision with Qwen2 (Li et al. 2024), as its student and its kind both describe it. */
import type { Architecture } from '../student.js';

/** Prefixes of parameter names, by trainable group (the paper: "modality projection layers and LoRA"). */
const GROUPS = {
  multi_modal_projector: 'model.multi_modal_projector.',
  image_newline: 'model.image_newline',
} as const;

export const architecture: Architecture = {
  modelType: 'llava_onevision',
  title: 'LLaVA-OneVision with Qwen2',
  groups: Object.keys(GROUPS),
  // The newline is no projection layer.
  defaultGroups: ['multi_modal_projector', 'lora'],
  groupOf: (name) => Object.entries(GROUPS).find(([, prefix]) => name.startsWith(prefix))?.[0],
  recipe: {
    targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
    // The form of LLaVA-OneVision's training data.
    template: "{question}\n{choices}\nAnswer with the option's letter from the given choices directly.",
    prefix: false,
  },
};
