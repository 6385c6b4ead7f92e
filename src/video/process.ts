/** Runs ffmpeg and ffprobe as child processes. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { DataError, MissingToolError } from '../base/errors.js';
import { shortened } from '../base/values.js';

/** How a child process ended; a non-zero status is the caller's to judge. */
interface ToolResult {
  status: number;
  stdout: Buffer;
  /** The first 64 KiB of its error output. */
  stderr: string;
}

const MAX_STDERR = 65536;

/** Each decoder runs on one thread, so at most one a core. */
const limit = pLimit(availableParallelism());

/**
 * Runs ffmpeg or ffprobe to its end and collects its output. Waits its turn: at most one child a core runs at a time.
 *
 * @param signal kills the child; the promise then rejects with the signal's reason.
 * @throws MissingToolError when the tool is not installed, DataError when it cannot be started.
 */
export function runTool(
  tool: 'ffmpeg' | 'ffprobe',
  args: readonly string[],
  signal?: AbortSignal,
): Promise<ToolResult> {
  return limit(() => {
    signal?.throwIfAborted();
    return run(tool, args, signal);
  });
}

function run(tool: string, args: readonly string[], signal: AbortSignal | undefined): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    let stderr = '';
    const kill = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', kill, { once: true });
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < MAX_STDERR) stderr += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      signal?.removeEventListener('abort', kill);
      reject(
        error.code === 'ENOENT'
          ? new MissingToolError(
              `${tool} is not installed, and videos are read with it: install ffmpeg (apt-get install ffmpeg, brew install ffmpeg, or https://ffmpeg.org) and put it on PATH; image folders, GIF and WebP need none`,
              { cause: error },
            )
          : new DataError(`${tool} cannot be started (${error.message})`, { cause: error }),
      );
    });
    child.on('close', (status) => {
      signal?.removeEventListener('abort', kill);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ status: status ?? -1, stdout: Buffer.concat(chunks), stderr });
    });
  });
}

/** The first informative line of a tool's complaints, without its `[h264 @ 0x...]` prefix. */
export function firstComplaint(stderr: string): string {
  for (const line of stderr.split(/[\r\n]+/)) {
    const text = line.replace(/^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+/, '').trim();
    if (text) return shortened(text, 160);
  }
  return 'no message';
}

/** Arguments that name an input file as a file, whatever characters it holds, and forbid it to open anything else. */
export function inputArgs(absolutePath: string): string[] {
  return ['-protocol_whitelist', 'file', '-i', `file:${absolutePath}`];
}
