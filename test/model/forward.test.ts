import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { IGNORED } from '../../src/ops/labels.js';
import { inferenceContext, type Recompute } from '../../src/model/context.js';
import type { Parameter } from '../../src/model/layers/module.js';
import { bf16Parameters, usePrecision } from '../../src/model/precision.js';
import type { Blip2 } from '../../src/model/blip2/blip2.js';
import { selectTrainable } from '../../src/model/trainable.js';
import { Rng } from '../../src/random.js';
import { evaluateLosses, gradients, type TrainBatch } from '../../src/training/objective.js';
import { AdamW } from '../../src/training/optimizer.js';
import {
  DROPOUT,
  OBJECTIVE,
  onEngines,
  randomBatch,
  relativeDifference,
  tinyModel,
  trainingContext,
  useFastEngine,
} from './support.js';

let model: Blip2;
afterEach(() => model.dispose());

/** Gradients as plain arrays by parameter name, with the losses. */
function gradientsOf(
  batch: TrainBatch,
  parameters: Parameter[],
  options: { alpha?: number; beta?: number; recompute?: Recompute; seed?: number } = {},
) {
  const { alpha = OBJECTIVE.alpha, beta = OBJECTIVE.beta, recompute = false, seed = 5 } = options;
  const objective = { ...OBJECTIVE, alpha, beta };
  const { losses, grads } = gradients(model, batch, objective, parameters, trainingContext(recompute, seed));
  const values = losses.read();
  const arrays = new Map(parameters.map((p, i) => [p.name, Float32Array.from(grads[i]!.dataSync())]));
  tf.dispose(grads);
  return { values, arrays };
}

/** All gradients in one: those of keys' biases are 0 but for rounding, and differ by as much as they are. */
const allOf = ({ arrays }: { arrays: Map<string, Float32Array> }): number[] =>
  [...arrays.values()].flatMap((values) => [...values]);

function logitsOf(batch: TrainBatch, segments: 'both' | 'answer' | 'reasoning'): Float32Array[] {
  return tf.tidy(() => {
    const context = inferenceContext();
    const encoded = model.encode(
      model.project(model.visionFeatures(batch.pixels!), context),
      batch.encoder,
      context,
    );
    const chosen =
      segments === 'both'
        ? [batch.answer, batch.reasoning!]
        : [segments === 'answer' ? batch.answer : batch.reasoning!];
    const packed = model.pack(chosen);
    const logits = model.logits(model.decode(encoded, packed, context));
    return tf
      .split(logits, packed.lengths, 1)
      .map((part) => part.dataSync()) as unknown as tf.TensorContainer;
  }) as unknown as Float32Array[];
}

onEngines('packed answer and reasoning', ['native-cpu', 'native-cuda', 'cpu', 'tensorflow'], (engine) => {
  const rounds = engine === 'cpu' ? 2 : 8;

  it('equal two separate passes in losses, logits and gradients to 1e-5', () => {
    const rng = new Rng('packed');
    for (let round = 0; round < rounds; round++) {
      model = tinyModel({}, { seed: round });
      const videos = 2 + rng.int(3);
      const empty = [...Array(videos).keys()].filter(() => rng.float() < 0.3);
      const batch = randomBatch(rng, model.config, {
        videos,
        frames: 1 + rng.int(3),
        prompt: 2 + rng.int(8),
        answer: 1 + rng.int(5),
        reasoning: 1 + rng.int(24),
        empty: empty.length < videos ? empty : [],
      });
      const [answer, reasoning] = logitsOf(batch, 'both');
      expect(relativeDifference(answer!, logitsOf(batch, 'answer')[0]!)).toBeLessThan(1e-5);
      expect(relativeDifference(reasoning!, logitsOf(batch, 'reasoning')[0]!)).toBeLessThan(1e-5);

      const parameters = selectTrainable(model, ['all']);
      const both = gradientsOf(batch, parameters);
      // The answer alone, and the reasoning alone in the answer's place.
      const { reasoning: _, ...answerOnly } = batch;
      const first = gradientsOf(answerOnly, parameters, { alpha: 1, beta: 0 });
      const second = gradientsOf({ ...answerOnly, answer: batch.reasoning! }, parameters, {
        alpha: 1,
        beta: 0,
      });
      expect(both.values.qa).toBeCloseTo(first.values.qa, 5);
      expect(both.values.reasoning).toBeCloseTo(second.values.qa, 5);
      expect(both.values.loss).toBeCloseTo(0.2 * first.values.qa + 0.8 * second.values.qa, 5);
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
      if (round < rounds - 1) model.dispose();
    }
  });

  it('leave the answer as it is, whatever the reasoning says', () => {
    model = tinyModel();
    const batch = randomBatch(new Rng('apart'), model.config);
    const changed = {
      ...batch,
      reasoning: { ...batch.reasoning!, data: batch.reasoning!.data.map((id) => (id === IGNORED ? id : 2)) },
    };
    const [before] = logitsOf(batch, 'both');
    const [after] = logitsOf(changed, 'both');
    expect(after).toEqual(before);
    expect(logitsOf(changed, 'both')[1]).not.toEqual(logitsOf(batch, 'both')[1]);
    batch.pixels.dispose();
  });
});

describe('the objective', () => {
  beforeAll(useFastEngine);

  it('skips the reasoning when beta is 0, when no row has any, and when the batch has none', () => {
    model = tinyModel();
    const batch = randomBatch(new Rng('skip'), model.config);
    const parameters = selectTrainable(model, ['lora']);
    const { reasoning: _, ...without } = batch;
    const nothing = { ...batch.reasoning!, data: batch.reasoning!.data.map(() => IGNORED) };
    const plain = gradientsOf(without, parameters, { alpha: 0.2, beta: 0.8 });
    expect(plain.values.reasoning).toBeNaN();
    expect(plain.values.loss).toBeCloseTo(0.2 * plain.values.qa, 6);
    expect(gradientsOf({ ...batch, reasoning: nothing }, parameters)).toEqual(plain);
    expect(gradientsOf(batch, parameters, { alpha: 0.2, beta: 0 })).toEqual(plain);
    batch.pixels.dispose();
  });

  it('weighs each loss by its own tokens: a row without reasoning adds nothing to that loss', () => {
    model = tinyModel();
    const rng = new Rng('mixed');
    const batch = randomBatch(rng, model.config, { videos: 3, empty: [1, 2] });
    const alone = randomBatch(new Rng('mixed'), model.config, { videos: 3, empty: [1, 2] });
    const data = alone.reasoning!.data.slice(0, alone.reasoning!.columns);
    const one: TrainBatch = {
      encoder: {
        ...alone.encoder,
        videos: 1,
        prompt: {
          ids: alone.encoder.prompt.ids.slice(0, alone.encoder.prompt.columns),
          mask: alone.encoder.prompt.mask.slice(0, alone.encoder.prompt.columns),
          columns: alone.encoder.prompt.columns,
        },
      },
      pixels: tf.slice(alone.pixels, 0, 2),
      answer: { data: alone.answer.data.slice(0, alone.answer.columns), columns: alone.answer.columns },
      reasoning: { data, columns: alone.reasoning!.columns },
    };
    const mixed = evaluateLosses(model, batch, OBJECTIVE, inferenceContext());
    const single = evaluateLosses(model, one, OBJECTIVE, inferenceContext());
    expect(mixed.reasoning).toBeCloseTo(single.reasoning, 5);
    tf.dispose([batch.pixels, alone.pixels, one.pixels!]);
  });

  it('gives the reasoning an encoder pass of its own for a second instruction', () => {
    model = tinyModel();
    const batch = randomBatch(new Rng('second'), model.config, { secondPrompt: 5 });
    const context = inferenceContext();
    const values = evaluateLosses(model, batch, OBJECTIVE, context);
    const { reasoning, reasoningPrompt, ...first } = batch;
    const answer = evaluateLosses(model, first, OBJECTIVE, context);
    const second = { ...first, encoder: { ...first.encoder, prompt: reasoningPrompt! }, answer: reasoning! };
    const other = evaluateLosses(model, second, OBJECTIVE, context);
    expect(values.qa).toBeCloseTo(answer.qa, 5);
    expect(values.reasoning).toBeCloseTo(other.qa, 5);
    expect(values.loss).toBeCloseTo(0.2 * answer.qa + 0.8 * other.qa, 5);

    const parameters = selectTrainable(model, ['all']);
    const same = { ...batch, reasoningPrompt: batch.encoder.prompt };
    const { reasoningPrompt: _, ...shared } = batch;
    const twice = gradientsOf(same, parameters);
    const once = gradientsOf(shared, parameters);
    expect(twice.values.loss).toBeCloseTo(once.values.loss, 5);
    for (const [name, values] of once.arrays) {
      if (/qformer.*\.key\.bias$/.test(name)) continue; // Zero in exact arithmetic: only rounding to compare.
      expect(relativeDifference(twice.arrays.get(name)!, values), name).toBeLessThan(1e-3);
    }
    batch.pixels.dispose();
  });

  it('starts each target with its own token', () => {
    model = tinyModel();
    const batch = randomBatch(new Rng('starts'), model.config);
    const context = inferenceContext();
    const plain = evaluateLosses(model, batch, OBJECTIVE, context);
    const cued = evaluateLosses(model, batch, { ...OBJECTIVE, reasoningStartId: 7 }, context);
    expect(cued.qa).toBe(plain.qa);
    expect(cued.reasoning).not.toBeCloseTo(plain.reasoning, 4);
    batch.pixels.dispose();
  });
});

onEngines('recomputation with dropout', ['native-cpu', 'native-cuda', 'cpu', 'tensorflow'], () => {
  // Where a tensor is read twice its gradients are added in another order: losses agree in every bit, gradients to
  // rounding. Other dropout bits would change both by far more (the last line of the test shows it).
  it.each([['all'], ['lora', 'qformer']] as const)('draws the same bits again when %s learn', (...groups) => {
    model = tinyModel(DROPOUT, { lora: { r: 2, scaling: 2, dropout: 0.3 } });
    const parameters = selectTrainable(model, groups);
    const batch = randomBatch(new Rng('recompute'), model.config);
    const kept = gradientsOf(batch, parameters);
    const recomputed = gradientsOf(batch, parameters, { recompute: true });
    const again = gradientsOf(batch, parameters, { recompute: true });
    const light = gradientsOf(batch, parameters, { recompute: 'light' });
    const other = gradientsOf(batch, parameters, { recompute: true, seed: 6 });
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
    model = tinyModel(DROPOUT, { lora: { r: 2, scaling: 2, dropout: 0.3 } });
    const groups = ['lora', 'qformer'] as const;
    const parameters = selectTrainable(model, groups);
    for (const parameter of bf16Parameters(model, groups))
      tf.tidy(() => parameter.setBf16(tf.clone(parameter.value)));
    const batch = randomBatch(new Rng('recompute in bf16'), model.config);
    usePrecision('bf16', 'model.precision');
    try {
      const kept = gradientsOf(batch, parameters);
      for (const recompute of [true, 'light'] as const) {
        const recomputed = gradientsOf(batch, parameters, { recompute });
        expect(recomputed.values).toEqual(kept.values);
        expect(relativeDifference(allOf(recomputed), allOf(kept))).toBeLessThan(1e-5);
      }
    } finally {
      usePrecision('f32', 'model.precision');
    }
    batch.pixels.dispose();
  });
});

describe('dropout', () => {
  beforeAll(useFastEngine);

  it('follows the seed, and is off in evaluation and with rates of 0', () => {
    model = tinyModel(DROPOUT, { lora: { r: 2, scaling: 2, dropout: 0.3 } });
    const batch = randomBatch(new Rng('dropout'), model.config);
    const loss = (seed: number) => evaluateLosses(model, batch, OBJECTIVE, trainingContext(false, seed)).loss;
    const off = evaluateLosses(model, batch, OBJECTIVE, inferenceContext()).loss;
    expect(loss(1)).toBe(loss(1));
    expect(loss(1)).not.toBe(loss(2));
    expect(loss(1)).not.toBe(off);
    model.dispose();
    model = tinyModel({}, { lora: { r: 2, scaling: 2, dropout: 0 } });
    expect(loss(1)).toBe(evaluateLosses(model, batch, OBJECTIVE, inferenceContext()).loss);
    batch.pixels.dispose();
  });

  it.each([
    ['the vision attention', { vision_config: { attention_dropout: 0.5 } }],
    ['the Q-Former', { qformer_config: { hidden_dropout_prob: 0.5 } }],
    ['the Q-Former attention', { qformer_config: { attention_probs_dropout_prob: 0.5 } }],
    ['T5', { text_config: { dropout_rate: 0.5 } }],
  ])('reaches %s', (_, sections) => {
    model = tinyModel(sections);
    const batch = randomBatch(new Rng('where'), model.config);
    const dropped = evaluateLosses(model, batch, OBJECTIVE, trainingContext()).loss;
    expect(dropped).not.toBe(evaluateLosses(model, batch, OBJECTIVE, inferenceContext()).loss);
    batch.pixels.dispose();
  });

  it('is as strong as its rate: the mean loss over many draws is near the one without', () => {
    model = tinyModel({ text_config: { dropout_rate: 0.02 } });
    const batch = randomBatch(new Rng('mean'), model.config);
    const off = evaluateLosses(model, batch, OBJECTIVE, inferenceContext()).loss;
    const draws = Array.from(
      { length: 40 },
      (_, seed) => evaluateLosses(model, batch, OBJECTIVE, trainingContext(false, seed)).loss,
    );
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

  it('does not see padding: what stands in padded places changes nothing', () => {
    model = tinyModel();
    const batch = randomBatch(new Rng('padding'), model.config);
    const { ids, mask } = batch.encoder.prompt;
    const other = { ...batch.encoder.prompt, ids: ids.map((id, i) => (mask[i] ? id : 17)) };
    expect(other.ids).not.toEqual(ids);
    const changed = { ...batch, encoder: { ...batch.encoder, prompt: other } };
    const context = inferenceContext();
    expect(evaluateLosses(model, changed, OBJECTIVE, context)).toEqual(
      evaluateLosses(model, batch, OBJECTIVE, context),
    );
    batch.pixels.dispose();
  });

  it('gives each video of a batch what it gives it alone', () => {
    model = tinyModel();
    const batch = randomBatch(new Rng('alone'), model.config, { videos: 3 });
    const context = inferenceContext();
    const { prompt, frames } = batch.encoder;
    const hidden = (pixels: tf.Tensor4D, encoder: typeof batch.encoder) =>
      tf.tidy(() =>
        model
          .encode(model.project(model.visionFeatures(pixels), context), encoder, context)
          .hidden.arraySync(),
      );
    const together = hidden(batch.pixels, batch.encoder);
    for (let b = 0; b < 3; b++) {
      const own = (values: Int32Array) => values.slice(b * prompt.columns, (b + 1) * prompt.columns);
      const encoder = {
        ...batch.encoder,
        videos: 1,
        prompt: { ...prompt, ids: own(prompt.ids), mask: own(prompt.mask) },
      };
      const pixels = tf.slice(batch.pixels, b * frames, frames);
      const [alone] = hidden(pixels, encoder);
      const real = alone!.length - prompt.columns + own(prompt.mask).reduce((a, c) => a + c, 0);
      expect(
        relativeDifference(together[b]!.slice(0, real).flat(), alone!.slice(0, real).flat()),
      ).toBeLessThan(1e-5);
      pixels.dispose();
    }
    batch.pixels.dispose();
  });

  it('says what is wrong with pixels of another size and ids that do not fit', () => {
    model = tinyModel();
    const wrong = tf.zeros([2, 3, 8, 8]) as tf.Tensor4D;
    expect(() => model.visionFeatures(wrong)).toThrow(/expected pixels \(n, 3, 9, 9\), got \(2, 3, 8, 8\)/);
    const batch = randomBatch(new Rng('wrong'), model.config);
    const prompt = { ...batch.encoder.prompt, columns: 5 };
    const bad = { ...batch, encoder: { ...batch.encoder, prompt } };
    expect(() => evaluateLosses(model, bad, OBJECTIVE, inferenceContext())).toThrow(
      /18 token ids for 3 rows of 5/,
    );
    tf.dispose([wrong, batch.pixels]);
  });
});

onEngines('a training step', ['native-cpu', 'native-cuda'], () => {
  it.each([false, true])(
    'waits for nothing but the loss, when that is read; recomputing: %s',
    (recompute) => {
      model = tinyModel();
      const batch = randomBatch(new Rng('asynchronous'), model.config);
      const parameters = selectTrainable(model, ['all']);
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
        const { losses, grads } = gradients(model, batch, OBJECTIVE, parameters, trainingContext(recompute));
        optimizer.update(grads, () => 1e-3);
        expect(reads).toBe(0);
        expect(losses.read().loss).toBeGreaterThan(0);
        expect(reads).toBe(1);
        tf.dispose(grads);
      } finally {
        backend.readSync = readSync;
        optimizer.dispose();
        batch.pixels.dispose();
      }
    },
  );
});
