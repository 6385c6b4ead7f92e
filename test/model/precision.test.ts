import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import { EngineError } from '../../src/errors.js';
import { inferenceContext } from '../../src/model/context.js';
import { bf16Parameters, usePrecision } from '../../src/model/precision.js';
import { isMixed } from '../../src/ops/bf16.js';
import { Rng } from '../../src/random.js';
import { onGpu } from '../support/cuda.js';
import { onEngines, tinyModel } from './support.js';

beforeAll(() => selectEngine('cpu'));

it('an engine without bf16 refuses it, naming the setting and the engine', () => {
  const refuse = () => usePrecision('bf16', 'model.precision');
  expect(refuse).toThrow(EngineError);
  expect(refuse).toThrow(/^model\.precision bf16: the engine cpu computes in f32 alone; use f32/);
});

it('takes linear weights and the head, and of those none that is trained', () => {
  const model = tinyModel();
  const names = (groups: Parameters<typeof bf16Parameters>[1]) =>
    [...bf16Parameters(model, groups)].map(({ name }) => name);
  const frozen = names(['lora']);
  expect(frozen).toContain('language_model.lm_head.weight');
  expect(frozen).toContain('vision_model.encoder.layers.0.self_attn.qkv.weight');
  expect(frozen).toContain('qformer.encoder.layer.0.attention.attention.query.weight');
  expect(frozen.every((name) => name.endsWith('.weight') && !/lora|norm|shared/i.test(name))).toBe(true);
  expect(names(['qformer']).some((name) => name.startsWith('qformer.'))).toBe(false);
  expect(names(['all'])).toEqual([]);
  model.dispose();
});

onEngines('precision bf16', ['native-cpu', 'native-cuda'], (engine) => {
  it('computes what stays float32 on 16-bit units where there are some, until f32 is chosen again', () => {
    const model = tinyModel();
    const { hidden_size: width } = model.config.vision_config;
    const rng = new Rng('features');
    const features = tf.tensor3d(
      Float32Array.from({ length: 2 * 5 * width }, () => rng.normal()),
      [2, 5, width],
    );
    const queries = () => tf.tidy(() => model.queryOutput(features, inferenceContext()).dataSync());
    const exact = queries();
    usePrecision('bf16', 'model.precision');
    expect(isMixed()).toBe(true);
    const mixed = queries();
    usePrecision('f32', 'model.precision');
    expect(isMixed()).toBe(false);
    expect(queries()).toEqual(exact);
    if (engine === 'native-cpu') expect(mixed).toEqual(exact);
    else expect(mixed).not.toEqual(exact);
    for (let i = 0; i < exact.length; i++) expect(Math.abs(mixed[i]! - exact[i]!)).toBeLessThan(5e-3);
    tf.dispose(features);
    model.dispose();
  });

  it('rounds large products of float32 where that is faster, until f32 is chosen again', () => {
    const rng = new Rng('large');
    const [a, b] = [0, 1].map(() =>
      tf.tensor2d(
        Float32Array.from({ length: 512 ** 2 }, () => rng.normal()),
        [512, 512],
      ),
    );
    const product = () => tf.tidy(() => tf.matMul(a!, b!).dataSync());
    const exact = product();
    usePrecision('bf16', 'model.precision');
    const rounded = product();
    usePrecision('f32', 'model.precision');
    expect(product()).toEqual(exact);
    if (engine === 'native-cpu') expect(rounded).toEqual(exact);
    // A GPU may gain nothing by it; the shim's is one that does.
    else if (!onGpu) expect(rounded).not.toEqual(exact);
    const worst = (rounded as Float32Array).reduce(
      (most, value, i) => Math.max(most, Math.abs(value - exact[i]!)),
      0,
    );
    // Errors of 11 bits, 0.03 here; those of 8 bits would be eight times as large.
    expect(worst).toBeLessThan(0.05);
    tf.dispose([a!, b!]);
  });
});
