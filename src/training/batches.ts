import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { DataError, MissingToolError, messageOf } from '../errors.js';
import type { MaskedIds } from '../model/blip2/blip2.js';
import type { Rng } from '../random.js';
import {
  type EncodedSample,
  encodeFramePrefixes,
  encodeSample,
  encodeText,
  type PaddedIds,
  padBatch,
  padIds,
} from '../text/encode.js';
import { qaPrompt } from '../text/prompts.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { TrainBatch } from './objective.js';
import type { VisualInputs } from './visual.js';

/** A batch in plain memory: what can be prepared ahead without touching the engine's tensors. */
export interface HostBatch {
  /** The samples that are in it: those whose video could be read. */
  samples: Sample[];
  clips: Float32Array[];
  encoded: EncodedSample[];
  reasoningPrompts?: number[][];
  /** Samples left out, with the reason (data.onBadVideo: skip). */
  skipped: { sample: Sample; reason: string }[];
}

/** Texts cut to their limit so far, and samples in all. */
export interface Truncations {
  prompts: number;
  secondPrompts: number;
  reasoning: number;
  samples: number;
}

/** Builds batches of samples: token ids, clips, and from them the model's input. */
export class BatchBuilder {
  readonly truncations: Truncations = { prompts: 0, secondPrompts: 0, reasoning: 0, samples: 0 };
  private told = false;
  private readonly prefix: MaskedIds | undefined;

  constructor(
    private readonly config: Config,
    private readonly tokenizer: Tokenizer,
    private readonly visual: VisualInputs,
  ) {
    const { prefix, frames, template } = config.video;
    if (prefix) this.prefix = masked(encodeFramePrefixes(tokenizer, frames, template));
  }

  /** @param rng draws frames and crops; absent in evaluation. @param withTargets encode the answer and reasoning. */
  async prepare(samples: readonly Sample[], withTargets: boolean, rng?: Rng): Promise<HostBatch> {
    const loaded = await Promise.all(
      samples.map(async (sample) => {
        try {
          return { sample, clip: await this.visual.load(sample, rng?.fork(sample.id)) };
        } catch (error) {
          const skips = this.config.data.onBadVideo === 'skip' && error instanceof DataError;
          if (!skips || error instanceof MissingToolError) throw error;
          return { sample, reason: messageOf(error) };
        }
      }),
    );
    const good = loaded.filter((item): item is { sample: Sample; clip: Float32Array } => 'clip' in item);
    const kept = good.map(({ sample }) => sample);
    return {
      samples: kept,
      clips: good.map(({ clip }) => clip),
      encoded: kept.map((sample) => this.encode(sample, withTargets)),
      ...(this.config.text.reasoningPrompt ? { reasoningPrompts: this.secondPrompts(kept) } : {}),
      skipped: loaded.flatMap((item) =>
        'reason' in item ? [{ sample: item.sample, reason: item.reason! }] : [],
      ),
    };
  }

  private encode(sample: Sample, withTargets: boolean): EncodedSample {
    const { text, train } = this.config;
    const options = {
      template: text.template,
      maxPromptTokens: text.maxPrompt,
      maxReasoningTokens: text.maxReasoning,
      stl: train.mode === 'stl' && train.stlTarget === 'reasoning-answer',
    };
    const encoded = encodeSample(this.tokenizer, sample, options, withTargets);
    this.truncations.samples++;
    if (encoded.truncated.prompt) this.truncations.prompts++;
    if (encoded.truncated.reasoning) this.truncations.reasoning++;
    return encoded;
  }

  private secondPrompts(samples: readonly Sample[]): number[][] {
    const { reasoningPrompt, maxPrompt } = this.config.text;
    return samples.map((sample) => {
      const { ids, truncated } = encodeText(this.tokenizer, qaPrompt(sample, reasoningPrompt!), maxPrompt);
      if (truncated) this.truncations.secondPrompts++;
      return ids;
    });
  }

  /** A line about the texts that were cut so far, the first time it has something to say: epochs are much the same. */
  cutNotice(): string | undefined {
    const { samples, ...cut } = this.truncations;
    const { maxPrompt, maxReasoning } = this.config.text;
    const parts = [
      [cut.prompts, `prompts (text.maxPrompt ${maxPrompt})`],
      [cut.secondPrompts, `reasoning prompts (text.maxPrompt ${maxPrompt})`],
      [cut.reasoning, `reasoning texts (text.maxReasoning ${maxReasoning})`],
    ] as const;
    const told = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
    if (this.told || told.length === 0) return undefined;
    this.told = true;
    return `cut to their limit, of ${samples} samples: ${told.join(', ')}`;
  }

  /** Makes the engine's tensors of a batch; the caller disposes `features` or `pixels`. */
  toTensors(host: HostBatch, keepPixels: boolean): TrainBatch {
    const padded = padBatch(this.tokenizer, host.encoded);
    const reasoning = { data: padded.reasoning.labels, columns: padded.reasoning.length };
    return {
      encoder: {
        videos: host.samples.length,
        frames: this.visual.settings.frames,
        ...(this.prefix ? { prefix: this.prefix } : {}),
        prompt: masked(padded.prompt),
      },
      ...this.visual.tensors(host.clips, keepPixels),
      answer: { data: padded.answer.labels, columns: padded.answer.length },
      ...(reasoning.columns > 0 ? { reasoning } : {}),
      ...(host.reasoningPrompts
        ? { reasoningPrompt: masked(padIds(host.reasoningPrompts, this.tokenizer.padId)) }
        : {}),
    };
  }
}

function masked({ ids, mask, length }: PaddedIds): MaskedIds {
  return { ids, mask, columns: length };
}
