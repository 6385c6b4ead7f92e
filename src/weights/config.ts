/** Reads and checks the config.json of BLIP-2 with FlanT5. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { DataError, messageOf } from '../base/errors.js';
import { setting } from './configKeys.js';
import { refuseLfsPointer } from './notWeights.js';
import { refuseOtherModel } from './otherModels.js';

/**
 * The config.json of a Hugging Face BLIP-2 with a T5 language model. Files omit values that equal their class's
 * defaults, so the defaults here are those of transformers' configuration_blip_2.py and configuration_t5.py.
 */

const size = z.number().int().positive();
const rate = z.number().min(0).max(1);
const epsilon = z.number().positive();

/** The vision model and the Q-Former know only the exact GELU. */
const exactGelu = z.literal('gelu', { error: 'must be gelu, the only activation supported here' });

/** Activations of T5's feed-forward layers. */
const TEXT_ACTIVATIONS = ['relu', 'gelu', 'gelu_new', 'silu'];

const visionSchema = z
  .looseObject({
    hidden_size: setting(size, 1408),
    intermediate_size: setting(size, 6144),
    num_hidden_layers: setting(size, 39),
    num_attention_heads: setting(size, 16),
    image_size: setting(size, 224),
    patch_size: setting(size, 14),
    hidden_act: setting(exactGelu, 'gelu'),
    layer_norm_eps: setting(epsilon, 1e-6),
    attention_dropout: setting(rate, 0),
    qkv_bias: setting(z.boolean(), true),
  })
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    path: ['hidden_size'],
    message: 'must be a multiple of num_attention_heads',
  })
  .refine((c) => c.image_size >= c.patch_size, {
    path: ['image_size'],
    message: 'is smaller than patch_size',
  });

const qformerSchema = z
  .looseObject({
    hidden_size: setting(size, 768),
    num_hidden_layers: setting(size, 12),
    num_attention_heads: setting(size, 12),
    intermediate_size: setting(size, 3072),
    hidden_act: setting(exactGelu, 'gelu'),
    hidden_dropout_prob: setting(rate, 0.1),
    attention_probs_dropout_prob: setting(rate, 0.1),
    layer_norm_eps: setting(epsilon, 1e-12),
    cross_attention_frequency: setting(size, 2),
    encoder_hidden_size: setting(size, 1408),
  })
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    path: ['hidden_size'],
    message: 'must be a multiple of num_attention_heads',
  });

const textSchema = z
  .looseObject({
    model_type: setting(z.string(), 't5'),
    vocab_size: setting(size, 32128),
    d_model: setting(size, 512),
    d_kv: setting(size, 64),
    d_ff: setting(size, 2048),
    num_layers: setting(size, 6),
    num_decoder_layers: size.nullish(),
    num_heads: setting(size, 8),
    relative_attention_num_buckets: setting(size, 32),
    relative_attention_max_distance: setting(size, 128),
    dropout_rate: setting(rate, 0.1),
    layer_norm_epsilon: setting(epsilon, 1e-6),
    feed_forward_proj: setting(z.string(), 'relu'),
    dense_act_fn: z.string().nullish(),
    is_gated_act: z.boolean().nullish(),
    tie_word_embeddings: setting(z.boolean(), true),
    scale_decoder_outputs: z.boolean().nullish(),
    pad_token_id: setting(z.number().int().min(0), 0),
    eos_token_id: setting(z.number().int().min(0), 1),
    decoder_start_token_id: setting(z.number().int().min(0), 0),
  })
  .refine((c) => /^(gated-)?[a-z_]+$/.test(c.feed_forward_proj), {
    path: ['feed_forward_proj'],
    message: 'must be an activation such as relu, optionally after "gated-"',
  })
  .transform((c) => ({
    ...c,
    ...deriveActivation(c),
    num_decoder_layers: c.num_decoder_layers ?? c.num_layers,
  }))
  .transform((c) => ({ ...c, scale_decoder_outputs: c.scale_decoder_outputs ?? c.tie_word_embeddings }))
  .superRefine((c, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (!TEXT_ACTIVATIONS.includes(c.dense_act_fn))
      refuse('dense_act_fn', `is ${c.dense_act_fn}, must be one of ${TEXT_ACTIVATIONS.join(', ')}`);
    for (const key of ['pad_token_id', 'eos_token_id', 'decoder_start_token_id'] as const)
      if (c[key] >= c.vocab_size) refuse(key, `must be below vocab_size, ${c.vocab_size}`);
  });

/**
 * transformers derives both from feed_forward_proj, where "gated-gelu" means gelu_new (the tanh form), unless the file
 * states them: BLIP-2's states dense_act_fn "gelu", the exact form.
 */
function deriveActivation(config: {
  feed_forward_proj: string;
  dense_act_fn?: string | null;
  is_gated_act?: boolean | null;
}): { dense_act_fn: string; is_gated_act: boolean } {
  const gated = config.feed_forward_proj.startsWith('gated-');
  const name = gated ? config.feed_forward_proj.slice('gated-'.length) : config.feed_forward_proj;
  return {
    dense_act_fn: config.dense_act_fn ?? (config.feed_forward_proj === 'gated-gelu' ? 'gelu_new' : name),
    is_gated_act: config.is_gated_act ?? gated,
  };
}

const blip2Schema = z
  .looseObject({
    vision_config: setting(visionSchema, visionSchema.parse({})),
    qformer_config: setting(qformerSchema, qformerSchema.parse({})),
    text_config: textSchema,
    num_query_tokens: setting(size, 32),
  })
  .refine((c) => c.qformer_config.encoder_hidden_size === c.vision_config.hidden_size, {
    path: ['qformer_config', 'encoder_hidden_size'],
    message: 'must equal vision_config.hidden_size',
  });

export type Blip2VisionConfig = z.output<typeof visionSchema>;
export type Blip2QFormerConfig = z.output<typeof qformerSchema>;
export type T5Config = z.output<typeof textSchema>;
export type Blip2Config = z.output<typeof blip2Schema>;

/**
 * Checks a parsed config.json and fills in the defaults.
 *
 * @param origin the file, for messages.
 * @throws DataError naming file, key and what was expected.
 */
export function parseBlip2Config(json: unknown, origin = 'config.json'): Blip2Config {
  refuseOtherModel(json, origin);
  const result = blip2Schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const key = issue.path.join('.') || 'the file';
  throw new DataError(`${origin}: ${key}: ${issue.message}`);
}

/** Reads a JSON file; a missing or malformed one, or the Git LFS pointer to one, is a one-line DataError. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DataError(missing ? `${path}: no such file` : `${path}: cannot be read (${messageOf(error)})`, {
      cause: error,
    });
  }
  refuseLfsPointer(path, Buffer.from(text));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(`${path}: not JSON (${messageOf(error).split('\n')[0]})`, { cause: error });
  }
}

/** Image patches a side. The position table has patches^2 + 1 rows, the first for the class token. */
export function patchesPerSide(config: Blip2VisionConfig): number {
  return Math.floor(config.image_size / config.patch_size);
}
