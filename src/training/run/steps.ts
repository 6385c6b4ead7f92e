/** Names of a run's checkpoints. Listing them loads nothing of what trains. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

export const PARTIAL = '.partial-';

/** Name of a step's folder. */
export function folderOf(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/** Steps of the whole checkpoints in the folder, ascending. Partial ones are removed. */
export async function listCheckpoints(checkpoints: string): Promise<number[]> {
  const entries = await readdir(checkpoints).catch(() => []);
  for (const entry of entries)
    if (entry.startsWith(PARTIAL)) await rm(join(checkpoints, entry), { recursive: true, force: true });
  return entries
    .filter((entry) => /^step-\d+$/.test(entry))
    .map((entry) => Number(entry.slice('step-'.length)))
    .sort((a, b) => a - b);
}
