/** Runs ffmpeg and ffprobe as a pool of child processes: a limit, and an end for those that are stuck or abandoned. */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import pLimit, { type LimitFunction } from 'p-limit';
import { DataError, MissingToolError, UsageError } from '../base/errors.js';
import { shortened } from '../base/values.js';
import { type ChildOutput, openChildOutput } from './childOutput.js';

/** How a child process ended; a non-zero status is the caller's to judge. */
interface ToolResult<T> {
  /** -1 when a signal ended it. */
  status: number;
  /** What `read` made of its output. */
  output: T;
  /** The first 64 KiB of its error output. */
  stderr: string;
}

export interface ToolUse {
  /** What it reads from its standard input; it has none when absent. */
  input?: readonly Buffer[] | undefined;
  /** The id and file that it works on, for messages. */
  name: string;
  /** Kills the child; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const MAX_STDERR = 65536;

/** Longest silence of a child that works: deep in a file that cannot be sought, frames are minutes apart. */
const DEFAULT_SILENCE_SECONDS = 600;

/** Made at the first use, unless this thread was lent a part of its process's decoders before. */
let pool: LimitFunction | undefined;

/** How many decoders the process runs at a time: each has one thread, so one a core unless REASVQA_DECODERS says otherwise. */
export function decoderCount(): number {
  return setting('REASVQA_DECODERS', availableParallelism());
}

/**
 * Runs ffmpeg or ffprobe and hands its output to `read` as it comes, no faster than `read` takes it; a chunk may be the
 * memory of the one before, so `read` keeps none. Waits its turn: at
 * most {@link decoderCount} children run at a time, in a thread at most those that it was lent. A child is killed, with all that it started, when
 * `read` ends before the output does, when the signal fires, when this process ends, and when it has given nothing for
 * REASVQA_DECODER_TIMEOUT seconds (default: 600).
 *
 * @throws MissingToolError when the tool is not installed, DataError when it cannot be started or is stuck.
 */
export function runTool<T>(
  tool: 'ffmpeg' | 'ffprobe',
  args: readonly string[],
  read: (stdout: AsyncIterable<Buffer>) => Promise<T>,
  use: ToolUse,
): Promise<ToolResult<T>> {
  pool ??= pLimit(decoderCount());
  return pool(async () => {
    const silence = setting('REASVQA_DECODER_TIMEOUT', DEFAULT_SILENCE_SECONDS);
    // Node's own pipe does the same, at a higher cost; so does Windows, which hands no socket to a child.
    const output = GROUPS ? await openChildOutput().catch(() => undefined) : undefined;
    try {
      use.signal?.throwIfAborted();
      return await run(tool, args, read, use, silence, output);
    } finally {
      output?.close();
    }
  });
}

function setting(name: string, fallback: number): number {
  const given = process.env[name];
  if (given === undefined || given === '') return fallback;
  const value = Number(given);
  if (!/^\d+$/.test(given) || value < 1 || value > 1e6)
    throw new UsageError(`${name}=${given}: expected a whole number from 1 to 1000000`);
  return value;
}

async function run<T>(
  tool: string,
  args: readonly string[],
  read: (stdout: AsyncIterable<Buffer>) => Promise<T>,
  { name, signal, input }: ToolUse,
  silence: number,
  output: ChildOutput | undefined,
): Promise<ToolResult<T>> {
  const stdin = input ? 'pipe' : 'ignore';
  const child = spawn(tool, args, { stdio: [stdin, output?.end ?? 'pipe', 'pipe'], detached: GROUPS });
  output?.end.destroy();
  hold(child);
  feed(child, input);
  let stderr = '';
  // Rejects when nothing more is to be expected of the child; a killed one in an endless wait for a disk never closes.
  let give = (_: unknown): void => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    give = reject;
  });
  const stuck = () =>
    give(
      new DataError(
        `${name}: ${tool} gave nothing for ${silence} s and was stopped; is the file damaged, or its disk gone? REASVQA_DECODER_TIMEOUT=<seconds> gives it longer`,
      ),
    );
  const abort = () => give(signal?.reason);
  const watch = new Watch(silence, stuck);
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    watch.heard();
    if (stderr.length < MAX_STDERR) stderr += text;
  });
  const closed = new Promise<number>((resolve, reject) => {
    child.on('error', (error) => reject(notStarted(tool, error)));
    child.on('close', (status) => resolve(status ?? -1));
  });
  closed.catch(() => undefined);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const work = read(watch.over(output?.chunks ?? child.stdout!)).then(async (result) => {
      if (!watch.ended) kill(child.pid);
      return { status: await closed, output: result, stderr };
    });
    work.catch(() => undefined);
    return await Promise.race([work, givenUp, closed.then(() => work)]);
  } finally {
    watch.stop();
    signal?.removeEventListener('abort', abort);
    release(child);
    await atMost(LAST_MOMENTS_MS, closed);
  }
}

function feed(child: ChildProcess, input: readonly Buffer[] = []): void {
  // A child that breaks off is judged by its status.
  child.stdin?.on('error', () => undefined);
  for (const part of input) child.stdin?.write(part);
  child.stdin?.end();
}

/** A killed child is gone at once, unless it waits for a disk that never answers. */
const LAST_MOMENTS_MS = 1000;

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}

function notStarted(tool: string, error: NodeJS.ErrnoException): DataError {
  if (error.code !== 'ENOENT')
    return new DataError(`${tool} cannot be started (${error.message})`, { cause: error });
  return new MissingToolError(
    `${tool} is not installed, and videos are read with it: install ffmpeg (apt-get install ffmpeg, brew install ffmpeg, or https://ffmpeg.org) and put it on PATH; image folders, GIF and WebP need none`,
    { cause: error },
  );
}

/** Notices a child's silence while something is expected of it. */
class Watch {
  private timer: NodeJS.Timeout | undefined;
  /** Whether the output came to its end. */
  ended = false;

  constructor(
    private readonly seconds: number,
    private readonly onSilence: () => void,
  ) {
    this.arm();
  }

  /** The child has given a sign of life. */
  heard(): void {
    if (this.timer) this.arm();
  }

  private arm(): void {
    this.stop();
    const timer = setTimeout(() => {
      // Where this process was busy itself, output that came meanwhile is delivered before the immediate.
      setImmediate(() => {
        if (this.timer === timer) this.onSilence();
      });
    }, this.seconds * 1000);
    this.timer = timer;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The chunks of a stream; while the reader works on one, the child waits for it and is not at fault. */
  async *over(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      this.stop();
      yield chunk;
      this.arm();
    }
    this.ended = true;
    // From its last byte on the child has the same time to end.
    this.arm();
  }
}

/** Children lead process groups where there are any, so that what a wrapper script started ends with it. */
const GROUPS = process.platform !== 'win32';
const FATAL = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const living = new Set<ChildProcess>();
/** What this thread has lent to others. */
const lent = new Set<DecoderShare>();
/** What this thread was lent, where it is not the main one. */
let own: DecoderShare | undefined;

/** Decoders that a thread may run at a time, one an element: the process id of its child, 0 while it has none. */
export type DecoderShare = Int32Array;

/**
 * Lends decoders to a thread. A thread is not told when the process ends, so its children are ended from here: then, and
 * when the share is given back.
 */
export function lendDecoders(count: number): { share: DecoderShare; giveBack: () => void } {
  const share = new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
  watchEnd();
  lent.add(share);
  const giveBack = () => {
    killShare(share);
    lent.delete(share);
    unwatchEnd();
  };
  return { share, giveBack };
}

/** Makes a share this thread's pool; before the first use of it. */
export function useDecoders(share: DecoderShare): void {
  own = share;
  pool = pLimit(share.length);
}

function hold(child: ChildProcess): void {
  watchEnd();
  living.add(child);
  noteOwn(0, child.pid ?? 0);
}

/** Ends whatever is left of a child. */
function release(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) kill(child.pid);
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
  living.delete(child);
  noteOwn(child.pid ?? 0, 0);
  unwatchEnd();
}

function noteOwn(before: number, after: number): void {
  const place = own?.indexOf(before) ?? -1;
  if (own && before !== after && place >= 0) Atomics.store(own, place, after);
}

function watchEnd(): void {
  if (living.size + lent.size > 0) return;
  process.on('exit', killAll);
  for (const signal of FATAL) process.on(signal, onFatal);
}

function unwatchEnd(): void {
  if (living.size + lent.size > 0) return;
  process.off('exit', killAll);
  for (const signal of FATAL) process.off(signal, onFatal);
}

function kill(pid: number | undefined): void {
  // 0 would be this process's own group.
  if (!pid) return;
  try {
    process.kill(GROUPS ? -pid : pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

function killShare(share: DecoderShare): void {
  for (let i = 0; i < share.length; i++) kill(Atomics.load(share, i));
}

function killAll(): void {
  for (const { pid } of living) kill(pid);
  for (const share of lent) killShare(share);
}

/** A terminal's signal does not reach groups of their own; where nobody else handles it, this process ends as it would have. */
function onFatal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  killAll();
  process.off(signal, onFatal);
  process.kill(process.pid, signal);
}

/** The lines of a child's output. */
export async function* linesOf(stdout: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stdout) {
    // Latin-1 keeps every byte a character, wherever a chunk ends; what is read here is ASCII.
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
  if (rest !== '') yield rest;
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
