/** Opens a checkpoint, whether it is one file or shards. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../base/errors.js';
import { findCheckpoint } from './checkpointFiles.js';
import { readJson } from './config.js';
import { quote } from './header.js';
import { SafetensorsFile } from './safetensors.js';
import { fileSource, mergeSources, type TensorSource } from './source.js';

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** An open checkpoint. */
export interface Checkpoint extends TensorSource {
  /** Names of weight files in its folder that are not read, because a whole model.safetensors is. */
  readonly unread: string[];
}

/**
 * Opens a checkpoint: a .safetensors file, an index of shards (`*.safetensors.index.json`), or a folder that holds
 * either, or shards alone (see {@link findCheckpoint}). Only headers are read. Close it when done.
 *
 * @throws DataError: nothing there, several candidates, a missing shard, shards that disagree with their index.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { path: name, files, unread } = await findCheckpoint(path);
  if (files === undefined) {
    const weightMap = await readIndex(name);
    const shards = shardPaths(name, [...new Set(Object.values(weightMap))]);
    return { ...(await openShards(name, shards, weightMap)), unread };
  }
  return { ...(await openShards(name, files, {})), unread };
}

/** @param weightMap tensor -> name of the shard that must have it. */
async function openShards(
  path: string,
  files: readonly string[],
  weightMap: Record<string, string>,
): Promise<TensorSource> {
  const shards = new Map<string, SafetensorsFile>();
  try {
    for (const file of files) shards.set(basename(file), await SafetensorsFile.open(file));
    checkShards(path, weightMap, shards);
  } catch (error) {
    for (const shard of shards.values()) await shard.close();
    throw error;
  }
  return { ...mergeSources([...shards.values()].map(fileSource)), path };
}

async function readIndex(path: string): Promise<Record<string, string>> {
  const index = indexSchema.safeParse(await readJson(path));
  if (!index.success) throw new DataError(`${path}: expected {"weight_map": {"tensor": "file.safetensors"}}`);
  return index.data.weight_map;
}

/** Shards lie beside their index: a name with a folder in it could point anywhere. */
function shardPaths(indexPath: string, shards: readonly string[]): string[] {
  for (const shard of shards) {
    if (shard !== basename(shard) || shard.includes('\\') || shard === '' || shard.startsWith('..')) {
      throw new DataError(`${indexPath}: shard ${quote(shard)} must be a file name without a folder`);
    }
  }
  const paths = shards.map((shard) => join(dirname(indexPath), shard));
  const [missing, ...others] = paths.filter((path) => !existsSync(path));
  if (missing !== undefined) {
    const more = others.length > 0 ? `, and so are ${others.map((path) => basename(path)).join(', ')}` : '';
    throw new DataError(
      `${missing}: missing shard named by ${basename(indexPath)}${more}; download what is missing again`,
    );
  }
  return paths;
}

function checkShards(
  path: string,
  weightMap: Record<string, string>,
  shards: Map<string, SafetensorsFile>,
): void {
  const owner = new Map<string, string>();
  for (const [shard, file] of shards) {
    for (const name of file.names) {
      const other = owner.get(name);
      if (other !== undefined) {
        throw new DataError(`${path}: tensor ${quote(name)} is in two shards, ${other} and ${shard}`);
      }
      owner.set(name, shard);
    }
  }
  for (const [name, shard] of Object.entries(weightMap)) {
    const actual = owner.get(name);
    if (actual === shard) continue;
    const where = actual === undefined ? 'no shard has it' : `it is in ${actual}`;
    throw new DataError(`${path}: tensor ${quote(name)} should be in ${shard}, but ${where}`);
  }
}
