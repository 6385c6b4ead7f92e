/** The student as tfjs layers: parameters, names, trainable groups. */
import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Blip2 } from '../../src/model/blip2/blip2.js';
import { blip2 } from '../../src/model/blip2/kind.js';
import { T5Block } from '../../src/model/blip2/t5.js';
import { inferenceContext } from '../../src/model/context.js';
import { Linear, linearsOf } from '../../src/model/layers/linear.js';
import { initialiseMissing } from '../../src/model/layers/module.js';
import { selectTrainable, trainsVision } from '../../src/model/trainable.js';
import { evaluateLosses } from '../../src/training/gradients.js';
import { expectedTensors } from '../weights/layout.js';
import { OBJECTIVE, randomBatch, tinyConfig, tinyModel, tinyStudent, useFastEngine } from './support.js';

beforeAll(useFastEngine);

describe('the student as tfjs layers', () => {
  it('is a tree of tf.layers.Layer, each with a config and a class name', () => {
    const model = tinyModel();
    for (const module of model.modules()) {
      expect(module).toBeInstanceOf(layers.Layer);
      expect(module.getClassName()).toMatch(/^[A-Z]\w+$/);
      expect(module.getConfig()).toMatchObject({ name: module.name });
      expect(JSON.parse(JSON.stringify(module.getConfig()))).toEqual(module.getConfig());
    }
    const [linear] = [...model.modules()].filter((module) => module instanceof Linear);
    expect(linear!.getConfig()).toMatchObject({ inFeatures: 12, outFeatures: 36, bias: true });
    model.dispose();
  });

  it('counts every weight once, under the names of the Hugging Face checkpoint', () => {
    const model = tinyModel({}, { lora: null });
    const expected = expectedTensors(model.config);
    expect(new Map([...model.parameters()].map((p) => [p.name, p.shape]))).toEqual(expected);
    const total = [...expected.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(model.countParams()).toBe(total);
    expect(model.weights).toHaveLength(expected.size);
    expect(model.getWeights()).toHaveLength(expected.size);
    expect(new Set(model.weights.map((weight) => weight.originalName)).size).toBe(expected.size);
    model.dispose();
  });

  it('has the layout of BLIP-2 FlanT5-XL at its sizes, without holding a byte of it', () => {
    const before = tf.memory().numBytes;
    const model = new Blip2(
      tinyConfig({
        vision_config: {
          hidden_size: 1408,
          intermediate_size: 6144,
          num_hidden_layers: 39,
          num_attention_heads: 16,
          image_size: 224,
          patch_size: 14,
        },
        qformer_config: {
          hidden_size: 768,
          num_hidden_layers: 12,
          num_attention_heads: 12,
          intermediate_size: 3072,
          encoder_hidden_size: 1408,
        },
        text_config: {
          vocab_size: 32128,
          d_model: 2048,
          d_kv: 64,
          d_ff: 5120,
          num_layers: 24,
          num_heads: 32,
        },
        num_query_tokens: 32,
      }),
    );
    const count = (prefix: string) =>
      [...model.parameters()].filter((p) => p.name.startsWith(prefix)).reduce((sum, p) => sum + p.size, 0);
    // Counted on the model that transformers builds (reference: Hugging Face Blip2ForConditionalGeneration).
    expect(count('vision_model.')).toBe(985_952_256);
    expect(count('qformer.')).toBe(105_137_664);
    expect(count('query_tokens')).toBe(24_576);
    expect(count('language_projection.')).toBe(1_574_912);
    expect(count('language_model.')).toBe(2_849_757_184);
    for (const [path, linear] of linearsOf(model))
      if (/\.(q|v)$/.test(path)) linear.addLora({ r: 8, scaling: 4, dropout: 0.1 });
    const lora = [...model.parameters()].filter((p) => p.name.includes('.lora_'));
    expect(lora).toHaveLength(72 * 2 * 2);
    expect(lora.reduce((sum, p) => sum + p.size, 0)).toBe(4_718_592);
    expect(tf.memory().numBytes).toBe(before);
  });

  it('gives back everything it holds', () => {
    const before = tf.memory();
    const student = tinyStudent();
    const { module: model } = student;
    const batch = randomBatch(new Rng('memory'), model.config);
    evaluateLosses(student, batch.input, batch.targets, OBJECTIVE, inferenceContext());
    expect(tf.memory().numTensors).toBe(before.numTensors + model.weights.length + 1);
    batch.pixels.dispose();
    expect(model.dispose().numDisposedVariables).toBe(model.weights.length);
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
  });

  it('gives features and leaves nothing else behind, without a scope too', () => {
    const model = tinyModel();
    const { pixels } = randomBatch(new Rng('scope'), model.config);
    const before = tf.memory().numTensors;
    model.visionFeatures(pixels).dispose();
    expect(tf.memory().numTensors).toBe(before);
    pixels.dispose();
    model.dispose();
  });

  it('can be applied as plain layers', () => {
    const model = tinyModel();
    const batch = randomBatch(new Rng('apply'), model.config);
    tf.tidy(() => {
      const image = model.vision.apply(batch.pixels) as tf.Tensor3D;
      expect(image.shape).toEqual(model.vision.computeOutputShape(batch.pixels.shape));
      const context = inferenceContext();
      const same = model.vision.postLayernorm.forward(model.visionFeatures(batch.pixels));
      expect(image.dataSync()).toEqual(same.dataSync());
      const queries = tf.tile(model.queryTokens.value as tf.Tensor3D, [image.shape[0], 1, 1]);
      const gathered = model.qformer.apply([queries, image]) as tf.Tensor3D;
      expect(gathered.dataSync()).toEqual(model.queryOutput(image, context).dataSync());
      const projected = model.languageProjection.apply(gathered) as tf.Tensor3D;
      expect(projected.shape).toEqual(model.languageProjection.computeOutputShape(gathered.shape));
      const encoded = model.languageModel.encoder.apply(projected) as tf.Tensor3D;
      expect(encoded.shape).toEqual(projected.shape);
    });
    const part = [...model.modules()].find((module) => module instanceof T5Block)!;
    expect(() => part.apply(batch.pixels)).toThrow(`${part.path}: use its own methods`);
    batch.pixels.dispose();
    model.dispose();
  });
});

describe('a parameter', () => {
  it('begins by its own name and the seed, whatever else there is', () => {
    const [a, b] = [
      new Blip2(tinyConfig()),
      new Blip2(tinyConfig({ qformer_config: { num_hidden_layers: 1 } })),
    ];
    expect(initialiseMissing(a, new Rng(3))).toContain('query_tokens');
    expect(initialiseMissing(a, new Rng(3))).toEqual([]);
    initialiseMissing(b, new Rng(3));
    const values = (model: Blip2, name: string) =>
      [...model.parameters()].find((p) => p.name === name)!.value.dataSync();
    for (const name of ['query_tokens', 'language_model.shared.weight'])
      expect(values(a, name)).toEqual(values(b, name));
    expect(values(a, 'query_tokens')).not.toEqual(values(a, 'language_projection.bias'));
    a.dispose();
    b.dispose();
  });

  it('cannot be read before it has a value, nor take one of another shape', () => {
    const model = new Blip2(tinyConfig());
    expect(() => model.queryTokens.value).toThrow('query_tokens: used before it was loaded');
    const wrong = tf.zeros([1, 2]);
    expect(() => model.queryTokens.set(wrong)).toThrow(/query_tokens/);
    wrong.dispose();
  });
});

describe('trainable parameters', () => {
  const EXPECTED: Record<string, RegExp> = {
    qformer: /^qformer\./,
    query_tokens: /^query_tokens$/,
    language_projection: /^language_projection\.(weight|bias)$/,
    post_layernorm: /^vision_model\.post_layernorm\.(weight|bias)$/,
    lora: /^language_model\..*\.lora_[AB]\.weight$/,
    all: /./,
  };

  it.each([...blip2.groups, 'lora', 'all'])('%s is exactly its parameters', (group) => {
    const student = tinyStudent();
    const { module: model } = student;
    const chosen = selectTrainable(student, [group]).map((p) => p.name);
    const names = [...model.parameters()].map((p) => p.name);
    expect(chosen).toEqual(names.filter((name) => EXPECTED[group]!.test(name)));
    expect(chosen.length).toBeGreaterThan(0);
    expect(model.trainableWeights.map((w) => w.originalName).sort()).toEqual([...chosen].sort());
    expect(model.nonTrainableWeights).toHaveLength(names.length - chosen.length);
    model.dispose();
  });

  it('follows the last selection', () => {
    const student = tinyStudent();
    const { module: model } = student;
    selectTrainable(student, ['all']);
    const chosen = selectTrainable(student, ['lora', 'query_tokens']);
    expect(chosen).toHaveLength(25);
    expect(model.trainableWeights).toHaveLength(25);
    expect(selectTrainable(student, [])).toEqual([]);
    model.dispose();
  });

  it('needs pixels only when the vision model before post_layernorm learns', () => {
    const student = tinyStudent();
    const { module: model } = student;
    expect(trainsVision(student, selectTrainable(student, ['post_layernorm', 'qformer', 'lora']))).toBe(
      false,
    );
    expect(trainsVision(student, selectTrainable(student, ['all']))).toBe(true);
    model.dispose();
  });
});
