/**
 * Every native kernel against tfjs-backend-cpu on random shapes, dtypes, broadcasts, axes and special values, with each
 * instruction set and one and two threads.
 */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { selectEngine } from '../../src/engine/engine.js';
import type { NativeDevice } from '../../src/engine/native/addon.js';
import { fallbackCounts, resetFallbackCounts } from '../../src/engine/native/fallback.js';
import { tidied } from '../../src/ops/tidied.js';
import { device, ISAS, mismatch, randomFloats, randomInts, useIsa } from '../native/support.js';
import { cudaMissing, gpu } from '../support/cuda.js';

type Dtype = 'float32' | 'int32' | 'bool';
interface Value {
  values: Float32Array | Int32Array | Uint8Array;
  shape: number[];
  dtype: Dtype;
}
interface Trial {
  inputs: Value[];
  run: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
  /** Allowed error relative to the expected value and absolute; 0 for kernels that only move or compare. */
  relative?: number;
  absolute?: number;
}

const EXACT = 0;
const ROUNDED = 3e-7;

function value(rng: Rng, shape: number[], dtype: Dtype = 'float32', special = false): Value {
  const n = tf.util.sizeFromShape(shape);
  if (dtype === 'float32') return { values: randomFloats(rng, n, special), shape, dtype };
  if (dtype === 'int32') return { values: randomInts(rng, n, -50, 50), shape, dtype };
  return { values: Uint8Array.from({ length: n }, () => rng.int(2)), shape, dtype };
}

/** Rank 0 to 5, dimensions of 0 and 1 now and then, at times one long dimension. */
function randomShape(rng: Rng, minimumRank = 0, maximumRank = 5, empty = true): number[] {
  const rank = minimumRank + rng.int(maximumRank - minimumRank + 1);
  const shape = Array.from({ length: rank }, () => (empty && rng.float() < 0.02 ? 0 : 1 + rng.int(6)));
  if (rank > 0 && rng.float() < 0.15) shape[rng.int(rank)] = 33 + rng.int(300);
  return shape;
}

/** Two shapes that broadcast to the given one. */
function broadcastPair(rng: Rng, shape: number[]): [number[], number[]] {
  const pair = [shape.slice(), shape.slice()] as [number[], number[]];
  shape.forEach((_, i) => {
    if (rng.float() < 0.3) rng.pick(pair)[i] = 1;
  });
  const shorter = rng.pick(pair);
  while (shorter.length > 0 && (rng.float() < 0.3 || shorter[0] === 1) && rng.float() < 0.7) shorter.shift();
  return pair;
}

function axesOf(rng: Rng, rank: number): number[] {
  const all = Array.from({ length: rank }, (_, i) => i);
  return rng.shuffle(all).slice(0, 1 + rng.int(Math.max(1, rank)));
}

type Unary = (x: tf.Tensor) => tf.Tensor;
type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

const UNARY: Record<string, Unary> = {
  abs: tf.abs,
  neg: tf.neg,
  exp: tf.exp,
  sqrt: tf.sqrt,
  rsqrt: tf.rsqrt,
  square: tf.square,
  reciprocal: tf.reciprocal,
  relu: tf.relu,
  relu6: tf.relu6,
  sigmoid: tf.sigmoid,
  tanh: tf.tanh,
  erf: tf.erf,
  floor: tf.floor,
  ceil: tf.ceil,
  sign: tf.sign,
  isFinite: tf.isFinite,
  isNaN: tf.isNaN,
  isInf: tf.isInf,
  step: tf.step,
  log: tf.log,
};
const INTEGER_UNARY: Record<string, Unary> = {
  abs: tf.abs,
  neg: tf.neg,
  relu: tf.relu,
  sign: tf.sign,
};
const ARITHMETIC: Record<string, Binary> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  mod: tf.mod,
  pow: tf.pow,
};
const INTEGER_ARITHMETIC: Record<string, Binary> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  mod: tf.mod,
  floorDiv: tf.floorDiv,
};
const COMPARISONS: Record<string, Binary> = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
};

const TRIALS: Record<string, (rng: Rng) => Trial> = {
  unary: (rng) => {
    const name = rng.pick(Object.keys(UNARY));
    const f = UNARY[name]!;
    // tfjs-backend-cpu's own erf is good to 1e-7 absolute only (Abramowitz and Stegun 7.1.26).
    const absolute = name === 'erf' || name === 'sigmoid' ? 5e-7 : 1e-40;
    return { inputs: [value(rng, randomShape(rng), 'float32', true)], run: f, relative: 1e-6, absolute };
  },
  'unary on integers': (rng) => {
    const f = rng.pick(Object.values(INTEGER_UNARY));
    return { inputs: [value(rng, randomShape(rng), 'int32')], run: f };
  },
  clip: (rng) => ({
    inputs: [value(rng, randomShape(rng), rng.pick(['float32', 'int32']), true)],
    run: (x) => tf.clipByValue(x!, -1, 2),
  }),
  'large unary': (rng) => ({
    inputs: [value(rng, [40_000 + rng.int(40_000)])],
    run: (x) => tf.tanh(tf.exp(x!)),
    relative: 1e-6,
  }),
  arithmetic: (rng) => {
    const [a, b] = broadcastPair(rng, randomShape(rng));
    const name = rng.pick(Object.keys(ARITHMETIC));
    const special = name !== 'mod' && name !== 'pow';
    const inputs = [value(rng, a, 'float32', special), value(rng, b, 'float32', special)];
    if (name === 'pow' && rng.float() < 0.5)
      inputs[1] = { values: Float32Array.of(rng.int(5) - 1), shape: [], dtype: 'float32' };
    return {
      inputs,
      run: (x, y) => ARITHMETIC[name]!(x!, y!),
      relative: name === 'pow' ? 1e-6 : ROUNDED,
      absolute: name === 'mod' ? 1e-6 : 1e-40,
    };
  },
  'integer arithmetic': (rng) => {
    const [a, b] = broadcastPair(rng, randomShape(rng));
    const f = rng.pick(Object.values(INTEGER_ARITHMETIC));
    const inputs = [value(rng, a, 'int32'), value(rng, b, 'int32')];
    return { inputs, run: (x, y) => f(x!, y!) };
  },
  comparison: (rng) => {
    const [a, b] = broadcastPair(rng, randomShape(rng));
    const dtype = rng.pick(['float32', 'int32', 'bool'] as const);
    const f = rng.pick(Object.values(COMPARISONS));
    return {
      inputs: [value(rng, a, dtype, true), value(rng, b, dtype, true)],
      run: (x, y) => f(x!, y!),
    };
  },
  logic: (rng) => {
    const [a, b] = broadcastPair(rng, randomShape(rng));
    const f = rng.pick([tf.logicalAnd, tf.logicalOr, tf.logicalXor]);
    return {
      inputs: [value(rng, a, 'bool'), value(rng, b, 'bool')],
      run: (x, y) => tf.logicalNot(f(x!, y!)),
    };
  },
  'large broadcast': (rng) => {
    const [rows, cols] = [50 + rng.int(300), 100 + rng.int(400)];
    const b = rng.pick([[cols], [rows, 1], [1, cols], []]);
    return {
      inputs: [value(rng, [rows, cols]), value(rng, b)],
      run: (x, y) => tf.mul(tf.add(x!, y!), y!),
      relative: 1e-6,
      absolute: 1e-6,
    };
  },
  addN: (rng) => {
    const shape = randomShape(rng);
    const inputs = Array.from({ length: 1 + rng.int(4) }, () => value(rng, shape));
    return { inputs, run: (...all) => tf.addN(all), relative: 1e-6, absolute: 1e-6 };
  },
  reduction: (rng) => {
    const x = value(rng, randomShape(rng, 1, 5, false));
    const axes = rng.float() < 0.2 ? undefined : axesOf(rng, x.shape.length);
    const f = rng.pick([tf.sum, tf.mean, tf.max, tf.min] as const);
    const keep = rng.float() < 0.5;
    return { inputs: [x], run: (t) => f(t!, axes, keep), relative: 1e-6, absolute: 2e-5 };
  },
  'reduction with NaN and infinities': (rng) => {
    const x = value(rng, randomShape(rng, 1, 4, false), 'float32', true);
    const axes = axesOf(rng, x.shape.length);
    x.values.forEach((v, i) => {
      if (Math.abs(v) > 1e30 && Number.isFinite(v)) x.values[i] = 1;
    });
    const f = rng.pick([tf.sum, tf.max, tf.min] as const);
    return { inputs: [x], run: (t) => f(t!, axes), relative: 1e-6, absolute: 2e-5 };
  },
  'integer and bool reduction': (rng) => {
    const dtype = rng.pick(['int32', 'bool'] as const);
    const x = value(rng, randomShape(rng, 1, 4, false), dtype);
    const axes = axesOf(rng, x.shape.length);
    const f =
      dtype === 'bool'
        ? rng.pick([tf.any, tf.all, tf.sum] as const)
        : rng.pick([tf.sum, tf.max, tf.min] as const);
    return { inputs: [x], run: (t) => (f as typeof tf.sum)(t!, axes) };
  },
  prod: (rng) => {
    const x = value(rng, randomShape(rng, 1, 3, false));
    const axis = rng.int(x.shape.length);
    return { inputs: [x], run: (t) => tf.prod(t!, axis), relative: 1e-4, absolute: 1e-30 };
  },
  'large reduction': (rng) => {
    const x = value(rng, [1 + rng.int(4), 2000 + rng.int(9000), 1 + rng.int(40)]);
    const axes = rng.pick([[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]]);
    return { inputs: [x], run: (t) => tf.sum(t!, axes), relative: 1e-5, absolute: 2e-3 };
  },
  argmax: (rng) => {
    const x = value(rng, randomShape(rng, 1, 4, false), rng.pick(['float32', 'int32']));
    const axis = rng.int(x.shape.length);
    return { inputs: [x], run: (t) => [tf.argMax(t!, axis), tf.argMin(t!, axis)] };
  },
  softmax: (rng) => ({
    inputs: [value(rng, randomShape(rng, 1, 4, false))],
    run: (x) => tf.softmax(x!),
    relative: 2e-6,
    absolute: 1e-9,
  }),
  'log softmax': (rng) => ({
    inputs: [value(rng, randomShape(rng, 1, 4, false))],
    run: (x) => tf.logSoftmax(x!),
    relative: 2e-6,
    absolute: 2e-6,
  }),
  cumsum: (rng) => {
    const x = value(rng, randomShape(rng, 1, 4, false), rng.pick(['float32', 'int32']));
    const axis = rng.int(x.shape.length);
    const [exclusive, reverse] = [rng.float() < 0.5, rng.float() < 0.5];
    return {
      inputs: [x],
      run: (t) => tf.cumsum(t!, axis, exclusive, reverse),
      relative: 1e-5,
      absolute: 1e-5,
    };
  },
  topk: (rng) => {
    const shape = randomShape(rng, 1, 3, false);
    const x = value(rng, shape);
    // Ties must be broken towards the earlier index.
    x.values.forEach((v, i) => {
      x.values[i] = Math.round(v * 3);
    });
    const k = 1 + rng.int(shape[shape.length - 1]!);
    return {
      inputs: [x],
      run: (t) => {
        const { values, indices } = tf.topk(t!, k);
        return [values, indices];
      },
    };
  },
  transpose: (rng) => {
    const x = value(rng, randomShape(rng, 1, 5), rng.pick(['float32', 'int32', 'bool']));
    const perm = rng.shuffle(x.shape.map((_, i) => i));
    return { inputs: [x], run: (t) => tf.transpose(t!, perm) };
  },
  'large transpose': (rng) => {
    const x = value(rng, [1 + rng.int(4), 17 + rng.int(80), 1 + rng.int(9), 17 + rng.int(60)]);
    const perm = rng.shuffle([0, 1, 2, 3]);
    return { inputs: [x], run: (t) => tf.transpose(t!, perm) };
  },
  slice: (rng) => {
    const x = value(rng, randomShape(rng, 1, 5, false), rng.pick(['float32', 'int32', 'bool']));
    const begin = x.shape.map((dim) => rng.int(dim));
    const size = x.shape.map((dim, i) => rng.int(dim - begin[i]! + 1));
    return { inputs: [x], run: (t) => tf.slice(t!, begin, size) };
  },
  reverse: (rng) => {
    const x = value(rng, randomShape(rng, 1, 4), rng.pick(['float32', 'bool']));
    const axes = axesOf(rng, x.shape.length);
    return { inputs: [x], run: (t) => tf.reverse(t!, axes) };
  },
  tile: (rng) => {
    const x = value(rng, randomShape(rng, 1, 4), rng.pick(['float32', 'int32', 'bool']));
    const reps = x.shape.map(() => rng.int(4));
    return { inputs: [x], run: (t) => tf.tile(t!, reps) };
  },
  pad: (rng) => {
    const x = value(rng, randomShape(rng, 1, 4, false), rng.pick(['float32', 'int32']));
    const paddings = x.shape.map(() => [rng.int(4), rng.int(4)] as [number, number]);
    return { inputs: [x], run: (t) => tf.pad(t!, paddings, 3) };
  },
  concat: (rng) => {
    const shape = randomShape(rng, 1, 4);
    const axis = rng.int(shape.length);
    const dtype = rng.pick(['float32', 'int32', 'bool'] as const);
    const inputs = Array.from({ length: 1 + rng.int(4) }, () =>
      value(
        rng,
        shape.map((dim, i) => (i === axis ? 1 + rng.int(4) : dim)),
        dtype,
      ),
    );
    return { inputs, run: (...all) => tf.concat(all, axis) };
  },
  'stack and unstack': (rng) => {
    const shape = randomShape(rng, 1, 4, false);
    const inputs = Array.from({ length: 1 + rng.int(4) }, () => value(rng, shape));
    const axis = rng.int(shape.length + 1);
    const other = rng.int(shape.length + 1);
    return { inputs, run: (...all) => tf.unstack(tf.stack(all, axis), other) };
  },
  split: (rng) => {
    const shape = randomShape(rng, 1, 4, false);
    const axis = rng.int(shape.length);
    const sizes = [1 + rng.int(3), 1 + rng.int(3), rng.int(3)];
    shape[axis] = sizes.reduce((a, b) => a + b, 0);
    return {
      inputs: [value(rng, shape, rng.pick(['float32', 'int32']))],
      run: (t) => tf.split(t!, sizes, axis),
    };
  },
  where: (rng) => {
    const shape = randomShape(rng, 1, 4, false);
    const dtype = rng.pick(['float32', 'int32', 'bool'] as const);
    return {
      inputs: [value(rng, shape, 'bool'), value(rng, shape, dtype), value(rng, shape, dtype)],
      run: (c, a, b) => tf.where(c!, a!, b!),
    };
  },
  cast: (rng) => {
    const dtypes = ['float32', 'int32', 'bool'] as const;
    const to = rng.pick(dtypes);
    return { inputs: [value(rng, randomShape(rng), rng.pick(dtypes), true)], run: (t) => tf.cast(t!, to) };
  },
  'fill, range and one-hot': (rng) => {
    const depth = 2 + rng.int(9);
    const indices = value(rng, randomShape(rng, 1, 3), 'int32');
    const step = rng.pick([1, 2, -1, 0.5]);
    return {
      inputs: [indices],
      run: (t) => [
        tf.oneHot(t!, depth, 2, -1, 'float32'),
        tf.oneHot(t!, depth),
        tf.range(3, 3 + 5 * step, step),
        tf.fill([2, 3], 1.5),
        tf.zerosLike(t!),
        tf.onesLike(t!),
      ],
    };
  },
  gather: (rng) => {
    const shape = randomShape(rng, 1, 4, false);
    const axis = rng.int(shape.length);
    const x = value(rng, shape, rng.pick(['float32', 'int32', 'bool']));
    const indexShape = randomShape(rng, 1, 3, false);
    const values = randomInts(rng, tf.util.sizeFromShape(indexShape), 0, shape[axis]!);
    return {
      inputs: [x, { values, shape: indexShape, dtype: 'int32' }],
      run: (t, i) => tf.gather(t!, i!, axis),
    };
  },
  'gather with a batch dimension': (rng) => {
    const [batch, dim, width] = [1 + rng.int(4), 1 + rng.int(6), 1 + rng.int(5)];
    const values = randomInts(rng, batch * 3, 0, dim);
    const index: Value = { values, shape: [batch, 3], dtype: 'int32' };
    return { inputs: [value(rng, [batch, dim, width]), index], run: (t, i) => tf.gather(t!, i!, 1, 1) };
  },
  'segment sum': (rng) => {
    const x = value(
      rng,
      [1 + rng.int(200), ...randomShape(rng, 0, 2, false)],
      rng.pick(['float32', 'int32']),
    );
    const segments = 1 + rng.int(9);
    const ids: Value = {
      values: randomInts(rng, x.shape[0]!, -1, segments + 1),
      shape: [x.shape[0]!],
      dtype: 'int32',
    };
    return {
      inputs: [x, ids],
      run: (t, i) => tf.cast(tf.unsortedSegmentSum(t!, i as tf.Tensor1D, segments), 'float32'),
      relative: 1e-5,
      absolute: 1e-5,
    };
  },
  'matrix product': (rng) => {
    const [m, k, n] = [1 + rng.int(40), 1 + rng.int(40), 1 + rng.int(40)];
    const [transA, transB] = [rng.float() < 0.5, rng.float() < 0.5];
    const [batchA, batchB] = broadcastPair(rng, randomShape(rng, 0, 2, false));
    const a = value(rng, [...batchA, ...(transA ? [k, m] : [m, k])]);
    const b = value(rng, [...batchB, ...(transB ? [n, k] : [k, n])]);
    const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
    const run = (x: tf.Tensor, y: tf.Tensor): tf.Tensor => {
      if (tf.getBackend() !== 'cpu') return tf.matMul(x, y, transA, transB);
      // tfjs-backend-cpu walks a batch that broadcasts in part wrongly: repeat the items for it.
      const full = (t: tf.Tensor): tf.Tensor => tf.broadcastTo(t, [...batch, ...t.shape.slice(-2)]);
      return tf.matMul(full(x), full(y), transA, transB);
    };
    return { inputs: [a, b], run: run as never, relative: 1e-5, absolute: 2e-5 };
  },
  'fused matrix product': (rng) => {
    const [m, k, n] = [1 + rng.int(20), 1 + rng.int(20), 1 + rng.int(20)];
    const activation = rng.pick(['linear', 'relu', 'relu6', 'sigmoid'] as const);
    const inputs = [value(rng, [m, k]), value(rng, [k, n]), value(rng, [n])];
    const run = (a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
      tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias, activation });
    return { inputs, run: run as never, relative: 1e-5, absolute: 2e-5 };
  },
  convolution: (rng) => {
    const [height, width, channels, out] = [5 + rng.int(6), 5 + rng.int(6), 1 + rng.int(4), 1 + rng.int(5)];
    const [fh, fw] = [1 + rng.int(3), 1 + rng.int(3)];
    const stride = 1 + rng.int(2);
    const dilation = stride === 1 ? 1 + rng.int(2) : 1;
    const pad = rng.pick(['same', 'valid'] as const);
    const inputs = [
      value(rng, [1 + rng.int(3), height, width, channels]),
      value(rng, [fh, fw, channels, out]),
    ];
    const conv = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
      tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad, 'NHWC', dilation);
    const run = (x: tf.Tensor, w: tf.Tensor): tf.Tensor[] =>
      dilation === 1 ? [conv(x, w), ...tf.grads((a, b) => tf.square(conv(a!, b!)))([x, w])] : [conv(x, w)];
    return { inputs, run: run as never, relative: 1e-4, absolute: 1e-3 };
  },
};

interface Outcome {
  shape: number[];
  dtype: string;
  values: ArrayLike<number>;
}

function evaluate(backend: string, trial: Trial): Outcome[] {
  tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const outcomes = tidied(() => {
    const inputs = trial.inputs.map(({ values, shape, dtype }) => tf.tensor(values.slice(), shape, dtype));
    const outputs = trial.run(...inputs);
    return (Array.isArray(outputs) ? outputs : [outputs]).map((x) => ({
      shape: x.shape,
      dtype: x.dtype,
      values: x.dataSync() as ArrayLike<number>,
    }));
  });
  expect(tf.memory().numTensors).toBe(before);
  return outcomes;
}

/** What the same trials run on. */
interface Machine {
  title: string;
  engine: 'native-cpu' | 'native-cuda';
  device: NativeDevice;
  prepare(): void;
  restore(): void;
}

const MACHINES: Machine[] = ISAS.flatMap((isa) =>
  [1, 2].map((threads) => ({
    title: `native-cpu, ${isa}, ${threads} threads`,
    engine: 'native-cpu' as const,
    device,
    prepare: () => useIsa(isa, threads),
    restore: () => useIsa(device.bestIsa(), 2),
  })),
);
if (cudaMissing === undefined) {
  const nothing = (): void => undefined;
  MACHINES.push({
    title: 'native-cuda',
    engine: 'native-cuda',
    device: gpu(),
    prepare: nothing,
    restore: nothing,
  });
} else {
  describe('kernels (native-cuda) equal tfjs-backend-cpu', () => {
    it.skip(`SKIPPED, native-cuda cannot run: ${cudaMissing}`, () => undefined);
  });
}

describe.each(MACHINES)('kernels ($title) equal tfjs-backend-cpu', (machine) => {
  beforeAll(async () => {
    await selectEngine(machine.engine);
    machine.prepare();
    resetFallbackCounts();
  });
  afterAll(() => machine.restore());

  it.each(Object.keys(TRIALS))('%s', (name) => {
    const rng = new Rng(`${name} ${machine.title}`);
    const repeats = name.startsWith('large') || name === 'convolution' ? 4 : 40;
    for (let i = 0; i < repeats; i++) {
      const trial = TRIALS[name]!(rng);
      const expected = evaluate('cpu', trial);
      const held = machine.device.memory().buffers;
      const actual = evaluate(machine.engine, trial);
      expect(machine.device.memory().buffers).toBe(held);
      const about = JSON.stringify(trial.inputs.map(({ shape, dtype }) => [shape, dtype]));
      actual.forEach((a, j) => {
        const e = expected[j]!;
        expect([a.shape, a.dtype], about).toEqual([e.shape, e.dtype]);
        expect(mismatch(a.values, e.values, trial.relative ?? EXACT, trial.absolute), about).toBeUndefined();
      });
    }
  });
});

describe('kernels that still fall back', () => {
  it('is counted by kernel name', async () => {
    await selectEngine('native-cpu');
    resetFallbackCounts();
    tf.tidy(() => {
      expect(tf.sin(tf.tensor1d([0, 1])).dataSync()[1]).toBeCloseTo(Math.sin(1), 6);
    });
    expect(fallbackCounts()).toEqual({ Sin: 1 });
  });
});
