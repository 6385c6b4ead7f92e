/**
 * A thread that reads clips: asked by ClipThreads, it decodes, resizes and normalises, and hands the pixels over, or the
 * features that are stored of a clip.
 */
import { parentPort, workerData } from 'node:worker_threads';
import pLimit from 'p-limit';
import { readStored, type StoredClip, type StoredRequest } from '../features/stored.js';
import { type ClipRequest, readClip } from '../video/clip.js';
import { type DecoderShare, useDecoders } from '../video/process.js';

/** What the thread is told. */
export type ToClipWorker =
  /** Read a clip; the answer has the same number. */
  | { id: number; request: ClipRequest }
  /** Read what is stored of a clip. */
  | { id: number; stored: StoredRequest }
  /** The clip of this number is not wanted any more. */
  | { cancel: number }
  /** Nothing is wanted any more: decoders are ended, then the thread ends. */
  | { end: true };

/** What it answers. */
export type FromClipWorker =
  | { id: number; read: Float32Array | StoredClip }
  /** An error as plain data: a class does not survive the way between threads. */
  | { id: number; error: { name: string; message: string; stack: string | undefined } };

/** What it starts with. */
export interface ClipWorkerData {
  /** Decoders that it may run at a time, and as many clips that it has in work. */
  decoders: DecoderShare;
}

const port = parentPort!;
const { decoders } = workerData as ClipWorkerData;
useDecoders(decoders);
const limit = pLimit(decoders.length);
const wanted = new Map<number, AbortController>();

port.on('message', (message: ToClipWorker) => {
  if ('request' in message) void answer(message.id, (signal) => decode(message.request, signal));
  else if ('stored' in message) void answer(message.id, () => readStored(message.stored));
  else if ('cancel' in message) wanted.get(message.cancel)?.abort();
  else {
    for (const controller of wanted.values()) controller.abort();
    // With the port closed the thread ends by itself once its decoders have.
    port.close();
  }
});

async function decode(request: ClipRequest, signal: AbortSignal): Promise<Float32Array> {
  return limit(() => {
    signal.throwIfAborted();
    return readClip(request, signal);
  });
}

async function answer(
  id: number,
  work: (signal: AbortSignal) => Promise<Float32Array | StoredClip>,
): Promise<void> {
  const controller = new AbortController();
  wanted.set(id, controller);
  try {
    const read = await work(controller.signal);
    const data = 'identity' in read ? read.features?.data : read;
    port.postMessage({ id, read } satisfies FromClipWorker, data ? [data.buffer as ArrayBuffer] : []);
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    port.postMessage({ id, error: { name, message, stack } } satisfies FromClipWorker);
  } finally {
    wanted.delete(id);
  }
}
