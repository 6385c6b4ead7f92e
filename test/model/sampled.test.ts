/** Many texts drawn for one prompt: rows that share an encoder pass, their distribution, temperatures in both passes. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { inferenceContext } from '../../src/model/context.js';
import type { Student, StudentInput, Target } from '../../src/model/student.js';
import { llavaBatch, tinyLlava } from './llava/support.js';
import { onEngines, randomBatch, type TestedEngine, tinyStudent, useFastEngine } from './support.js';

/** What is to be freed after a test. */
const made: { dispose(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0).reverse()) each.dispose();
});

interface Made {
  student: Student;
  input: StudentInput;
}

const KINDS: [string, () => Made][] = [
  [
    'BLIP-2',
    () => {
      const student = tinyStudent();
      const { input, pixels } = randomBatch(new Rng('drawn'), student.config);
      made.push(student, pixels);
      return { student, input };
    },
  ],
  [
    'LLaVA-OneVision',
    () => {
      const student = tinyLlava();
      const { input } = llavaBatch(new Rng('drawn'), student);
      made.push(student, input.visual.features);
      return { student, input };
    },
  ],
];

const seedsOf = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}/${i}`);

/** -log p of every token of the targets by target and row. */
function forced({ student, input }: Made, targets: readonly Target[]): number[][][] {
  const found: number[][][] = targets.map(() => input.prompts.map(() => []));
  tf.tidy(() => {
    const losses = student.losses(input, targets, inferenceContext());
    const values = losses.values.dataSync();
    losses.target.forEach((index, at) => {
      if (index >= 0) found[index]![losses.row[at]!]!.push(values[at]!);
    });
  });
  return found;
}

const ENGINES: TestedEngine[] = ['native-cpu', 'cpu', 'wasm', 'tensorflow'];
const TIMES = 3;
const TOKENS = 6;
/** By architecture, what the first engine drew. */
const firstDrawn = new Map<string, number[][]>();

onEngines('texts drawn for one prompt', ENGINES, () => {
  it.each(KINDS)(
    'are those of a batch that repeats the prompt, on every engine the same: %s',
    (title, make) => {
      const { student, input } = make();
      const encoded = student.encode(input);
      const before = tf.memory().numTensors;
      const many = encoded.repeat(TIMES);
      expect(many.rows).toBe(TIMES * encoded.rows);
      const seeds = seedsOf(many.rows, 'drawn');
      const draw = { maxNewTokens: TOKENS, sampling: { temperature: 1.3, seeds } };
      const { ids } = student.generate(many, draw);
      many.dispose();
      expect(tf.memory().numTensors).toBe(before);
      ids.forEach((row, i) => {
        const one = encoded.pick(Math.floor(i / TIMES));
        const alone = { ...draw, sampling: { ...draw.sampling, seeds: [seeds[i]!] } };
        expect(student.generate(one, alone).ids).toEqual([row]);
        one.dispose();
      });
      encoded.dispose();
      expect(new Set(ids.map(String)).size).toBeGreaterThan(encoded.rows);
      if (!firstDrawn.has(title)) firstDrawn.set(title, ids);
      expect(ids).toEqual(firstDrawn.get(title));
    },
  );
});

onEngines('drawn texts', ['native-cpu', 'wasm'], () => {
  it.each(KINDS)('have the log-probabilities of teacher forcing at their temperature: %s', (_, make) => {
    const model = make();
    const { student, input } = model;
    const encoded = student.encode(input);
    const many = encoded.repeat(TIMES);
    const seeds = seedsOf(many.rows, 'tempered');
    const drawn = (temperature: number) =>
      student.generate(many, {
        maxNewTokens: TOKENS,
        // A token that ends some rows.
        eosId: 5,
        sampling: { temperature, seeds, temperedLogProbs: true },
      });
    for (const temperature of [0.5, 1, 1.7]) {
      const { ids, logProbs } = drawn(temperature);
      // The completions of a prompt are targets of one pass, each at a temperature of its own or of all.
      const rowsOf = (time: number) =>
        input.prompts.map((_, row) => {
          const at = row * TIMES + time;
          return logProbs[at]!.length > ids[at]!.length ? [...ids[at]!, 5] : ids[at]!;
        });
      const targets = [0, 1, 2].map((time) => ({ name: 'own', rows: rowsOf(time), temperature }));
      const plain = { name: 'plain', rows: rowsOf(0) };
      const values = forced(model, [...targets, plain]);
      input.prompts.forEach((_, row) => {
        for (let time = 0; time < TIMES; time++)
          logProbs[row * TIMES + time]!.forEach((value, t) => {
            expect(Math.abs(value + values[time]![row]![t]!)).toBeLessThan(1e-5);
          });
      });
      expect(values[TIMES]).toEqual(
        forced(model, [plain])[0]!.map((row) => row.map((v) => expect.closeTo(v, 4))),
      );
    }
    many.dispose();
    encoded.dispose();
  });
});

describe('drawn tokens', () => {
  it('are 20,000 times distributed as the softmax says', async () => {
    await useFastEngine();
    const { student, input } = KINDS[0]![1]();
    const encoded = student.encode(input);
    const one = encoded.pick(0);
    const ids = Array.from({ length: student.vocabulary }, (_, id) => id);
    const [logits] = student.tokenScores(one, [], ids) as [number[]];
    const temperature = 1.2;
    const weights = logits.map((logit) => Math.exp((logit - Math.max(...logits)) / temperature));
    const total = weights.reduce((a, b) => a + b);
    const many = one.repeat(2000);
    const counts = ids.map(() => 0);
    for (let round = 0; round < 10; round++) {
      const sampling = { temperature, seeds: seedsOf(2000, `softmax/${round}`) };
      for (const [id] of student.generate(many, { maxNewTokens: 1, sampling }).ids) counts[id!]!++;
    }
    many.dispose();
    one.dispose();
    encoded.dispose();
    // Tokens that are expected fewer than five times are counted as one.
    const expected = weights.map((weight) => (20_000 * weight) / total);
    const cells = [{ seen: 0, expected: 0 }];
    expected.forEach((share, id) => {
      const cell = { seen: counts[id]!, expected: share };
      if (share >= 5) cells.push(cell);
      else cells[0] = { seen: cells[0]!.seen + cell.seen, expected: cells[0]!.expected + share };
    });
    const used = cells.filter((cell) => cell.expected >= 5);
    const chi = used.reduce((sum, cell) => sum + (cell.seen - cell.expected) ** 2 / cell.expected, 0);
    const freedom = used.length - 1;
    expect(freedom).toBeGreaterThan(10);
    // Chi-square has the mean `freedom` and the deviation sqrt(2 * freedom); beyond four of them is one draw in 10,000.
    expect(chi).toBeLessThan(freedom + 4 * Math.sqrt(2 * freedom));
  });

  it.each(KINDS)('are the likeliest ones at a temperature near 0: %s', async (_, make) => {
    await useFastEngine();
    const { student, input } = make();
    const encoded = student.encode(input);
    const greedy = student.generate(encoded, { maxNewTokens: 8 }).ids;
    const sampling = { temperature: 1e-4, seeds: seedsOf(encoded.rows, 'cold') };
    expect(student.generate(encoded, { maxNewTokens: 8, sampling }).ids).toEqual(greedy);
    encoded.dispose();
  });

  it('need a temperature above 0 in the losses too', async () => {
    await useFastEngine();
    const model = KINDS[0]![1]();
    const rows = model.input.prompts.map(() => [3]);
    expect(() => forced(model, [{ name: 'own', rows, temperature: 0 }])).toThrow(/temperature 0/);
  });
});
