/** Writes the requests of a run as batch files, which OpenAI's batch API and `vllm run-batch` read. */
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { DataError, Interrupted, MissingToolError, messageOf } from '../base/errors.js';
import { removeLeftovers, writeAtomic } from '../base/files.js';
import type { Sample } from '../data/sample.js';
import { checked } from './client.js';
import { requestBody } from './endpoint.js';
import type { TeacherFrames } from './images.js';
import { JsonAppender, readJsonLines } from './jsonl.js';
import { type AskedFor, type AskedWith, Output, settingsOf } from './output.js';
import { promptFor } from './prompt.js';
import type { ReasoningSettings } from './row.js';
import { ShownClips, shownAs } from './shown.js';

/** What a batch run and the reading of its results share. */
export interface BatchRun extends AskedFor {
  samples: readonly Sample[];
  /** Model and settings of the requests; there is no address. */
  teacher: AskedWith;
  /** The file of reasoning; its samples are not asked again. `<out>.batch.jsonl` beside it remembers what was asked. */
  out: string;
  onNotice?: (line: string) => void;
}

export interface BatchRequestOptions extends BatchRun {
  framesOf: (sample: Sample) => Promise<TeacherFrames>;
  /** First file to write; further ones are `name.2.jsonl` and so on. */
  requests: string;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** One line of `<out>.batch.jsonl`. */
export interface Asked {
  id: string;
  frames: number[] | null;
  model: string;
  settings: ReasoningSettings;
}

/** OpenAI's limits of one file. */
export const BATCH_LIMITS = { requests: 50_000, bytes: 200_000_000 };

/**
 * Writes one request for every sample that `out` does not hold yet. Samples that cannot be decoded are listed in
 * `<out>.failed.jsonl`.
 *
 * @param limits most requests and bytes of one file.
 * @returns the files and the number of requests in them.
 * @throws DataError when a file exists already, or after all others were written when samples failed.
 */
export async function writeBatch(
  options: BatchRequestOptions,
  limits = BATCH_LIMITS,
): Promise<{ files: string[]; requests: number }> {
  const { samples, teacher, out, writing, onNotice } = options;
  checked(teacher);
  const settings = settingsOf(options, teacher);
  const output = await Output.open({ out, samples, model: teacher.model, settings, writing, onNotice });
  const files: string[] = [];
  let written = 0;
  try {
    const waiting = samples.filter(({ id }) => !output.finished.has(id));
    const lines = linesOf(options, waiting, settings, output);
    const memory = await JsonAppender.open(asked(out), await wholeBytes(asked(out)));
    try {
      for (let next = await lines.next(); !next.done; ) {
        const path = partPath(options.requests, files.length + 1);
        await refuseExisting(path);
        await removeLeftovers(path);
        await writeAtomic(path, async (file) => {
          const remembered: Asked[] = [];
          let bytes = 0;
          while (!next.done && remembered.length < limits.requests) {
            const { text, about } = next.value;
            bytes += Buffer.byteLength(text);
            if (bytes > limits.bytes && remembered.length > 0) break;
            await file.writeFile(text);
            remembered.push(about);
            next = await lines.next();
          }
          await Promise.all(remembered.map((about) => memory.append(about)));
          written += remembered.length;
        });
        files.push(path);
      }
    } finally {
      await memory.close();
    }
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    const whole =
      files.length > 0 ? `; remove ${files.join(', ')} before you run the same command again` : '';
    throw new Interrupted(`stopped before all requests were written${whole}`);
  } finally {
    await output.close();
  }
  const [first] = output.failed;
  if (first)
    throw new DataError(
      `${output.failed.length} of ${samples.length} samples have no request (first: ${first.id}: ${first.error}), listed in ` +
        `${out}.failed.jsonl; ${written} requests are in ${files.join(', ') || 'no file'}`,
    );
  return { files, requests: written };
}

/** The requests in the order of the samples, a few clips decoded ahead. */
async function* linesOf(
  options: BatchRequestOptions,
  waiting: readonly Sample[],
  settings: ReasoningSettings,
  output: Output,
): AsyncGenerator<{ text: string; about: Asked }, undefined> {
  const { teacher, writing = 'reasoning', template, onProgress, signal } = options;
  const request = checked(teacher);
  const ahead = availableParallelism();
  const shown = new ShownClips(options.framesOf, shownAs(options, signal), ahead + 1);
  const decoded: ReturnType<ShownClips['of']>[] = [];
  for (const [i, sample] of waiting.entries()) {
    signal?.throwIfAborted();
    for (let j = i + decoded.length; j < Math.min(waiting.length, i + ahead); j++) {
      const clip = shown.of(waiting[j]!);
      clip.catch(() => {});
      decoded.push(clip);
    }
    onProgress?.(i, waiting.length);
    try {
      const { images, indices } = await decoded.shift()!;
      const prompt = promptFor(writing, sample.question, sample.options, template);
      const body = requestBody({ images, prompt }, teacher.model, request);
      const line = { custom_id: sample.id, method: 'POST', url: '/v1/chat/completions', body };
      const { id } = sample;
      yield {
        text: `${JSON.stringify(line)}\n`,
        about: { id, frames: indices, model: teacher.model, settings },
      };
    } catch (error) {
      if (signal?.aborted || error instanceof MissingToolError) throw error;
      output.failed.push({ id: sample.id, error: messageOf(error), attempts: 0 });
    }
  }
  onProgress?.(waiting.length, waiting.length);
  return undefined;
}

/** Path of the file that remembers what was asked in batches. */
export function asked(out: string): string {
  return `${out}.batch.jsonl`;
}

function partPath(path: string, part: number): string {
  if (part === 1) return path;
  const end = extname(path);
  return `${path.slice(0, path.length - end.length)}.${part}${end}`;
}

async function refuseExisting(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined))
    throw new DataError(
      `${path}: exists already, and its requests may be on their way; name another file or remove it`,
    );
}

/** Bytes of the whole lines of a file that may be missing. */
async function wholeBytes(path: string): Promise<number> {
  if (!(await stat(path).catch(() => undefined))) return 0;
  let size = 0;
  for await (const { end } of readJsonLines(path, { onTorn: () => {} })) size = end;
  return size;
}
