/** Asks a teacher about every sample, and continues where an earlier run stopped. */
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { DataError, Interrupted, MissingToolError, messageOf, UsageError } from '../base/errors.js';
import type { Sample } from '../data/sample.js';
import { type Teacher, TeacherError } from './client.js';
import { CapReached, type Caps, Gate } from './gate.js';
import type { TeacherFrames } from './images.js';
import { type AskedFor, DiskError, Output, settingsOf } from './output.js';
import type { PriceTable } from './prices.js';
import { promptFor } from './prompt.js';
import { ShownClips, shownAs } from './shown.js';

export interface GenerateProgress {
  /** Samples finished by this run and earlier ones, and failed by this one. */
  done: number;
  total: number;
  failed: number;
  /** Number of finished samples with a known answer, and of those that the teacher answered right. */
  judged: number;
  correct: number;
}

export interface GenerateOptions extends AskedFor {
  samples: readonly Sample[];
  /**
   * Decodes a sample's frames; called when its turn comes, at most `concurrency` at once, and once for the samples of one
   * clip that follow each other.
   */
  framesOf: (sample: Sample) => Promise<TeacherFrames>;
  client: Teacher;
  /** Path of the JSON-lines file, which one run holds; `<out>.failed.jsonl` beside it lists what failed. */
  out: string;
  /** Most requests under way at once; default 4. */
  concurrency?: number;
  /** The run stops when so many samples in a row have failed; default 50. */
  giveUpAfter?: number;
  /** The run stops cleanly before it takes more than this. */
  caps?: Caps;
  /** Prices of tokens, for a cap on cost and for the result. */
  prices?: PriceTable;
  /** The run stops cleanly after this many milliseconds; requests under way are given up. */
  deadlineMs?: number;
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
  /** Tokens of all rows and of this run's other attempts, where servers told them. */
  tokens?: number;
  /** Their price, where prices were given. */
  cost?: number;
}

/**
 * The paper's first phase: asks the teacher about every sample that `out` does not hold yet and appends one
 * {@link ReasoningRow} each, on the disk before it counts as done. The same call continues where a killed, failed
 * or interrupted run stopped; the finished file is in the order of the samples, whatever the concurrency.
 *
 * @throws DataError at the end when samples failed (they are tried again by the next run), at once when the server
 *   cannot be reached, refuses every request, or `out` was made with other settings.
 * @throws Interrupted when `signal` was aborted, the cap on requests reached or the deadline passed.
 * @throws UsageError when the rows take all tokens or the whole cost of a cap: the same call would get no further.
 * @throws HeldError when another process writes `out`; UsageError for a model without a price.
 */
export async function generateReasoning(options: GenerateOptions): Promise<GenerateResult> {
  const run = new Run(options);
  await run.open();
  try {
    await run.all();
  } finally {
    await run.close();
  }
  return run.result();
}

class Run {
  private readonly gate: Gate;
  private readonly concurrency: number;
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private readonly shown: ShownClips;
  private output!: Output;
  private failedInRow = 0;
  /** Why the run ended early although nothing is wrong. */
  private reached: string | undefined;
  /** {@link CapReached.isSpent} of what was reached. */
  private isSpent = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: GenerateOptions) {
    const { signal, framesOf, caps, prices } = options;
    this.concurrency = Math.max(1, options.concurrency ?? 4);
    this.gate = new Gate(this.concurrency, caps, prices, this.models());
    this.signal = signal ? AbortSignal.any([signal, this.stop.signal]) : this.stop.signal;
    // One listener a request under way, which is as many as the user asked for.
    setMaxListeners(0, this.signal);
    const decode = pLimit(Math.min(this.concurrency, availableParallelism()));
    this.shown = new ShownClips(
      (sample) => decode(() => framesOf(sample)),
      shownAs(options, this.signal),
      this.concurrency,
    );
  }

  /** Takes the output file, and counts what earlier runs spent. */
  async open(): Promise<void> {
    const { samples, out, client, writing, prices, onNotice, deadlineMs } = this.options;
    prices?.check(this.models());
    let uncounted = 0;
    this.output = await Output.open({
      out,
      samples,
      model: client.model,
      settings: settingsOf(this.options, client),
      writing,
      onNotice,
      onRow: ({ usage, model }) => {
        if (usage) this.gate.count(usage, usage.model ?? model);
        else uncounted++;
      },
    });
    const refusal = this.gate.refusal();
    // Before the first clip is decoded for nothing.
    if (refusal) this.stopAt(refusal);
    if (uncounted > 0 && this.gate.countsTokens)
      onNotice?.(`${out}: ${uncounted} rows do not tell their tokens, so the caps do not count them`);
    // A timer's longest time is 24.8 days.
    if (deadlineMs !== undefined)
      this.timer = setTimeout(() => this.passDeadline(), Math.min(deadlineMs, 2 ** 31 - 1));
  }

  async all(): Promise<void> {
    const { samples, client } = this.options;
    const waiting = samples.filter((sample) => !this.output.finished.has(sample.id)).values();
    this.report();
    const worker = async () => {
      for (const sample of waiting) await this.one(sample);
    };
    // A sample that waits for its next attempt takes nobody's turn, where the teacher passes the gate itself; one at a time
    // means in their order.
    const spare = client.gated && this.concurrency > 1 ? 2 : 1;
    const workers = Array.from({ length: this.concurrency * spare }, worker);
    const outcomes = await Promise.allSettled(workers);
    if (this.options.signal?.aborted) return;
    const broken = outcomes.find((outcome) => outcome.status === 'rejected' && !isAbort(outcome.reason));
    if (broken?.status === 'rejected') throw broken.reason;
  }

  /** Asks about one sample. Rejects only when the whole run has to stop. */
  private async one(sample: Sample): Promise<void> {
    if (this.signal.aborted || this.reached) return;
    try {
      await this.ask(sample);
      this.failedInRow = 0;
      this.report();
    } catch (error) {
      if (this.signal.aborted) return;
      if (error instanceof CapReached) {
        return this.stopAt(error);
      }
      if (error instanceof TeacherError && error.scope === 'run') throw this.end(this.hopeless(error));
      if (error instanceof MissingToolError || error instanceof NoUsage) throw this.end(error);
      if (error instanceof DiskError) throw this.end(error.cause);
      this.output.failed.push({
        id: sample.id,
        error: messageOf(error),
        attempts: error instanceof TeacherError ? error.attempts : 0,
      });
      this.report();
      if (++this.failedInRow >= (this.options.giveUpAfter ?? 50)) throw this.end(this.givingUp());
    }
  }

  private async ask(sample: Sample): Promise<void> {
    const { client, writing = 'reasoning', template } = this.options;
    const { images, indices } = await this.shown.of(sample);
    const prompt = promptFor(writing, sample.question, sample.options, template);
    const answer = await client.complete({ images, prompt }, this.signal, this.gate);
    await this.output.write(sample, answer, indices);
    if (this.gate.countsTokens && !answer.usage)
      throw new NoUsage(
        `teacher at ${client.url}: the answer about ${sample.id} tells no token counts (usage), so no cap on tokens or ` +
          'cost can be kept; leave these caps out, or use --max-requests',
      );
  }

  /** The models' names at the servers. */
  private models(): readonly string[] {
    const { servedAs, model } = this.options.client;
    return servedAs ?? [model];
  }

  private stopAt({ message, isSpent }: CapReached): void {
    this.reached = message;
    this.isSpent = isSpent;
  }

  private report(): void {
    const { tally, failed } = this.output;
    const { done, judged, correct } = tally;
    const total = this.options.samples.length;
    this.options.onProgress?.({ done, total, failed: failed.length, judged, correct });
  }

  private passDeadline(): void {
    this.reached = 'the deadline has passed';
    this.stop.abort(new DOMException(this.reached, 'AbortError'));
  }

  /** Stops the requests under way and returns the error to throw. */
  private end(error: DataError): DataError {
    this.stop.abort(error);
    return error;
  }

  private hopeless(error: TeacherError): DataError {
    const tries = error.attempts === 1 ? '1 attempt' : `${error.attempts} attempts`;
    const key = process.env.OPENAI_API_KEY?.trim()
      ? 'that OPENAI_API_KEY fits'
      : 'that it wants no key (OPENAI_API_KEY is not set)';
    const { url, model } = this.options.client;
    const check = error.atProxy
      ? 'mend that'
      : `check that it is running and serves model "${model}", and ${key}`;
    return new DataError(
      `teacher at ${url}: ${error.message} after ${tries}; ${check}, then run the same command again`,
      { cause: error },
    );
  }

  private givingUp(): DataError {
    const last = this.output.failed.at(-1)!;
    return new DataError(
      `teacher at ${this.options.client.url}: ${this.failedInRow} samples in a row failed, the last (${last.id}) ` +
        `with: ${last.error}; ${this.output.tally.done} of ${this.options.samples.length} are done and kept, run the same ` +
        'command again when it is repaired',
    );
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    await this.output.close();
  }

  result(): GenerateResult {
    const { out, samples, signal, prices } = this.options;
    const { tally, failed } = this.output;
    const { done } = tally;
    const total = samples.length;
    const kept = `stopped after ${done} of ${total} samples, all kept in ${out}`;
    const again = 'run the same command again to continue';
    if (signal?.aborted) throw new Interrupted(`${kept}; ${again}`);
    if (this.reached && done + failed.length < total) {
      // A scheduler repeats a command that was interrupted; this one would stop at once, for ever.
      if (this.isSpent) throw new UsageError(`${this.reached}: ${kept}; raise it to go on`);
      throw new Interrupted(`${this.reached}: ${kept}; ${again}`);
    }
    if (failed.length > 0) {
      const ids = failed
        .slice(0, 3)
        .map((item) => item.id)
        .join(', ');
      const more = failed.length > 3 ? ', ...' : '';
      throw new DataError(
        `${failed.length} of ${total} samples failed (${ids}${more}; first: ${failed[0]?.error}), listed in ` +
          `${out}.failed.jsonl; the other ${done} are kept, run the same command again to retry`,
      );
    }
    const { tokens, cost } = this.gate.spent;
    return {
      ...tally,
      total,
      failed: 0,
      ...(tokens > 0 ? { tokens } : {}),
      ...(tokens > 0 && prices ? { cost } : {}),
    };
  }
}

/** A cap cannot be kept, since the server tells no token counts. */
class NoUsage extends DataError {}

function isAbort(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'AbortError';
}
