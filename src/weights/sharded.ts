import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError, messageOf } from '../errors.js';
import { quote } from './header.js';
import { SafetensorsFile } from './safetensors.js';
import { fileSource, mergeSources, type TensorSource } from './source.js';

const INDEX_SUFFIX = '.safetensors.index.json';

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens a checkpoint: a .safetensors file, an index of shards (`*.safetensors.index.json`), or a folder that holds
 * either. Only headers are read. Close it when done.
 *
 * @throws DataError: nothing there, several candidates, a missing shard, shards that disagree with their index.
 */
export async function openCheckpoint(path: string): Promise<TensorSource> {
  const file = await resolveCheckpoint(path);
  if (file.endsWith(INDEX_SUFFIX)) return openShards(file);
  return fileSource(await SafetensorsFile.open(file));
}

/** The .safetensors file or index that a path given by the user means. */
export async function resolveCheckpoint(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new DataError(`${path}: no such file or folder; expected a checkpoint`);
  if (!found.isDirectory()) {
    refusePickle(path);
    return path;
  }
  const entries = (await readdir(path)).sort();
  for (const name of ['model.safetensors', `model${INDEX_SUFFIX}`]) {
    if (entries.includes(name)) return join(path, name);
  }
  const candidates = entries.filter((name) => name.endsWith(INDEX_SUFFIX));
  if (candidates.length === 0) candidates.push(...entries.filter((name) => name.endsWith('.safetensors')));
  if (candidates.length === 1) return join(path, candidates[0]!);
  if (candidates.length > 1) {
    throw new DataError(`${path}: holds ${candidates.join(', ')}; name the one to load`);
  }
  for (const name of entries) refusePickle(join(path, name));
  throw new DataError(`${path}: no model.safetensors or model${INDEX_SUFFIX} in this folder`);
}

function refusePickle(path: string): void {
  if (!/\.(bin|pth|pt|ckpt)$/.test(path)) return;
  throw new DataError(
    `${path}: a Python pickle, which is not read; convert it with safetensors.torch.save_file or take the repository's .safetensors files`,
  );
}

async function openShards(indexPath: string): Promise<TensorSource> {
  const weightMap = await readIndex(indexPath);
  const shards = new Map<string, SafetensorsFile>();
  try {
    for (const shard of new Set(Object.values(weightMap))) {
      const path = shardPath(indexPath, shard);
      shards.set(shard, await SafetensorsFile.open(path));
    }
    checkShards(indexPath, weightMap, shards);
  } catch (error) {
    for (const shard of shards.values()) await shard.close();
    throw error;
  }
  return { ...mergeSources([...shards.values()].map(fileSource)), path: indexPath };
}

async function readIndex(path: string): Promise<Record<string, string>> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new DataError(`${path}: cannot be read as JSON (${messageOf(error).split('\n')[0]})`);
  }
  const index = indexSchema.safeParse(json);
  if (!index.success) throw new DataError(`${path}: expected {"weight_map": {"tensor": "file.safetensors"}}`);
  return index.data.weight_map;
}

/** Shards lie beside their index: a name with a folder in it could point anywhere. */
function shardPath(indexPath: string, shard: string): string {
  if (shard !== basename(shard) || shard.includes('\\') || shard === '' || shard.startsWith('..')) {
    throw new DataError(`${indexPath}: shard ${quote(shard)} must be a file name without a folder`);
  }
  const path = join(dirname(indexPath), shard);
  if (!existsSync(path)) {
    throw new DataError(`${path}: missing shard named by ${basename(indexPath)}; download it again`);
  }
  return path;
}

function checkShards(
  indexPath: string,
  weightMap: Record<string, string>,
  shards: Map<string, SafetensorsFile>,
): void {
  const owner = new Map<string, string>();
  for (const [shard, file] of shards) {
    for (const name of file.names) {
      const other = owner.get(name);
      if (other !== undefined) {
        throw new DataError(`${indexPath}: tensor ${quote(name)} is in two shards, ${other} and ${shard}`);
      }
      owner.set(name, shard);
    }
  }
  for (const [name, shard] of Object.entries(weightMap)) {
    const actual = owner.get(name);
    if (actual === shard) continue;
    const where = actual === undefined ? 'no shard has it' : `it is in ${actual}`;
    throw new DataError(`${indexPath}: tensor ${quote(name)} should be in ${shard}, but ${where}`);
  }
}
