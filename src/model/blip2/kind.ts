/** What is known of BLIP-2 with a T5 language model (Li et al. 2023) before a model of it is made. */
import { canonicalSource } from '../../weights/canonical.js';
import { type Blip2Config, parseBlip2Config } from '../../weights/config.js';
import { ownTables } from '../../weights/ownTables.js';
import type { StudentKind } from '../student.js';

/** Prefixes of parameter names, by trainable group ("modality projection layers and LoRA", reference-models). */
const GROUPS = {
  qformer: 'qformer.',
  query_tokens: 'query_tokens',
  language_projection: 'language_projection.',
  post_layernorm: 'vision_model.post_layernorm.',
} as const;

export const blip2: StudentKind = {
  modelType: 'blip-2',
  title: 'BLIP-2 with FlanT5',
  groups: Object.keys(GROUPS),
  defaultGroups: [...Object.keys(GROUPS), 'lora'],
  groupOf: (name) => Object.entries(GROUPS).find(([, prefix]) => name.startsWith(prefix))?.[0],
  parseConfig: parseBlip2Config,
  create: async (config, precision) => {
    const { Blip2Student } = await import('./student.js');
    return new Blip2Student(config as Blip2Config, precision);
  },
  canonical: canonicalSource,
  optional: ownTables,
  pretraining: async () => (await import('./startingPoint.js')).support,
  openReference: async (student, reference) =>
    (await import('./reference.js')).openReference(student, reference),
};
