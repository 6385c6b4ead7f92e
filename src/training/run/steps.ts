/** Names of a run's checkpoints. Listing them loads nothing of what trains. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

export const PARTIAL = '.partial-';

/** Name of a step's folder. */
export function folderOf(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/** Removes what a killed process left half written; only for who holds the run folder: another may be writing it. */
export async function removePartials(checkpoints: string): Promise<void> {
  for (const entry of await readdir(checkpoints).catch(() => []))
    if (entry.startsWith(PARTIAL)) await rm(join(checkpoints, entry), { recursive: true, force: true });
}

/** Steps of the whole checkpoints in the folder, ascending. */
export async function listCheckpoints(checkpoints: string): Promise<number[]> {
  const entries = await readdir(checkpoints).catch(() => []);
  return entries
    .filter((entry) => /^step-\d+$/.test(entry))
    .map((entry) => Number(entry.slice('step-'.length)))
    .sort((a, b) => a - b);
}
