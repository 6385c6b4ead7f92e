/** The output of a child process, read into one piece of memory again and again. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** About what a socket holds: fewer turns of the event loop than with Node's 64 KiB. */
const READ_BYTES = 256 * 1024;

/** Two connected sockets: one for a child's stdout, and what comes out of the other. */
export interface ChildOutput {
  /** The child's end; closed here as soon as the child has it, so that the output ends with the child. */
  end: Socket;
  /**
   * What the child writes, no faster than it is asked for. Every chunk is the same memory: its reader must be done with it
   * when it asks for the next.
   */
  chunks: AsyncGenerator<Buffer>;
  /** Closes both ends. */
  close(): void;
}

/**
 * Opens a pipe to a child. Node's own gives new memory with every 64 KiB; 32 frames of 640x480 are 28 MiB of it, and
 * touching them for the first time took 85 % of the time that their reading and copying took.
 *
 * @throws the system's error where the folder for temporary files takes no socket
 */
export async function openChildOutput(): Promise<ChildOutput> {
  // Nobody else can connect in a folder of our own.
  const folder = await mkdtemp(join(tmpdir(), 'reasvqa-pipe-'));
  // Paused: what arrives at the child's end is not for this process.
  const server = createServer({ pauseOnConnect: true });
  try {
    const path = join(folder, 'out');
    server.listen(path);
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const reader = readInto(path);
    const [[end]] = await Promise.all([accepted, once(reader.socket, 'connect')]);
    const close = () => {
      reader.socket.destroy();
      end.destroy();
    };
    return { end, chunks: reader.chunks(), close };
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function readInto(path: string): { socket: Socket; chunks: () => AsyncGenerator<Buffer> } {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let filled = 0;
  let wake = (): void => undefined;
  const take = (bytes: number) => {
    filled = bytes;
    wake();
    // Nothing more is read until it is asked for.
    return false;
  };
  const socket = connect({ path, onread: { buffer, callback: take } });
  // A child that breaks off is judged by its status.
  socket.on('error', () => undefined);
  socket.on('close', () => wake());
  async function* chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      if (filled === 0 && !socket.destroyed) {
        const something = new Promise<void>((resolve) => {
          wake = resolve;
        });
        socket.resume();
        await something;
      }
      if (filled === 0) return;
      const chunk = buffer.subarray(0, filled);
      filled = 0;
      yield chunk;
    }
  }
  return { socket, chunks };
}
