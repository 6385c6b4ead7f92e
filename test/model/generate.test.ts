/** Text generation with a key/value cache against full decoder passes. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { Blip2, Encoded } from '../../src/model/blip2/blip2.js';
import { generateSteps, lastLogits } from '../../src/model/blip2/generate.js';
import type { Blip2Student } from '../../src/model/blip2/student.js';
import { inferenceContext } from '../../src/model/context.js';
import { finish } from '../../src/model/sampling.js';
import type { GenerateOptions, Encoded as StudentEncoded, StudentInput } from '../../src/model/student.js';
import {
  encoderBatch,
  onEngines,
  randomBatch,
  relativeDifference,
  tinyModel,
  tinyStudent,
} from './support.js';

const NEW_TOKENS = 11;

onEngines('greedy decoding', ['native-cpu', 'native-cuda', 'cpu', 'wasm', 'tensorflow'], () => {
  let model: Blip2;
  let encoded: Encoded;
  const context = inferenceContext();

  const written = (options: GenerateOptions) => finish(generateSteps(model, encoded, options, context)).ids;
  const logitsAfter = (of: Encoded, ids: readonly number[]) => lastLogits(model, of, ids, context);

  beforeEach(() => {
    model = tinyModel({ text_config: { num_layers: 2, num_decoder_layers: 3 } });
    const batch = randomBatch(new Rng('greedy'), model.config, { videos: 3 });
    encoded = tf.tidy(() => {
      const projected = model.project(model.visionFeatures(batch.pixels), context);
      return model.encode(projected, encoderBatch(batch.input), context) as Encoded &
        tf.TensorContainerObject;
    });
    batch.pixels.dispose();
  });
  afterEach(() => {
    tf.dispose([encoded.hidden, encoded.keyMask]);
    model.dispose();
  });

  function rowOf(row: number): Encoded {
    return {
      hidden: tf.slice(encoded.hidden, [row, 0, 0], [1, -1, -1]),
      keyMask: tf.slice(encoded.keyMask, [row, 0], [1, -1]),
    };
  }

  /** Each token the arg max of a whole decoder pass over everything before it. */
  function decodedAnew(row: number, start: number, forced: readonly number[] = []): number[] {
    return tf.tidy(() => {
      const one = rowOf(row);
      const ids = [start];
      while (ids.length <= NEW_TOKENS)
        ids.push(forced[ids.length - 1] ?? tf.argMax(logitsAfter(one, ids), 1).dataSync()[0]!);
      return ids.slice(1) as unknown as tf.TensorContainer;
    }) as unknown as number[];
  }

  it('with the cache equals decoding everything anew for each token', () => {
    const ids = written({ maxNewTokens: NEW_TOKENS });
    expect(ids).toEqual([0, 1, 2].map((row) => decodedAnew(row, 0)));
    expect(new Set(ids.flat()).size).toBeGreaterThan(3);
    const cued = written({ maxNewTokens: NEW_TOKENS, start: 9 });
    expect(cued).toEqual([0, 1, 2].map((row) => decodedAnew(row, 9)));
    expect(cued).not.toEqual(ids);
  });

  it('begins with the forced tokens and continues after them', () => {
    const forced = [17, 4, 33];
    const ids = written({ maxNewTokens: NEW_TOKENS, forced });
    expect(ids.map((row) => row.slice(0, 3))).toEqual([forced, forced, forced]);
    expect(ids).toEqual([0, 1, 2].map((row) => decodedAnew(row, 0, forced)));
  });

  it('takes the next best first token when the best is not allowed, and only then', () => {
    const free = written({ maxNewTokens: NEW_TOKENS });
    const banned = free[0]![0]!;
    const ids = written({ maxNewTokens: NEW_TOKENS, notFirst: banned });
    ids.forEach((row, i) => {
      const first = Array.from(
        tf.tidy(
          () => logitsAfter(rowOf(i), [0]).dataSync() as unknown as tf.TensorContainer,
        ) as unknown as Float32Array,
      );
      first[banned] = Number.NEGATIVE_INFINITY;
      const second = first.indexOf(Math.max(...first));
      expect(row).toEqual(decodedAnew(i, 0, [second]));
      if (free[i]![0] !== banned) expect(row).toEqual(free[i]);
    });
  });

  it('ends each row before its first end token and all of them when every row has ended', () => {
    const free = written({ maxNewTokens: NEW_TOKENS });
    for (const eosId of new Set(free.flat())) {
      const cut = free.map((row) => (row.includes(eosId) ? row.slice(0, row.indexOf(eosId)) : row));
      expect(written({ maxNewTokens: NEW_TOKENS, eosId })).toEqual(cut);
    }
    const first = free[0]![0]!;
    expect(written({ maxNewTokens: NEW_TOKENS, eosId: first, forced: [first] })).toEqual([[], [], []]);
  });

  it('writes nothing when no token is asked for', () => {
    expect(written({ maxNewTokens: 0 })).toEqual([[], [], []]);
  });

  it('keeps no tensor', () => {
    const before = tf.memory().numTensors;
    written({ maxNewTokens: NEW_TOKENS, eosId: 1 });
    expect(tf.memory().numTensors).toBe(before);
    expect(() => written({ maxNewTokens: 3, start: model.config.text_config.vocab_size + 5 })).toThrow();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('lastLogits are the last column of a teacher-forced pass', () => {
    const input = [0, 12, 5];
    const actual = logitsAfter(encoded, input);
    expect(actual.shape).toEqual([3, model.config.text_config.vocab_size]);
    const expected = tf.tidy(() => {
      const labels = Int32Array.from([12, 5, 8, 12, 5, 8, 12, 5, 8]);
      const packed = model.pack([{ data: labels, columns: 3 }]);
      const logits = model.logits(model.decode(encoded, packed, context));
      return tf.slice(logits, [0, 2, 0], [3, 1, -1]).dataSync() as unknown as tf.TensorContainer;
    }) as unknown as Float32Array;
    expect(relativeDifference(actual.dataSync(), expected)).toBeLessThan(1e-6);
    actual.dispose();
  });
});

onEngines('written text', ['native-cpu', 'native-cuda', 'cpu', 'wasm', 'tensorflow'], (engine) => {
  let student: Blip2Student;
  let input: StudentInput;
  let encoded: StudentEncoded;
  // The shim of native-cuda takes half a second for a step.
  const maxNewTokens = engine === 'native-cuda' ? 4 : NEW_TOKENS;

  beforeEach(() => {
    student = tinyStudent({ text_config: { num_layers: 2, num_decoder_layers: 3 } });
    const batch = randomBatch(new Rng('log-probabilities'), student.config, { videos: 3 });
    input = { ...batch.input, visual: { features: student.features(batch.pixels) } };
    batch.pixels.dispose();
    encoded = student.encode(input);
  });
  afterEach(() => {
    encoded.dispose();
    input.visual.features!.dispose();
    student.dispose();
  });

  it.each([
    ['likeliest tokens', {}],
    ['likeliest tokens from another start', { start: 9 }],
    ['tokens that are forced or banned', { forced: [17, 4], notFirst: 3 }],
    ['drawn tokens', { sampling: { temperature: 1.5, topP: 0.9, seeds: ['a', 'b', 'c'] } }],
  ] as [string, Partial<GenerateOptions>][])(
    'has the log-probabilities that teacher forcing gives the same tokens, its end included: %s',
    (_, options) => {
      const free = student.generate(encoded, { maxNewTokens, ...options });
      // A token in the middle of the first row ends it and leaves the others at their own lengths.
      const eosId = free.ids[0]![maxNewTokens >> 1]!;
      const { ids, logProbs } = student.generate(encoded, {
        maxNewTokens,
        eosId,
        logProbs: true,
        ...options,
      });
      const ended = ids.map((row, i) => logProbs[i]!.length === row.length + 1);
      expect(ended[0]).toBe(true);
      ids.forEach((row, i) => {
        expect(ended[i]).toBe(row.length < maxNewTokens);
      });
      const rows = ids.map((row, i) => (ended[i] ? [...row, eosId] : row));
      const target = { name: 'own', rows, ...(options.start === undefined ? {} : { start: options.start }) };
      const seen: number[][] = rows.map(() => []);
      tf.tidy(() => {
        const losses = student.losses(input, [target], inferenceContext());
        const values = losses.values.dataSync();
        losses.target.forEach((index, at) => {
          if (index === 0) seen[losses.row[at]!]!.push(-values[at]!);
        });
      });
      logProbs.forEach((row, i) => {
        expect(row).toHaveLength(seen[i]!.length);
        row.forEach((value, t) => {
          expect(Math.abs(value - seen[i]![t]!), `row ${i}, token ${t}`).toBeLessThan(1e-5);
        });
      });
    },
  );

  it('is the same with log-probabilities and without, which are then none', () => {
    const plain = student.generate(encoded, { maxNewTokens });
    const counted = student.generate(encoded, { maxNewTokens, logProbs: true });
    expect(counted.ids).toEqual(plain.ids);
    expect(plain.logProbs).toEqual([[], [], []]);
    expect(counted.logProbs.map((row) => row.length)).toEqual(counted.ids.map((row) => row.length));
  });

  it('is the same token by token, with the engine free in between and nothing left of what is not read', () => {
    const options = { maxNewTokens, logProbs: true };
    const whole = student.generate(encoded, options);
    const before = tf.memory().numTensors;
    const steps = student.generateSteps(encoded, options);
    for (let length = 1; length <= maxNewTokens; length++) {
      const { value, done } = steps.next();
      expect(done).toBe(false);
      expect(value.ids).toEqual(whole.ids.map((row) => row.slice(0, length)));
      // Another generation in between disturbs neither.
      if (length === 2) expect(student.generate(encoded, options)).toEqual(whole);
    }
    expect(steps.next()).toEqual({ done: true, value: whole });
    const left = student.generateSteps(encoded, options);
    left.next();
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    left.return(whole);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that is drawn follows the seed of each row, whatever else is in the batch', () => {
    const draw = (of: StudentEncoded, seeds: string[]) =>
      student.generate(of, { maxNewTokens, sampling: { temperature: 1.5, seeds } }).ids;
    const together = draw(encoded, ['a', 'b', 'c']);
    expect(draw(encoded, ['a', 'b', 'c'])).toEqual(together);
    expect(draw(encoded, ['d', 'e', 'f'])).not.toEqual(together);
    const alone = encoded.pick(1);
    expect(alone.rows).toBe(1);
    expect(draw(alone, ['b'])).toEqual([together[1]]);
    alone.dispose();
    expect(() => draw(encoded, ['a'])).toThrow(RangeError);
  });
});

describe('a tied output head', () => {
  it('reads the embedding, scaled as T5 does it', () => {
    const model = tinyModel({ text_config: { tie_word_embeddings: true } });
    expect([...model.parameters()].map((p) => p.name)).not.toContain('language_model.lm_head.weight');
    const hidden = tf.ones([1, 1, 20]) as tf.Tensor3D;
    const logits = tf.tidy(() => model.logits(model.languageModel.headInput(hidden)).dataSync());
    const rows = model.languageModel.shared.value.arraySync() as number[][];
    const expected = rows.map((row) => row.reduce((a, b) => a + b, 0) * 20 ** -0.5);
    expect(relativeDifference(logits, expected)).toBeLessThan(1e-5);
    hidden.dispose();
    model.dispose();
  });
});
