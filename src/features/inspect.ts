/** What lies in a feature store: its entries and leftovers, whole or damaged, needed or not. */
import type { Dirent } from 'node:fs';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { DataError, messageOf } from '../base/errors.js';
import { isAlive } from '../base/files.js';
import { ENCODERS } from './encoders.js';
import type { NeededClip } from './extract.js';
import type { FeatureStore } from './store.js';

/** A file of the store. */
export interface StoredFile {
  path: string;
  bytes: number;
  /** When it was last written, milliseconds since 1970. */
  mtimeMs: number;
}

export interface StoreListing {
  entries: (StoredFile & { key: string })[];
  /** Half-written files of writers that were killed, and of those at work; `pid` is the writer's. */
  leftovers: (StoredFile & { pid: number })[];
}

const ENTRY = /^([0-9a-f]{64})\.safetensors$/;
const LEFTOVER = /^[0-9a-f]{64}\.(?:safetensors|json)\.tmp-(\d+)-[0-9a-f]{6}$/;

/** Lists a store. What has another name or place, and every link, is not the store's and is passed over. */
export async function listStore(folder: string): Promise<StoreListing> {
  const listing: StoreListing = { entries: [], leftovers: [] };
  for (const sub of await foldersOf(folder)) {
    for (const { name } of await listed(join(folder, sub))) {
      const key = sub === ENCODERS ? undefined : ENTRY.exec(name)?.[1];
      const pid = LEFTOVER.exec(name)?.[1];
      const misplaced = sub !== ENCODERS && !name.startsWith(sub);
      if ((key === undefined && pid === undefined) || misplaced) continue;
      const path = join(folder, sub, name);
      const info = await lstat(path).catch(() => undefined);
      if (!info?.isFile()) continue;
      const file = { path, bytes: info.size, mtimeMs: info.mtimeMs };
      if (key !== undefined) listing.entries.push({ ...file, key });
      else listing.leftovers.push({ ...file, pid: Number(pid) });
    }
  }
  return listing;
}

async function foldersOf(folder: string): Promise<string[]> {
  const names = (await listed(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return names.filter((name) => /^[0-9a-f]{2}$/.test(name) || name === ENCODERS).sort();
}

/** What a folder holds: nothing where it is not there, or was removed meanwhile. */
function listed(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new DataError(`${folder}: not a store that can be read (${messageOf(error)})`, { cause: error });
  });
}

/** Entries read at once. */
const READS = 4;

/** A fault of one entry. */
export interface Fault {
  kind: 'missing' | 'damaged';
  /** The sample that reads it, or its key where none is known. */
  id: string;
  message: string;
  path: string;
}

/**
 * Reads entries whole: length, key and checksum.
 *
 * @param clips what a recipe reads. @param all also the store's other entries
 * @param remove damaged entries, so that the next extraction computes them again
 */
export async function verifyStore(
  store: FeatureStore,
  clips: readonly NeededClip[],
  { all = false, remove = false, onProgress = (_: number): void => undefined },
): Promise<{ checked: number; faults: Fault[] }> {
  const ids = new Map(clips.map(({ key, sample }) => [key, sample.id]));
  const others = all ? (await listStore(store.folder)).entries.map(({ key }) => key) : [];
  const keys = [...new Set([...ids.keys(), ...others])];
  const faults: Fault[] = [];
  const limit = pLimit(READS);
  let done = 0;
  const check = async (key: string) => {
    const missing = !(await store.has(key));
    const message = await store.faultOf(key);
    onProgress(++done);
    if (message === undefined) return;
    const path = store.path(key);
    faults.push({ kind: missing ? 'missing' : 'damaged', id: ids.get(key) ?? key, message, path });
    if (remove && !missing) await rm(path, { force: true });
  };
  await Promise.all(keys.map((key) => limit(() => check(key))));
  return { checked: keys.length, faults };
}

/** Entries of one encoder, frames and type. */
export interface StoreGroup {
  encoder: string;
  frames: string;
  dtype: string;
  entries: number;
  bytes: number;
}

/** Adds up a store by what its entries say of themselves; entries of older versions say nothing. */
export async function storeGroups(
  store: FeatureStore,
  entries: StoreListing['entries'],
): Promise<StoreGroup[]> {
  const groups = new Map<string, StoreGroup>();
  const limit = pLimit(READS);
  const add = async ({ key, bytes }: { key: string; bytes: number }) => {
    const { encoder = 'unknown', frames = 'unknown', dtype = 'damaged' } = (await store.describe(key)) ?? {};
    const name = [encoder, frames, dtype].join();
    const group = groups.get(name) ?? { encoder, frames, dtype, entries: 0, bytes: 0 };
    groups.set(name, { ...group, entries: group.entries + 1, bytes: group.bytes + bytes });
  };
  await Promise.all(entries.map((entry) => limit(() => add(entry))));
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes);
}

/** A leftover this old has no writer any more, on whatever machine: writing an entry takes seconds. */
const ABANDONED_MS = 3_600_000;

/**
 * Removes entries that no clip needs, and leftovers of killed writers. Files that are not the store's stay.
 *
 * @param dryRun only tell
 */
export async function collectGarbage(
  folder: string,
  needed: ReadonlySet<string>,
  { dryRun = false },
): Promise<{ kept: number; entries: StoredFile[]; leftovers: StoredFile[] }> {
  const listing = await listStore(folder);
  const entries = listing.entries.filter(({ key }) => !needed.has(key));
  const leftovers = listing.leftovers.filter(
    ({ pid, mtimeMs }) => !isAlive(pid) || Date.now() - mtimeMs > ABANDONED_MS,
  );
  if (!dryRun) {
    for (const { path } of [...entries, ...leftovers]) await rm(path, { force: true });
    // Only empty folders can be removed so.
    for (const sub of await foldersOf(folder)) await rmdir(join(folder, sub)).catch(() => undefined);
  }
  return { kept: listing.entries.length - entries.length, entries, leftovers };
}
