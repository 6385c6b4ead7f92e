/** Finds files of ../shared, which tests may use and skip without. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Absolute path of a file in the `shared` folder beside the checkout, or undefined when it is absent.
 * The folder holds public annotations, clips and a reference checkpoint; tests that want it skip without it.
 */
export function sharedPath(relative: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../shared/${relative}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}
