/** The decoder's own embedding table, in checkpoints where it is not the encoder's. */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../../errors.js';
import { formatShape } from '../../weights/header.js';
import type { TensorSource } from '../../weights/source.js';
import { readReal } from '../load.js';
import type { T5 } from './t5.js';

/**
 * T5 shares one table, and files may hold copies of it. Where the decoder's copy differs it is a table of its own,
 * which transformers keeps too (5.17: "we will NOT tie them").
 */
export async function readDecoderEmbedding(languageModel: T5, files: TensorSource): Promise<void> {
  const name = ['language_model', 't5_model']
    .map((prefix) => `${prefix}.decoder.embed_tokens.weight`)
    .find((candidate) => files.has(candidate));
  if (name === undefined || languageModel.hasDecoderEmbedding || !languageModel.shared.loaded) return;
  const { shared } = languageModel;
  const { shape } = files.info(name);
  if (shape.join() !== shared.shape.join())
    throw new DataError(
      `${files.fileOf(name)}: tensor ${name} has shape ${formatShape(shape)}, expected ${formatShape(shared.shape)} as ${shared.name}`,
    );
  const data = await readReal(name, files);
  const own = await shared.value.data();
  if (data.some((value, i) => value !== own[i]))
    languageModel.addDecoderEmbedding().set(tf.tensor(data, shared.shape, 'float32'));
}
