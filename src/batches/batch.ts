/** Builds batches of samples: token ids, clips, and from them the student's input. */

import { DataError, MissingToolError, messageOf } from '../base/errors.js';
import type { Rng } from '../base/random.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import type { FeatureSource } from '../features/source.js';
import type { StudentInput, Target, TokenRows } from '../model/student.js';
import { encodePrompt, framePrefixRows } from '../text/encode.js';
import { qaPrompt } from '../text/prompts.js';
import { taskPrompt } from '../text/tasks/index.js';
import type { Tokenizer } from '../text/tokenizer.js';

/** The targets of samples, as token ids. */
export interface Lesson {
  targets: Target[];
  /** Number of truncated texts, by their kind and the key that limits them. */
  truncated: ReadonlyMap<string, number>;
}

/** A batch in host memory, so that it is prepared ahead without touching the engine's tensors. */
export interface HostBatch {
  /** Samples of the batch whose video could be read. */
  samples: Sample[];
  clips: Float32Array[];
  prompts: TokenRows;
  lesson: Lesson;
  /** Samples left out, with the reason (data.onBadVideo: skip). */
  skipped: { sample: Sample; reason: string }[];
}

const NOTHING: Lesson = { targets: [], truncated: new Map() };

export class BatchBuilder {
  /** Truncated texts so far, by their kind. */
  readonly truncations = new Map<string, number>();
  private samples = 0;
  private told = false;
  private readonly framePrefixes: TokenRows | undefined;

  /** @param teach encodes the targets of samples; absent in evaluation */
  constructor(
    private readonly config: Pick<Config, 'data' | 'text' | 'video'>,
    private readonly tokenizer: Tokenizer,
    private readonly source: FeatureSource,
    private readonly teach: (samples: readonly Sample[]) => Lesson = () => NOTHING,
  ) {
    const { prefix, frames, template } = config.video;
    if (prefix) this.framePrefixes = framePrefixRows(tokenizer, frames, template);
  }

  /**
   * @param rng draws frames and crops; absent in evaluation.
   * @param signal the batch is not wanted any more; the promise then rejects with its reason
   */
  async prepare(samples: readonly Sample[], rng?: Rng, signal?: AbortSignal): Promise<HostBatch> {
    const loaded = await Promise.all(samples.map((sample) => this.load(sample, rng, signal)));
    signal?.throwIfAborted();
    const good = loaded.filter((item) => 'clip' in item);
    const kept = good.map(({ sample }) => sample);
    return {
      samples: kept,
      clips: good.map(({ clip }) => clip),
      prompts: this.encodePrompts(kept),
      lesson: this.encodeLesson(kept),
      skipped: loaded.filter((item) => 'reason' in item),
    };
  }

  private async load(
    sample: Sample,
    rng?: Rng,
    signal?: AbortSignal,
  ): Promise<{ sample: Sample; clip: Float32Array } | { sample: Sample; reason: string }> {
    try {
      return { sample, clip: await this.source.load(sample, rng?.fork(sample.id), signal) };
    } catch (error) {
      const skips = this.config.data.onBadVideo === 'skip' && error instanceof DataError;
      if (!skips || error instanceof MissingToolError) throw error;
      return { sample, reason: messageOf(error) };
    }
  }

  /** Prompts of the reasoning task, where the recipe has a second prompt for it (text.reasoningPrompt). */
  reasoningPrompts(samples: readonly Sample[]): TokenRows | undefined {
    const { reasoningPrompt } = this.config.text;
    if (reasoningPrompt === undefined) return undefined;
    return this.encodeTexts(samples.map((sample) => qaPrompt(sample, reasoningPrompt)));
  }

  /** Prompts with the reasoning about each sample behind them (eval.mode two-stage). */
  reasonedPrompts(samples: readonly Sample[], reasoning: readonly string[]): TokenRows {
    const texts = samples.map((sample, i) => `${this.promptOf(sample)} ${reasoning[i]}`.trim());
    const { maxPrompt, maxReasoning } = this.config.text;
    return this.encodeTexts(
      texts,
      maxPrompt + maxReasoning,
      'prompts with reasoning (text.maxPrompt + text.maxReasoning',
    );
  }

  /** When the frames of a sample are shown that evaluation looks at, in seconds since the video's first frame. */
  times(sample: Sample): Promise<number[]> {
    return this.source.times?.(sample) ?? Promise.resolve([]);
  }

  private encodePrompts(samples: readonly Sample[]): TokenRows {
    const { maxPrompt, maxReasoning } = this.config.text;
    return samples.map((sample) => {
      const prompt = this.promptOf(sample);
      const { look } = sample;
      if (!look) return this.encodeTexts([prompt])[0]!;
      const text = `${look.result} ${prompt} ${look.before}`.trim();
      const what = 'prompts of later looks (text.maxPrompt + text.maxReasoning';
      return this.encodeTexts([text], maxPrompt + maxReasoning, what)[0]!;
    });
  }

  private promptOf(sample: Sample): string {
    return taskPrompt(sample, this.config.text, this.tokenizer);
  }

  private encodeTexts(
    texts: readonly string[],
    limit = this.config.text.maxPrompt,
    what = 'prompts (text.maxPrompt',
  ): TokenRows {
    const encoded = texts.map((text) => encodePrompt(this.tokenizer, text, limit));
    this.samples += texts.length;
    this.count(`${what} ${limit})`, encoded.filter(({ truncated }) => truncated).length);
    return encoded.map(({ ids }) => ids);
  }

  /** What samples teach, for a batch that another builder prepared. */
  lesson(samples: readonly Sample[]): Lesson {
    this.samples += samples.length;
    return this.encodeLesson(samples);
  }

  private encodeLesson(samples: readonly Sample[]): Lesson {
    const lesson = this.teach(samples);
    for (const [what, cut] of lesson.truncated) this.count(what, cut);
    return lesson;
  }

  private count(what: string, cut: number): void {
    this.truncations.set(what, (this.truncations.get(what) ?? 0) + cut);
  }

  /** A line about the texts truncated so far. It is given once: epochs truncate much the same texts. */
  cutNotice(): string | undefined {
    const told = [...this.truncations].filter(([, cut]) => cut > 0).map(([what, cut]) => `${cut} ${what}`);
    if (this.told || told.length === 0) return undefined;
    this.told = true;
    return `truncated to their limit, of ${this.samples} samples: ${told.join(', ')}`;
  }

  /** The student's input; the caller disposes its `visual` (see {@link disposeVisual}). */
  input({ clips, prompts }: Pick<HostBatch, 'clips' | 'prompts'>): StudentInput {
    const { framePrefixes } = this;
    return {
      visual: this.source.visual(clips),
      frames: this.config.video.frames,
      ...(framePrefixes ? { framePrefixes } : {}),
      prompts,
    };
  }
}

/** Frees the tensors of an input. */
export function disposeVisual({ visual }: StudentInput): void {
  (visual.features ?? visual.pixels ?? visual.tokens).dispose();
}
