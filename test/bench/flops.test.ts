/** The counted operations against those that the composed step runs on tfjs-backend-cpu, product by product. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stepFlops } from '../../bench/speed/flops.mjs';
import { TrainingStep } from '../../bench/speed/trainStep.mjs';
import { type BenchLibrary, loadLibrary } from '../../src/commands/bench.js';
import { selectEngine } from '../../src/engine/engine.js';
import { parseBlip2Config } from '../../src/weights/config.js';
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

describe('stepFlops equals the products of a composed step', () => {
  for (const [title, change] of Object.entries(CASES))
    it.each(['live', 'cached'] as const)(`${title}, %s features`, async (features) => {
      const json = workloadJson('tiny');
      change(json);
      const config = parseBlip2Config(json.config);
      const workload = { name: 'test', what: '', config, lora: json.lora, batch: json.batch };
      const training = await TrainingStep.open(lib, workload, { features });
      counted = 0;
      training.run();
      // The composed cross-entropy computes its logits again in the backward pass, which is not needed work.
      const { videos, answer, reasoning } = json.batch;
      const { vocab_size: vocabulary, d_model: width } = config.text_config;
      const repeated = 2 * videos * (answer + reasoning) * vocabulary * width;
      expect(counted - repeated).toBe(stepFlops(config, workload, features).total);
      training.dispose();
    });
});
