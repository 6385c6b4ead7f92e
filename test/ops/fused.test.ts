/** Fused kernels against the composed forms. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { fusedCalls, type Operand } from '../../src/engine/native/calls.js';
import { nativeDevice } from '../../src/engine/native/load.js';
import {
  adamwStep,
  attention,
  type DropoutKey,
  dropout,
  embedding,
  gatedGelu,
  gelu,
  globalNorm,
  layerNorm,
  linear,
  linearCrossEntropy,
  rmsNorm,
} from '../../src/ops/index.js';
import { type Dropout, hasFused, NO_DROPOUT, setFused } from '../../src/ops/kernels.js';
import { tidied } from '../../src/ops/tidied.js';
import { cudaMissing } from '../support/cuda.js';
import {
  COMPOSED_CPU,
  FUSED_CUDA,
  FUSED_NATIVE,
  gradientsOf,
  largestError,
  nativeMissing,
  normal,
  toTensor,
  use,
  type Values,
} from './support.js';

type Tensors = Record<string, tf.Tensor>;

interface Case {
  name: string;
  shapes: Record<string, number[]>;
  op: (t: Tensors) => tf.Tensor;
}

const DROP: DropoutKey = { rate: 0.1, seed: 77, step: 123, call: 4 };
const t2 = (t: tf.Tensor | undefined): tf.Tensor2D => t as tf.Tensor2D;
const t3 = (t: tf.Tensor | undefined): tf.Tensor3D => t as tf.Tensor3D;
const t1 = (t: tf.Tensor | undefined): tf.Tensor1D => t as tf.Tensor1D;

/** x is (2, rows / 2, inputs) where rows is even: the leading axes must not matter. Odd rows have an addend. */
function linearCase(rows: number, inputs: number, outputs: number, r: number, key?: DropoutKey): Case {
  return {
    name: `linear ${rows} x ${inputs} x ${outputs}, r ${r}${key ? ', dropout' : ''}`,
    shapes: {
      x: rows % 2 ? [rows, inputs] : [2, rows / 2, inputs],
      weight: [outputs, inputs],
      bias: [outputs],
      ...(r ? { A: [r, inputs], B: [outputs, r] } : {}),
      ...(rows % 2 ? { addend: [rows, outputs] } : {}),
    },
    op: (t) => {
      const lora = r ? { A: t2(t.A), B: t2(t.B), scale: 0.3, dropout: key } : undefined;
      return linear(t.x!, t2(t.weight), t1(t.bias), lora, t.addend);
    },
  };
}

function attentionCase(
  [batch, heads, Lq, Lk, D, Dv]: [number, number, number, number, number, number],
  biasHeads: number,
  mask: boolean,
  key?: DropoutKey,
): Case {
  return {
    name: `attention ${[batch, heads, Lq, Lk, D, Dv]}, bias ${biasHeads}, mask ${mask}${key ? ', dropout' : ''}`,
    shapes: {
      q: [batch, Lq, heads * D],
      k: [batch, Lk, heads * D],
      v: [batch, Lk, heads * Dv],
      ...(biasHeads ? { bias: [biasHeads, Lq, Lk] } : {}),
    },
    op: (t) => {
      const keyMask = mask
        ? tf.tensor2d(
            Float32Array.from({ length: batch * Lk }, (_, i) => ((i * 7) % 5 ? 1 : 0)),
            [batch, Lk],
          )
        : undefined;
      const options = { heads, scale: D ** -0.5, bias: t.bias && t3(t.bias), keyMask, dropout: key };
      return attention(t3(t.q), t3(t.k), t3(t.v), options);
    },
  };
}

function lossCase(N: number, V: number, d: number, chunk: number): Case {
  const labels = Int32Array.from({ length: N }, (_, i) => (i % 4 === 1 ? -100 : (i * 31) % V));
  return {
    name: `linearCrossEntropy ${N} x ${V} x ${d}, chunks of ${chunk}`,
    shapes: { hidden: [N, d], weight: [V, d] },
    op: (t) => linearCrossEntropy(t2(t.hidden), t2(t.weight), labels, chunk),
  };
}

// Shapes past every tile edge: register tiles of 12 x 32, blocks of 64 rows, blocks of scores, odd tails.
const CASES: Case[] = [
  linearCase(130, 70, 97, 0),
  linearCase(1, 129, 65, 8, DROP),
  linearCase(200, 97, 64, 5),
  linearCase(129, 261, 131, 8, DROP),
  attentionCase([2, 3, 70, 65, 40, 33], 0, false),
  attentionCase([3, 2, 1, 131, 64, 64], 2, true),
  attentionCase([2, 2, 33, 17, 7, 9], 1, true, DROP),
  attentionCase([1, 2, 300, 257, 5, 3], 2, false, DROP),
  lossCase(90, 517, 37, 32),
  lossCase(7, 33, 300, 256),
  {
    name: 'layerNorm 150 x 131',
    shapes: { x: [150, 131], weight: [131], bias: [131] },
    op: (t) => layerNorm(t.x!, t1(t.weight), t1(t.bias), 1e-6),
  },
  {
    name: 'rmsNorm 3 x 50 x 144',
    shapes: { x: [3, 50, 144], weight: [144] },
    op: (t) => rmsNorm(t.x!, t1(t.weight), 1e-6),
  },
  ...(['erf', 'tanh'] as const).flatMap((form): Case[] => [
    { name: `gelu ${form}`, shapes: { x: [33, 613] }, op: (t) => gelu(t.x!, form) },
    {
      name: `gatedGelu ${form}`,
      shapes: { gate: [33, 613], up: [33, 613] },
      op: (t) => gatedGelu(t.gate!, t.up!, form),
    },
  ]),
  { name: 'dropout 150 x 131', shapes: { x: [150, 131] }, op: (t) => dropout(t.x!, DROP) },
  {
    name: 'embedding 200 ids of 300 x 70',
    shapes: { table: [300, 70] },
    op: (t) =>
      embedding(
        tf.tensor1d(
          Int32Array.from({ length: 200 }, (_, i) => (i * i) % 300),
          'int32',
        ),
        t2(t.table),
      ),
  },
];

/** Shapes drawn at random, small enough for the plain-JavaScript engine. */
function randomCases(): Case[] {
  const rng = new Rng('shapes');
  const upTo = (n: number): number => 1 + rng.int(n);
  const key = (): DropoutKey | undefined =>
    rng.int(2)
      ? { rate: 0.05 + 0.9 * rng.float(), seed: rng.uint32(), step: rng.int(1e6), call: rng.int(1e3) }
      : undefined;
  return Array.from({ length: 8 }, () => {
    const heads = upTo(4);
    return [
      linearCase(upTo(150), upTo(80), upTo(80), rng.int(2) * upTo(17), key()),
      attentionCase(
        [upTo(3), heads, upTo(80), upTo(80), upTo(20), upTo(20)],
        [0, 1, heads][rng.int(3)]!,
        rng.int(2) === 1,
        key(),
      ),
      lossCase(upTo(40), 3 + upTo(200), upTo(40), upTo(50)),
    ];
  }).flat();
}

const ALL = [...CASES, ...randomCases()];

interface Outcome {
  value: Float32Array;
  gradients: Record<string, Float32Array>;
}

function run({ op }: Case, inputs: Record<string, Values>, r: Values): Outcome {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, toTensor(v)]));
  const value = tidied(() => op(tensors).dataSync() as Float32Array);
  const grads = gradientsOf(op, tensors, Object.keys(inputs), r);
  const gradients = Object.fromEntries(
    Object.entries(grads).map(([name, grad]) => [name, grad.dataSync() as Float32Array]),
  );
  tf.dispose([tensors, grads]);
  return { value, gradients };
}

function inputsOf(c: Case): { inputs: Record<string, Values>; r: Values } {
  const rng = new Rng(c.name);
  const inputs = Object.fromEntries(
    Object.entries(c.shapes).map(([name, shape]) => [name, normal(rng, shape, 0.5)]),
  );
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, toTensor(v)]));
  const size = tf.tidy(() => c.op(tensors).size);
  tf.dispose(tensors);
  return { inputs, r: normal(rng, [size], 0.5) };
}

const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

const SETS = ['plain', 'avx2', 'avx512'];

describe.skipIf(nativeMissing !== undefined)(
  `fused kernels against the composed forms${nativeMissing ? ` (SKIPPED: ${nativeMissing})` : ''}`,
  () => {
    const device = nativeMissing === undefined ? nativeDevice() : undefined;
    const best = device ? SETS.indexOf(device.bestIsa()) : -1;
    const before = device && { isa: device.isa(), threads: device.threads() };
    beforeAll(() => use(FUSED_NATIVE));
    afterAll(() => {
      device?.setIsa(before!.isa);
      device?.setThreads(before!.threads);
      setFused(true);
    });

    it.each(ALL.map((c) => [c.name, c] as const))(
      '%s: within 1e-5 on every instruction set',
      async (_, c) => {
        await use(COMPOSED_CPU);
        const { inputs, r } = inputsOf(c);
        const expected = run(c, inputs, r);
        await use(FUSED_NATIVE);
        for (const isa of SETS.slice(0, best + 1)) {
          device!.setIsa(isa);
          const actual = run(c, inputs, r);
          expect(largestError(actual.value, expected.value), `${isa}: value`).toBeLessThan(1e-5);
          for (const [name, gradient] of Object.entries(expected.gradients)) {
            const error = largestError(actual.gradients[name]!, gradient);
            expect(error, `${isa}: gradient of ${name}`).toBeLessThan(1e-5);
          }
        }
      },
    );

    it.each(ALL.map((c) => [c.name, c] as const))(
      '%s: the same bits on every run and thread count',
      (_, c) => {
        device!.setIsa(device!.bestIsa());
        const { inputs, r } = inputsOf(c);
        device!.setThreads(1);
        const expected = run(c, inputs, r);
        for (const threads of [1, 2, 3]) {
          device!.setThreads(threads);
          const actual = run(c, inputs, r);
          expect(sameBits(actual.value, expected.value), `${threads} threads: value`).toBe(true);
          for (const [name, gradient] of Object.entries(expected.gradients)) {
            const same = sameBits(actual.gradients[name]!, gradient);
            expect(same, `${threads} threads: gradient of ${name}`).toBe(true);
          }
        }
      },
    );

    it('dropout drops the same elements on every instruction set', () => {
      const x = tf.ones([37, 70]);
      const bits = SETS.slice(0, best + 1).map((isa) => {
        device!.setIsa(isa);
        return tf.tidy(() => [...dropout(x, DROP).dataSync()]);
      });
      for (const other of bits) expect(other).toEqual(bits[0]);
      x.dispose();
    });

    it('leaves no tensor and no buffer behind, forward, backward and after an error', () => {
      const [c] = CASES;
      const { inputs, r } = inputsOf(c!);
      const state = (): number[] => [
        tf.memory().numTensors,
        tf.memory().numDataBuffers,
        device!.memory().buffers,
      ];
      const start = state();
      for (const one of CASES.slice(0, 6)) {
        const made = inputsOf(one);
        run(one, made.inputs, made.r);
      }
      run(c!, inputs, r);
      const [table, ids] = [tf.zeros([4, 3]) as tf.Tensor2D, tf.tensor1d([0, 9], 'int32')];
      expect(() => embedding(ids, table)).toThrow(/id 9 at position 1/);
      tf.dispose([table, ids]);
      expect(state()).toEqual(start);
    });

    it('takes tensors without rows', () => {
      const empty = (...shape: number[]): tf.Tensor => tf.zeros(shape);
      const [weight, one] = [t2(tf.ones([4, 3])), t1(tf.ones([3]))];
      const lora = { A: t2(tf.ones([2, 3])), B: t2(tf.ones([4, 2])), scale: 1, dropout: DROP };
      const kv = t3(tf.ones([2, 5, 6]));
      const results = [
        linear(empty(2, 0, 3), weight, t1(tf.ones([4])), lora),
        attention(t3(empty(2, 0, 6)), kv, kv, { heads: 2, scale: 1, dropout: DROP }),
        layerNorm(empty(0, 3), one, one, 1e-6),
        rmsNorm(empty(0, 3), one, 1e-6),
        gelu(empty(0), 'erf'),
        dropout(empty(0, 3), DROP),
        embedding(tf.zeros([0], 'int32'), weight),
        linearCrossEntropy(t2(empty(0, 3)), weight, new Int32Array(0)),
      ];
      expect(results.map((y) => y.shape)).toEqual([
        [2, 0, 4],
        [2, 0, 6],
        [0, 3],
        [0, 3],
        [0],
        [0, 3],
        [0, 3],
        [0],
      ]);
      for (const y of results) expect(y.dataSync().length).toBe(0);
      const [dk] = tf.grads((k) => attention(t3(empty(2, 0, 6)), t3(k), kv, { heads: 2, scale: 1 }))([kv]);
      expect([...dk!.dataSync()].every((x) => x === 0)).toBe(true);
      const [dw] = tf.grads((w) => linear(empty(0, 3), t2(w)))([weight]);
      expect([...dw!.dataSync()].every((x) => x === 0)).toBe(true);
    });

    it('refuses buffers that are too small, ids that are not live and dropout that makes no sense', () => {
      const on = device!;
      const calls = fusedCalls(on, ({ id }: Operand) => id);
      const [small, big] = [on.allocate(4), on.allocate(4096)];
      const of = (id: number, ...shape: number[]): Operand => ({ id, shape });
      const gelu = (x: Operand, y: Operand | undefined, form = 'erf') => {
        calls.gelu({ x }, { form: form as 'erf', bf16: false }, { y });
        on.gelu!();
      };
      expect(() => gelu(of(small, 100), of(big, 100))).toThrow(/gelu: x: .*holds 4 bytes, 400 needed/);
      expect(() => gelu(of(big, 100), of(small, 100))).toThrow(/gelu: y: .*400 needed/);
      expect(() => gelu(of(big, 100), of(big, 99))).toThrow('gelu: y has 99 elements, 100 expected');
      expect(() => gelu(of(big, 1), of(big, 1), 'relu')).toThrow(/gelu: form .*erf, tanh/);
      expect(() => gelu(of(-1, 1), of(big, 1))).toThrow(/gelu: x is missing/);
      expect(() => gelu(of(big, 1), undefined)).toThrow(/gelu: y is missing/);
      expect(() => gelu(of(big, 1.5), of(big, 1))).toThrow(/gelu: x .*sizes/);
      expect(() => gelu(of(big, 2 ** 30, 2 ** 30), of(big, 1))).toThrow(/gelu: x .*possible size/);
      expect(() => gelu(of(big, 1, 1, 1, 1, 1, 1, 1), of(big, 1))).toThrow(/at most six/);
      const linear = (y: Operand, more: { loraA?: Operand; loraB?: Operand; addend?: Operand }) => {
        const [x, weight] = [of(big, 8, 8), of(big, 8, 8)];
        calls.linear({ x, weight, ...more }, { scale: 1, dropout: NO_DROPOUT }, { y });
        on.linear!();
      };
      expect(() => linear(of(small, 8, 8), {})).toThrow(/linear: y/);
      expect(() => linear(of(big, 8, 8), { addend: of(small, 8, 8) })).toThrow(/addend: .*256 needed/);
      expect(() => linear(of(big, 8, 8), { loraA: of(big, 2, 8) })).toThrow(/A and B/);
      expect(() => linear(of(big, 8, 8), { loraA: of(big, 2, 8), loraB: of(big, 8, 3) })).toThrow(
        /loraB has 24/,
      );
      const attention = { heads: 2, keys: 4, scale: 1, half: false, dropout: NO_DROPOUT };
      const attend = (v: Operand, bias?: Operand, k: Operand | undefined = of(big, 1, 4, 8)) => {
        const attrs = { ...attention, bf16: false, keep: false };
        calls.attention({ q: of(big, 1, 4, 8), k, v, bias }, attrs, { out: of(big, 1, 4, 8) });
        on.attention!();
      };
      expect(() => attend(of(small, 1, 4, 8))).toThrow(/bytes/);
      expect(() => attend(of(big, 1, 4, 8), of(big, 3, 4, 4))).toThrow(/bias/);
      expect(() => attend(of(big, 1, 4, 8), of(big, 4, 4))).toThrow(/bias has 2 axes, 3 expected/);
      expect(() => attend(of(big, 1, 4, 8), undefined, of(big, 1, 3, 8))).toThrow(/keys/);
      expect(() => attend(of(big, 1, 4, 9))).toThrow(/multiple of the heads/);
      const grad = (k: Operand | undefined) => {
        const attrs = { ...attention, queryWidth: 8, wantQkv: true, wantBias: false };
        const inputs = { dy: of(big, 1, 4, 8), q: of(big, 1, 4, 8), k, v: of(big, 1, 4, 8) };
        calls.attentionGrad(inputs, attrs, { dq: of(big, 1, 4, 8) });
        on.attentionGrad!();
      };
      expect(() => grad(undefined)).toThrow(/q, k and v/);
      expect(() => grad(of(big, 1, 4, 8))).toThrow(/go together/);
      const drop = (rate: unknown) => {
        const dropout = { rate, threshold: 1, seed: 1, step: 1, call: 1 } as Dropout;
        calls.dropout({ x: of(big, 2, 2) }, { dropout, bf16: false }, { y: of(big, 2, 2) });
        on.dropout!();
      };
      expect(() => drop(1.5)).toThrow(/rate/);
      expect(() => drop(undefined)).toThrow('dropout: dropout.rate is missing');
      on.release(small);
      expect(() => gelu(of(small, 1), of(big, 1))).toThrow(/live/);
      on.release(big);
    });

    it('updates parameters in place: AdamW allocates nothing', () => {
      const variable = (): tf.Variable => tf.tidy(() => tf.variable(tf.ones([1000])));
      const group = {
        parameter: variable(),
        m: variable(),
        v: variable(),
        weightDecay: 0,
        learningRate: 0.1,
      };
      const grad = tf.ones([1000]);
      const ids = [group.parameter, group.m, group.v].map((v) => v.dataId);
      device!.resetPeak();
      const peak = device!.memory().peak;
      adamwStep([group], [grad], { beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 1, gradScale: 1 });
      expect(device!.memory().peak).toBe(peak);
      expect([group.parameter, group.m, group.v].map((v) => v.dataId)).toEqual(ids);
      tf.dispose([group.parameter, group.m, group.v, grad]);
    });

    it('has every kernel that the operations ask for', () => {
      const kernels = [
        'ReasLinear',
        'ReasAttention',
        'ReasLayerNorm',
        'ReasRmsNorm',
        'ReasGelu',
        'ReasGatedGelu',
      ] as const;
      const others = [
        'ReasDropout',
        'ReasLinearCrossEntropy',
        'ReasEmbedding',
        'ReasAppendRow',
        'ReasAdamW',
        'ReasGlobalNorm',
      ] as const;
      for (const kernel of [...kernels, ...others]) expect(hasFused(kernel), kernel).toBe(true);
      setFused(false);
      expect(hasFused('ReasLinear')).toBe(false);
      setFused(true);
    });

    it('globalNorm gives the same bits on every thread count', () => {
      const rng = new Rng('norm');
      const grads = [[100_000], [3], [77, 501]].map((shape) => toTensor(normal(rng, shape)));
      const norms = [1, 2, 3].map((threads) => {
        device!.setThreads(threads);
        return globalNorm(grads).dataSync()[0];
      });
      expect(new Set(norms).size).toBe(1);
      tf.dispose(grads);
    });
  },
);

describe.skipIf(cudaMissing !== undefined)(
  `fused kernels of native-cuda against the composed forms${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
  () => {
    afterAll(() => {
      setFused(true);
    });

    it.each(ALL.map((c) => [c.name, c] as const))(
      '%s: within 1e-5, the same bits on every run',
      async (_, c) => {
        await use(COMPOSED_CPU);
        const { inputs, r } = inputsOf(c);
        const expected = run(c, inputs, r);
        await use(FUSED_CUDA);
        const actual = run(c, inputs, r);
        expect(largestError(actual.value, expected.value), 'value').toBeLessThan(1e-5);
        for (const [name, gradient] of Object.entries(expected.gradients)) {
          expect(largestError(actual.gradients[name]!, gradient), `gradient of ${name}`).toBeLessThan(1e-5);
        }
        const again = run(c, inputs, r);
        expect(sameBits(again.value, actual.value)).toBe(true);
        for (const [name, gradient] of Object.entries(actual.gradients)) {
          expect(sameBits(again.gradients[name]!, gradient), `gradient of ${name}`).toBe(true);
        }
      },
    );

    it('dropout drops the same elements as native-cpu', async () => {
      const drop = async (form: typeof FUSED_CUDA): Promise<number[]> => {
        await use(form);
        return tf.tidy(() => [...dropout(tf.ones([37, 70]), DROP).dataSync()]);
      };
      expect(await drop(FUSED_CUDA)).toEqual(await drop(FUSED_NATIVE));
    });
  },
);
