/** Asks a teacher about every sample, and continues where an earlier run stopped. */
import { setMaxListeners } from 'node:events';
import { rm } from 'node:fs/promises';
import pLimit from 'p-limit';
import { DataError, Interrupted, MissingToolError, messageOf } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import type { Sample } from '../data/sample.js';
import { predictedAnswer } from './answer.js';
import { type Teacher, TeacherError } from './client.js';
import { isCorrect } from './grade.js';
import { framesToPng, pngDataUrl, type TeacherFrames } from './images.js';
import { JsonAppender } from './jsonl.js';
import { promptFor, promptId, type Writing } from './prompt.js';
import { readFinished, rewriteInOrder } from './resume.js';
import type { ReasoningRow, ReasoningSettings } from './row.js';

export interface GenerateProgress {
  /** Samples finished by this run and earlier ones, and failed by this one. */
  done: number;
  total: number;
  failed: number;
  /** Number of finished samples with a known answer, and of those that the teacher answered right. */
  judged: number;
  correct: number;
}

export interface GenerateOptions {
  samples: readonly Sample[];
  /**
   * Decodes a sample's frames; called when its turn comes, at most `concurrency` at once, and once for the samples of one
   * clip that follow each other.
   */
  framesOf: (sample: Sample) => Promise<TeacherFrames>;
  /** Frames asked of `framesOf`; recorded, and checked against an existing file. */
  frameCount: number;
  client: Teacher;
  /** What the teacher is asked to write; reasoning unless given. */
  writing?: Writing;
  /** Path of the JSON-lines file; `<out>.failed.jsonl` beside it lists what failed. */
  out: string;
  /** Requests under way at once; default 4. */
  concurrency?: number;
  /** Longer side of the images sent, in pixels; default: as decoded. */
  maxSide?: number;
  /** The run stops when so many samples in a row have failed; default 50. */
  giveUpAfter?: number;
  onProgress?: (progress: GenerateProgress) => void;
  /** One-line remarks, such as a torn last line that was dropped. */
  onNotice?: (line: string) => void;
  /** Aborting it stops the run cleanly. */
  signal?: AbortSignal;
}

export interface GenerateResult extends GenerateProgress {
  /** Samples that earlier runs had finished. */
  skipped: number;
  /** Texts in which no answer was found. */
  unanswered: number;
  /** Answers cut at max_tokens. */
  cut: number;
}

/** The images of one clip that the teacher sees. */
interface Shown {
  images: string[];
  indices: number[] | null;
}

interface FailedSample {
  id: string;
  error: string;
  attempts: number;
}

/**
 * The paper's first phase: asks the teacher about every sample that `out` does not hold yet and appends one
 * {@link ReasoningRow} each, on the disk before it counts as done. The same call continues where a killed, failed
 * or interrupted run stopped; the finished file is in the order of the samples, whatever the concurrency.
 *
 * @throws DataError at the end when samples failed (they are tried again by the next run), at once when the server
 *   cannot be reached, refuses every request, or `out` was made with other settings.
 * @throws Interrupted when `signal` was aborted.
 */
export async function generateReasoning(options: GenerateOptions): Promise<GenerateResult> {
  const run = new Run(options);
  await run.prepare();
  try {
    await run.all();
  } finally {
    await run.close();
  }
  return run.result();
}

class Run {
  private readonly settings: ReasoningSettings;
  private readonly writing: Writing;
  private readonly concurrency: number;
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private readonly failed: FailedSample[] = [];
  private finished = new Set<string>();
  private appender!: JsonAppender;
  private failedInRow = 0;
  /** Images of the latest clips; NExT-QA has nine questions a video, one after the other. */
  private readonly shown = new Map<string, Promise<Shown>>();
  private readonly tally = { done: 0, judged: 0, correct: 0, unanswered: 0, cut: 0, skipped: 0 };

  constructor(private readonly options: GenerateOptions) {
    const { client, signal, frameCount, maxSide = null, writing = 'reasoning' } = options;
    this.writing = writing;
    this.settings = {
      prompt: promptId(this.writing),
      temperature: client.temperature,
      max_tokens: client.maxTokens,
      n: frameCount,
      max_side: maxSide,
    };
    this.concurrency = Math.max(1, this.options.concurrency ?? 4);
    this.signal = signal ? AbortSignal.any([signal, this.stop.signal]) : this.stop.signal;
    // One listener a request under way, which is as many as the user asked for.
    setMaxListeners(0, this.signal);
  }

  /** Reads what `out` holds, checks that it belongs to this run, and drops a torn last line. */
  async prepare(): Promise<void> {
    const { samples, out, client, onNotice } = this.options;
    const found = await readFinished(
      out,
      samples,
      { model: client.model, settings: this.settings },
      onNotice,
    );
    for (const row of found.rows) this.count(row);
    this.tally.skipped = found.rows.length;
    this.finished = new Set(found.rows.map((row) => row.id));
    this.appender = await JsonAppender.open(out, found.size);
  }

  async all(): Promise<void> {
    const limit = pLimit(this.concurrency);
    const waiting = this.options.samples.filter((sample) => !this.finished.has(sample.id));
    this.report();
    const outcomes = await Promise.allSettled(waiting.map((sample) => limit(() => this.one(sample))));
    if (this.options.signal?.aborted) return;
    const broken = outcomes.find((outcome) => outcome.status === 'rejected' && !isAbort(outcome.reason));
    if (broken?.status === 'rejected') throw broken.reason;
  }

  /** Asks about one sample. Rejects only when the whole run has to stop. */
  private async one(sample: Sample): Promise<void> {
    if (this.signal.aborted) return;
    try {
      const row = await this.ask(sample);
      await this.write(row);
      this.failedInRow = 0;
      this.count(row);
      this.report();
    } catch (error) {
      if (this.signal.aborted) return;
      if (error instanceof TeacherError && error.scope === 'run') throw this.end(this.hopeless(error));
      if (error instanceof MissingToolError) throw this.end(error);
      if (error instanceof DiskError) throw this.end(error.cause as DataError);
      this.failed.push({
        id: sample.id,
        error: messageOf(error),
        attempts: error instanceof TeacherError ? error.attempts : 0,
      });
      this.report();
      if (++this.failedInRow >= (this.options.giveUpAfter ?? 50)) throw this.end(this.givingUp());
    }
  }

  private imagesOf(sample: Sample): Promise<Shown> {
    const clip = JSON.stringify([sample.video, sample.start, sample.end]);
    const known = this.shown.get(clip);
    // A clip's error names the sample that was decoded; another sample of the clip decodes again for its own message.
    if (known) return known.catch(() => this.decode(sample));
    const shown = this.decode(sample);
    this.shown.set(clip, shown);
    shown.catch(() => this.shown.delete(clip));
    if (this.shown.size > this.concurrency) this.shown.delete(this.shown.keys().next().value!);
    return shown;
  }

  private async decode(sample: Sample): Promise<Shown> {
    const { framesOf, maxSide } = this.options;
    const frames = await framesOf(sample);
    const images = (await framesToPng(frames, maxSide)).map(pngDataUrl);
    return { images, indices: frames.indices ? Array.from(frames.indices) : null };
  }

  private async ask(sample: Sample): Promise<ReasoningRow> {
    const { client } = this.options;
    const { images, indices } = await this.imagesOf(sample);
    const prompt = promptFor(this.writing, sample.question, sample.options);
    const { text, finishReason } = await client.complete({ images, prompt }, this.signal);
    const answers = this.writing === 'reasoning';
    const predicted = answers ? predictedAnswer(text, sample.options) : null;
    const answer = sample.answer ?? null;
    return {
      id: sample.id,
      question: sample.question,
      options: sample.options,
      reasoning: text,
      predicted,
      answer,
      correct: isCorrect(predicted, answer),
      finish_reason: finishReason,
      model: client.model,
      frames: indices,
      settings: this.settings,
    };
  }

  private async write(row: ReasoningRow): Promise<void> {
    try {
      await this.appender.append(row);
    } catch (error) {
      throw new DiskError('', { cause: error });
    }
  }

  private count(row: Pick<ReasoningRow, 'answer' | 'correct' | 'predicted' | 'finish_reason'>): void {
    this.tally.done++;
    if (row.answer !== null && this.writing === 'reasoning') this.tally.judged++;
    if (row.correct) this.tally.correct++;
    if (row.predicted === null && this.writing === 'reasoning') this.tally.unanswered++;
    if (row.finish_reason === 'length') this.tally.cut++;
  }

  private report(): void {
    const { done, judged, correct } = this.tally;
    const total = this.options.samples.length;
    this.options.onProgress?.({ done, total, failed: this.failed.length, judged, correct });
  }

  /** Stops the requests under way and returns the error to throw. */
  private end(error: DataError): DataError {
    this.stop.abort(error);
    return error;
  }

  private hopeless(error: TeacherError): DataError {
    const tries = error.attempts === 1 ? '1 attempt' : `${error.attempts} attempts`;
    return new DataError(
      `teacher at ${this.options.client.url}: ${error.message} after ${tries}; check that it is running and serves ` +
        `model "${this.options.client.model}", and that OPENAI_API_KEY fits, then run the same command again`,
      { cause: error },
    );
  }

  private givingUp(): DataError {
    const last = this.failed.at(-1) as FailedSample;
    return new DataError(
      `teacher at ${this.options.client.url}: ${this.failedInRow} samples in a row failed, the last (${last.id}) ` +
        `with: ${last.error}; ${this.tally.done} of ${this.options.samples.length} are done and kept, run the same ` +
        'command again when it is repaired',
    );
  }

  /** Closes the file, puts it in order and writes or removes the list of failures. */
  async close(): Promise<void> {
    await this.appender.close();
    const { out, samples } = this.options;
    if (this.tally.done === samples.length) await rewriteInOrder(out, samples);
    const list = `${out}.failed.jsonl`;
    if (this.failed.length === 0) await rm(list, { force: true });
    else await writeFileAtomic(list, this.failed.map((item) => `${JSON.stringify(item)}\n`).join(''));
  }

  result(): GenerateResult {
    const { out, samples, signal } = this.options;
    const { done } = this.tally;
    const total = samples.length;
    if (signal?.aborted) {
      throw new Interrupted(
        `stopped after ${done} of ${total} samples, all kept in ${out}; run the same command again to continue`,
      );
    }
    if (this.failed.length > 0) {
      const ids = this.failed
        .slice(0, 3)
        .map((item) => item.id)
        .join(', ');
      const more = this.failed.length > 3 ? ', ...' : '';
      throw new DataError(
        `${this.failed.length} of ${total} samples failed (${ids}${more}; first: ${this.failed[0]?.error}), listed in ` +
          `${out}.failed.jsonl; the other ${done} are kept, run the same command again to retry`,
      );
    }
    return { ...this.tally, total, failed: 0 };
  }
}

/** Marks a failure of our own disk, which is no fault of the sample. */
class DiskError extends Error {}

function isAbort(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'AbortError';
}
