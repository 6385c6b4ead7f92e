/** How a run is fed between two lines of metrics: its speed, what it waited for, and how much of it is padding. */
import type { Padding } from '../../batches/padding.js';

/** What a batch says about the input. */
export interface FedBatch {
  samples: number;
  /** Milliseconds that the step waited for it. */
  waited: number;
  encoder: Padding;
  decoder: Padding;
}

/** Names of values that two equal runs differ in. */
export const TIMINGS = ['input/samples_per_second', 'input/wait_share'];

/**
 * Sums up batches until {@link InputLog.take}. Time runs from the moment that a batch was asked for, and stands still between
 * epochs, where the run is evaluated.
 */
export class InputLog {
  private sums = nothing();
  private since: number | undefined;
  private latest: Record<string, number> = {};

  /** @param now milliseconds, monotonic */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A batch has come. */
  add({ samples, waited, encoder, decoder }: FedBatch): void {
    this.since ??= this.now() - waited;
    this.sums.samples += samples;
    this.sums.waited += waited;
    for (const [sum, { positions, padded }] of [
      [this.sums.encoder, encoder],
      [this.sums.decoder, decoder],
    ] as const) {
      sum.positions += positions;
      sum.padded += padded;
    }
  }

  /** What follows is no training. */
  pause(): void {
    if (this.since !== undefined) this.sums.passed += this.now() - this.since;
    this.since = undefined;
  }

  /** The values since the last call, by their names in metrics.jsonl; a value that nothing was measured of is left out. */
  take(): Record<string, number> {
    const now = this.now();
    const { samples, waited, encoder, decoder, passed } = this.sums;
    const milliseconds = passed + (this.since === undefined ? 0 : now - this.since);
    if (this.since !== undefined) this.since = now;
    this.sums = nothing();
    this.latest = {
      ...(milliseconds > 0
        ? {
            'input/samples_per_second': (1000 * samples) / milliseconds,
            'input/wait_share': Math.min(1, waited / milliseconds),
          }
        : {}),
      ...(encoder.positions > 0 ? { 'input/encoder_padding': encoder.padded / encoder.positions } : {}),
      ...(decoder.positions > 0 ? { 'input/decoder_padding': decoder.padded / decoder.positions } : {}),
    };
    return this.latest;
  }

  /** What was summed up since the last call of {@link take}, as a checkpoint keeps it. */
  pending(): InputSums {
    const running = this.since === undefined ? 0 : this.now() - this.since;
    return { ...structuredClone(this.sums), passed: this.sums.passed + running };
  }

  /** Goes on from the sums that a checkpoint kept. */
  restore(sums: InputSums): void {
    this.sums = structuredClone(sums);
  }

  /** The last result of {@link take}, for a progress line: `31.2 samples/s, wait 0.4 %, padding 12.5 %`, the decoder's. */
  get line(): string {
    const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
    const {
      'input/samples_per_second': speed,
      'input/wait_share': wait,
      'input/decoder_padding': padding,
    } = this.latest;
    return [
      ...(speed === undefined ? [] : [`${speed.toFixed(1)} samples/s`]),
      ...(wait === undefined ? [] : [`wait ${percent(wait)}`]),
      ...(padding === undefined ? [] : [`padding ${percent(padding)}`]),
    ].join(', ');
  }
}

/** Sums over batches. */
export type InputSums = ReturnType<typeof nothing>;

function nothing() {
  return {
    samples: 0,
    waited: 0,
    passed: 0,
    encoder: { positions: 0, padded: 0 },
    decoder: { positions: 0, padded: 0 },
  };
}
