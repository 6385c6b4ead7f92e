/** How large a student and what it learns are, from its configuration alone: no weights are read. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { listManifests } from '../weights/manifest.js';
import { addAdapter } from './adapter.js';
import { kindOf, readStudentConfig } from './registry.js';
import { isLora, selectTrainable } from './trainable.js';

/** What of a recipe decides the size: its section `model`. */
export interface ModelSettings {
  base: string;
  /** Groups that learn; those of the base's architecture unless given. */
  train?: readonly string[] | undefined;
  lora: { r: number; alpha: number; dropout: number; targets: string[] };
}

export interface StudentSize {
  /** Numbers that are learned. */
  trainable: number;
  /** Of these, numbers of the LoRA matrices. */
  adapter: number;
  /** Numbers in the kept features of one frame. */
  featuresPerFrame: number;
}

/**
 * Lays the student out without memory and counts.
 *
 * @returns undefined for a base that is neither a folder with config.json nor a published one whose manifest ships
 * @throws DataError for a config.json that cannot be used
 */
export async function studentSize(settings: ModelSettings): Promise<StudentSize | undefined> {
  const found = await configOf(settings.base);
  if (!found) return undefined;
  const groups = settings.train ?? found.kind.defaultGroups;
  const student = await found.kind.create(found.config, 'f32');
  try {
    if (groups.includes('lora')) {
      const { r, alpha, dropout, targets } = settings.lora;
      const rest = { rankPattern: {}, alphaPattern: {}, useRslora: false, baseModel: settings.base };
      addAdapter(student, { r, alpha, dropout, targetModules: targets, ...rest });
    }
    const trained = selectTrainable(student, groups);
    const sizeOf = (parameters: typeof trained) => parameters.reduce((sum, { size }) => sum + size, 0);
    const [tokens, width] = student.featureShape;
    return {
      trainable: sizeOf(trained),
      adapter: sizeOf(trained.filter(({ name }) => isLora(name))),
      featuresPerFrame: tokens * width,
    };
  } finally {
    student.dispose();
  }
}

async function configOf(base: string) {
  if (await stat(join(base, 'config.json')).catch(() => undefined)) return readStudentConfig(base);
  const published = await listManifests();
  const manifest = published.find(({ name, repository }) => repository === base || name === basename(base));
  if (!manifest?.expect) return undefined;
  const kind = kindOf(manifest.expect, manifest.name);
  return { kind, config: kind.parseConfig(manifest.expect, manifest.name) };
}
