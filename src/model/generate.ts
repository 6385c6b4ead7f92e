import * as tf from '@tensorflow/tfjs-core';
import { inferenceContext } from './context.js';
import { MASKED } from './packing.js';
import type { Encoded, ReasVqa } from './reasvqa.js';
import { type KeyValue, KeyValueCache } from './t5Attention.js';

/** Token ids of a batch, one row a video, without the start token. */
export type Generated = number[][];

export interface GenerateOptions {
  maxNewTokens: number;
  /** A row that has produced this token is finished; generation ends when every row is. Absent: no stopping. */
  eosId?: number;
  startId?: number;
  /** A token that no row may begin with. */
  notFirst?: number;
  /** Tokens that every row begins with, after the start token (for example the one of "Option"). */
  forced?: number[];
}

/**
 * Greedy decoding with a key/value cache: each step computes one column; cross-attention keys and values are
 * computed once.
 *
 * @param encoded encoder output; not disposed.
 */
export function generate(model: ReasVqa, encoded: Encoded, options: GenerateOptions): Generated {
  const rows = encoded.hidden.shape[0];
  const output: Generated = Array.from({ length: rows }, () => []);
  if (options.maxNewTokens < 1) return output;
  const decoder = new CachedDecoder(model, encoded, options.maxNewTokens);
  const finished = new Array<boolean>(rows).fill(false);
  try {
    let next = new Int32Array(rows).fill(options.startId ?? model.config.text_config.decoder_start_token_id);
    for (let step = 0; step < options.maxNewTokens && finished.includes(false); step++) {
      const forced = options.forced?.[step];
      const banned = step === 0 ? options.notFirst : undefined;
      next = decoder.step(next, (logits) =>
        forced === undefined ? argMaxRows(logits, banned) : new Int32Array(rows).fill(forced),
      );
      next.forEach((id, row) => {
        if (finished[row]) return;
        if (id === options.eosId) finished[row] = true;
        else output[row]!.push(id);
      });
    }
    return output;
  } finally {
    decoder.dispose();
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
export function lastLogits(model: ReasVqa, encoded: Encoded, inputIds: number[]): tf.Tensor2D {
  return tf.tidy(() => {
    const rows = encoded.hidden.shape[0];
    const columns = inputIds.length;
    const [start, ...rest] = inputIds as [number, ...number[]];
    // The decoder sees its labels shifted right: the last one only fills the column and is never read.
    const labels = [...rest, model.config.text_config.pad_token_id];
    const data = Int32Array.from({ length: rows * columns }, (_, i) => labels[i % columns]!);
    const hidden = model.decode(encoded, model.pack([{ data, columns }], [start]), inferenceContext());
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
    private readonly model: ReasVqa,
    private readonly encoded: Encoded,
    private readonly steps: number,
  ) {
    const context = inferenceContext();
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
    const { languageModel } = this.model;
    const context = inferenceContext();
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
