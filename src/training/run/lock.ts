import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { UsageError } from '../../base/errors.js';

/** Another process trains in the folder. */
export class FolderHeldError extends UsageError {}

/**
 * Holds a run folder for one training: two in the same folder would overwrite each other's checkpoints.
 *
 * What is held is a Linux abstract socket with the folder's number in its name. It ends with the process, however that ends,
 * so a killed run leaves nothing behind that the next one would have to judge. It reaches as far as the machine does (its
 * network namespace); on other systems, and where no socket can be made, nothing is held.
 *
 * @returns what lets the folder go.
 * @throws FolderHeldError when the folder is held already.
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
    throw new FolderHeldError(
      `${folder}: another process is training in it; wait for it or use another --run folder`,
    );
  if (problem) return () => undefined;
  server.unref();
  return () => server.close();
}
