/** Files that belong to an annotation file and lie in its folder. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** The files beside `file` whose names `pattern` matches, by name. None where the folder cannot be read, as for a pipe. */
export async function filesBeside(file: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(dirname(file)).catch(() => []);
  return names
    .filter((name) => pattern.test(name) && name !== basename(file))
    .sort()
    .map((name) => join(dirname(file), name));
}

/** The split that the name of a file tells: the last of train, val and test in it. */
export function splitOf(file: string): 'train' | 'val' | 'test' | undefined {
  return basename(file)
    .match(/train|val|test/gi)
    ?.at(-1)
    ?.toLowerCase() as 'train' | 'val' | 'test' | undefined;
}
