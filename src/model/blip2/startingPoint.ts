/**
 * Initial weights of the language model of the shapes world. Every trained T5 has heads that look at
 * neighbours and heads that look at equal words. Random attention learns nothing that needs such heads until it has
 * found them, so a few of each are there from the start (after Trockman and Kolter, "Mimetic initialization of
 * self-attention layers", 2023). Targets predicted whole after 400 steps of 32 samples of reading.ts: 31 % (random), 50
 * % (neighbours), 67 % (both).
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Blip2Config } from '../../weights/config.js';
import type { Parameter } from '../layers/module.js';
import type { PretrainingSupport } from '../pretraining.js';
import type { Student } from '../student.js';
import { type BucketSettings, relativeBucket } from './relativeBias.js';
import type { Blip2Student } from './student.js';

/**
 * The architecture of BLIP-2 FlanT5 with 4.36 M parameters, without dropout: with T5's and BERT's 0.1 a model of this width
 * forgot while it was fine-tuned what frames show (questions about places fell from 52 to 23 % in four epochs).
 */
function smallConfig(vocabularySize: number, visualTokens: number): object {
  return {
    model_type: 'blip-2',
    vision_config: {
      hidden_size: 128,
      intermediate_size: 384,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      image_size: 64,
      patch_size: 8,
    },
    qformer_config: {
      hidden_size: 128,
      intermediate_size: 384,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      encoder_hidden_size: 128,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
    },
    text_config: {
      vocab_size: vocabularySize,
      d_model: 128,
      d_kv: 32,
      d_ff: 384,
      num_layers: 4,
      num_decoder_layers: 4,
      // T5 shares its biases between layers, so its heads are all the positional patterns it has: reading reached a loss
      // of 0.50 in 700 steps with eight, of 0.51 in 1,100 with four.
      num_heads: 8,
      feed_forward_proj: 'gated-gelu',
      dense_act_fn: 'gelu',
      tie_word_embeddings: false,
      dropout_rate: 0,
    },
    num_query_tokens: visualTokens,
  };
}

/** Offsets of keys from the query, one for each of the first heads. A decoder cannot look ahead. */
const NEIGHBOURS = { encoder: [-1, -2, -3, -4, 1, 2], decoder: [-1, -2, -3, -4] } as const;
/** A neighbour's score beside the others' of about 0: e^5 is 70 % of the attention among 60 tokens. */
const NEIGHBOUR_BIAS = 5;
/** How many of the last heads look for equal tokens. */
const EQUALS = { self: 2, cross: 4 } as const;
/** An equal token scores about sqrt(d_kv); without this a query would find itself. */
const SELF_BIAS = -5;

/**
 * Overwrites some of the language model's random initial weights.
 *
 * @param words embeddings, by token id, of the words that have a symbol (src/pretraining/symbols.ts)
 */
function startLanguageModel(student: Student, words: ReadonlyMap<number, Float32Array>): void {
  const { module, config } = student as Blip2Student;
  const parameters = new Map([...module.parameters()].map((parameter) => [parameter.name, parameter]));
  startWords(module.languageModel.shared, words);
  for (const stack of ['encoder', 'decoder'] as const) startNeighbours(config, stack, parameters);
  for (const [name, key] of parameters) {
    const kind = /\.(SelfAttention|EncDecAttention)\.k\.weight$/.exec(name)?.[1];
    if (kind === undefined) continue;
    const query = parameters.get(name.replace(/k\.weight$/, 'q.weight'))!;
    startEquals(query, key, config.text_config, kind === 'SelfAttention' ? EQUALS.self : EQUALS.cross);
  }
}

/**
 * The words that symbols stand for start from those symbols, so that attention to an equal word, which reading letters
 * teaches, also finds the symbol in the frames. With embeddings of their own, "the red object is at the ..." was
 * answered with some place of the frame (38 %) for all 3,500 steps of a trial.
 */
function startWords(shared: Parameter, words: ReadonlyMap<number, Float32Array>): void {
  const width = shared.shape[1]!;
  edit(shared, (table) => {
    for (const [id, vector] of words) table.set(vector, id * width);
  });
}

/** Relative biases of a stack: each of the first heads looks at one neighbour, none of the last at the query itself. */
function startNeighbours(
  { text_config: config }: Blip2Config,
  stack: 'encoder' | 'decoder',
  parameters: Map<string, Parameter>,
): void {
  const { num_heads: heads } = config;
  const settings: BucketSettings = {
    buckets: config.relative_attention_num_buckets,
    maxDistance: config.relative_attention_max_distance,
    bidirectional: stack === 'encoder',
  };
  const name = `language_model.${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`;
  edit(parameters.get(name)!, (table) => {
    table.fill(0);
    NEIGHBOURS[stack].forEach((offset, head) => {
      table[relativeBucket(offset, settings) * heads + head] = NEIGHBOUR_BIAS;
    });
    const own = (relativeBucket(0, settings) + 1) * heads;
    table.fill(SELF_BIAS, own - EQUALS.self, own);
  });
}

/**
 * Sets the keys of the last `count` heads to their queries at the scale of keys, so that equal tokens point the same
 * way.
 */
function startEquals(
  query: Parameter,
  key: Parameter,
  { num_heads: heads, d_kv: size, d_model: width }: Blip2Config['text_config'],
  count: number,
): void {
  const from = query.value.dataSync();
  edit(key, (weights) => {
    for (let i = (heads - count) * size * width; i < weights.length; i++)
      weights[i] = from[i]! * Math.sqrt(size);
  });
}

function edit(parameter: Parameter, change: (values: Float32Array) => void): void {
  const values = Float32Array.from(parameter.value.dataSync());
  change(values);
  parameter.set(tf.tensor(values, parameter.shape, 'float32'));
}

/**
 * Relative biases learn 30 times faster. They are added to attention scores, where single numbers of about 5 make a head
 * look at one neighbour; Adam moves a number by at most the learning rate a step, so at 1e-3 telling the option beside a
 * letter took 3,000 steps to begin.
 */
const learningRateFactor = (name: string) => (name.endsWith('relative_attention_bias.weight') ? 30 : 1);

export const support: PretrainingSupport = { smallConfig, startLanguageModel, learningRateFactor };
