/** The lock of a run folder: one training at a time. */
import { stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { UsageError } from '../../base/errors.js';

/** A folder that another process works in. */
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
  if (process.platform !== 'linux') return () => undefined;
  const name = await socketOf(folder);
  const server = createServer((socket) => socket.destroy());
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(name, () => resolve(undefined));
  });
  if (problem?.code === 'EADDRINUSE')
    throw new HeldError(
      `${folder}: another process is ${what.doing} in it; wait for it or use another ${what.option} folder`,
    );
  if (problem) return () => undefined;
  server.unref();
  return () => server.close();
}

/** Whether a process of this machine holds the folder; false where nothing can be held. */
export async function isHeld(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const name = await socketOf(folder);
  return new Promise((resolve) => {
    const socket = connect(name, () => {
      socket.destroy();
      resolve(true);
    });
    // A queue that is full (EAGAIN) belongs to a process as well.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
}

async function socketOf(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `\0reasvqa-run-${dev}-${ino}`;
}
