/** The counted operations against those that the composed step runs on tfjs-backend-cpu, product by product. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stepFlops } from '../../bench/speed/flops.mjs';
import { TrainingStep } from '../../bench/speed/trainStep.mjs';
import { type BenchLibrary, loadLibrary } from '../../src/commands/bench.js';
import { selectEngine } from '../../src/engine/engine.js';
import { kindOf } from '../../src/model/registry.js';
import { workloadJson } from './support.js';

let lib: BenchLibrary;
const original = () => tf.getKernel('BatchMatMul', 'cpu');
const plain = original();
let counted = 0;

beforeAll(async () => {
  lib = await loadLibrary();
  await selectEngine('cpu');
  tf.unregisterKernel('BatchMatMul', 'cpu');
  tf.registerKernel({
    ...plain,
    kernelFunc: (given) => {
      const { a, b } = given.inputs as unknown as Record<'a' | 'b', tf.TensorInfo>;
      const { transposeA, transposeB } = given.attrs as unknown as Record<string, boolean>;
      const [m, k] = transposeA ? a.shape.slice(-2).reverse() : a.shape.slice(-2);
      const n = transposeB ? b.shape.at(-2) : b.shape.at(-1);
      const batch = Math.max(...[a, b].map((x) => tf.util.sizeFromShape(x.shape.slice(0, -2))));
      counted += 2 * batch * m! * n! * k!;
      return plain.kernelFunc(given);
    },
  });
});
afterAll(() => {
  tf.unregisterKernel('BatchMatMul', 'cpu');
  tf.registerKernel(plain);
});
afterEach(() => tf.disposeVariables());

/** Sizes of tiny.json changed so that every term matters. */
const CASES: Record<string, (json: ReturnType<typeof workloadJson>) => void> = {
  'as it is': () => {},
  'adapters on every linear layer, no gate': ({ config, lora }) => {
    lora.target_modules = ['q', 'k', 'v', 'o', 'wi', 'wo'];
    Object.assign(config.text_config, { feed_forward_proj: 'relu', dense_act_fn: 'relu' });
  },
  'adapters in the feed-forward alone': ({ lora }) => {
    lora.target_modules = ['wi_0', 'wo'];
  },
  'other depths, cross-attention in each third layer': ({ config }) => {
    config.qformer_config.num_hidden_layers = 5;
    config.qformer_config.cross_attention_frequency = 3;
    Object.assign(config.text_config, { num_layers: 3, num_decoder_layers: 1 });
    config.vision_config.num_hidden_layers = 1;
  },
  'neither prefix nor reasoning': ({ batch }) => {
    Object.assign(batch, { prefix: 0, reasoning: 0, videos: 3 });
  },
};

/** A workload file's content as it is read. */
function workloadOf(json: ReturnType<typeof workloadJson>) {
  const kind = kindOf(json.config, 'test');
  return { ...json, name: 'test', kind, config: kind.parseConfig(json.config, 'test') };
}

describe('stepFlops equals the products of a composed step', () => {
  for (const [title, change] of Object.entries(CASES))
    it.each(['live', 'cached'] as const)(`${title}, %s features`, async (features) => {
      const json = workloadJson('tiny');
      change(json);
      const workload = workloadOf(json);
      const training = await TrainingStep.open(lib, workload, { features });
      counted = 0;
      training.run();
      // The composed cross-entropy computes its logits again in the backward pass, which is not needed work.
      const { videos, answer, reasoning } = json.batch;
      const { vocab_size: vocabulary, d_model: width } = json.config.text_config;
      const repeated = 2 * videos * (answer + reasoning) * vocabulary * width;
      expect(counted - repeated).toBe(stepFlops(workload, features).total);
      training.dispose();
    });
});

/** Sizes of tiny-decoder.json changed so that every term matters. */
const DECODER_CASES: Record<string, (json: ReturnType<typeof workloadJson>) => void> = {
  'as it is': () => {},
  'adapters on every linear layer': ({ lora }) => {
    lora.target_modules = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
  },
  'a head of its own, one key head, other depths': ({ config }) => {
    Object.assign(config.text_config, { tie_word_embeddings: false, num_key_value_heads: 1 });
    config.text_config.num_hidden_layers = 1;
    config.vision_config.num_hidden_layers = 3;
  },
  'no reasoning, an answer of one token': ({ batch }) => {
    Object.assign(batch, { reasoning: 0, answer: 1, videos: 3 });
  },
};

describe("stepFlops equals a decoder-only student's products", () => {
  for (const [title, change] of Object.entries(DECODER_CASES))
    it.each(['live', 'cached'] as const)(`${title}, %s features`, async (features) => {
      const json = workloadJson('tiny-decoder');
      change(json);
      const workload = workloadOf(json);
      const training = await TrainingStep.open(lib, workload, { features });
      counted = 0;
      training.run();
      const { videos, frames, prompt, answer, reasoning } = json.batch;
      const { vocab_size: vocabulary, hidden_size: width } = json.config.text_config;
      const {
        num_hidden_layers: layers,
        num_attention_heads: heads,
        head_dim: size,
      } = json.config.text_config;
      const logits = 2 * videos * (answer + reasoning) * vocabulary * width;
      // The composed attention computes what its mask hides too: six products over all pairs of columns.
      const prefix = frames * 4 + 1 + prompt;
      const segments = [answer, reasoning].map((length) => Math.max(0, length - 1));
      const columns = prefix + segments[0]! + segments[1]!;
      let seen = 0;
      for (let i = 0; i < columns; i++) {
        const begin = i < prefix ? 0 : i < prefix + segments[0]! ? prefix : prefix + segments[0]!;
        seen += i < prefix ? i + 1 : prefix + (i - begin + 1);
      }
      const hidden = 6 * 2 * videos * (columns ** 2 - seen) * heads * size * layers;
      // Pooling, a product with a constant: 9 tokens of a frame to 4, and back.
      const pooling = 2 * 2 * videos * frames * 4 * 9 * width;
      expect(counted - logits - hidden - pooling).toBe(stepFlops(workload, features).total);
      training.dispose();
    });

  it.each([
    ['llava-0.5b', 4, 13.9e12],
    ['llava-0.5b', 8, 25.7e12],
    ['llava-7b', 4, 225e12],
    ['llava-7b', 8, 402e12],
  ])("%s at %i frames takes what the model's sizes say, within 5 %%", (name, frames, expected) => {
    const json = workloadJson(name);
    json.batch.frames = frames;
    const { forward, backward } = stepFlops(workloadOf(json), 'cached');
    expect(Math.abs((forward + backward) / expected - 1)).toBeLessThan(0.05);
  });

  it('counts 0.642 TFLOP for a frame through the vision tower', () => {
    const { vision } = stepFlops(workloadOf(workloadJson('llava-0.5b')), 'live');
    expect(vision / 32).toBeCloseTo(0.642e12, -10);
  });
});
