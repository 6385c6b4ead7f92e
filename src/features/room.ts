/** Room for features on disk: whether it ran out, what is needed, what is free. */
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { causesOf } from '../base/errors.js';
import { formatBytes } from '../weights/show.js';
import { StoreError } from './store.js';

/** What a store still lacks. */
export interface Need {
  folder: string;
  clips: number;
  /** At most. */
  bytes: number;
}

/** A full disk, a quota that is used up, a limit of a file's size. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** An error with what its store still needs, where there was no room for it; any other error as it is. */
export async function withNeed(error: unknown, need: Need): Promise<unknown> {
  const full = causesOf(error).some((cause) => FULL.has(String((cause as NodeJS.ErrnoException).code)));
  if (!(error instanceof StoreError) || !full) return error;
  const text = told(need, await freeBytes(need.folder));
  return new StoreError(
    `${error.message}; ${text}; free some, or name another folder with features.folder, then run the same command again`,
    { cause: error },
  );
}

/** A notice where more is needed than is free; undefined where it fits. */
export async function shortOfRoom(need: Need): Promise<string | undefined> {
  const free = await freeBytes(need.folder);
  return free !== undefined && need.bytes > free ? `${told(need, free)}; it may run out` : undefined;
}

function told({ folder, clips, bytes }: Need, free: number | undefined): string {
  const there = free === undefined ? '' : `, and ${formatBytes(free)} are free in ${folder}`;
  return `the ${clips} clips that are missing take at most ${formatBytes(bytes)}${there}`;
}

/** Bytes that may still be written where a folder lies, or will lie; undefined where the system does not say. */
async function freeBytes(folder: string): Promise<number | undefined> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await statfs(at).catch(() => undefined);
    // Some file systems over a network count nothing.
    if (found) return found.blocks > 0 ? found.bavail * found.bsize : undefined;
    if (at === dirname(at)) return undefined;
  }
}
