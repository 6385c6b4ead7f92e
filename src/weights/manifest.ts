/** Manifests of public checkpoints, and their download. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { DataError, UsageError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { namesIn } from './checkpointFiles.js';
import { readJson } from './config.js';
import { type FetchOptions, fetchFile, hubUrl } from './fetch.js';
import { quote } from './header.js';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const manifestSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
  description: z.string(),
  /** Hugging Face repository, owner/name. */
  repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  revision: z.string(),
  licence: z.string(),
  source: z.string(),
  files: z
    .array(
      z.strictObject({
        path: z.string().regex(/^[\w][\w.-]*$/),
        /** An index: the shards it names belong to the checkpoint too. */
        shards: z.boolean().optional(),
        bytes: z.number().int().positive().optional(),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional(),
      }),
    )
    .min(1),
  approximateBytes: z.number().int().positive(),
  parameters: z.number().int().positive().optional(),
  /** Values that its config.json must have, to detect another model under the same name. */
  expect: z.record(z.string(), z.union([scalar, z.record(z.string(), scalar)])).optional(),
});

/** A public checkpoint: its address, files and expected settings. */
type Manifest = z.output<typeof manifestSchema>;

/** The folder of the manifests that ship with the project. */
const MANIFEST_FOLDER = fileURLToPath(new URL('../../weights', import.meta.url));

/** Every manifest in a folder, by name. */
export async function listManifests(folder = MANIFEST_FOLDER): Promise<Manifest[]> {
  const files = (await namesIn(folder)).filter((name) => name.endsWith('.json'));
  return Promise.all(files.map((name) => readManifest(join(folder, name))));
}

/** @throws UsageError listing the names there are. */
export async function loadManifest(name: string, folder = MANIFEST_FOLDER): Promise<Manifest> {
  const manifests = await listManifests(folder);
  const found = manifests.find((manifest) => manifest.name === name);
  if (found) return found;
  const known = manifests.map((manifest) => manifest.name).join(', ');
  throw new UsageError(`unknown checkpoint ${quote(name)}; known are ${known}`);
}

/** The manifest with this name or Hugging Face repository, if there is one. */
export async function findManifest(
  nameOrId: string,
  folder = MANIFEST_FOLDER,
): Promise<Manifest | undefined> {
  const manifests = await listManifests(folder);
  return manifests.find(({ name, repository }) => name === nameOrId || repository === nameOrId);
}

/** The folder below `cwd` where `weights fetch` has put the model with this name or Hugging Face repository, if it has. */
export async function fetchedFolder(nameOrId: string, cwd: string): Promise<string | undefined> {
  const manifest = await findManifest(nameOrId);
  if (!manifest) return undefined;
  const folder = join(cwd, 'weights', manifest.name);
  const found = await stat(folder).catch(() => undefined);
  return found?.isDirectory() ? folder : undefined;
}

/** What to do about a model that is no folder: the command that fetches it, where it is a published one. */
export async function fetchAdvice(nameOrId: string): Promise<string> {
  const manifest = await findManifest(nameOrId);
  return manifest
    ? `fetch it with reasvqa weights fetch ${manifest.name}`
    : 'reasvqa weights fetch lists the models that can be fetched';
}

async function readManifest(path: string): Promise<Manifest> {
  const result = manifestSchema.safeParse(await readJson(path));
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new DataError(`${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  if (`${result.data.name}.json` !== basename(path)) {
    throw new DataError(`${path}: name must equal the file name, not ${quote(result.data.name)}`);
  }
  return result.data;
}

/** @throws DataError naming the first key in which a config differs from the manifest. */
export function checkConfig(manifest: Manifest, config: object, origin: string): void {
  const actualOf = (from: unknown, key: string) => (isRecord(from) ? from[key] : undefined);
  const expected = Object.entries(manifest.expect ?? {}).flatMap(
    ([part, values]): [string, unknown, unknown][] => {
      const actual = actualOf(config, part);
      if (!isRecord(values)) return [[part, actual, values]];
      return Object.entries(values).map(([key, value]) => [`${part}.${key}`, actualOf(actual, key), value]);
    },
  );
  for (const [key, actual, value] of expected) {
    if (actual === value) continue;
    throw new DataError(
      `${origin}: ${key} is ${quote(actual)}, but ${manifest.name} has ${quote(value)}: this is another model`,
    );
  }
}

interface FetchManifestOptions extends Omit<FetchOptions, 'expectedSize' | 'sha256' | 'onProgress'> {
  onProgress?: (file: string, done: number, total: number | undefined) => void;
}

/**
 * Downloads a checkpoint's files into `folder`, shards included; complete files are kept and partial ones resumed.
 *
 * @returns the paths, in the order of the manifest.
 * @throws DataError as fetchFile does, or when the index names a shard outside the folder.
 */
export async function fetchManifest(
  manifest: Manifest,
  folder: string,
  options: FetchManifestOptions = {},
): Promise<string[]> {
  const { onProgress, ...rest } = options;
  const paths: string[] = [];
  const get = async (file: { path: string; bytes?: number | undefined; sha256?: string | undefined }) => {
    const path = join(folder, file.path);
    await fetchFile(hubUrl(manifest.repository, manifest.revision, file.path), path, {
      ...rest,
      ...(file.bytes === undefined ? {} : { expectedSize: file.bytes }),
      ...(file.sha256 === undefined ? {} : { sha256: file.sha256 }),
      ...(onProgress ? { onProgress: (done, total) => onProgress(file.path, done, total) } : {}),
    });
    paths.push(path);
    return path;
  };
  for (const file of manifest.files) {
    const path = await get(file);
    if (!file.shards) continue;
    for (const shard of await shardsOf(path)) await get({ path: shard });
  }
  return paths;
}

async function shardsOf(indexPath: string): Promise<string[]> {
  const index = z
    .looseObject({ weight_map: z.record(z.string(), z.string()) })
    .safeParse(await readJson(indexPath));
  if (!index.success)
    throw new DataError(`${indexPath}: expected {"weight_map": {"tensor": "file.safetensors"}}`);
  const shards = [...new Set(Object.values(index.data.weight_map))].sort();
  for (const shard of shards) {
    if (!/^[\w][\w.-]*\.safetensors$/.test(shard)) {
      throw new DataError(`${indexPath}: shard ${quote(shard)} is not a plain .safetensors file name`);
    }
  }
  return shards;
}
