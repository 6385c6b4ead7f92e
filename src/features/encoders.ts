/**
 * Hashes of vision weights that a store remembers, by checkpoint: a run that finds all its features need not read the
 * weights to know which are its own.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../base/files.js';

/** Subfolder of a store, one file a checkpoint. */
export const ENCODERS = 'encoders';

/** The hash of one checkpoint's vision weights, in one store. */
export class RememberedHash {
  private constructor(
    private readonly path: string,
    private readonly base: string,
    /** Undefined until it was computed once. */
    readonly value: string | undefined,
  ) {}

  /**
   * @param folder of the store. @param base folder of the checkpoint
   * @returns undefined without a store that outlives the run
   */
  static async open(
    folder: string | undefined,
    base: string,
    precision: string,
  ): Promise<RememberedHash | undefined> {
    if (folder === undefined) return undefined;
    const path = join(folder, ENCODERS, `${await versionOf(base, precision)}.json`);
    const text = await readFile(path, 'utf8').catch(() => '');
    return new RememberedHash(path, base, /"vision": "([0-9a-f]{64})"/.exec(text)?.[1]);
  }

  /** A store that cannot be written to remembers nothing; whoever puts features there says so. */
  async remember(hash: string): Promise<void> {
    if (this.value === hash) return;
    const text = `${JSON.stringify({ vision: hash, base: this.base }, null, 2)}\n`;
    await makeFolder(dirname(this.path))
      .then(() => writeFileAtomic(this.path, text))
      .catch(() => undefined);
  }
}

/**
 * Tells one version of a checkpoint's files from another without reading them. The time of the last change of a file's
 * state is part of it: no copy keeps that, while it may keep name, size and time of the last write.
 */
async function versionOf(base: string, precision: string): Promise<string> {
  const names = (await readdir(base)).filter((name) => /\.(safetensors|json)$/.test(name)).sort();
  const files = names.map(async (name) => {
    const { size, mtimeNs, ctimeNs, ino } = await stat(join(base, name), { bigint: true });
    return [name, size, mtimeNs, ctimeNs, ino].join(':');
  });
  const version = JSON.stringify([precision, await Promise.all(files)]);
  return createHash('sha256').update(version).digest('hex');
}
