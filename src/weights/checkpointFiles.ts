/** The files of a checkpoint at a path: one .safetensors file, an index of shards, or shards without an index. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../base/errors.js';
import { refusePickle, refusePickles } from './notWeights.js';

const INDEX_SUFFIX = '.safetensors.index.json';

interface CheckpointFiles {
  /** Name in messages: the file, the index, or the pattern of shards without an index. */
  path: string;
  /** Files that together are the checkpoint; absent where an index names them. */
  files?: string[];
  /** Names of numbered shards and indexes in the folder that are passed over for a whole model.safetensors. */
  unread: string[];
}

/** Shards that belong together: `<stem>-00001-of-0000N.safetensors`. */
interface ShardSet {
  stem: string;
  /** N as written, with its zeros. */
  total: string;
  /** File name by number. */
  files: Map<number, string>;
}

/**
 * The checkpoint at a path that the user gave. A folder's checkpoint is the first of these that is there, whatever else
 * is: model.safetensors, model.safetensors.index.json, the only other index, a full set of model-0000i-of-0000N shards,
 * the only other set or .safetensors file.
 *
 * @throws DataError: nothing there, several candidates, a set that lacks shards, nothing but pickles.
 */
export async function findCheckpoint(path: string): Promise<CheckpointFiles> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new DataError(`${path}: no such file or folder; expected a checkpoint`);
  if (found.isDirectory()) return findInFolder(path, await namesIn(path));
  refusePickle(path);
  return oneFile(path);
}

/** Names in a folder, sorted, without the `._` files that macOS leaves beside those it copies to other disks. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('._')).sort();
}

function findInFolder(folder: string, entries: string[]): CheckpointFiles {
  const indexes = entries.filter((name) => name.endsWith(INDEX_SUFFIX));
  const tensors = entries.filter((name) => name.endsWith('.safetensors'));
  const sets = shardSets(tensors);
  const shards = sets.flatMap(({ files }) => [...files.values()]);
  if (tensors.includes('model.safetensors'))
    return { ...oneFile(join(folder, 'model.safetensors')), unread: [...indexes, ...shards] };
  const index = indexes.find((name) => name === `model${INDEX_SUFFIX}`) ?? only(folder, indexes);
  if (index !== undefined) return oneFile(join(folder, index));
  const ofModel = sets.filter(({ stem }) => stem === 'model');
  const whole = tensors.filter((name) => !shards.includes(name));
  const choice = only<string | ShardSet>(folder, ofModel.length > 0 ? ofModel : [...whole, ...sets]);
  if (typeof choice === 'string') return oneFile(join(folder, choice));
  if (choice !== undefined) return wholeSet(folder, choice);
  refusePickles(folder, entries);
  throw new DataError(`${folder}: no model.safetensors or model${INDEX_SUFFIX} in this folder`);
}

function oneFile(path: string): CheckpointFiles {
  return { path, ...(path.endsWith(INDEX_SUFFIX) ? {} : { files: [path] }), unread: [] };
}

function shardSets(names: readonly string[]): ShardSet[] {
  const sets = new Map<string, ShardSet>();
  for (const name of names) {
    const match = /^(.+)-(\d+)-of-(\d+)\.safetensors$/.exec(name);
    if (!match) continue;
    const [, stem, number, total] = match as unknown as [string, string, string, string];
    const set = sets.get(`${stem} ${total}`) ?? { stem, total, files: new Map() };
    set.files.set(Number(number), name);
    sets.set(`${stem} ${total}`, set);
  }
  return [...sets.values()];
}

/** The only candidate, or undefined when there is none. @throws DataError listing several. */
function only<T extends string | ShardSet>(folder: string, candidates: readonly T[]): T | undefined {
  if (candidates.length < 2) return candidates[0];
  const labels = candidates.map((one) => (typeof one === 'string' ? one : patternOf(one)));
  throw new DataError(
    `${folder}: holds ${labels.join(', ')}; name the one to load, or leave only that in the folder`,
  );
}

function patternOf({ stem, total }: ShardSet): string {
  return `${stem}-*-of-${total}.safetensors`;
}

/** Shards are counted from 1, by some programs from 0. */
function wholeSet(folder: string, set: ShardSet): CheckpointFiles {
  const first = set.files.has(0) ? 0 : 1;
  const total = Number(set.total);
  const missing: string[] = [];
  for (let i = first; i < first + total && missing.length < 4; i++)
    if (!set.files.has(i))
      missing.push(`${set.stem}-${String(i).padStart(set.total.length, '0')}-of-${set.total}.safetensors`);
  if (missing.length > 0) {
    const shown = missing.slice(0, 3).join(', ');
    const more = missing.length > 3 ? ' and more' : '';
    throw new DataError(
      `${folder}: of ${total} shards ${set.files.size} are there (${[...set.files.values()].slice(0, 3).join(', ')}), and missing are ${shown}${more}; download them again`,
    );
  }
  return {
    path: join(folder, patternOf(set)),
    files: [...set.files.values()].map((name) => join(folder, name)),
    unread: [],
  };
}
