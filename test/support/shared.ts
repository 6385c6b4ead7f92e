/** Finds files of ../shared, which tests may use and skip without. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

/**
 * Absolute path of a file in the `shared` folder beside the checkout, or undefined when it is absent.
 * The folder holds public annotations, clips and a reference checkpoint; tests that want it skip without it.
 */
export function sharedPath(relative: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../shared/${relative}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/**
 * Tests that need files of `shared`. Without one of them they are skipped, and their title says so.
 *
 * @param missing what else they lack on this machine, such as `ffmpeg is not installed`
 */
export function describeWithShared(
  title: string,
  files: readonly string[],
  tests: () => void,
  missing?: string,
): void {
  const absent = files.find((file) => sharedPath(file) === undefined);
  const reason = absent === undefined ? missing : `../shared/${absent} is not there`;
  describe.skipIf(reason !== undefined)(
    reason === undefined ? title : `${title} (SKIPPED: ${reason})`,
    tests,
  );
}
