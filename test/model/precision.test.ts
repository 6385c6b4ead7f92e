/** The weights that precision bf16 stores in bf16. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { EngineError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { selectEngine } from '../../src/engine/engine.js';
import type { Precision } from '../../src/model/context.js';
import { inferenceContext } from '../../src/model/context.js';
import { bf16Parameters, requirePrecision } from '../../src/model/precision.js';
import { withHalfProducts } from '../../src/ops/bf16.js';
import { onGpu } from '../support/cuda.js';
import { onEngines, randomBatch, tinyStudent } from './support.js';

beforeAll(() => selectEngine('cpu'));

it('an engine without bf16 refuses it, naming the setting and the engine', () => {
  const refuse = () => requirePrecision('bf16', 'model.precision');
  expect(refuse).toThrow(EngineError);
  expect(refuse).toThrow(/^model\.precision bf16: the engine cpu computes in f32 alone; use f32/);
  expect(() => requirePrecision('f32', 'model.precision')).not.toThrow();
});

it('takes linear weights and the head, and of those none that is trained', () => {
  const student = tinyStudent();
  const names = (groups: readonly string[]) => [...bf16Parameters(student, groups)].map(({ name }) => name);
  const frozen = names(['lora']);
  expect(frozen).toContain('language_model.lm_head.weight');
  expect(frozen).toContain('vision_model.encoder.layers.0.self_attn.qkv.weight');
  expect(frozen).toContain('qformer.encoder.layer.0.attention.attention.query.weight');
  expect(frozen.every((name) => name.endsWith('.weight') && !/lora|norm|shared/i.test(name))).toBe(true);
  expect(names(['qformer']).some((name) => name.startsWith('qformer.'))).toBe(false);
  expect(names(['all'])).toEqual([]);
  student.dispose();
});

onEngines('precision bf16', ['native-cpu', 'native-cuda'], (engine) => {
  it('multiplies float32 weights on 16-bit units where the engine has some, and only there', () => {
    const student = tinyStudent();
    const { hidden_size: width } = student.config.vision_config;
    const rng = new Rng('features');
    const features = tf.tensor3d(
      Float32Array.from({ length: 2 * 5 * width }, () => rng.normal()),
      [2, 5, width],
    );
    const queries = (precision: Precision) => {
      const context = inferenceContext(precision);
      return withHalfProducts(context.mixed, () =>
        tf.tidy(() => student.module.queryOutput(features, context).dataSync()),
      );
    };
    const exact = queries('f32');
    expect(inferenceContext('bf16').mixed).toBe(true);
    const mixed = queries('bf16');
    expect(inferenceContext('f32').mixed).toBe(false);
    expect(queries('f32')).toEqual(exact);
    if (engine === 'native-cpu') expect(mixed).toEqual(exact);
    else expect(mixed).not.toEqual(exact);
    for (let i = 0; i < exact.length; i++) expect(Math.abs(mixed[i]! - exact[i]!)).toBeLessThan(5e-3);
    tf.dispose(features);
    student.dispose();
  });

  it('belongs to each student: another student of another precision changes no result', () => {
    const students = (['f32', 'bf16'] as const).map((precision) => tinyStudent({}, { precision }));
    const { input, targets, pixels } = randomBatch(new Rng('own'), students[0]!.config);
    const outputs = (student: (typeof students)[number]) => {
      const features = student.features(pixels);
      const encoded = student.encode({ ...input, visual: { features } });
      const { ids } = student.generate(encoded, { maxNewTokens: 4 });
      const scores = student.tokenScores(encoded, [5], [1, 2, 3]);
      const losses = tf.tidy(() =>
        student.losses(input, targets, inferenceContext(student.precision)).values.arraySync(),
      );
      const seen = { features: features.dataSync(), ids, scores, losses };
      features.dispose();
      encoded.dispose();
      return seen;
    };
    const [exact, mixed] = students.map(outputs);
    expect(students.map(outputs)).toEqual([exact, mixed]);
    expect(students.reverse().map(outputs)).toEqual([mixed, exact]);
    if (engine === 'native-cpu') expect(mixed).toEqual(exact);
    else expect(mixed!.losses).not.toEqual(exact!.losses);
    pixels.dispose();
    for (const student of students) student.dispose();
  });

  it('rounds large products of float32 where that is faster, and only where asked, after an error inside too', () => {
    const rng = new Rng('large');
    const [a, b] = [0, 1].map(() =>
      tf.tensor2d(
        Float32Array.from({ length: 512 ** 2 }, () => rng.normal()),
        [512, 512],
      ),
    );
    const product = () => tf.tidy(() => tf.matMul(a!, b!).dataSync());
    const exact = product();
    const rounded = withHalfProducts(true, () => {
      const failing = () =>
        withHalfProducts(false, () => {
          throw new Error('inside');
        });
      expect(failing).toThrow('inside');
      return product();
    });
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
