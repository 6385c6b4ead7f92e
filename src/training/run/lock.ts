import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { UsageError } from '../../base/errors.js';

/** A folder that another process works in. */
export class HeldError extends UsageError {}

/**
 * Holds a run folder for one training: two in the same folder would overwrite each other's checkpoints.
 *
 * What is held is a Linux abstract socket with the folder's number in its name. It ends with the process, however that ends,
 * so a killed run leaves nothing behind that the next one would have to judge. It reaches as far as the machine does (its
 * network namespace); on other systems, and where no socket can be made, nothing is held.
 *
 * @param what is done in it, for the message, and the option that names another.
 * @returns what lets the folder go.
 * @throws HeldError when the folder is held already.
 */
export async function holdFolder(
  folder: string,
  what: { doing: string; option: string } = { doing: 'training', option: '--run' },
): Promise<() => void> {
  if (process.platform !== 'linux') return () => undefined;
  const { dev, ino } = await stat(folder, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(`\0reasvqa-run-${dev}-${ino}`, () => resolve(undefined));
  });
  if (problem?.code === 'EADDRINUSE')
    throw new HeldError(
      `${folder}: another process is ${what.doing} in it; wait for it or use another ${what.option} folder`,
    );
  if (problem) return () => undefined;
  server.unref();
  return () => server.close();
}
