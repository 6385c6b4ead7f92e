/** The lock of a run folder: one training at a time. */
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { UsageError } from '../../base/errors.js';

/**
 * Holds a run folder for one training: two in the same folder would overwrite each other's checkpoints.
 *
 * The lock is a Linux abstract socket with the folder's inode number in its name. The socket ends with the process, so
 * a killed run leaves no stale lock. It covers one machine (its network namespace); on other systems, and where no
 * socket can be made, there is no lock.
 *
 * @returns a function that releases the folder.
 * @throws UsageError when the folder is held already.
 */
export async function holdRunFolder(folder: string): Promise<() => void> {
  if (process.platform !== 'linux') return () => undefined;
  const { dev, ino } = await stat(folder, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(`\0reasvqa-run-${dev}-${ino}`, () => resolve(undefined));
  });
  if (problem?.code === 'EADDRINUSE')
    throw new UsageError(
      `${folder}: another process is training in it; wait for it or use another --run folder`,
    );
  if (problem) return () => undefined;
  server.unref();
  return () => server.close();
}
