/** LLaVA-OneVision with Qwen2 (Li et al. 2024) as the registry knows it, before a model is made. */
import type { StudentKind } from '../kind.js';
import { architecture } from './architecture.js';
import { type LlavaConfig, parseLlavaConfig, withPreprocessor } from './config.js';
import { EMBEDDING, HEAD, llavaSource } from './names.js';
import { isOriginal } from './original.js';

export const llava: StudentKind = {
  ...architecture,
  alsoReads: isOriginal,
  parseConfig: parseLlavaConfig,
  readMore: (config, folder) => withPreprocessor(config as LlavaConfig, folder),
  create: async (config, precision) => {
    const { LlavaStudent } = await import('./student.js');
    return new LlavaStudent(config as LlavaConfig, precision);
  },
  canonical: llavaSource,
  sharedTable: { name: EMBEDDING, again: [HEAD] },
  openReference: async (student, reference) =>
    (await import('./reference.js')).openReference(student, reference),
};
