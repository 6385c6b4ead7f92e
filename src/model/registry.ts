/** The architectures a student can have: one line each. A checkpoint's config.json names its own by `model_type`. */
import { dirname, join } from 'node:path';
import { DataError } from '../base/errors.js';
import { readJson } from '../weights/config.js';
import { quote } from '../weights/header.js';
import { describeOther } from '../weights/otherModels.js';
import { blip2 } from './blip2/kind.js';
import type { StudentKind } from './kind.js';
import { llava } from './llava/kind.js';
import type { StudentConfig } from './student.js';

const kinds = new Map<string, StudentKind>();

/** Makes an architecture known. Its groups become values of `model.train`. */
export function registerStudent(kind: StudentKind): void {
  kinds.set(kind.modelType, kind);
}

registerStudent(blip2);
registerStudent(llava);

/** The architecture of a `model_type` that is known. */
export function studentKind(modelType: string): StudentKind {
  const kind = kinds.get(modelType);
  if (!kind) throw new Error(`${modelType}: no such student`);
  return kind;
}

export function studentKinds(): StudentKind[] {
  return [...kinds.values()];
}

/** What `model.train` may name: groups of every architecture, then those that all have. */
export function trainableGroups(): [string, ...string[]] {
  const [first = 'lora', ...others] = new Set(studentKinds().flatMap(({ groups }) => groups));
  return [first, ...others, 'lora', 'all'];
}

/**
 * The architecture that a parsed config.json names.
 *
 * @param origin the file, for messages
 * @throws DataError for one that is not known
 */
export function kindOf(json: unknown, origin: string): StudentKind {
  const type = (json as { model_type?: unknown } | null)?.model_type;
  // Older files of BLIP-2 have no model_type.
  const named = kinds.get(typeof type === 'string' ? type : blip2.modelType);
  const kind = studentKinds().find((each) => each.alsoReads?.(json)) ?? named;
  if (kind) return kind;
  throw new DataError(
    `${origin}: model_type is ${quote(type)}${describeOther(json)}, which is not supported; expected ${studentKinds()
      .map(({ title }) => title)
      .join(' or ')}`,
  );
}

/**
 * The architecture of a recipe's base model, for what the recipe leaves out: by its config.json, or by the manifest of a
 * published one that is not on this machine.
 *
 * @returns undefined where neither can be read: opening it says why.
 */
export async function kindOfBase(base: string): Promise<StudentKind | undefined> {
  try {
    return (await readStudentConfig(base)).kind;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const { findManifest } = await import('../weights/manifest.js');
    const manifest = await findManifest(base);
    return manifest?.expect && kindOf(manifest.expect, manifest.name);
  }
}

/**
 * Reads the config.json of a checkpoint folder, or the file itself.
 *
 * @throws DataError when it is missing, malformed or of an unknown architecture
 */
export async function readStudentConfig(
  path: string,
): Promise<{ kind: StudentKind; config: StudentConfig; file: string }> {
  const file = path.endsWith('.json') ? path : join(path, 'config.json');
  const json = await readJson(file);
  const kind = kindOf(json, file);
  const config = kind.parseConfig(json, file);
  return { kind, config: kind.readMore ? await kind.readMore(config, dirname(file)) : config, file };
}
