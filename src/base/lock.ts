/** Locks of run folders and output files: one process at a time. */
import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './errors.js';

/** A folder or file that another process works in. */
export class HeldError extends UsageError {}

/**
 * Holds a run folder for one training: two in the same folder would overwrite each other's checkpoints.
 *
 * The lock is a Linux abstract socket with the folder's inode number in its name. The socket ends with the process, so
 * a killed run leaves no stale lock. It covers one machine (its network namespace); on other systems, and where no
 * socket can be made, there is no lock.
 *
 * @param what is done in it, for the message, and the option that names another.
 * @returns a function that releases the folder.
 * @throws HeldError when the folder is held already.
 */
export async function holdFolder(
  folder: string,
  what: { doing: string; option: string } = { doing: 'training', option: '--run' },
): Promise<() => void> {
  return hold(
    () => folderSocket(folder),
    (holder) =>
      `${folder}: ${holder} is ${what.doing} in it; wait for it or use another ${what.option} folder`,
  );
}

/**
 * Holds an output file, which need not exist, for one writer; the lock is that of {@link holdFolder}. It belongs to the
 * name in its folder, so it stays when the file is replaced, and all paths and symbolic links to the file share it.
 *
 * @returns a function that releases the file.
 * @throws HeldError when another process holds it.
 */
export async function holdFile(path: string): Promise<() => void> {
  return hold(
    () => fileSocket(path),
    (holder) => `${path}: ${holder} is writing it; wait for that one to end or name another output file`,
  );
}

/** Whether a process of this machine holds the folder; false where nothing can be held. */
export async function isHeld(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const name = await folderSocket(folder);
  return new Promise((resolve) => {
    const socket = connect(name, () => {
      socket.destroy();
      resolve(true);
    });
    // A queue that is full (EAGAIN) belongs to a process as well.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
}

async function hold(
  nameOf: () => Promise<string | undefined>,
  held: (holder: string) => string,
): Promise<() => void> {
  if (process.platform !== 'linux') return () => undefined;
  const name = await nameOf();
  if (name === undefined) return () => undefined;
  const server = createServer((socket) => socket.destroy());
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(name, () => resolve(undefined));
  });
  if (problem?.code === 'EADDRINUSE') {
    const pid = await holderOf(name);
    throw new HeldError(held(pid === undefined ? 'another process' : `process ${pid}`));
  }
  if (problem) return () => undefined;
  server.unref();
  return () => server.close();
}

async function folderSocket(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `\0reasvqa-run-${dev}-${ino}`;
}

/** The name is hashed, since the name of a socket has at most 107 bytes. */
async function fileSocket(path: string): Promise<string | undefined> {
  const real = await realpath(path).catch(() => path);
  const folder = await stat(dirname(real), { bigint: true }).catch(() => undefined);
  // Nothing can be written there either, and that error says more.
  if (!folder) return undefined;
  const { dev, ino } = folder;
  const name = createHash('sha256').update(basename(real)).digest('hex').slice(0, 16);
  return `\0reasvqa-file-${dev}-${ino}-${name}`;
}

/**
 * The id of the process that listens on an abstract socket, from /proc, so a holder that computes and hears nothing is
 * found too. Undefined for a process of another user or container.
 */
async function holderOf(name: string): Promise<number | undefined> {
  const sockets = await readFile('/proc/net/unix', 'utf8').catch(() => '');
  // Columns: address, references, protocol, flags (10000: listens), type, state, inode, name. Zero bytes are shown as @;
  // Node up to 20 fills names with them.
  const inode = sockets
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(
      (cells) => cells[3] === '00010000' && cells[7]?.replace(/^@|@+$/g, '') === name.replace('\0', ''),
    )?.[6];
  if (inode === undefined) return undefined;
  const pids = (await readdir('/proc').catch(() => [])).filter((entry) => /^\d+$/.test(entry));
  for (const pid of pids) {
    const folder = join('/proc', pid, 'fd');
    const files = await readdir(folder).catch(() => []);
    const links = await Promise.all(files.map((file) => readlink(join(folder, file)).catch(() => '')));
    if (links.includes(`socket:[${inode}]`)) return Number(pid);
  }
  return undefined;
}
