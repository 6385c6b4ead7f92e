/** config.json, preprocessor files and tensor names of LLaVA-OneVision, and what is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/base/errors.js';
import { parseLlavaConfig, usedLayers, withPreprocessor } from '../../../src/model/llava/config.js';
import { canonicalName } from '../../../src/model/llava/names.js';
import { poolingMatrix } from '../../../src/model/llava/pooling.js';
import { kindOf } from '../../../src/model/registry.js';
import { llavaJson, originalJson } from './support.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-llava-'));
});
afterAll(() => rm(scratch, { recursive: true }));

describe('parseLlavaConfig', () => {
  it('fills in what files omit, and takes the angle base from either place', () => {
    const config = parseLlavaConfig(llavaJson());
    expect(config.vision_config).toMatchObject({ hidden_act: 'gelu_pytorch_tanh', layer_norm_eps: 1e-6 });
    expect(config.text_config).toMatchObject({ rope_theta: 1e6, head_dim: 4, num_key_value_heads: 2 });
    expect(config).toMatchObject({ projector_hidden_act: 'gelu', vision_feature_layer: -1 });
    const { rope_theta: _, ...text } = llavaJson().text_config;
    const newer = { ...text, rope_parameters: { rope_type: 'default', rope_theta: 5e5 } };
    expect(parseLlavaConfig({ ...llavaJson(), text_config: newer }).text_config.rope_theta).toBe(5e5);
    const beside = { ...text, rope_scaling: { rope_type: 'default', rope_theta: 5e5 } };
    expect(parseLlavaConfig({ ...llavaJson(), text_config: beside }).text_config.rope_theta).toBe(5e5);
    expect(parseLlavaConfig({ ...llavaJson(), text_config: text }).text_config.rope_theta).toBe(10_000);
  });

  it.each([
    [true, false, true],
    [false, true, true],
    [false, false, false],
  ])('ties the head when either key says so: text %s, top %s', (text, top, tied) => {
    const json = llavaJson({ text: { tie_word_embeddings: text }, top: { tie_word_embeddings: top } });
    expect(parseLlavaConfig(json).tie_word_embeddings).toBe(tied);
  });

  it('reads the states that vision_feature_layer names', () => {
    const used = (layer: number) =>
      usedLayers(parseLlavaConfig(llavaJson({ top: { vision_feature_layer: layer } })));
    expect([-1, -2, 1, 0].map(used)).toEqual([2, 1, 1, 0]);
    expect(() => used(3)).toThrow('vision_feature_layer: is 3; the tower has 2 layers');
  });

  it.each([
    [
      'a Mistral',
      { text: { model_type: 'mistral' } },
      /text_config\.model_type: is "mistral", expected "qwen2"/,
    ],
    ['a CLIP tower', { vision: { model_type: 'clip_vision_model' } }, /vision_config\.model_type: is "clip_/],
    [
      'still images alone',
      { top: { video_token_index: null } },
      /video_token_index is null: .*still images alone/,
    ],
    [
      'a sliding window',
      { text: { use_sliding_window: true } },
      /use_sliding_window: is true, expected false/,
    ],
    [
      'sliding layers',
      { text: { layer_types: ['sliding_attention'] } },
      /layer_types: has "sliding_attention"/,
    ],
    [
      'two bases of angles',
      { text: { rope_parameters: { rope_type: 'default', rope_theta: 1e4 } } },
      /text_config\.rope_theta: is given as 1000000 and as 10000, here and in/,
    ],
    [
      'a factor of nothing',
      { text: { rope_scaling: { factor: 2 } } },
      /rope_scaling: has a factor without a/,
    ],
    ['scaled angles', { text: { rope_scaling: { type: 'yarn' } } }, /rope_scaling: is of type "yarn"/],
    [
      'angles by kind of layer',
      { text: { rope_parameters: { full_attention: { rope_type: 'default', rope_theta: 1e6 } } } },
      /rope_parameters: has angles of "full_attention" alone/,
    ],
    ['newer scaled angles', { text: { rope_parameters: { rope_type: 'linear' } } }, /is of type "linear"/],
    [
      'heads that do not divide',
      { text: { num_key_value_heads: 3 } },
      /num_key_value_heads: is 3, must divide/,
    ],
    [
      'another strategy',
      { top: { vision_feature_select_strategy: 'default' } },
      /select_strategy: is "default"/,
    ],
    [
      'several layers',
      { top: { vision_feature_layer: [-1, -2] } },
      /vision_feature_layer: must be one layer/,
    ],
    ['another gate', { text: { hidden_act: 'gelu' } }, /text_config\.hidden_act: is "gelu", expected "silu"/],
    ['another projector', { top: { projector_hidden_act: 'relu' } }, /projector_hidden_act: is "relu"/],
    [
      'a placeholder without a row',
      { top: { video_token_index: 40 } },
      /video_token_index: must be below .*40/,
    ],
  ])('refuses %s by key', (_, sections, message) => {
    expect(() => parseLlavaConfig(llavaJson(sections), 'x/config.json')).toThrow(DataError);
    expect(() => parseLlavaConfig(llavaJson(sections), 'x/config.json')).toThrow(message);
  });

  it.each([
    [{ model_type: 'llava' }, 'LLaVA-1.5'],
    [{ model_type: 'llava', architectures: ['LlavaLlamaForCausalLM'] }, 'Llama or Vicuna'],
    [{ model_type: 'llava', architectures: ['LlavaMistralForCausalLM'], mm_hidden_size: 1024 }, 'Mistral'],
    [{ model_type: 'llava_mistral' }, 'Mistral'],
    [{ model_type: 'llava_next' }, 'tiles'],
    [{ model_type: 'llava_qwen', architectures: ['LlavaQwenSlowFastForCausalLM'] }, 'is "llava_qwen", which'],
  ])('a checkpoint of another family is refused by name: %j', (json, name) => {
    expect(() => kindOf(json, 'x/config.json')).toThrow(DataError);
    expect(() => kindOf(json, 'x/config.json')).toThrow(name);
  });
});

describe("the original code's config.json", () => {
  const original = (change: object = {}, text: object = {}) => ({
    ...originalJson(llavaJson({ text })),
    ...change,
  });

  it.each([
    ['by its class, whatever its model_type', {}],
    ['by its model_type without a class', { architectures: undefined, model_type: 'llava_qwen' }],
    ['among several classes', { architectures: ['Other', 'LlavaQwenForCausalLM'], model_type: 'qwen2' }],
  ])('is recognised %s, and says what the published form says', (_, change) => {
    const json = original(change);
    expect(kindOf(json, 'x').modelType).toBe('llava_onevision');
    const { text_config, vision_config, ...rest } = parseLlavaConfig(llavaJson());
    const read = parseLlavaConfig(json);
    expect(read.text_config).toEqual({ ...text_config, model_type: 'qwen2' });
    expect(read.vision_config).toEqual(vision_config);
    expect(read).toMatchObject(rest);
  });

  it('names its tower instead of describing it, and has the token of video where the published file has it', () => {
    const named = { vision_config: undefined, mm_hidden_size: 1152, video_token_index: undefined };
    const json = original(named, { vocab_size: 151_936 });
    for (const tower of ['google/siglip-so400m-patch14-384', '/models/siglip-so400m-patch14-384/'])
      expect(parseLlavaConfig({ ...json, mm_vision_tower: tower })).toMatchObject({
        video_token_index: 151_647,
        vision_feature_layer: -1,
        vision_config: { hidden_size: 1152, num_hidden_layers: 26, num_attention_heads: 16, image_size: 384 },
      });
    expect(parseLlavaConfig(original({ tie_word_embeddings: true })).tie_word_embeddings).toBe(true);
  });

  it.each([
    [
      { vision_config: null, mm_vision_tower: 'openai/clip-vit-large-patch14-336' },
      /: mm_vision_tower: is "openai/,
    ],
    [{ vision_config: null, mm_vision_tower: null }, /: mm_vision_tower: is null, expected google\/siglip/],
    [{ mm_hidden_size: 1024 }, /: mm_hidden_size: is 1024, but the vision tower has 12/],
    [{ mm_projector_type: 'linear' }, /: mm_projector_type: is "linear", expected "mlp2x_gelu"/],
    [{ mm_patch_merge_type: 'flat' }, /: mm_patch_merge_type: is "flat"/],
    [{ mm_newline_position: 'grid' }, /: mm_newline_position: is "grid", expected "one_token"/],
    [{ mm_spatial_pool_mode: 'average' }, /: mm_spatial_pool_mode: is "average"/],
    [{ mm_spatial_pool_stride: 4 }, /: mm_spatial_pool_stride: is 4, expected 2/],
    [{ mm_resampler_type: 'perceiver' }, /: mm_resampler_type: must be null/],
    [{ mm_use_im_start_end: true }, /: mm_use_im_start_end: is true/],
    [{ add_faster_video: true }, /: add_faster_video: is true/],
    [
      { image_aspect_ratio: 'anyres', mm_spatial_pool_mode: null },
      /: image_aspect_ratio: .*still images alone/,
    ],
    [{ use_sliding_window: true }, /x\/config\.json: use_sliding_window: is true, expected false/],
    [{ rope_scaling: { type: 'yarn' } }, /x\/config\.json: rope_scaling: is of type "yarn"/],
    [{ hidden_size: 0 }, /x\/config\.json: hidden_size: /],
  ])('is refused by its own key: %j', (change, message) => {
    expect(() => parseLlavaConfig(original(change), 'x/config.json')).toThrow(DataError);
    expect(() => parseLlavaConfig(original(change), 'x/config.json')).toThrow(message);
  });
});

describe('withPreprocessor', () => {
  const config = parseLlavaConfig(llavaJson());
  const read = async (json: object, name = 'preprocessor_config.json') => {
    const folder = await mkdtemp(join(scratch, 'files-'));
    await writeFile(join(folder, name), JSON.stringify(json));
    return (await withPreprocessor(config, folder)).normalisation;
  };

  it("keeps SigLIP's 0.5 without a file, and takes the file's numbers with one", async () => {
    const folder = await mkdtemp(join(scratch, 'none-'));
    expect((await withPreprocessor(config, folder)).normalisation.mean).toEqual([0.5, 0.5, 0.5]);
    const own = { image_mean: [0.1, 0.2, 0.3], image_std: [0.4, 0.5, 0.6] };
    expect(await read(own)).toEqual({ mean: own.image_mean, std: own.image_std });
    expect(await read({ video_processor: own }, 'processor_config.json')).toMatchObject({
      mean: own.image_mean,
    });
    expect(await read({ ...own, do_normalize: false })).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
  });

  it.each([
    [{ size: { height: 20, width: 20 } }, /size: is 20, but vision_config\.image_size of config\.json is 13/],
    [{ resample: 2 }, /resample: must be 3/],
    [{ rescale_factor: 1 }, /rescale_factor: is 1, expected 1 \/ 255/],
    [{ do_center_crop: true }, /do_center_crop: is true, expected false/],
    [{ image_std: [0, 1, 1] }, /image_std: must be above 0/],
    [{ image_mean: [1] }, /image_mean: must be three numbers/],
  ])('refuses %j', async (json, message) => {
    await expect(read(json)).rejects.toThrow(DataError);
    await expect(read(json)).rejects.toThrow(message);
  });
});

describe('canonicalName', () => {
  it.each([
    [
      'model.vision_tower.embeddings.patch_embedding.weight',
      'vision_tower.vision_model.embeddings.patch_embedding.weight',
    ],
    ['model.vision_tower.encoder.layers.3.mlp.fc1.bias', 'vision_tower.encoder.layers.3.mlp.fc1.bias'],
    [
      'model.vision_tower.post_layernorm.bias',
      'model.vision_tower.vision_tower.vision_model.post_layernorm.bias',
    ],
    ['model.multi_modal_projector.linear_2.weight', 'multi_modal_projector.linear_2.weight'],
    ['model.multi_modal_projector.linear_1.bias', 'model.mm_projector.0.bias'],
    ['model.image_newline', 'image_newline'],
    ['model.language_model.layers.0.mlp.up_proj.weight', 'language_model.model.layers.0.mlp.up_proj.weight'],
    ['model.language_model.layers.0.mlp.up_proj.weight', 'model.layers.0.mlp.up_proj.weight'],
    ['model.language_model.embed_tokens.weight', 'model.embed_tokens.weight'],
    ['lm_head.weight', 'language_model.lm_head.weight'],
  ])('finds %s in %s and in itself', (canonical, published) => {
    expect(canonicalName(published)).toBe(canonical);
    expect(canonicalName(canonical)).toBe(canonical);
  });

  it('knows no others', () => {
    for (const name of ['encoder.block.0', 'model.normal', 'qformer.x', 'mm_projector.0'])
      expect(canonicalName(name)).toBeUndefined();
  });
});

describe('poolingMatrix', () => {
  it('has the taps of torch at 27 tokens a side', () => {
    const first = [0, 2, 4, 6, 8, 10, 12, 13, 15, 17, 19, 21, 23, 25];
    const weight = [0.5357, 0.6071, 0.6786, 0.75, 0.8214, 0.8929, 0.9643, 0.0357, 0.1071, 0.1786, 0.25];
    const matrix = poolingMatrix(27);
    // Row i * 14 + i reads (first_i, first_i) with the square of its weight.
    for (let i = 0; i < 14; i++) {
      const at = (i * 14 + i) * 729 + first[i]! * 28;
      const w = weight[i] ?? matrix[at]! ** 0.5;
      expect(matrix[at]).toBeCloseTo(w * w, 3);
      expect(matrix[at + 28]).toBeCloseTo((1 - w) ** 2, 3);
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 27])('averages with weights of sum 1, grid %i', (side) => {
    const matrix = poolingMatrix(side);
    const rows = Math.ceil(side / 2) ** 2;
    for (let row = 0; row < rows; row++) {
      const values = matrix.subarray(row * side * side, (row + 1) * side * side);
      expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    }
  });
});
