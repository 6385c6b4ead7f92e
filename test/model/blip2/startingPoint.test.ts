/** Initial weights of the language model of the shapes world. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { selectEngine } from '../../../src/engine/engine.js';
import type { Blip2 } from '../../../src/model/blip2/blip2.js';
import { relativeBuckets } from '../../../src/model/blip2/relativeBias.js';
import { support } from '../../../src/model/blip2/startingPoint.js';
import { Blip2Student } from '../../../src/model/blip2/student.js';
import { initialiseMissing } from '../../../src/model/layers/module.js';
import { SceneSymbols, SLOTS } from '../../../src/pretraining/symbols.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { parseBlip2Config } from '../../../src/weights/config.js';

const folder = new URL('../../../weights/shapes', import.meta.url).pathname;
let tokenizer: Tokenizer;
let model: Blip2;

beforeAll(async () => {
  await selectEngine('auto');
  tokenizer = await Tokenizer.load(folder);
  const student = new Blip2Student(parseBlip2Config(support.smallConfig(tokenizer.vocabSize, SLOTS)));
  model = student.module;
  initialiseMissing(model, new Rng('starting-point'));
  const words = [...new SceneSymbols(student.visualShape[1]).words()];
  const idOf = (word: string) => tokenizer.encode(word, { addEos: false })[0]!;
  support.startLanguageModel(student, new Map(words.map(([word, vector]) => [idOf(word), vector])));
});
afterAll(() => model.dispose());

function valuesOf(name: string): Float32Array {
  const found = [...model.parameters()].find((parameter) => parameter.name === `language_model.${name}`);
  return found!.value.dataSync() as Float32Array;
}

describe('startLanguageModel', () => {
  it('starts the words that symbols stand for from them, and no other word', () => {
    const width = model.config.text_config.d_model;
    const table = valuesOf('shared.weight');
    const words = new SceneSymbols(width).words();
    for (const [word, vector] of words) {
      const [id] = tokenizer.encode(word, { addEos: false });
      expect(table.subarray(id! * width, (id! + 1) * width)).toEqual(vector);
    }
    const [other] = tokenizer.encode('touched', { addEos: false });
    const rows = [...words.values()].map((vector) => vector.join());
    expect(rows).not.toContain(table.subarray(other! * width, (other! + 1) * width).join());
  });

  it.each([
    ['encoder', [-1, -2, -3, -4, 1, 2]],
    ['decoder', [-1, -2, -3, -4]],
  ])('makes the first heads of the %s look at %j', (stack, offsets) => {
    const { num_heads: heads, relative_attention_num_buckets: buckets } = model.config.text_config;
    const table = valuesOf(`${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`);
    const keys = Array.from({ length: 41 }, (_, i) => i);
    const query = 20;
    const found = relativeBuckets([query], keys, {
      buckets,
      maxDistance: 128,
      bidirectional: stack === 'encoder',
    });
    for (let head = 0; head < heads; head++) {
      // What lies after the query is never seen by a decoder.
      const seen = stack === 'encoder' ? keys : keys.slice(0, query + 1);
      const biases = seen.map((key) => table[found[key]! * heads + head]!);
      const expected = seen.map((key) =>
        head < offsets.length && key - query === offsets[head] ? 5 : head >= 6 && key === query ? -5 : 0,
      );
      expect({ head, biases }).toEqual({ head, biases: expected });
    }
  });

  it.each([
    ['encoder.block.3.layer.0.SelfAttention', 6],
    ['decoder.block.0.layer.0.SelfAttention', 6],
    ['decoder.block.2.layer.1.EncDecAttention', 4],
  ])(
    'makes the heads of %s from the %d. on score equal vectors sqrt(d_kv), others about 0',
    (path, first) => {
      const { num_heads: heads, d_kv: size, d_model: width } = model.config.text_config;
      const q = valuesOf(`${path}.q.weight`);
      const k = valuesOf(`${path}.k.weight`);
      const rng = new Rng(path);
      const vectors = Array.from({ length: 24 }, () => Array.from({ length: width }, () => rng.normal()));
      const project = (weights: Float32Array, head: number, x: number[]) =>
        Array.from({ length: size }, (_, i) =>
          x.reduce((sum, value, d) => sum + value * weights[(head * size + i) * width + d]!, 0),
        );
      for (let head = 0; head < heads; head++) {
        let equal = 0;
        let other = 0;
        vectors.forEach((a, i) => {
          const query = project(q, head, a);
          vectors.forEach((b, j) => {
            const score = project(k, head, b).reduce((sum, value, d) => sum + value * query[d]!, 0);
            if (i === j) equal += score / vectors.length;
            else other += score / (vectors.length * (vectors.length - 1));
          });
        });
        expect(Math.abs(other)).toBeLessThan(0.5);
        expect(Math.abs(equal - (head >= first ? Math.sqrt(size) : 0))).toBeLessThan(1.2);
      }
    },
  );
});
