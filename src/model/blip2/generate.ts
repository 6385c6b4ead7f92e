import * as tf from '@tensorflow/tfjs-core';
import type { Context } from '../context.js';
import { HostChooser } from '../sampling.js';
import type { Generated, GenerateOptions } from '../student.js';
import type { Blip2, Encoded } from './blip2.js';
import { MASKED } from './packing.js';
import { type KeyValue, KeyValueCache } from './t5Attention.js';

/**
 * Decoding with a key/value cache, greedy or sampled: each step computes one column; cross-attention keys and values
 * are computed once.
 *
 * @param encoded encoder output; not disposed.
 */
export function generate(
  model: Blip2,
  encoded: Encoded,
  options: GenerateOptions,
  context: Context,
): Generated {
  const rows = encoded.hidden.shape[0];
  const written = new Written(rows, options);
  if (options.maxNewTokens < 1) return written;
  const chooser = options.sampling || options.logProbs ? new HostChooser(rows, options.sampling) : undefined;
  const decoder = new CachedDecoder(model, encoded, options.maxNewTokens, context);
  try {
    let next = new Int32Array(rows).fill(options.start ?? model.config.text_config.decoder_start_token_id);
    for (let step = 0; step < options.maxNewTokens && !written.isDone; step++) {
      const forced = options.forced?.[step];
      const banned = step === 0 ? options.notFirst : undefined;
      let logProbs: number[] | undefined;
      next = decoder.step(next, (logits) => {
        if (!chooser)
          return forced === undefined ? argMaxRows(logits, banned) : new Int32Array(rows).fill(forced);
        const chosen = chooser.choose(logits, banned, forced);
        logProbs = chosen.logProbs;
        return chosen.ids;
      });
      written.add(next, logProbs);
    }
    return written;
  } finally {
    decoder.dispose();
  }
}

/** What the rows of a batch have written so far. */
class Written implements Generated {
  readonly ids: number[][];
  readonly logProbs: number[][];
  private readonly finished: boolean[];

  constructor(
    rows: number,
    private readonly options: GenerateOptions,
  ) {
    this.ids = Array.from({ length: rows }, () => []);
    this.logProbs = Array.from({ length: rows }, () => []);
    this.finished = new Array<boolean>(rows).fill(false);
  }

  get isDone(): boolean {
    return !this.finished.includes(false);
  }

  add(next: Int32Array, logProbs: number[] | undefined): void {
    next.forEach((id, row) => {
      if (this.finished[row]) return;
      if (logProbs) this.logProbs[row]!.push(logProbs[row]!);
      if (id === this.options.eosId) this.finished[row] = true;
      else this.ids[row]!.push(id);
    });
  }
}

function argMaxRows(logits: tf.Tensor2D, banned?: number): Int32Array<ArrayBuffer> {
  let allowed = logits;
  if (banned !== undefined) {
    const mask = new Float32Array(logits.shape[1]);
    mask[banned] = MASKED;
    allowed = tf.add(logits, tf.tensor1d(mask));
  }
  return tf.argMax(allowed, 1).dataSync() as Int32Array<ArrayBuffer>;
}

/**
 * Logits of one decoder pass over the given ids (teacher forcing), at the last column.
 *
 * @param inputIds decoder input of every row, for example [start, "Option"].
 * @returns (B, vocab) float32.
 */
export function lastLogits(
  model: Blip2,
  encoded: Encoded,
  inputIds: readonly number[],
  context: Context,
): tf.Tensor2D {
  return tf.tidy(() => {
    const rows = encoded.hidden.shape[0];
    const columns = inputIds.length;
    const [start, ...rest] = inputIds as readonly [number, ...number[]];
    // The decoder sees its labels shifted right: the last one only fills the column and is never read.
    const labels = [...rest, model.config.text_config.pad_token_id];
    const data = Int32Array.from({ length: rows * columns }, (_, i) => labels[i % columns]!);
    const hidden = model.decode(encoded, model.pack([{ data, columns }], [start]), context);
    const last = tf.slice(hidden, [0, columns - 1, 0], [rows, 1, hidden.shape[2]]);
    return tf.reshape(model.logits(last), [rows, -1]) as tf.Tensor2D;
  });
}

/** The decoder with everything it has seen so far. */
class CachedDecoder {
  private readonly cross: KeyValue[];
  private readonly caches: KeyValueCache[];
  /** (B * heads, 1, steps): the last step's bias to every step. It depends on distance alone: earlier ones end it. */
  private readonly bias: tf.Tensor3D;
  private position = 0;

  constructor(
    private readonly model: Blip2,
    private readonly encoded: Encoded,
    private readonly steps: number,
    private readonly context: Context,
  ) {
    const { decoder } = model.languageModel;
    const blocks = decoder.block;
    const positions = Int32Array.from({ length: steps }, (_, i) => i);
    this.bias = tf.tidy(() =>
      tf.tile(decoder.positionBias([steps - 1], positions), [encoded.hidden.shape[0], 1, 1]),
    );
    this.cross = blocks.map((block) =>
      tf.tidy(
        () => block.crossAttention!.keyValue(encoded.hidden, context) as KeyValue & tf.TensorContainerObject,
      ),
    );
    this.caches = blocks.map(() => new KeyValueCache());
  }

  /** Feeds one token per row; `choose` reads the next ones off the logits (B, vocab). */
  step(ids: Int32Array, choose: (logits: tf.Tensor2D) => Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
    const { context } = this;
    const { languageModel } = this.model;
    let chosen: Int32Array<ArrayBuffer> | undefined;
    tf.tidy(() => {
      const bias = tf.slice(this.bias, [0, 0, this.steps - 1 - this.position]);
      let x = languageModel.embedTarget(tf.tensor2d(ids, [ids.length, 1], 'int32')) as tf.Tensor3D;
      languageModel.decoder.block.forEach((block, i) => {
        const cross = { keyValue: this.cross[i]!, keyMask: this.encoded.keyMask };
        x = block.decode(x, this.caches[i]!, bias, cross, context);
      });
      const hidden = languageModel.headInput(languageModel.decoder.finish(x, context));
      chosen = choose(tf.reshape(this.model.logits(hidden), [ids.length, -1]) as tf.Tensor2D);
    });
    this.position++;
    return chosen!;
  }

  dispose(): void {
    for (const { key, value } of this.cross) tf.dispose([key, value]);
    for (const cache of this.caches) cache.dispose();
    this.bias.dispose();
  }
}
