/**
 * config.json as the original code writes it (LLaVA-NeXT, `LlavaQwenForCausalLM`): the keys of Qwen2 at the top, those of
 * sight as `mm_*`, and the vision tower by name. Its checkpoint differs in the tensors' names alone (names.ts).
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../base/errors.js';
import { isRecord } from '../../base/values.js';
import { only } from '../../weights/configKeys.js';
import { quote } from '../../weights/header.js';

const CLASS = 'LlavaQwenForCausalLM';
const MODEL_TYPE = 'llava_qwen';

/** SigLIP so400m at 384 pixels without its last block: of files that do not describe their tower. */
export const SO400M = {
  hidden_size: 1152,
  intermediate_size: 4304,
  num_hidden_layers: 26,
  num_attention_heads: 16,
  image_size: 384,
  patch_size: 14,
};

/** By the last part of a tower's name, which may be a path. */
const TOWERS: Readonly<Record<string, object>> = { 'siglip-so400m-patch14-384': SO400M };

/** Keys of config.json that are Qwen2's; the others are of sight, or say nothing of the computation. */
const TEXT_KEYS = [
  ...['vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads'],
  ...[
    'num_key_value_heads',
    'head_dim',
    'hidden_act',
    'max_position_embeddings',
    'rms_norm_eps',
    'rope_theta',
  ],
  ...['rope_parameters', 'rope_scaling', 'use_sliding_window', 'layer_types', 'attention_dropout'],
  'tie_word_embeddings',
];

/** The original code leaves the tower's last block out and ignores `mm_vision_select_*` for SigLIP. */
const schema = z.looseObject({
  mm_vision_tower: z.string({ error: 'expected the name of a SigLIP' }).nullish(),
  vision_config: z.looseObject({}).nullish(),
  mm_hidden_size: z.number().nullish(),
  mm_projector_type: only('mlp2x_gelu', 'the projector is two layers'),
  mm_resampler_type: z
    .null({ error: 'must be null: nothing stands between tower and projector here' })
    .optional(),
  mm_patch_merge_type: only('spatial_unpad', 'a newline follows every video'),
  mm_newline_position: only('one_token', 'one newline follows the whole video'),
  mm_spatial_pool_mode: only('bilinear', 'frames are pooled so'),
  mm_spatial_pool_stride: only(2, 'frames are pooled to half the side'),
  mm_use_im_start_end: only(false, 'no tokens stand around a video'),
  mm_use_im_patch_token: only(false, 'no token stands for a patch'),
  add_faster_video: only(false, 'all frames are pooled alike'),
  use_pos_skipping: only(false, 'positions follow each other'),
});

/** Whether a parsed config.json is LLaVA's with Qwen2 in the original form. */
export function isOriginal(json: unknown): json is Record<string, unknown> {
  if (!isRecord(json)) return false;
  const classes = [json.architectures].flat().filter((name) => typeof name === 'string');
  return classes.length > 0 ? classes.includes(CLASS) : json.model_type === MODEL_TYPE;
}

/**
 * The same settings in the form of llava-hf.
 *
 * @throws DataError naming file, key and what was expected
 */
export function publishedForm(json: Record<string, unknown>, origin: string): object {
  const refuse = (key: string, message: string): never => {
    throw new DataError(`${origin}: ${key}: ${message}`);
  };
  if (json.image_aspect_ratio === 'anyres' && json.mm_spatial_pool_mode == null)
    refuse(
      'image_aspect_ratio',
      'is "anyres" without mm_spatial_pool_mode: this LLaVA reads still images alone',
    );
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    return refuse(issue.path.join('.'), issue.message);
  }
  const { mm_vision_tower: tower, mm_hidden_size: width, vision_config: described } = result.data;
  const known = basename(tower ?? '');
  const vision =
    described ??
    (Object.hasOwn(TOWERS, known)
      ? TOWERS[known]!
      : refuse(
          'mm_vision_tower',
          `is ${quote(tower)}, expected google/${Object.keys(TOWERS).join(' or google/')}`,
        ));
  const { hidden_size: own } = vision as { hidden_size?: unknown };
  if (width != null && own !== undefined && width !== own)
    refuse('mm_hidden_size', `is ${width}, but the vision tower has ${own}`);
  return {
    model_type: 'llava_onevision',
    vision_config: vision,
    text_config: Object.fromEntries(TEXT_KEYS.filter((key) => key in json).map((key) => [key, json[key]])),
    ...(json.image_token_index != null && { image_token_index: json.image_token_index }),
    ...(json.video_token_index != null && { video_token_index: json.video_token_index }),
    tie_word_embeddings: json.tie_word_embeddings,
  };
}
