/** BLIP-2 with a T5 language model (Li et al. 2023) as the registry knows it, before a model is made. */
import { canonicalSource } from '../../weights/canonical.js';
import { type Blip2Config, parseBlip2Config } from '../../weights/config.js';
import { T5_TABLE } from '../../weights/ownTables.js';
import type { StudentKind } from '../kind.js';
import { architecture } from './architecture.js';

export const blip2: StudentKind = {
  ...architecture,
  parseConfig: parseBlip2Config,
  create: async (config, precision) => {
    const { Blip2Student } = await import('./student.js');
    return new Blip2Student(config as Blip2Config, precision);
  },
  canonical: canonicalSource,
  sharedTable: T5_TABLE,
  pretraining: async () => (await import('./startingPoint.js')).support,
  openReference: async (student, reference) =>
    (await import('./reference.js')).openReference(student, reference),
};
