/** Transformer blocks with and without recomputation. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { inferenceContext, type Recompute, trainingContext } from '../../../src/model/context.js';
import { FeedForward, type FeedForwardSettings } from '../../../src/model/layers/feedForward.js';
import { initialiseMissing, Module } from '../../../src/model/layers/module.js';
import { RmsNorm } from '../../../src/model/layers/norm.js';
import { type Block, postNorm, preNorm, runBlocks } from '../../../src/model/layers/sublayer.js';
import { valueAndGradients } from '../../../src/ops/backward.js';
import { onEngines, relativeDifference } from '../support.js';

const [ROWS, COLUMNS, WIDTH] = [2, 3, 8];

type Kind = Pick<FeedForwardSettings, 'activation' | 'first'>;

const KINDS: Kind[] = (['erf', 'tanh', 'relu', 'silu'] as const).flatMap((activation) => [
  { activation, first: ['gate', 'up'] as const },
  { activation, first: ['up'] as const },
]);

/** x + layer(norm(x)), then norm(x + layer(x)): both of a feed-forward layer's places. */
class TestBlock extends Module implements Block<object> {
  readonly norms: RmsNorm[];
  readonly layers: FeedForward[];

  constructor(
    path: string,
    kind: Kind,
    readonly recomputesSublayers: boolean,
  ) {
    super(path);
    const dropout = { inner: 0.2, result: 0.3 };
    const settings = { ...kind, width: WIDTH, inner: 12, last: 'down', bias: true, dropout };
    this.norms = ['pre', 'post'].map((name) => this.child(new RmsNorm(`${path}.${name}.norm`, WIDTH, 1e-6)));
    this.layers = ['pre', 'post'].map((name) => this.child(new FeedForward(`${path}.${name}`, settings)));
  }

  forward(x: tf.Tensor3D, _tensors: object, context: Parameters<typeof preNorm>[3]): tf.Tensor3D {
    const y = preNorm(x, this.norms[0]!, this.layers[0]!, context);
    return postNorm(y, this.norms[1]!, this.layers[1]!, context);
  }
}

function makeBlocks(kind: Kind, recomputesSublayers = true): TestBlock[] {
  const blocks = [0, 1].map((i) => new TestBlock(`block${i}`, kind, recomputesSublayers));
  for (const block of blocks) {
    initialiseMissing(block, new Rng('blocks'));
    block.setTrainable(() => true);
  }
  return blocks;
}

function makeInput(): tf.Tensor3D {
  const rng = new Rng('x');
  const values = Float32Array.from({ length: ROWS * COLUMNS * WIDTH }, () => rng.normal());
  return tf.tensor3d(values, [ROWS, COLUMNS, WIDTH]);
}

const ACTIVATIONS: Record<Kind['activation'], (x: number) => number> = {
  erf: (x) => 0.5 * x * (1 + tf.tidy(() => tf.erf(tf.scalar(x * Math.SQRT1_2)).dataSync()[0]!)),
  tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + Math.exp(-x)),
};

/** last(act(gate x) * up x) of one row, in float64. */
function feedForward({ first, last }: FeedForward, kind: Kind, x: number[]): number[] {
  const apply = ({ weight, bias }: typeof last, x: number[]): number[] => {
    const [w, b] = [weight.value.dataSync(), bias!.value.dataSync()];
    return Array.from(b, (shift, o) =>
      x.reduce((sum, value, i) => sum + value * w[o * x.length + i]!, shift),
    );
  };
  const [gate, up] = first.map((layer) => apply(layer, x));
  const active = gate!.map((value, i) => ACTIVATIONS[kind.activation](value) * (up?.[i] ?? 1));
  return apply(last, active);
}

function normed({ weight }: RmsNorm, x: number[]): number[] {
  const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + 1e-6);
  const w = weight.value.dataSync();
  return x.map((value, i) => value * scale * w[i]!);
}

onEngines('a block', ['native-cpu', 'native-cuda', 'cpu'], () => {
  it.each(KINDS)('is x + layer(norm(x)), and norm(x + layer(x)): $activation of $first', (kind) => {
    const blocks = makeBlocks(kind);
    const x = makeInput();
    const y = runBlocks(blocks, x, {}, inferenceContext());
    const plus = (a: number[], b: number[]) => a.map((value, i) => value + b[i]!);
    const expected = (tf.reshape(x, [-1, WIDTH]).arraySync() as number[][]).map((row) =>
      blocks.reduce((row, { norms, layers }) => {
        const middle = plus(row, feedForward(layers[0]!, kind, normed(norms[0]!, row)));
        return normed(norms[1]!, plus(middle, feedForward(layers[1]!, kind, middle)));
      }, row),
    );
    const error = [...y.dataSync()].map((value, i) => Math.abs(value - expected.flat()[i]!));
    expect(Math.max(...error)).toBeLessThan(1e-5);
    tf.dispose([x, y]);
    for (const block of blocks) block.dispose();
  });

  it.each(KINDS)(
    'gives the same loss bits and the same gradients however much is recomputed: $activation of $first',
    (kind) => {
      const x = makeInput();
      const trained = (bySublayer: boolean, recompute: Recompute) => {
        const blocks = makeBlocks(kind, bySublayer);
        const context = trainingContext('f32', 5, recompute);
        const before = tf.memory().numTensors;
        const variables = blocks.flatMap((block) => [...block.parameters()].map(({ value }) => value));
        const { value, grads } = valueAndGradients(
          () => tf.sum(tf.mul(runBlocks(blocks, x, {}, context), x)),
          variables,
        );
        const outcome = {
          loss: value.dataSync()[0],
          gradients: grads.flatMap((grad) => [...grad!.dataSync()]),
          draws: context.dropout.mark(),
        };
        tf.dispose([value, grads as tf.Tensor[]]);
        expect(tf.memory().numTensors).toBe(before);
        for (const block of blocks) block.dispose();
        return outcome;
      };
      const expected = trained(true, false);
      expect(expected.draws).toBe(8);
      for (const recompute of ['light', true] as const)
        for (const bySublayer of [true, false]) {
          const { gradients, ...actual } = trained(bySublayer, recompute);
          expect(actual).toEqual({ loss: expected.loss, draws: expected.draws });
          expect(relativeDifference(gradients, expected.gradients)).toBeLessThan(1e-5);
        }
      x.dispose();
    },
  );
});
