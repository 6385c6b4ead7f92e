/**
 * Threads that read clips while this one computes. A training step blocks its thread, and reading in the same one stands
 * still meanwhile: ffmpeg runs in processes of its own, but nothing starts the next one or empties its pipe; a stored
 * clip takes eight calls one after the other, and between two steps there is time for one.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { DataError, EXIT, MissingToolError, messageOf, ReasVqaError, UsageError } from '../base/errors.js';
import { readStored, type StoredClip, type StoredReader, type StoredRequest } from '../features/stored.js';
import { type ClipReader, type ClipRequest, readClip } from '../video/clip.js';
import { decoderCount, lendDecoders } from '../video/process.js';
import type { ClipWorkerData, FromClipWorker, ToClipWorker } from './clipWorker.js';

/** A reader of clips that holds threads. */
export interface ClipThreads {
  read: ClipReader;
  /** Reads what is stored of a clip. */
  readStored: StoredReader;
  /** Ends the threads and what they decode; clips that are not read by then are rejected. */
  end(): Promise<void>;
}

/** The threads' program, in the compiled package. */
const PROGRAM = new URL('./clipWorker.js', import.meta.url);

/**
 * Opens a reader of clips. Its threads start with the first clip; an idle one keeps no process alive.
 *
 * @param threads how many; with 0 clips are read in the caller's thread, with the same bits. So they are where the program
 *   is not beside this file: in a bundle, and in TypeScript sources, which Node 20's threads cannot run.
 */
export function openClipThreads(threads: number): ClipThreads {
  if (threads > 0 && existsSync(PROGRAM)) return new Threads(threads, PROGRAM);
  return { read: readClip, readStored, end: async () => undefined };
}

/** What messages about a clip name. */
type Named = { id: string; path: string };

type Question = { request: ClipRequest } | { stored: StoredRequest };
type Answer = Float32Array | StoredClip;

/** A clip that a thread has been asked for. */
interface Asked {
  about: Named;
  resolve: (read: Answer) => void;
  reject: (reason: unknown) => void;
}

/** One thread, and what it has been asked for. */
interface Thread {
  worker: Worker;
  asked: Map<number, Asked>;
  ended: Promise<void>;
}

/** {@link ClipThreads} that start as clips are asked for; one that has died is replaced by the next clip. */
export class Threads implements ClipThreads {
  private readonly threads = new Set<Thread>();
  private readonly most: number;
  /** Decoders that no thread has: the process runs as many as without threads. */
  private spare: number;
  private next = 0;
  private closed = false;

  /**
   * @param threads how many, at most; one without a decoder would have nothing to do
   * @param program of the threads; a test may give another
   * @param patience seconds that a thread is given to end by itself: the frame that it is resizing is done long before
   */
  constructor(
    threads: number,
    private readonly program: URL,
    private readonly patience = 5,
  ) {
    this.spare = decoderCount();
    this.most = Math.min(threads, this.spare);
  }

  /** @throws as readClip; ReasVqaError when the thread ended meanwhile */
  readonly read: ClipReader = (request, signal) => this.ask<Float32Array>(request, { request }, signal);

  /** @throws as readStored; ReasVqaError when the thread ended meanwhile */
  readonly readStored: StoredReader = (stored, signal) => this.ask<StoredClip>(stored, { stored }, signal);

  /** Every clip is handed to a thread at once, so that none runs dry while this thread computes; whoever asks bounds how many. */
  private ask<T extends Answer>(about: Named, question: Question, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.closed) throw new Error('clips were asked for after the end');
      const thread = this.leastBusy();
      const { worker, asked } = thread;
      const id = this.next++;
      const cancel = () => {
        tell(worker, { cancel: id });
        settle(() => reject(signal?.reason));
      };
      const settle = (give: () => void) => {
        signal?.removeEventListener('abort', cancel);
        asked.delete(id);
        // An idle thread keeps no process alive.
        if (asked.size === 0) worker.unref();
        give();
      };
      signal?.addEventListener('abort', cancel, { once: true });
      asked.set(id, {
        about,
        resolve: (read) => settle(() => resolve(read as T)),
        reject: (reason) => settle(() => reject(reason)),
      });
      worker.ref();
      tell(worker, { id, ...question });
    });
  }

  private leastBusy(): Thread {
    if (this.threads.size < this.most) return this.start();
    return [...this.threads].reduce((a, b) => (b.asked.size < a.asked.size ? b : a));
  }

  private start(): Thread {
    const count = Math.ceil(this.spare / (this.most - this.threads.size));
    const { share: decoders, giveBack } = lendDecoders(count);
    this.spare -= count;
    const worker = new Worker(this.program, { workerData: { decoders } satisfies ClipWorkerData });
    const asked = new Map<number, Asked>();
    let failure: unknown;
    const ended = new Promise<void>((resolve) => {
      worker.on('error', (error) => {
        failure = error;
      });
      worker.on('exit', (code) => {
        this.threads.delete(thread);
        this.spare += count;
        giveBack();
        for (const clip of [...asked.values()])
          clip.reject(this.closed ? notRead() : died(clip, code, failure));
        resolve();
      });
    });
    worker.on('message', (answer: FromClipWorker) => {
      // One that was cancelled is not asked for any more.
      const clip = asked.get(answer.id);
      if ('read' in answer) clip?.resolve(answer.read);
      else clip?.reject(revived(answer.error));
    });
    const thread = { worker, asked, ended };
    this.threads.add(thread);
    return thread;
  }

  async end(): Promise<void> {
    this.closed = true;
    const threads = [...this.threads];
    for (const { worker, asked } of threads) {
      for (const clip of [...asked.values()]) clip.reject(notRead());
      tell(worker, { end: true });
    }
    await Promise.all(threads.map((thread) => ending(thread, this.patience)));
  }
}

/** The end of a thread that was told to; one that does not listen is stopped. */
async function ending({ worker, ended }: Thread, patience: number): Promise<void> {
  worker.ref();
  const timer = setTimeout(() => void worker.terminate(), patience * 1000);
  await ended;
  clearTimeout(timer);
}

const tell = (worker: Worker, message: ToClipWorker) => worker.postMessage(message);

const notRead = () => new Error('the reader of clips was ended before the clip was read');

function died({ about }: Asked, code: number, failure: unknown): ReasVqaError {
  const why = failure === undefined ? `exit code ${code}` : messageOf(failure);
  return new ReasVqaError(
    `${about.id}: ${about.path}: the thread that reads videos ended meanwhile (${why}); run the same command again, with --set data.workers=0 if it happens again`,
    EXIT.unexpected,
    { cause: failure },
  );
}

const KNOWN = { DataError, MissingToolError, UsageError };

/** An error of a thread with the class that decides what follows from it. */
function revived({
  name,
  message,
  stack,
}: {
  name: string;
  message: string;
  stack: string | undefined;
}): Error {
  const Known = (KNOWN as Record<string, new (message: string) => Error>)[name] ?? Error;
  const error = new Known(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
