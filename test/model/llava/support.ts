/** Small LLaVA-OneVision students and batches, and checkpoints in the layouts that public files have. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '../../../src/base/random.js';
import { Rng as Random } from '../../../src/base/random.js';
import type { Precision } from '../../../src/model/context.js';
import { linearsOf } from '../../../src/model/layers/linear.js';
import { parseLlavaConfig } from '../../../src/model/llava/config.js';
import { LlavaStudent } from '../../../src/model/llava/student.js';
import { writableParameters } from '../../../src/model/load.js';
import type { StudentInput, Target } from '../../../src/model/student.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';
import { randomise } from '../support.js';

export const VIDEO = 39;

/** config.json of a student of a few thousand parameters, with odd sizes and grouped heads. */
export function llavaJson(sections: { text?: object; vision?: object; top?: object } = {}) {
  return {
    model_type: 'llava_onevision',
    video_token_index: VIDEO,
    image_token_index: VIDEO - 1,
    vision_config: {
      model_type: 'siglip_vision_model',
      hidden_size: 12,
      intermediate_size: 20,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      image_size: 13,
      patch_size: 4,
      ...sections.vision,
    },
    text_config: {
      model_type: 'qwen2',
      vocab_size: 40,
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      rope_theta: 1e6,
      max_position_embeddings: 64,
      tie_word_embeddings: true,
      ...sections.text,
    },
    tie_word_embeddings: false,
    ...sections.top,
  };
}

/** The settings of a file in the published form as the original code writes them; `json` has a video_token_index. */
export function originalJson({
  text_config: text,
  vision_config,
  ...top
}: ReturnType<typeof llavaJson>): object {
  const { model_type: _, ...settings } = text;
  return {
    ...{ ...top, ...settings, vision_config },
    architectures: ['LlavaQwenForCausalLM'],
    model_type: 'llava',
    image_aspect_ratio: 'anyres_max_9',
    mm_hidden_size: vision_config.hidden_size,
    mm_newline_position: 'one_token',
    mm_patch_merge_type: 'spatial_unpad',
    mm_projector_type: 'mlp2x_gelu',
    mm_resampler_type: null,
    mm_spatial_pool_mode: 'bilinear',
    mm_use_im_patch_token: false,
    mm_use_im_start_end: false,
    mm_vision_select_feature: 'patch',
    mm_vision_select_layer: -2,
    mm_vision_tower: 'google/siglip-so400m-patch14-384',
    use_mm_proj: true,
  };
}

/** A random student with an adapter on every q and v of its language model; the caller disposes it. */
export function tinyLlava(
  sections: Parameters<typeof llavaJson>[0] = {},
  seed = 1,
  precision: Precision = 'f32',
): LlavaStudent {
  const student = new LlavaStudent(parseLlavaConfig(llavaJson(sections)), precision);
  for (const [path, linear] of linearsOf(student.module))
    if (/language_model.*\.(q|v)_proj$/.test(path)) linear.addLora({ r: 2, scaling: 2, dropout: 0 });
  randomise(student.module.parameters(), new Random(seed));
  return student;
}

export interface LlavaBatch {
  input: StudentInput & { visual: { features: tf.Tensor3D } };
  targets: [Target, Target];
}

/** Prompts of several lengths around one video each; the second target has empty rows. */
export function llavaBatch(rng: Rng, student: LlavaStudent, rows = 3, frames = 2): LlavaBatch {
  const ids = (count: number) => Array.from({ length: count }, () => rng.int(VIDEO - 1));
  const [tokens, width] = student.featureShape;
  const values = Float32Array.from({ length: rows * frames * tokens * width }, () => rng.normal());
  const each = <T>(make: (row: number) => T) => Array.from({ length: rows }, (_, row) => make(row));
  return {
    input: {
      visual: { features: tf.tensor3d(values, [rows * frames, tokens, width]) },
      frames,
      prompts: each((row) => [...ids(1 + rng.int(3)), VIDEO, ...ids(1 + row)]),
    },
    targets: [
      { name: 'qa', rows: each((row) => ids(row === 1 ? 1 : 2)) },
      { name: 'reasoning', rows: each((row) => (row === rows - 1 && rows > 1 ? [] : ids(2 + rng.int(5)))) },
    ],
  };
}

/** Row `row` of a batch alone; its features are a slice of its own. */
export function rowOf({ input, targets }: LlavaBatch, row: number): LlavaBatch {
  const { frames } = input;
  const features = tf.slice(input.visual.features, row * frames, frames);
  const own = (target: Target): Target => ({ ...target, rows: target.rows.slice(row, row + 1) });
  return {
    input: { ...input, visual: { features }, prompts: input.prompts.slice(row, row + 1) },
    targets: [own(targets[0]), own(targets[1])],
  };
}

/** From our names, those of transformers 5's modules, to those of the files. */
export const LAYOUTS = {
  modules: (name: string) => name,
  published: (name: string) =>
    name
      .replace(/^model\.vision_tower\./, 'vision_tower.vision_model.')
      .replace(/^model\.(multi_modal_projector|image_newline)/, '$1')
      .replace(/^model\.language_model\./, 'language_model.model.')
      .replace(/^lm_head\./, 'language_model.lm_head.'),
  saved: (name: string) => LAYOUTS.published(name).replace('vision_tower.vision_model.', 'vision_tower.'),
  original: (name: string) =>
    name
      .replace(/^model\.vision_tower\./, 'model.vision_tower.vision_tower.vision_model.')
      .replace('multi_modal_projector.linear_1', 'mm_projector.0')
      .replace('multi_modal_projector.linear_2', 'mm_projector.2')
      .replace(/^model\.language_model\./, 'model.'),
} as const;

const TOKENIZER = fileURLToPath(new URL('../../fixtures/qwen/tokenizer.json', import.meta.url));

/** config.json of a student that reads and writes the words of {@link TOKENIZER}, which has fewer tokens than rows. */
export const spokenJson = (text: object = {}, top: object = {}) =>
  llavaJson({
    top: { video_token_index: 452, image_token_index: 451, ...top },
    text: { vocab_size: 464, max_position_embeddings: 512, ...text },
    vision: { image_size: 16 },
  });

/** A folder with a random checkpoint in a layout, its config.json as given, and its tokenizer. */
export async function writeCheckpoint(
  folder: string,
  {
    layout = 'published',
    dtype = 'F32',
    json = spokenJson() as object,
    seed = 'llava',
  }: { layout?: keyof typeof LAYOUTS; dtype?: 'F32' | 'F16' | 'BF16'; json?: object; seed?: string } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(TOKENIZER, join(folder, 'tokenizer.json'));
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
  const student = new LlavaStudent(parseLlavaConfig(json));
  randomise(student.module.parameters(), new Random(seed));
  const tensors = writableParameters(student.module.parameters());
  for (const tensor of tensors.values()) tensor.dtype = dtype;
  const named = new Map([...tensors].map(([name, tensor]) => [LAYOUTS[layout](name), tensor]));
  await writeSafetensors(join(folder, 'model.safetensors'), named);
  student.dispose();
}
