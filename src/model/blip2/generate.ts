/** Text generation of BLIP-2 FlanT5 with a key/value cache, and the logits after given tokens. */
import * as tf from '@tensorflow/tfjs-core';
import { withHalfProducts } from '../../ops/bf16.js';
import type { Context } from '../context.js';
import { argMaxRows, HostChooser, Written } from '../sampling.js';
import type { Generated, GenerateOptions } from '../student.js';
import type { Blip2, Encoded } from './blip2.js';
import { DecoderState } from './t5.js';

/**
 * Decoding with a key/value cache, greedy or sampled: each step computes one column; cross-attention keys and values
 * are computed once. Yields after every step, and leaves the engine as it found it between them.
 *
 * @param encoded encoder output; not disposed.
 */
export function* generateSteps(
  model: Blip2,
  encoded: Encoded,
  options: GenerateOptions,
  context: Context,
): Generator<Generated, Generated, void> {
  const rows = encoded.hidden.shape[0];
  const written = new Written(rows, options);
  if (options.maxNewTokens < 1) return written;
  const chooser =
    options.sampling || options.logProbs
      ? new HostChooser(rows, options.sampling, options.tokens)
      : undefined;
  const { languageModel } = model;
  const { hidden, keyMask } = encoded;
  const compute = <T>(work: () => T) => withHalfProducts(context.mixed, work);
  const state = compute(
    () => new DecoderState(languageModel.decoder, hidden, keyMask, options.maxNewTokens, context),
  );
  try {
    let next = new Int32Array(rows).fill(options.start ?? model.config.text_config.decoder_start_token_id);
    for (let step = 0; step < options.maxNewTokens && !written.isDone; step++) {
      const forced = options.forced?.[step];
      const banned = step === 0 ? options.notFirst : undefined;
      let logProbs: number[] | undefined;
      compute(() =>
        tf.tidy(() => {
          const read = languageModel.step(tf.tensor2d(next, [rows, 1], 'int32'), state, context);
          const logits = tf.reshape(model.logits(read), [rows, -1]) as tf.Tensor2D;
          if (chooser) ({ ids: next, logProbs } = chooser.choose(logits, banned, forced));
          else
            next =
              forced === undefined
                ? argMaxRows(logits, banned, options.tokens)
                : new Int32Array(rows).fill(forced);
        }),
      );
      written.add(next, logProbs);
      yield written;
    }
    return written;
  } finally {
    state.dispose();
  }
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
