/** Room for features on disk: whether it ran out, what is needed, what is free. */
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { causesOf } from '../base/errors.js';
import { formatBytes } from '../weights/show.js';
import type { NeededClip } from './extract.js';
import { StoreError } from './store.js';

/** A full disk, a quota that is used up, a limit of a file's size. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** An error with what its store still needs, where there was no room for it; any other error as it is. */
export async function withNeed(error: unknown, missing: Iterable<NeededClip>): Promise<unknown> {
  const full = causesOf(error).some((cause) => FULL.has(String((cause as NodeJS.ErrnoException).code)));
  if (!(error instanceof StoreError) || !full) return error;
  const { text } = (await needOf(missing)) ?? {};
  if (text === undefined) return error;
  return new StoreError(
    `${error.message}; ${text}; free some, or name another folder with features.folder, then run the same command again`,
    { cause: error },
  );
}

/** A notice where what is missing takes more than is free; undefined where it fits. */
export async function shortOfRoom(missing: Iterable<NeededClip>): Promise<string | undefined> {
  const need = await needOf(missing);
  return need && need.bytes > need.free ? `${need.text}; it may run out` : undefined;
}

async function needOf(
  missing: Iterable<NeededClip>,
): Promise<{ bytes: number; free: number; text: string } | undefined> {
  const clips = [...missing];
  const folder = clips[0]?.source.store.folder;
  if (folder === undefined) return undefined;
  const bytes = clips.reduce((sum, { source, training }) => sum + source.bytesOf(training), 0);
  const free = await freeBytes(folder);
  const there = free === undefined ? '' : `, and ${formatBytes(free)} are free in ${folder}`;
  return {
    bytes,
    free: free ?? Number.POSITIVE_INFINITY,
    text: `the ${clips.length} clips that are missing take at most ${formatBytes(bytes)}${there}`,
  };
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
