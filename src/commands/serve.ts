/** `reasvqa serve`: the page that asks videos questions, and its API. */
import type { Command } from 'commander';
import { openStudent, type StudentChoice, withStudent } from './asked.js';
import { bytes, type Io, integer, interruptible, note, print } from './io.js';

interface ServeOptions extends StudentChoice {
  host: string;
  port: number;
  maxUpload: number;
  maxVideos: number;
  queue: number;
  examples: boolean;
}

export function addServe(program: Command, io: Io): void {
  withStudent(program.command('serve'))
    .summary('a page on which to ask videos questions')
    .description(
      'Serves a page on this machine: choose or drop a video, ask, and see the answer, the frames and the reasoning as it is written. POST /api/ask gives the same answers as JSON (src/serve/README.md). Ends with Ctrl-C, and removes the uploaded videos then.',
    )
    .option('--port <n>', 'port; 0 takes a free one', integer(0), 8765)
    .option(
      '--host <address>',
      'address to listen at; there is no password, so with another one everybody who reaches it can ask and upload',
      '127.0.0.1',
    )
    .option('--max-upload <size>', 'largest video, such as 512MB', bytes, 512e6)
    .option('--max-videos <n>', 'uploaded videos kept at once', integer(1), 20)
    .option('--queue <n>', 'questions that may wait for the one in work', integer(0), 32)
    .option('--no-examples', 'no clips of the shapes world to begin with (default: four)')
    .action((options: ServeOptions) => serve(io, options));
}

async function serve(io: Io, options: ServeOptions): Promise<void> {
  const { startServer } = await import('../serve/server.js');
  const { host, port, maxUpload: uploadBytes, maxVideos: videos, queue, examples } = options;
  // A port in use is said before a large model is read.
  const server = await startServer({
    host,
    port,
    uploadBytes,
    videos,
    queue,
    onError: (line) => note(io, line),
  });
  try {
    await interruptible(async (signal) => {
      await server.open(await openStudent(io, options), examples);
      print(io, `${server.url}  (Ctrl-C ends it)`);
      if (!server.isLoopback)
        note(io, 'warning: other machines can reach this address, and there is no password');
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    });
  } finally {
    await server.close();
  }
}
