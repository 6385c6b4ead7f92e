/** The file of reasoning that a run writes: held, continued, counted, and put in order at its end. */
import { rm } from 'node:fs/promises';
import type { DataError } from '../base/errors.js';
import { removeLeftovers, writeFileAtomic } from '../base/files.js';
import { holdFile } from '../base/lock.js';
import type { Sample } from '../data/sample.js';
import { predictedAnswer } from './answer.js';
import { isCorrect } from './grade.js';
import { JsonAppender } from './jsonl.js';
import type { Accepted } from './judge.js';
import { promptId, textId, type Writing } from './prompt.js';
import { type FinishedRow, readFinished, rewriteInOrder } from './resume.js';
import type { ReasoningRow, ReasoningSettings } from './row.js';

/** What the teacher is asked, beside the sample. */
export interface AskedFor {
  /** Reasoning unless given. */
  writing?: Writing;
  /** Wording of the prompt; see {@link readTemplate}. */
  template?: string;
  /** Frames of each video. */
  frameCount: number;
  /** Longer side of the images sent, in pixels; default: as decoded. */
  maxSide?: number;
  /** Quality of JPEG images, 1 to 100; PNG by default. */
  imageQuality?: number;
}

/** What the teacher says about its requests. */
export interface AskedWith {
  model: string;
  temperature: number;
  maxTokens: number;
  system?: string | undefined;
  seed?: number | undefined;
  imageDetail?: string | undefined;
}

/** The settings that each line records, and that a continuation has to share. */
export function settingsOf(asked: AskedFor, teacher: AskedWith): ReasoningSettings {
  const { writing = 'reasoning', template, frameCount, maxSide = null, imageQuality } = asked;
  const { temperature, maxTokens, system, seed, imageDetail } = teacher;
  return {
    prompt: promptId(writing, template),
    temperature,
    max_tokens: maxTokens,
    n: frameCount,
    max_side: maxSide,
    ...(imageQuality === undefined ? {} : { image_quality: imageQuality }),
    ...(imageDetail === undefined ? {} : { image_detail: imageDetail }),
    ...(system === undefined ? {} : { system: textId(system) }),
    ...(seed === undefined ? {} : { seed }),
    ...(template === undefined || writing === 'reasoning' ? {} : { writing }),
  };
}

export interface OutputOptions {
  /** Path of the JSON-lines file; `<out>.failed.jsonl` beside it lists what failed. */
  out: string;
  samples: readonly Sample[];
  model: string;
  settings: ReasoningSettings;
  writing?: Writing | undefined;
  onNotice?: ((line: string) => void) | undefined;
  /** Called for every row that an earlier run wrote. */
  onRow?: ((row: ReasoningRow) => void) | undefined;
}

export interface FailedSample {
  id: string;
  error: string;
  attempts: number;
}

/** Our own disk failed, which is no fault of the sample. */
export class DiskError extends Error {
  declare cause: DataError;
}

export class Output {
  readonly finished: Set<string>;
  readonly failed: FailedSample[] = [];
  readonly tally = { done: 0, judged: 0, correct: 0, unanswered: 0, cut: 0, skipped: 0 };

  private constructor(
    private readonly options: OutputOptions,
    private readonly appender: JsonAppender,
    rows: readonly FinishedRow[],
    private readonly release: () => void,
  ) {
    for (const row of rows) this.count(row);
    this.tally.skipped = rows.length;
    this.finished = new Set(rows.map((row) => row.id));
  }

  /**
   * Reads what `out` holds, checks that it belongs to this run, and drops a torn last line.
   *
   * @throws HeldError when another process writes the file; DataError when it was made with other settings.
   */
  static async open(options: OutputOptions): Promise<Output> {
    const { out, samples, model, settings, onNotice, onRow } = options;
    const release = await holdFile(out);
    try {
      for (const path of [out, `${out}.failed.jsonl`]) await removeLeftovers(path);
      const origin = { model, settings, ...(onRow ? { onRow } : {}) };
      const found = await readFinished(out, samples, origin, onNotice);
      return new Output(options, await JsonAppender.open(out, found.size), found.rows, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Appends the line of one sample; it is on the disk when the promise resolves.
   *
   * @param frames frame numbers that were shown, when known.
   * @throws DiskError
   */
  async write(
    sample: Sample,
    answer: Accepted & { servedAs?: string },
    frames: number[] | null,
  ): Promise<void> {
    const { model, settings, writing = 'reasoning' } = this.options;
    const { text, finishReason, usage, servedAs } = answer;
    const answers = writing === 'reasoning';
    const predicted = answers ? predictedAnswer(text, sample.options) : null;
    const truth = sample.answer ?? null;
    const row: ReasoningRow = {
      id: sample.id,
      question: sample.question,
      options: sample.options,
      reasoning: text,
      predicted,
      answer: truth,
      correct: isCorrect(predicted, truth),
      finish_reason: finishReason,
      model,
      frames,
      settings,
      ...(usage ? { usage: { ...usage, ...(servedAs === undefined ? {} : { model: servedAs }) } } : {}),
    };
    try {
      await this.appender.append(row);
    } catch (error) {
      throw new DiskError('', { cause: error });
    }
    this.count(row);
  }

  private count({ answer, correct, predicted, finish_reason }: FinishedRow): void {
    const answers = (this.options.writing ?? 'reasoning') === 'reasoning';
    this.tally.done++;
    if (answers && answer !== null) this.tally.judged++;
    if (correct) this.tally.correct++;
    if (answers && predicted === null) this.tally.unanswered++;
    if (finish_reason === 'length') this.tally.cut++;
  }

  /** Closes the file, puts it in order when it is complete, and writes or removes the list of failures, in the samples' order. */
  async close(): Promise<void> {
    const { out, samples } = this.options;
    const places = new Map(samples.map(({ id }, i) => [id, i]));
    this.failed.sort((a, b) => places.get(a.id)! - places.get(b.id)!);
    try {
      await this.appender.close();
      if (this.tally.done === samples.length) await rewriteInOrder(out, samples);
      const list = `${out}.failed.jsonl`;
      if (this.failed.length === 0) await rm(list, { force: true });
      else await writeFileAtomic(list, this.failed.map((item) => `${JSON.stringify(item)}\n`).join(''));
    } finally {
      this.release();
    }
  }
}
