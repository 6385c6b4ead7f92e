/** Losses and gradients of one batch. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { Blip2Student } from '../../src/model/blip2/student.js';
import { inferenceContext } from '../../src/model/context.js';
import type { Parameter } from '../../src/model/layers/module.js';
import type { Target } from '../../src/model/student.js';
import { selectTrainable } from '../../src/model/trainable.js';
import { evaluateLosses, gradients } from '../../src/training/gradients.js';
import { AdamW } from '../../src/training/optimizer.js';
import {
  OBJECTIVE,
  onEngines,
  randomBatch,
  relativeDifference,
  rowOf,
  type TestBatch,
  tinyStudent,
  trainingContext,
  useFastEngine,
} from '../model/support.js';

let student: Blip2Student;
afterEach(() => student.dispose());

/** Gradients as plain arrays by parameter name, with the losses. */
function gradientsOf({ input }: TestBatch, targets: readonly Target[], parameters: Parameter[]) {
  const { losses, grads } = gradients(student, input, targets, OBJECTIVE, parameters, trainingContext());
  const values = losses.read();
  const arrays = new Map(parameters.map((p, i) => [p.name, Float32Array.from(grads[i]!.dataSync())]));
  tf.dispose(grads);
  return { values, arrays };
}

const lossesOf = ({ input }: TestBatch, targets: readonly Target[]) =>
  evaluateLosses(student, input, targets, OBJECTIVE, inferenceContext());

describe('the losses of a batch', () => {
  beforeAll(useFastEngine);

  it('leave the reasoning out when no row has any, and when the batch has none', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('skip'), student.config);
    const { answer, reasoning } = batch;
    const parameters = selectTrainable(student, ['lora']);
    const nothing = { ...reasoning, rows: reasoning.rows.map(() => []) };
    const plain = gradientsOf(batch, [answer], parameters);
    expect(plain.values.parts).not.toHaveProperty('reasoning');
    expect(plain.values.loss).toBeCloseTo(0.2 * plain.values.parts.qa!, 6);
    expect(gradientsOf(batch, [answer, nothing], parameters)).toEqual(plain);
    expect(gradientsOf(batch, [nothing, answer], parameters)).toEqual(plain);
    batch.pixels.dispose();
  });

  it('weigh each target by its own tokens: a row without reasoning adds nothing to that loss', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('mixed'), student.config, { videos: 3, empty: [1, 2] });
    const one = rowOf(batch, 0);
    const mixed = lossesOf(batch, batch.targets);
    const single = lossesOf(one, one.targets);
    expect(mixed.parts.reasoning).toBeCloseTo(single.parts.reasoning!, 5);
    expect(mixed.parts.qa).not.toBeCloseTo(single.parts.qa!, 3);
    tf.dispose([batch.pixels, one.pixels]);
  });

  it('have an encoder pass of their own for a target with another prompt', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('second'), student.config, { secondPrompt: 5 });
    const { answer, reasoning, input } = batch;
    const values = lossesOf(batch, batch.targets);
    const first = lossesOf(batch, [answer]);
    const { prompts, ...shared } = reasoning;
    const second = lossesOf({ ...batch, input: { ...input, prompts: prompts! } }, [shared]);
    expect(values.parts.qa).toBeCloseTo(first.parts.qa!, 5);
    expect(values.parts.reasoning).toBeCloseTo(second.parts.reasoning!, 5);
    expect(values.loss).toBeCloseTo(0.2 * first.parts.qa! + 0.8 * second.parts.reasoning!, 5);

    const parameters = selectTrainable(student, ['all']);
    // A copy, which the student cannot know for the same prompts: they are encoded twice.
    const same = { ...reasoning, prompts: [...input.prompts] };
    const twice = gradientsOf(batch, [answer, same], parameters);
    const once = gradientsOf(batch, [answer, shared], parameters);
    expect(twice.values.loss).toBeCloseTo(once.values.loss, 5);
    for (const [name, values] of once.arrays) {
      if (/qformer.*\.key\.bias$/.test(name)) continue; // Zero in exact arithmetic: only rounding to compare.
      expect(relativeDifference(twice.arrays.get(name)!, values), name).toBeLessThan(1e-3);
    }
    batch.pixels.dispose();
  });

  it('start each target with its own token', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('starts'), student.config);
    const { answer, reasoning } = batch;
    const plain = lossesOf(batch, [answer, reasoning]);
    const cued = lossesOf(batch, [answer, { ...reasoning, start: 7 }]);
    expect(cued.parts.qa).toBe(plain.parts.qa);
    expect(cued.parts.reasoning).not.toBeCloseTo(plain.parts.reasoning!, 4);
    const start = student.config.text_config.decoder_start_token_id;
    expect(lossesOf(batch, [answer, { ...reasoning, start }])).toEqual(plain);
    batch.pixels.dispose();
  });

  it('are those that the gradients come with, by name, whatever the order of the targets', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('named'), student.config);
    const { answer, reasoning, input } = batch;
    const third = { name: 'third', rows: answer.rows };
    const values = lossesOf(batch, [answer, reasoning, third]);
    expect(values.parts.third).toBeCloseTo(values.parts.qa!, 5);
    expect(values.loss).toBeCloseTo(0.2 * values.parts.qa! + 0.8 * values.parts.reasoning!, 5);
    const turned = lossesOf(batch, [third, reasoning, answer]);
    for (const name of ['qa', 'reasoning', 'third'])
      expect(turned.parts[name]).toBeCloseTo(values.parts[name]!, 5);
    const parameters = selectTrainable(student, ['lora']);
    const targets = [answer, reasoning, third];
    const { losses, grads } = gradients(student, input, targets, OBJECTIVE, parameters, inferenceContext());
    expect(losses.read()).toEqual(values);
    tf.dispose([batch.pixels, ...grads]);
  });

  it('need a target that has a token, and leave no tensor behind without one', () => {
    student = tinyStudent();
    const batch = randomBatch(new Rng('none'), student.config);
    const parameters = selectTrainable(student, ['lora']);
    const nothing = { ...batch.answer, rows: batch.answer.rows.map(() => []) };
    const before = tf.memory().numTensors;
    expect(() => gradientsOf(batch, [nothing], parameters)).toThrow(/no target has a token/);
    expect(() => gradientsOf(batch, [], parameters)).toThrow(/no target has a token/);
    expect(tf.memory().numTensors).toBe(before);
    batch.pixels.dispose();
  });

  it('that nobody reads are freed', () => {
    student = tinyStudent();
    const { input, targets, pixels } = randomBatch(new Rng('unread'), student.config);
    const parameters = selectTrainable(student, ['lora']);
    const before = tf.memory().numTensors;
    const { losses, grads } = gradients(student, input, targets, OBJECTIVE, parameters, inferenceContext());
    expect(tf.memory().numTensors).toBe(before + grads.length + 1);
    losses.dispose();
    tf.dispose(grads);
    expect(tf.memory().numTensors).toBe(before);
    pixels.dispose();
  });
});

onEngines('a training step', ['native-cpu', 'native-cuda'], () => {
  it.each([false, true])(
    'waits for nothing but the loss, when that is read; recomputing: %s',
    (recompute) => {
      student = tinyStudent();
      const { input, targets, pixels } = randomBatch(new Rng('asynchronous'), student.config);
      const parameters = selectTrainable(student, ['all']);
      const optimizer = new AdamW(parameters, {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weightDecay: 0.1,
        clipNorm: 0,
      });
      const backend = tf.backend();
      const readSync = backend.readSync;
      let reads = 0;
      backend.readSync = function (dataId: object) {
        reads++;
        return readSync.call(this, dataId);
      };
      try {
        const context = trainingContext(recompute);
        const { losses, grads } = gradients(student, input, targets, OBJECTIVE, parameters, context);
        optimizer.update(grads, () => 1e-3);
        expect(reads).toBe(0);
        expect(losses.read().loss).toBeGreaterThan(0);
        expect(reads).toBe(1);
        tf.dispose(grads);
      } finally {
        backend.readSync = readSync;
        optimizer.dispose();
        pixels.dispose();
      }
    },
  );
});
