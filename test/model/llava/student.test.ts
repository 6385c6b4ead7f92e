/** LLaVA-OneVision: packing, padding, decoding, recomputation. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { inferenceContext } from '../../../src/model/context.js';
import type { ReadPrompts } from '../../../src/model/llava/generate.js';
import type { LlavaStudent } from '../../../src/model/llava/student.js';
import { bf16Parameters } from '../../../src/model/precision.js';
import type { Target } from '../../../src/model/student.js';
import { selectTrainable } from '../../../src/model/trainable.js';
import { evaluateLosses, gradients } from '../../../src/training/gradients.js';
import { AdamW } from '../../../src/training/optimizer.js';
import { onEngines, trainingContext, weighted } from '../support.js';
import { type LlavaBatch, llavaBatch, rowOf, tinyLlava } from './support.js';

let student: LlavaStudent;
afterEach(() => student.dispose());

/** Losses of every token, by target and row. */
function tokens({ input }: LlavaBatch, targets: readonly Target[]): Record<string, number[]> {
  return tf.tidy(() => {
    const losses = student.losses(input, targets, inferenceContext());
    const values = losses.values.dataSync();
    const found: Record<string, number[]> = {};
    values.forEach((value, i) => {
      const key = `${targets[losses.target[i]!]!.name} ${losses.row[i]}`;
      found[key] = [...(found[key] ?? []), value];
    });
    return found as unknown as tf.TensorContainerObject;
  }) as unknown as Record<string, number[]>;
}

function largestDifference(a: Record<string, number[]>, b: Record<string, number[]>): number {
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  return Math.max(
    ...Object.entries(a).flatMap(([key, values]) => values.map((v, i) => Math.abs(v - b[key]![i]!))),
  );
}

function gradientsOf(batch: LlavaBatch, targets: readonly Target[], recompute: boolean | 'light' = false) {
  const parameters = selectTrainable(student, student.kind.defaultGroups);
  const context = { ...trainingContext(), recompute };
  const { losses, grads } = gradients(student, batch.input, targets, weighted(0.2, 0.8), parameters, context);
  losses.dispose();
  const values = grads.map((grad) => [...grad.dataSync()]);
  tf.dispose(grads);
  return values;
}

const worst = (a: number[][], b: number[][]) =>
  Math.max(
    ...a.map((values, i) => {
      const scale = Math.max(1e-3, ...values.map(Math.abs));
      return Math.max(...values.map((v, j) => Math.abs(v - b[i]![j]!))) / scale;
    }),
  );

onEngines('LLaVA-OneVision', ['native-cpu', 'cpu'], () => {
  it('computes both losses in one pass as in one pass for each, gradients included', () => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng('packed'), student);
    const [qa, reasoning] = batch.targets;
    const together = tokens(batch, batch.targets);
    const apart = { ...tokens(batch, [qa]), ...tokens(batch, [reasoning]) };
    expect(largestDifference(together, apart)).toBeLessThan(1e-5);
    const [first, second] = [gradientsOf(batch, [qa]), gradientsOf(batch, [reasoning])];
    const sum = first.map((values, i) => values.map((v, j) => v + second[i]![j]!));
    expect(worst(gradientsOf(batch, batch.targets), sum)).toBeLessThan(1e-5);
    tf.dispose(batch.input.visual.features);
  });

  it.each([1, 2, 3])('computes a row of a padded batch as it computes the row alone, batch %i', (seed) => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng(`padded ${seed}`), student, 5);
    const together = tokens(batch, batch.targets);
    for (let row = 0; row < 5; row++) {
      const one = rowOf(batch, row);
      const alone = Object.entries(tokens(one, one.targets)).map(([key, values]) => [
        key.replace(/\d+$/, `${row}`),
        values,
      ]);
      for (const [key, values] of alone as [string, number[]][])
        for (const [i, value] of values.entries())
          expect(Math.abs(value - together[key]![i]!)).toBeLessThan(1e-6);
    }
    tf.dispose(batch.input.visual.features);
  });

  it('writes greedily what teacher forcing finds likeliest, whatever else is in the batch', () => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng('greedy'), student);
    const encoded = student.encode(batch.input);
    const { ids, logProbs } = student.generate(encoded, { maxNewTokens: 5, logProbs: true });
    const found = tf.tidy(() => {
      const losses = student.losses(batch.input, [{ name: 'qa', rows: ids }], inferenceContext());
      return {
        likeliest: losses.likeliest(),
        values: losses.values.dataSync(),
      } as unknown as tf.TensorContainerObject;
    }) as unknown as { likeliest: Int32Array; values: Float32Array };
    expect([...found.likeliest]).toEqual(ids.flat());
    for (const [i, value] of logProbs.flat().entries()) expect(value).toBeCloseTo(-found.values[i]!, 4);
    const one = encoded.pick(1);
    expect(student.generate(one, { maxNewTokens: 5 }).ids).toEqual([ids[1]]);
    one.dispose();
    encoded.dispose();
    tf.dispose(batch.input.visual.features);
  });

  it('scores tokens after a prefix as teacher forcing does', () => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng('scores'), student, 2);
    const encoded = student.encode(batch.input);
    for (const prefix of [[], [7], [7, 3]]) {
      const scores = student.tokenScores(encoded, prefix, [1, 2]);
      const losses = [1, 2].map((id) =>
        tokens(batch, [
          {
            name: 'qa',
            rows: [
              [...prefix, id],
              [...prefix, id],
            ],
          },
        ]),
      );
      for (const row of [0, 1]) {
        const [a, b] = losses.map((each) => each[`qa ${row}`]!.at(-1)!);
        expect(scores[row]![0]! - scores[row]![1]!).toBeCloseTo(b! - a!, 4);
      }
    }
    encoded.dispose();
    tf.dispose(batch.input.visual.features);
  });
});

onEngines('LLaVA-OneVision behind its last position', ['native-cpu'], () => {
  it('writes what a model with more positions writes, and says so once', () => {
    const written = (positions: number) => {
      student = tinyLlava({ text: { max_position_embeddings: positions } });
      const batch = llavaBatch(new Rng('long'), student);
      const encoded = student.encode(batch.input) as ReadPrompts;
      const { ids } = student.generate(encoded, { maxNewTokens: 9 });
      const longest = encoded.columns + 9;
      encoded.dispose();
      tf.dispose(batch.input.visual.features);
      return { ids, longest, notices: [student.notice(), student.notice()] };
    };
    const roomy = written(64);
    expect(roomy.notices).toEqual([undefined, undefined]);
    student.dispose();
    const { ids, longest, notices } = written(roomy.longest - 8);
    expect(ids).toEqual(roomy.ids);
    expect(notices[0]).toMatch(
      new RegExp(`\\d written texts go on to ${longest} tokens, and the model has ${longest - 8} positions`),
    );
    expect(notices[1]).toBeUndefined();
  });
});

onEngines('LLaVA-OneVision in training', ['native-cpu'], () => {
  it.each([true, 'light'] as const)('has the same gradients with recomputation %s', (recompute) => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng('recompute'), student);
    const expected = gradientsOf(batch, batch.targets);
    expect(worst(gradientsOf(batch, batch.targets, recompute), expected)).toBeLessThan(1e-5);
    tf.dispose(batch.input.visual.features);
  });

  it('leaves no tensor behind', () => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng('leaks'), student);
    gradientsOf(batch, batch.targets);
    const before = tf.memory().numTensors;
    gradientsOf(batch, batch.targets);
    evaluateLosses(student, batch.input, batch.targets, weighted(0.2, 0.8), inferenceContext());
    const encoded = student.encode(batch.input);
    const steps = student.generateSteps(encoded, { maxNewTokens: 4 });
    steps.next();
    steps.next();
    steps.return(undefined as never);
    encoded.dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(batch.input.visual.features);
  });

  it('learns a start token and a second prompt of a target', () => {
    student = tinyLlava();
    const batch = llavaBatch(new Rng('start'), student, 2);
    const [qa, reasoning] = batch.targets;
    const other = { ...reasoning, rows: qa.rows, start: 4, prompts: [...batch.input.prompts].reverse() };
    const together = tokens(batch, [qa, other]);
    expect(largestDifference(together, { ...tokens(batch, [qa]), ...tokens(batch, [other]) })).toBeLessThan(
      1e-5,
    );
    const begun = { ...qa, rows: qa.rows.map((row) => [4, ...row]), prompts: other.prompts };
    const forced = tokens(batch, [begun]);
    for (const row of [0, 1])
      for (const [i, value] of together[`reasoning ${row}`]!.entries())
        expect(value).toBeCloseTo(forced[`qa ${row}`]![i + 1]!, 4);
    tf.dispose(batch.input.visual.features);
  });
});

onEngines('a step of LLaVA-OneVision in bf16', ['native-cpu', 'native-cuda'], () => {
  it('has the losses of f32 but for rounding, and reads nothing back', () => {
    const batch = (given: LlavaStudent) => llavaBatch(new Rng('bf16'), given);
    student = tinyLlava();
    const exact = batch(student);
    const expected = tokens(exact, exact.targets);
    tf.dispose(exact.input.visual.features);
    student.dispose();

    student = tinyLlava({}, 1, 'bf16');
    const { input, targets } = batch(student);
    const trained = selectTrainable(student, student.kind.defaultGroups);
    for (const parameter of bf16Parameters(student, student.kind.defaultGroups))
      parameter.setBf16(tf.clone(parameter.value));
    const optimizer = new AdamW(trained, {
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0.05,
      clipNorm: 0,
    });
    const found = tokens({ input, targets } as LlavaBatch, targets);
    expect(largestDifference(found, expected)).toBeLessThan(0.05);

    const context = trainingContext(true, 5, 'bf16');
    const step = () => {
      const { grads, losses } = gradients(student, input, targets, weighted(0.2, 0.8), trained, context);
      optimizer.update(grads, () => 1e-3);
      tf.dispose(grads);
      return losses;
    };
    // The first step looks once at every frozen weight of a norm.
    step().dispose();
    const backend = tf.backend();
    const reads = [vi.spyOn(backend, 'readSync'), vi.spyOn(backend, 'read')];
    const losses = step();
    expect(reads.map((read) => read.mock.calls.length)).toEqual([0, 0]);
    for (const read of reads) read.mockRestore();
    expect(losses.read().loss).toBeGreaterThan(0);
    optimizer.dispose();
    tf.dispose(input.visual.features);
  });
});

describe('LLaVA-OneVision', () => {
  it('refuses text before frames', () => {
    student = tinyLlava();
    const input = { visual: {} as never, frames: 1, framePrefixes: [[1]], prompts: [[39]] };
    expect(() => student.encode(input)).toThrow(UsageError);
    expect(() => student.losses(input, [{ name: 'qa', rows: [[1]] }], inferenceContext())).toThrow(
      /video\.prefix: LLaVA-OneVision has no text between frames/,
    );
  });
});
