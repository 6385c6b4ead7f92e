/** BLIP-2's forward pass: packing, recomputation, precision. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { EncoderBatch } from '../../src/model/blip2/blip2.js';
import type { Blip2Student } from '../../src/model/blip2/student.js';
import { type Context, inferenceContext } from '../../src/model/context.js';
import type { Parameter } from '../../src/model/layers/module.js';
import { bf16Parameters } from '../../src/model/precision.js';
import type { Target } from '../../src/model/student.js';
import { padTokens } from '../../src/model/tokens.js';
import { selectTrainable } from '../../src/model/trainable.js';
import { tidied } from '../../src/ops/tidied.js';
import { evaluateLosses, gradients } from '../../src/training/gradients.js';
import {
  DROPOUT,
  encoderBatch,
  labelsOf,
  OBJECTIVE,
  onEngines,
  randomBatch,
  relativeDifference,
  rowOf,
  type TestBatch,
  tinyStudent,
  trainingContext,
  useFastEngine,
  weighted,
} from './support.js';

let student: Blip2Student;
afterEach(() => student.dispose());

/** Gradients of the named targets as plain arrays by parameter name, with the losses. */
function gradientsOf(
  { input, targets }: Pick<TestBatch, 'input' | 'targets'>,
  parameters: Parameter[],
  context: Context = trainingContext(),
  objective = OBJECTIVE,
) {
  const { losses, grads } = gradients(student, input, targets, objective, parameters, context);
  const values = losses.read();
  const arrays = new Map(parameters.map((p, i) => [p.name, Float32Array.from(grads[i]!.dataSync())]));
  tf.dispose(grads);
  return { values, arrays };
}

/** The loss of one batch without gradients. */
const lossOf = ({ input, targets }: TestBatch, context: Context) =>
  evaluateLosses(student, input, targets, OBJECTIVE, context).loss;

/** All gradients in one: those of keys' biases are 0 but for rounding, and differ by as much as they are. */
const allOf = ({ arrays }: { arrays: Map<string, Float32Array> }): number[] =>
  [...arrays.values()].flatMap((values) => [...values]);

function logitsOf({ input, pixels }: TestBatch, targets: readonly Target[]): Float32Array[] {
  const { module } = student;
  return tidied(() => {
    const context = inferenceContext();
    const projected = module.project(module.visionFeatures(pixels), context);
    const encoded = module.encode(projected, encoderBatch(input), context);
    const packed = module.pack(labelsOf(targets));
    const logits = module.logits(module.decode(encoded, packed, context));
    return tf.split(logits, packed.lengths, 1).map((part) => part.dataSync() as Float32Array);
  });
}

onEngines('packed answer and reasoning', ['native-cpu', 'native-cuda', 'cpu', 'tensorflow'], (engine) => {
  // The two slow engines, of which one is the shim, see fewer shapes.
  const rounds = ['cpu', 'native-cuda'].includes(engine) ? 2 : 8;

  it('equal two separate passes in losses, logits and gradients to 1e-5', () => {
    const rng = new Rng('packed');
    for (let round = 0; round < rounds; round++) {
      student = tinyStudent({}, { seed: round });
      const videos = 2 + rng.int(3);
      const empty = [...Array(videos).keys()].filter(() => rng.float() < 0.3);
      const batch = randomBatch(rng, student.config, {
        videos,
        frames: 1 + rng.int(3),
        prompt: 2 + rng.int(8),
        answer: 1 + rng.int(5),
        reasoning: 1 + rng.int(24),
        empty: empty.length < videos ? empty : [],
      });
      const [answer, reasoning] = logitsOf(batch, batch.targets);
      expect(relativeDifference(answer!, logitsOf(batch, [batch.answer])[0]!)).toBeLessThan(1e-5);
      expect(relativeDifference(reasoning!, logitsOf(batch, [batch.reasoning])[0]!)).toBeLessThan(1e-5);

      const parameters = selectTrainable(student, ['all']);
      const both = gradientsOf(batch, parameters);
      const alone = (target: Target) =>
        gradientsOf({ ...batch, targets: [target] }, parameters, trainingContext(), weighted(1, 1));
      const [first, second] = [alone(batch.answer), alone(batch.reasoning)];
      const [qa, rea] = [first.values.parts.qa!, second.values.parts.reasoning!];
      expect(both.values.parts.qa).toBeCloseTo(qa, 5);
      expect(both.values.parts.reasoning).toBeCloseTo(rea, 5);
      expect(both.values.loss).toBeCloseTo(0.2 * qa + 0.8 * rea, 5);
      const largest = Math.max(
        ...[...both.arrays.values()].flatMap((values) =>
          values.map(Math.abs).reduce((a, b) => Math.max(a, b), 0),
        ),
      );
      for (const [name, actual] of both.arrays) {
        const [a, b] = [first.arrays.get(name)!, second.arrays.get(name)!];
        const worst = actual.reduce(
          (w, value, i) => Math.max(w, Math.abs(value - 0.2 * a[i]! - 0.8 * b[i]!)),
          0,
        );
        expect(worst / largest, name).toBeLessThan(1e-5);
      }
      batch.pixels.dispose();
      if (round < rounds - 1) student.dispose();
    }
  });

  it('leave the answer as it is, whatever the reasoning says', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('apart'), student.config);
    const changed = { ...batch.reasoning, rows: batch.reasoning.rows.map((row) => row.map(() => 2)) };
    const [before, reasoning] = logitsOf(batch, batch.targets);
    const [after, other] = logitsOf(batch, [batch.answer, changed]);
    expect(after).toEqual(before);
    expect(other).not.toEqual(reasoning);
    batch.pixels.dispose();
  });
});

onEngines('recomputation with dropout', ['native-cpu', 'native-cuda', 'cpu', 'tensorflow'], () => {
  // Where a tensor is read twice its gradients are added in another order: losses agree in every bit, gradients to
  // rounding. Other dropout bits would change both by far more (the last line of the test shows it).
  it.each([['all'], ['lora', 'qformer']] as const)('draws the same bits again when %s learn', (...groups) => {
    student = tinyStudent(DROPOUT, { lora: { r: 2, scaling: 2, dropout: 0.3 } });
    const parameters = selectTrainable(student, groups);
    const batch = randomBatch(new Rng('recompute'), student.config);
    const kept = gradientsOf(batch, parameters);
    const recomputed = gradientsOf(batch, parameters, trainingContext(true));
    const again = gradientsOf(batch, parameters, trainingContext(true));
    const light = gradientsOf(batch, parameters, trainingContext('light'));
    const other = gradientsOf(batch, parameters, trainingContext(true, 6));
    expect(light.values).toEqual(kept.values);
    expect(recomputed.values).toEqual(kept.values);
    expect(again).toEqual(recomputed);
    const difference = (gradients: typeof kept) => relativeDifference(allOf(gradients), allOf(kept));
    expect(difference(recomputed)).toBeLessThan(3e-6);
    expect(difference(light)).toBeLessThan(3e-6);
    expect(difference(other)).toBeGreaterThan(1e-2);
    batch.pixels.dispose();
  });
});

onEngines('recomputation in bf16', ['native-cpu', 'native-cuda', 'tensorflow'], () => {
  it('gives the losses and gradients of keeping', () => {
    student = tinyStudent(DROPOUT, { lora: { r: 2, scaling: 2, dropout: 0.3 }, precision: 'bf16' });
    const groups = ['lora', 'qformer'] as const;
    const parameters = selectTrainable(student, groups);
    for (const parameter of bf16Parameters(student, groups))
      tf.tidy(() => parameter.setBf16(tf.clone(parameter.value)));
    const batch = randomBatch(new Rng('recompute in bf16'), student.config);
    const kept = gradientsOf(batch, parameters, trainingContext(false, 5, 'bf16'));
    for (const recompute of [true, 'light'] as const) {
      const recomputed = gradientsOf(batch, parameters, trainingContext(recompute, 5, 'bf16'));
      expect(recomputed.values).toEqual(kept.values);
      expect(relativeDifference(allOf(recomputed), allOf(kept))).toBeLessThan(1e-5);
    }
    batch.pixels.dispose();
  });
});

describe('dropout', () => {
  beforeAll(useFastEngine);

  it('follows the seed, and is off in evaluation and with rates of 0', () => {
    student = tinyStudent(DROPOUT, { lora: { r: 2, scaling: 2, dropout: 0.3 } });
    const batch = randomBatch(new Rng('dropout'), student.config);
    const loss = (seed: number) => lossOf(batch, trainingContext(false, seed));
    const off = lossOf(batch, inferenceContext());
    expect(loss(1)).toBe(loss(1));
    expect(loss(1)).not.toBe(loss(2));
    expect(loss(1)).not.toBe(off);
    student.dispose();
    student = tinyStudent({}, { lora: { r: 2, scaling: 2, dropout: 0 } });
    expect(loss(1)).toBe(lossOf(batch, inferenceContext()));
    batch.pixels.dispose();
  });

  it.each([
    ['the vision attention', { vision_config: { attention_dropout: 0.5 } }],
    ['the Q-Former', { qformer_config: { hidden_dropout_prob: 0.5 } }],
    ['the Q-Former attention', { qformer_config: { attention_probs_dropout_prob: 0.5 } }],
    ['T5', { text_config: { dropout_rate: 0.5 } }],
  ])('reaches %s', (_, sections) => {
    student = tinyStudent(sections);
    const batch = randomBatch(new Rng('where'), student.config);
    const dropped = lossOf(batch, trainingContext());
    expect(dropped).not.toBe(lossOf(batch, inferenceContext()));
    batch.pixels.dispose();
  });

  it('is as strong as its rate: the mean loss over many draws is near the one without', () => {
    student = tinyStudent({ text_config: { dropout_rate: 0.02 } });
    const batch = randomBatch(new Rng('mean'), student.config);
    const off = lossOf(batch, inferenceContext());
    const draws = Array.from({ length: 40 }, (_, seed) => lossOf(batch, trainingContext(false, seed)));
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    const deviation = Math.sqrt(draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length);
    expect(deviation).toBeGreaterThan(0);
    // Four standard errors, and what the curvature of the loss adds.
    expect(Math.abs(mean - off)).toBeLessThan((4 * deviation) / Math.sqrt(draws.length) + 0.05 * off);
    batch.pixels.dispose();
  });
});

describe('the encoder', () => {
  beforeAll(useFastEngine);

  it('does not see padding: values in padded places change nothing', () => {
    student = tinyStudent();
    const { module } = student;
    const { input, targets, pixels } = randomBatch(new Rng('padding'), student.config);
    const [zeros, others] = [0, 17].map((id) => ({
      ...encoderBatch(input),
      prompt: padTokens(input.prompts, id),
    }));
    expect(others!.prompt.ids).not.toEqual(zeros!.prompt.ids);
    const context = inferenceContext();
    const losses = (encoder: EncoderBatch) =>
      tf.tidy(() => {
        const encoded = module.encode(
          module.project(module.visionFeatures(pixels), context),
          encoder,
          context,
        );
        const packed = module.pack(labelsOf(targets));
        return module.tokenLosses(module.decode(encoded, packed, context), packed).arraySync();
      });
    expect(losses(others!)).toEqual(losses(zeros!));
    pixels.dispose();
  });

  it('computes the same for each video in a batch and alone', () => {
    student = tinyStudent();
    const { module } = student;
    const batch = randomBatch(new Rng('alone'), student.config, { videos: 3 });
    const context = inferenceContext();
    const hidden = ({ pixels, input }: TestBatch) =>
      tf.tidy(() =>
        module
          .encode(module.project(module.visionFeatures(pixels), context), encoderBatch(input), context)
          .hidden.arraySync(),
      );
    const together = hidden(batch);
    for (let b = 0; b < 3; b++) {
      const own = rowOf(batch, b);
      const [alone] = hidden(own);
      // Rows of the batch are longer by its padding.
      expect(relativeDifference(together[b]!.slice(0, alone!.length).flat(), alone!.flat())).toBeLessThan(
        1e-5,
      );
      own.pixels.dispose();
    }
    batch.pixels.dispose();
  });

  it('refuses pixels of another size and ids that do not fit, with the reason', () => {
    student = tinyStudent();
    const { module } = student;
    const wrong = tf.zeros([2, 3, 8, 8]) as tf.Tensor4D;
    expect(() => student.features(wrong)).toThrow(/expected pixels \(n, 3, 9, 9\), got \(2, 3, 8, 8\)/);
    const batch = randomBatch(new Rng('wrong'), student.config);
    const whole = encoderBatch(batch.input);
    const bad = { ...whole, prompt: { ...whole.prompt, columns: 5 } };
    const context = inferenceContext();
    const projected = tf.tidy(() => module.project(module.visionFeatures(batch.pixels), context));
    expect(() => module.encode(projected, bad, context)).toThrow(/18 token ids for 3 rows of 5/);
    tf.dispose([wrong, batch.pixels, projected]);
  });
});
