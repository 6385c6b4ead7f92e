/** Gradient checkpointing: the same gradients, less memory. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import {
  DropoutStream,
  dropout,
  gelu,
  linear,
  recompute,
  rmsNorm,
  valueAndGradients,
} from '../../src/ops/index.js';
import { taped } from '../../src/ops/tape.js';
import { largestError, normal, onEveryForm, toTensor } from './support.js';

const ROWS = 16;
const WIDTH = 24;

interface Block {
  norm: tf.Variable;
  up: tf.Variable;
  down: tf.Variable;
}

function makeBlocks(count: number): Block[] {
  const rng = new Rng('blocks');
  const variable = (shape: number[], scale: number): tf.Variable =>
    tf.variable(toTensor(normal(rng, shape, scale)));
  return Array.from({ length: count }, () => ({
    norm: variable([WIDTH], 1),
    up: variable([2 * WIDTH, WIDTH], 0.2),
    down: variable([WIDTH, 2 * WIDTH], 0.2),
  }));
}

const variablesOf = (block: Block): tf.Variable[] => [block.norm, block.up, block.down];

/** A pre-norm feed-forward block with dropout, and a shift that needs no gradient. */
function runBlock(block: Block, x: tf.Tensor, shift: tf.Tensor, stream: DropoutStream): tf.Tensor {
  const h = rmsNorm(x, block.norm as tf.Tensor as tf.Tensor1D, 1e-6);
  const a = gelu(linear(h, block.up as tf.Tensor as tf.Tensor2D), 'erf');
  const y = linear(dropout(a, stream.next(0.2)), block.down as tf.Tensor as tf.Tensor2D);
  return tf.add(tf.add(x, y), shift);
}

type Chain = (blocks: Block[], x: tf.Tensor, shift: tf.Tensor, stream: DropoutStream) => tf.Tensor;

const plain: Chain = (blocks, x, shift, stream) =>
  blocks.reduce((h, block) => runBlock(block, h, shift, stream), x);

const oneByOne: Chain = (blocks, x, shift, stream) =>
  blocks.reduce(
    (h, block) =>
      recompute(
        ({ h, shift }) => runBlock(block, h, shift, stream),
        { h, shift },
        variablesOf(block),
        stream,
      ),
    x,
  );

const nested: Chain = (blocks, x, shift, stream) =>
  recompute(
    ({ x, shift }) => oneByOne(blocks, x, shift, stream),
    { x, shift },
    blocks.flatMap(variablesOf),
    stream,
  );

interface Outcome {
  loss: number;
  gradients: Record<string, Float32Array>;
  /** Tensors alive at most, sampled whenever the forward or the backward pass is inside a block's dropout. */
  peak: number;
  nextCall: number;
}

function differentiate(chain: Chain, blocks: Block[], x: tf.Tensor): Outcome {
  const stream = new DropoutStream(5);
  stream.startStep(1);
  let peak = 0;
  const next = stream.next.bind(stream);
  stream.next = (rate) => {
    peak = Math.max(peak, tf.memory().numBytes);
    return next(rate);
  };
  const { value, grads } = tf.variableGrads(() => {
    const shift = tf.mul(tf.ones([WIDTH]), 0.01);
    const first = blocks[0]!;
    // The loss also reads a parameter outside the blocks: both paths to it must add up.
    const y = tf.mul(chain(blocks, x, shift, stream), first.norm);
    return tf.sum(tf.square(y)) as tf.Scalar;
  }, blocks.flatMap(variablesOf));
  const gradients = Object.fromEntries(
    Object.entries(grads).map(([name, grad]) => [name, grad.dataSync() as Float32Array]),
  );
  const loss = value.dataSync()[0]!;
  tf.dispose([value, grads]);
  return { loss, gradients, peak, nextCall: stream.mark() };
}

onEveryForm('recompute', () => {
  it.each([
    ['one block at a time', oneByOne],
    ['nested', nested],
  ])('gives the gradients of the plain form, dropout bits included: %s', (_name, chain) => {
    const blocks = makeBlocks(4);
    const x = toTensor(normal(new Rng('x'), [ROWS, WIDTH]));
    const expected = differentiate(plain, blocks, x);
    const before = tf.memory().numTensors;
    const actual = differentiate(chain, blocks, x);
    expect(tf.memory().numTensors).toBe(before);
    expect(actual.loss).toBe(expected.loss);
    expect(actual.nextCall).toBe(expected.nextCall);
    expect(Object.keys(actual.gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      expect(largestError(actual.gradients[name]!, gradient), name).toBeLessThan(1e-6);
    }
    tf.dispose([x, blocks.flatMap(variablesOf)]);
  });

  it('holds less memory at its peak than the plain form, and a share of it that falls with depth', () => {
    const x = toTensor(normal(new Rng('x'), [ROWS * 16, WIDTH]));
    const share = (depth: number): number => {
      const blocks = makeBlocks(depth);
      const base = tf.memory().numBytes;
      const ratio =
        (differentiate(oneByOne, blocks, x).peak - base) / (differentiate(plain, blocks, x).peak - base);
      tf.dispose(blocks.flatMap(variablesOf));
      return ratio;
    };
    const [shallow, deep] = [share(4), share(16)];
    expect(shallow).toBeLessThan(1);
    expect(deep).toBeLessThan(0.6);
    expect(deep).toBeLessThan(shallow);
    x.dispose();
  });

  it('gives gradients to several inputs, and none is needed for the parameters', () => {
    const rng = new Rng('inputs');
    const [a, b] = [toTensor(normal(rng, [5])), toTensor(normal(rng, [5]))];
    const product = (x: tf.Tensor, y: tf.Tensor): tf.Tensor => tf.mul(tf.square(x), y);
    const expected = tf.grads(product)([a, b]);
    const actual = tf.grads((x, y) => recompute(({ x, y }) => product(x, y), { x: x!, y: y! }))([a, b]);
    actual.forEach((gradient, i) => {
      expect(largestError(gradient.dataSync(), expected[i]!.dataSync())).toBeLessThan(1e-6);
    });
  });

  it('computes the gradients that the pass leads on to, and no other', () => {
    const asked: string[] = [];
    const gradient = (name: string, dy: tf.Tensor, other: tf.Tensor) => () => {
      asked.push(name);
      return tf.mul(dy, other);
    };
    const product = (x: tf.Tensor, y: tf.Tensor): tf.Tensor =>
      taped(
        'product',
        { x, y },
        (save) => {
          save([x, y]);
          return tf.mul(x, y);
        },
        (dy, [x, y]) => ({ x: gradient('x', dy, y!), y: gradient('y', dy, x!) }),
      );
    const weight = tf.variable(tf.tensor1d([2, 3]));
    const [given, absent] = [tf.tensor1d([5, 7]), undefined];
    const inner = () =>
      recompute(({ x, y }) => product(x, y), { x: tf.mul(weight, 1), y: tf.mul(given, 1), absent });
    // Nested, the outer one says what the inner one is asked for.
    for (const f of [inner, () => recompute(inner, {}, [weight])]) {
      asked.length = 0;
      const { value, grads } = valueAndGradients(() => tf.sum(f()), [weight]);
      expect([...grads[0]!.dataSync()]).toEqual([5, 7]);
      expect(asked).toEqual(['x']);
      tf.dispose([value, grads[0]!]);
    }
    tf.dispose([weight, given]);
  });

  it('runs the function once outside a gradient, and frees its tensors', () => {
    const x = tf.ones([3]);
    const before = tf.memory().numTensors;
    let calls = 0;
    const y = recompute(
      ({ x }) => {
        calls++;
        return tf.add(tf.mul(x, 2), 1);
      },
      { x },
    );
    expect([...y.dataSync()]).toEqual([3, 3, 3]);
    expect(calls).toBe(1);
    expect(tf.memory().numTensors).toBe(before + 1);
    tf.dispose([x, y]);
  });
});
