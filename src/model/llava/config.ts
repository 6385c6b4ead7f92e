/** Reads and checks the config.json of LLaVA-OneVision with Qwen2, and what its preprocessor file says of pictures. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../base/errors.js';
import { isRecord } from '../../base/values.js';
import { readJson } from '../../weights/config.js';
import { only, setting } from '../../weights/configKeys.js';
import { quote } from '../../weights/header.js';
import { isOriginal, publishedForm, SO400M } from './original.js';

/**
 * Files omit values that equal their class's defaults, so the defaults here are those of transformers'
 * SiglipVisionConfig, Qwen2Config and LlavaOnevisionConfig.
 */
const size = z.number().int().positive();
const rate = z.number().min(0).max(1);
const epsilon = z.number().positive();
const tokenId = z.number().int().min(0);

const GELUS = ['gelu', 'gelu_pytorch_tanh', 'gelu_new'] as const;
const gelu = z.enum(GELUS, { error: ({ input }) => `is ${quote(input)}, expected ${GELUS.join(' or ')}` });

const visionSchema = z
  .looseObject({
    model_type: only('siglip_vision_model', 'the vision tower is SigLIP'),
    hidden_size: setting(size, 768),
    intermediate_size: setting(size, 3072),
    num_hidden_layers: setting(size, 12),
    num_attention_heads: setting(size, 12),
    num_channels: setting(z.literal(3, { error: 'must be 3: pictures are RGB' }), 3),
    image_size: setting(size, 224),
    patch_size: setting(size, 16),
    hidden_act: setting(gelu, 'gelu_pytorch_tanh'),
    layer_norm_eps: setting(epsilon, 1e-6),
    attention_dropout: setting(rate, 0),
  })
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    path: ['hidden_size'],
    message: 'must be a multiple of num_attention_heads',
  })
  .refine((c) => c.image_size >= c.patch_size, {
    path: ['image_size'],
    message: 'is smaller than patch_size',
  });

/** Older files say rope_theta and rope_scaling, newer ones rope_parameters. */
const rope = z.looseObject({
  rope_type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
});

interface Angles {
  rope_theta?: number | null | undefined;
}

/** Every base of rotary angles that a file gives; transformers 5 reads them from any of the three places. */
function basesOf(
  c: Angles & { rope_parameters?: Angles | null | undefined; rope_scaling?: Angles | null | undefined },
): number[] {
  const given = [c, c.rope_parameters, c.rope_scaling].map((place) => place?.rope_theta);
  return given.filter((base) => base != null);
}

const textSchema = z
  .looseObject({
    model_type: only('qwen2', 'the language model is Qwen2'),
    vocab_size: setting(size, 151936),
    hidden_size: setting(size, 4096),
    intermediate_size: setting(size, 22016),
    num_hidden_layers: setting(size, 32),
    num_attention_heads: setting(size, 32),
    num_key_value_heads: size.nullish(),
    head_dim: size.nullish(),
    hidden_act: only('silu', 'the feed-forward gate of Qwen2'),
    max_position_embeddings: setting(size, 32768),
    rms_norm_eps: setting(epsilon, 1e-6),
    rope_theta: z.number().positive().nullish(),
    rope_parameters: rope.nullish(),
    rope_scaling: rope.nullish(),
    use_sliding_window: only(false, 'sliding-window attention is not computed here'),
    layer_types: z.array(z.string()).nullish(),
    attention_dropout: setting(rate, 0),
    tie_word_embeddings: setting(z.boolean(), false),
  })
  .superRefine((c, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    const { num_attention_heads: heads, num_key_value_heads: keyHeads = 32 } = c;
    if (heads % (keyHeads ?? heads) !== 0)
      refuse('num_key_value_heads', `is ${keyHeads}, must divide num_attention_heads, ${heads}`);
    if (c.head_dim == null && c.hidden_size % heads !== 0)
      refuse('hidden_size', 'must be a multiple of num_attention_heads');
    if ((c.head_dim ?? c.hidden_size / heads) % 2 !== 0)
      refuse('head_dim', 'must be even: rotary positions turn pairs of features');
    const sliding = c.layer_types?.find((type) => type !== 'full_attention');
    if (sliding !== undefined)
      refuse('layer_types', `has ${quote(sliding)}; only full_attention is computed here`);
    const bases = new Set(basesOf(c));
    if (bases.size > 1)
      refuse(
        'rope_theta',
        `is given as ${[...bases].join(' and as ')}, here and in rope_parameters or rope_scaling`,
      );
    for (const key of ['rope_parameters', 'rope_scaling'] as const) {
      // Older files say `type`.
      const said = c[key]?.type ?? c[key]?.rope_type;
      if (said == null && c[key]?.factor != null)
        refuse(
          key,
          'has a factor without a type; expected rope_type, of which only default is computed here',
        );
      const type = said ?? 'default';
      if (type !== 'default') refuse(key, `is of type ${quote(type)}; only default is computed here`);
      if ((c[key]?.partial_rotary_factor ?? 1) !== 1)
        refuse(key, 'turns a part of each head; only whole heads are computed here');
      const nested = Object.entries(c[key] ?? {}).find(([, value]) => isRecord(value))?.[0];
      if (nested !== undefined)
        refuse(key, `has angles of ${quote(nested)} alone; only one kind of layers is computed here`);
    }
  })
  .transform((c) => ({
    ...c,
    num_key_value_heads:
      c.num_key_value_heads === undefined ? 32 : (c.num_key_value_heads ?? c.num_attention_heads),
    head_dim: c.head_dim ?? c.hidden_size / c.num_attention_heads,
    rope_theta: basesOf(c)[0] ?? 10_000,
  }));

type Rgb = [number, number, number];

/** Of RGB in [0, 1]; SigLIP's own, for checkpoints without a preprocessor file. */
const SIGLIP_NORMALISATION = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } satisfies Record<string, Rgb>;
const rgb = z.tuple([z.number(), z.number(), z.number()], { error: 'must be three numbers' });
const normalisation = z.object({ mean: rgb, std: rgb });

const schema = z
  .looseObject({
    vision_config: setting(visionSchema, visionSchema.parse(SO400M)),
    text_config: textSchema,
    image_token_index: setting(tokenId, 151646),
    video_token_index: tokenId.optional(),
    vision_feature_layer: setting(
      z.number({ error: 'must be one layer: features of several are not joined here' }).int(),
      -1,
    ),
    vision_feature_select_strategy: only('full', 'SigLIP has no class token to leave out'),
    projector_hidden_act: setting(gelu, 'gelu'),
    multimodal_projector_bias: setting(z.boolean(), true),
    tie_word_embeddings: setting(z.boolean(), false),
    /** Of ours: what the preprocessor file says, in config.json when we write it. */
    normalisation: setting(normalisation, SIGLIP_NORMALISATION),
  })
  .superRefine((c, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    const layers = c.vision_config.num_hidden_layers;
    if (c.vision_feature_layer > layers || c.vision_feature_layer < -layers - 1)
      refuse('vision_feature_layer', `is ${c.vision_feature_layer}; the tower has ${layers} layers`);
    const { vocab_size: rows } = c.text_config;
    if ((c.video_token_index ?? 151647) >= rows)
      refuse('video_token_index', `must be below text_config.vocab_size, ${rows}`);
  })
  .transform((c) => ({
    ...c,
    video_token_index: c.video_token_index ?? 151647,
    // transformers ties both when either says so; the published files say so in text_config alone.
    tie_word_embeddings: c.tie_word_embeddings || c.text_config.tie_word_embeddings,
  }));

export type LlavaConfig = z.output<typeof schema>;

/**
 * Checks a parsed config.json and fills in the defaults.
 *
 * @param origin the file, for messages. @throws DataError naming file, key and what was expected
 */
export function parseLlavaConfig(json: unknown, origin = 'config.json'): LlavaConfig {
  if (isOriginal(json))
    return checked(publishedForm(json, origin), origin, (key) => key.replace(/^text_config\./, ''));
  if (isRecord(json) && json.video_token_index === null)
    throw new DataError(
      `${origin}: video_token_index is null: this LLaVA reads still images alone; expected one with a token for video`,
    );
  // Its class fills in a Qwen2 of another size, which no published file means.
  if (isRecord(json) && !isRecord(json.text_config))
    throw new DataError(`${origin}: text_config: is missing, expected the settings of a Qwen2`);
  return checked(json, origin);
}

/** @param name the key that the file has for one of the published form */
function checked(json: unknown, origin: string, name = (key: string) => key): LlavaConfig {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new DataError(`${origin}: ${name(issue.path.join('.')) || 'the file'}: ${issue.message}`);
}

/** Patches a side; a convolution drops the pixels beyond the last whole one. */
export const visionSide = ({ image_size, patch_size }: LlavaConfig['vision_config']): number =>
  Math.floor(image_size / patch_size);

/** Blocks of the tower whose result is read: `vision_feature_layer` counts states, the embeddings are state 0. */
export function usedLayers({ vision_feature_layer: layer, vision_config }: LlavaConfig): number {
  return layer < 0 ? vision_config.num_hidden_layers + 1 + layer : layer;
}

/** Names of the file that says how pictures become pixels, by age; the last holds several in one. */
const PREPROCESSOR_FILES = [
  'video_preprocessor_config.json',
  'preprocessor_config.json',
  'processor_config.json',
];

/**
 * Adds what the checkpoint's preprocessor file says. Without one SigLIP's own mean and deviation of 0.5 stay; those of
 * the processor's class are CLIP's, which no published checkpoint means.
 *
 * @param folder of the checkpoint. @throws DataError for a preprocessing that is not computed here
 */
export async function withPreprocessor(config: LlavaConfig, folder: string): Promise<LlavaConfig> {
  for (const name of PREPROCESSOR_FILES) {
    const path = join(folder, name);
    if (!(await stat(path).catch(() => undefined))) continue;
    const json = await readJson(path);
    if (!isRecord(json)) throw new DataError(`${path}: expected settings`);
    const settings = json.video_processor ?? json.image_processor ?? json;
    if (isRecord(settings)) return { ...config, normalisation: normalisationOf(config, settings, path) };
  }
  return config;
}

const preprocessorSchema = z.looseObject({
  do_rescale: only(true, 'levels are divided by 255'),
  do_normalize: setting(z.boolean(), true),
  do_resize: only(true, 'frames are resized to the square'),
  do_center_crop: only(false, 'frames are not cropped'),
  rescale_factor: setting(z.number(), 1 / 255),
  image_mean: rgb.nullish(),
  image_std: rgb.nullish(),
  resample: setting(z.literal(3, { error: 'must be 3: frames are resized bicubically' }), 3),
  size: z.looseObject({ height: size.nullish(), width: size.nullish() }).nullish(),
});

function normalisationOf(config: LlavaConfig, json: object, path: string): LlavaConfig['normalisation'] {
  const result = preprocessorSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new DataError(`${path}: ${issue.path.join('.')}: ${issue.message}`);
  }
  const { image_mean: mean, image_std: std, size, rescale_factor: factor, do_normalize } = result.data;
  const { image_size: image } = config.vision_config;
  for (const side of [size?.height, size?.width])
    if (side != null && side !== image)
      throw new DataError(
        `${path}: size: is ${side}, but vision_config.image_size of config.json is ${image}`,
      );
  if (Math.abs(factor * 255 - 1) > 1e-3)
    throw new DataError(`${path}: rescale_factor: is ${factor}, expected 1 / 255`);
  if (std?.some((each) => each <= 0)) throw new DataError(`${path}: image_std: must be above 0`);
  if (!do_normalize) return { mean: [0, 0, 0], std: [1, 1, 1] };
  return { mean: mean ?? config.normalisation.mean, std: std ?? config.normalisation.std };
}
