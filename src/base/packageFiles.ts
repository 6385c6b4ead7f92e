/** Recipes, workloads, a clip and the small base model that come with the package, found from any folder by the README's paths. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/** A file or folder that comes with the package. */
export function ownFile(path: string): string {
  return join(PACKAGE, path);
}

/** A path from a folder; where there is none, the package's own file if the path is one of bench/. */
export function givenOrOwn(folder: string, path: string): string {
  const given = resolve(folder, path);
  const own = ownFile(path);
  return /^bench[/\\]/.test(path) && !existsSync(given) && existsSync(own) ? own : given;
}
