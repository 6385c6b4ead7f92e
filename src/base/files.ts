/** Writing files so that a reader never sees a part of one, and their hashes. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, messageOf, UsageError } from './errors.js';
import { unwritten } from './unwritten.js';

/**
 * Writes a file so that a reader sees the old content or the new, never a part: a temporary file beside it, fsync,
 * rename, fsync of the folder. A failure (a full disk, say) removes the temporary file and leaves the old content as it
 * was. A symbolic link stays a link: its target is written. Pipes and devices (`/dev/stdout`) are written into, since a
 * rename would put a file in their place.
 *
 * @param fill writes the content to the open temporary file.
 * @throws DataError naming the path and the cause.
 */
export async function writeAtomic(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  // Found at the rename, it would cost all the work before.
  if (found?.isDirectory()) throw new DataError(`${path}: ${unwritten(path, { code: 'EISDIR' })}`);
  const real = found ? await realpath(path) : path;
  try {
    if (found?.isFile() === false) await writeInto(path, 'w', fill);
    else await replaceFile(real, fill);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const rest = found?.isFile() ? '; what was there before is untouched' : '';
    throw new DataError(`${path}: ${unwritten(real, error)}${rest}`, { cause: error });
  }
}

async function replaceFile(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(3).toString('hex')}`;
  try {
    await writeInto(temporary, 'wx', async (file) => {
      await fill(file);
      await file.sync();
    });
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    // Cleaning up must not hide the cause: rm itself fails when the folder is not one.
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

/**
 * Removes the temporary files of a path that killed processes of this machine left. For a file that one command at a time
 * writes: in a folder that machines share, a process of another one is not known to live.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const real = await realpath(path).catch(() => path);
  const start = `${basename(real)}.tmp-`;
  for (const name of await readdir(dirname(real)).catch(() => [])) {
    const pid = name.startsWith(start) && /^(\d+)-[0-9a-f]{6}$/.exec(name.slice(start.length))?.[1];
    if (pid && !isAlive(Number(pid))) await rm(join(dirname(real), name), { force: true }).catch(() => {});
  }
}

/** Whether a process of this machine runs; one of another user may not be asked, and does. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function writeInto(
  path: string,
  flags: 'w' | 'wx',
  fill: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags);
  try {
    await fill(file);
  } finally {
    await file.close();
  }
}

/** An output may not be one of the inputs, by whatever name or link: writing would replace it. @throws UsageError */
export async function refuseInput(output: string, inputs: readonly string[]): Promise<void> {
  if ((await sameFile(output, inputs)) !== undefined)
    throw new UsageError(`${output}: is one of the files that are read; name another output file`);
}

/** The first of `others` that is the file `path`, by whatever name or link; undefined when none is. */
export async function sameFile(path: string, others: readonly string[]): Promise<string | undefined> {
  const own = await stat(path).catch(() => undefined);
  if (!own?.isFile()) return undefined;
  for (const other of others) {
    const found = await stat(other).catch(() => undefined);
    if (found && found.dev === own.dev && found.ino === own.ino) return other;
  }
  return undefined;
}

/** Whether a path is a file; not whether it can be read. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/**
 * Makes a folder, and those above it. Node's own `recursive` tries without end, at a full core, where the system says that
 * there is no such folder although the one above is there: below /proc, and where an automounter rules.
 *
 * @param mode of what is made: who may do what in it
 * @throws the system's error
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    await makeFolder(parent, mode);
    await mkdir(path, { mode }).catch(async (again) => {
      if (!(await isFolder(path))) throw again;
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** {@link writeAtomic} for content that is already in memory. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeAtomic(path, async (file) => {
    await file.writeFile(data);
  });
}

/** The first bytes of a file, fewer where it is shorter. @throws the system's error */
export async function readHead(path: string, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Makes a rename in `folder` durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The SHA-256 of a file as 64 hexadecimal digits, read as a stream. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${messageOf(error)})`, { cause: error });
  }
  return hash.digest('hex');
}
