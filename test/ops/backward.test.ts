/** The backward pass: gradients, memory, errors. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { valueAndGradients } from '../../src/ops/backward.js';
import { gelu, layerNorm, linear, rmsNorm } from '../../src/ops/index.js';
import { adding, taped } from '../../src/ops/tape.js';
import { COMPOSED_CPU, normal, onEveryForm, toTensor, use } from './support.js';

/**
 * A small net of plain and of recorded operations in which tensors are used several times; beside both norms their input
 * goes on, as in a pre-norm block.
 */
function net(x: tf.Tensor2D, weight: tf.Tensor2D, scale: tf.Tensor1D, shift: tf.Tensor1D): tf.Tensor {
  const normed = layerNorm(x, scale, shift, 1e-6);
  const inner = tf.add(gelu(linear(rmsNorm(normed, scale, 1e-6), weight, shift), 'erf'), normed);
  const [left, right] = tf.split(tf.concat([inner, tf.mul(normed, inner)], 1), 2, 1);
  return tf.sum(tf.square(tf.add(tf.add(left!, x), tf.mul(right!, shift))), 1);
}

const inputs = (): [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D] => {
  const rng = new Rng('backward');
  const random = <T extends tf.Tensor>(...shape: number[]): T => toTensor<T>(normal(rng, shape));
  return [random(5, 6), random(6, 6), random(6), random(6)];
};

onEveryForm('backward', () => {
  it('gives the value and the gradients that tfjs gives, with dy and without', () => {
    const xs = inputs();
    const f = () => net(...xs);
    for (const dy of [undefined, toTensor<tf.Tensor1D>(normal(new Rng('dy'), [5]))]) {
      const ours = valueAndGradients(f, xs, dy);
      const truth = tf.valueAndGrads((...t) => net(...(t as typeof xs)))(xs, dy);
      expect([...ours.value.dataSync()]).toEqual([...truth.value.dataSync()]);
      ours.grads.forEach((grad, i) => {
        const difference = tf.max(tf.abs(tf.sub(grad!, truth.grads[i]!))).dataSync()[0]!;
        expect(difference).toBeLessThan(1e-5);
      });
    }
  });
});

// These hold for tfjs-core 4.22.0, whose engine internals src/ops/backward.ts relies on.
describe('backward', () => {
  let before = 0;
  beforeAll(() => use(COMPOSED_CPU));
  beforeEach(() => {
    before = tf.memory().numTensors;
  });
  afterEach(() => tf.disposeVariables());

  /** What is left besides `expected` tensors. */
  const leaked = (...expected: unknown[]): number =>
    tf.memory().numTensors - before - expected.flat().filter((each) => each !== undefined).length;

  it('leaks nothing, and returns undefined for a tensor that the value does not depend on', () => {
    tf.tidy(() => {
      const xs = [...inputs(), tf.scalar(3)];
      const { value, grads } = valueAndGradients(
        () => net(...(xs.slice(0, 4) as ReturnType<typeof inputs>)),
        xs,
      );
      expect(grads.map((grad) => grad?.shape)).toEqual([[5, 6], [6, 6], [6], [6], undefined]);
      expect(leaked(value, grads, xs)).toBe(0);
    });
    expect(leaked()).toBe(0);
  });

  it('gives the gradient of a tensor that is also an intermediate result, and of the value itself', () => {
    const x = tf.tensor1d([1, 2]);
    const y = tf.square(x);
    const both = valueAndGradients(() => tf.mul(y, tf.square(y)), [y, x]);
    expect([...both.grads[0]!.dataSync()]).toEqual([3, 48]);
    expect(both.grads[1]).toBeUndefined();
    const itself = valueAndGradients(() => x, [x]);
    expect([...itself.grads[0]!.dataSync()]).toEqual([1, 1]);
    const inside = valueAndGradients(() => tf.add(x, x), [x]);
    expect([...inside.grads[0]!.dataSync()]).toEqual([2, 2]);
  });

  it('frees gradients and saved tensors as soon as the pass is past them', () => {
    const x = tf.ones([1000]);
    const base = tf.memory().numBytes;
    const alive: number[] = [];
    const scale = (t: tf.Tensor): tf.Tensor =>
      taped(
        'scale',
        { t },
        (save) => {
          save([tf.mul(t, 2)]);
          return tf.mul(t, 3);
        },
        (dy) => {
          alive.push(tf.memory().numBytes - base);
          return { t: () => tf.mul(dy, 3) };
        },
      );
    const steps = [1, 2, 3, 4, 5, 6];
    valueAndGradients(() => steps.reduce((a) => scale(a), x as tf.Tensor), [x]);
    // The value, one gradient, and 4,000 bytes saved for each operation that is left.
    expect(alive).toEqual(steps.map((done) => 4000 * (2 + 7 - done)));
  });

  it('takes gradients that an operation returns from elsewhere: dy, a saved tensor, one tensor twice', () => {
    const [x, y] = [tf.tensor1d([1, 2]), tf.tensor1d([5, 7])];
    const odd = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor): tf.Tensor =>
      taped(
        'odd',
        { a, b, c, d },
        (save) => {
          save([a]);
          return tf.add(a, b);
        },
        (dy, [saved]) => {
          const once = tf.mul(dy, 10);
          return { a: () => dy, b: () => saved!, c: () => once, d: () => once };
        },
      );
    const squared = () => odd(tf.square(x), tf.square(y), tf.square(x), tf.square(y));
    const { grads } = valueAndGradients(squared, [x, y]);
    // 2 x (1 + 10) and 2 y (x^2 + 10)
    expect([...grads[0]!.dataSync()]).toEqual([22, 44]);
    expect([...grads[1]!.dataSync()]).toEqual([110, 196]);
    expect([...x.dataSync(), ...y.dataSync()]).toEqual([1, 2, 5, 7]);
  });

  it('lets an operation add to the gradient that is there, for one tensor under two names as well', () => {
    const given: (number[] | undefined)[] = [];
    const twice = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      taped(
        'twice',
        { a, b },
        () => tf.add(tf.mul(a, 2), tf.mul(b, 3)),
        (dy) => {
          const times = (factor: number) =>
            adding((addend) => {
              given.push(addend && [...addend.dataSync()]);
              const dx = tf.mul(dy, factor);
              return addend ? tf.add(addend, dx) : dx;
            });
          return { a: times(2), b: times(3) };
        },
      );
    const x = tf.tensor1d([1, 2]);
    const { grads } = valueAndGradients(() => {
      const y = tf.square(x);
      return tf.mul(twice(y, y), 10);
    }, [x]);
    expect([...grads[0]!.dataSync()]).toEqual([100, 200]);
    expect(given).toEqual([undefined, [20, 20]]);
    given.length = 0;
    const beside = valueAndGradients(() => tf.add(twice(x, x), x), [x]);
    expect([...beside.grads[0]!.dataSync()]).toEqual([6, 6]);
    expect(given).toEqual([
      [1, 1],
      [3, 3],
    ]);
  });

  it.each([
    ['the function', (x: tf.Tensor) => failing(tf.square(tf.square(x)), true)],
    ['a gradient', (x: tf.Tensor) => tf.square(failing(tf.square(x), false))],
  ])('frees everything when %s fails, and the next pass works', (_, f) => {
    const x = tf.scalar(3);
    expect(() => valueAndGradients(() => f(x), [x])).toThrow('out of memory');
    expect(leaked(x)).toBe(0);
    expect(valueAndGradients(() => tf.square(x), [x]).grads[0]!.dataSync()[0]).toBe(6);
    expect(
      tf
        .grad((t) => tf.square(t))(x)
        .dataSync()[0],
    ).toBe(6);
  });

  it('names the operation without a gradient, and the input whose gradient has another shape', () => {
    const x = tf.tensor1d([1, 2]);
    expect(() =>
      valueAndGradients(
        () => tf.sum(tf.bincount(tf.cast(x, 'int32') as tf.Tensor1D, tf.tensor1d([]) as tf.Tensor1D, 3)),
        [x],
      ),
    ).toThrow(/no gradient is registered for Bincount/);
    const wrong = (t: tf.Tensor): tf.Tensor =>
      taped(
        'wrong',
        { t },
        () => tf.mul(t, 2),
        () => ({ t: () => tf.zeros([3]) }),
      );
    expect(() => valueAndGradients(() => wrong(x), [x])).toThrow(
      /wrong: the gradient of t is \(3\), expected \(2\)/,
    );
  });

  it('works inside the backward pass of another, of ours and of tfjs', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const cube = (t: tf.Tensor): tf.Tensor =>
      taped(
        'cube',
        { t },
        (save) => {
          save([t]);
          return tf.pow(t, 3);
        },
        (dy, [saved]) => ({
          t: () => valueAndGradients(() => tf.pow(saved!, 3), [saved!], dy).grads[0]!,
        }),
      );
    const f = (t: tf.Tensor): tf.Tensor => cube(tf.mul(cube(t), 2));
    const expected = [1, 2, 3].map((v) => 3 * (2 * v ** 3) ** 2 * 6 * v ** 2);
    for (const gradient of [tf.grad(f)(x), valueAndGradients(() => f(x), [x]).grads[0]!]) {
      gradient.dataSync().forEach((value, i) => {
        expect(value / expected[i]! - 1).toBeCloseTo(0, 5);
      });
    }
  });
});

/** t, saving it; fails at once, or in the backward pass. */
function failing(t: tf.Tensor, now: boolean): tf.Tensor {
  return taped(
    'failing',
    { t },
    (save) => {
      save([t]);
      if (now) throw new Error('out of memory');
      return tf.mul(t, 1);
    },
    () => ({
      t: () => {
        throw new Error('out of memory');
      },
    }),
  );
}
