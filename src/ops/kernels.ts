/**
 * The contract between operations and engines: every kernel of our own once, with its operands, attributes and results by
 * name. Operations call `runKernel`, engines register with `registerKernels`, and both are checked against this table: a
 * missing operand or an attribute of another type does not compile.
 *
 * Kernels are found by name in tfjs's own registry, for the engine in use. An engine that has none (cpu, wasm, tensorflow)
 * runs the composed form of the operation, which is also the truth the kernels are tested with.
 */
import * as tf from '@tensorflow/tfjs-core';

type Info = tf.TensorInfo;

/** `erf`: x Phi(x), exact; `tanh`: the approximation. See gelu in activation.ts. */
export type GeluForm = 'erf' | 'tanh';

/** A dropout key as attributes; all 0 without dropout (dropoutNumbers in dropout.ts). */
export interface Dropout {
  rate: number;
  threshold: number;
  seed: number;
  step: number;
  call: number;
}
export const NO_DROPOUT: Dropout = { rate: 0, threshold: 0, seed: 0, step: 0, call: 0 };

/** One linear layer. Weight (out, in), bias (out), loraA (r, in), loraB (out, r), addend (..., out). */
export interface LinearOperands {
  weight: Info;
  bias?: Info | undefined;
  loraA?: Info | undefined;
  loraB?: Info | undefined;
  addend?: Info | undefined;
  /** Of the low-rank update, and its dropout. */
  scale: number;
  dropout: Dropout;
}
/** The same for the gradient to the input; dy (..., out) is the gradient of the layer's result. */
export type LinearGradOperands = Omit<LinearOperands, 'bias' | 'addend'> & { dy: Info };

/**
 * A result for the engine to make: float32 unless it names another type, stored in bf16 where allowed and the engine
 * can.
 */
export interface Wanted {
  shape: number[];
  dtype?: 'float32' | 'int32';
  bf16?: boolean;
}

const like = ({ shape }: Info, bf16 = false): Wanted => ({ shape, bf16 });
const last = ({ shape }: Info): number => shape[shape.length - 1]!;
const withLast = ({ shape }: Info, size: number, bf16 = false): Wanted => ({
  shape: [...shape.slice(0, -1), size],
  bf16,
});

type Named<Required extends string, Optional extends string, T> = { [Name in Required]: T } & {
  [Name in Optional]?: T | undefined;
};

/** Results of a call; undefined for a result that the call does not want. */
type Results<Inputs, Attrs> = Record<string, (inputs: Inputs, attrs: Attrs) => Wanted | Wanted[] | undefined>;

export interface Kernel<R extends string, O extends string, A, S> {
  inputs: readonly R[];
  optional: readonly O[];
  /** An example value, from which TypeScript infers the types. */
  attrs: A;
  /** In the kernel's order. */
  results: S;
}

export function kernel<
  const R extends string,
  A extends object,
  S extends Results<Named<R, O, Info>, A>,
  const O extends string = never,
>(entry: { inputs: readonly R[]; optional?: readonly O[]; attrs: A; results: S }): Kernel<R, O, A, S> {
  return { optional: [], ...entry };
}

/** A kernel of any number of tensors, given as an array. */
function listKernel<A extends object, S extends Results<Info[], A>>(entry: { attrs: A; results: S }) {
  return { list: true as const, inputs: [], optional: [], ...entry };
}

/** Attributes of attention. keys: only so many rows of k and v count. half: products may round their operands to 16 bits. */
const attention = { heads: 1, scale: 1, keys: 1, half: false, dropout: NO_DROPOUT };

/** Attributes of attention with fewer key heads than query heads. */
const grouped = { heads: 1, keyHeads: 1, scale: 1 };

export const KERNELS = {
  /** y = addend + dropout(x) */
  ReasDropout: kernel({
    inputs: ['x'],
    optional: ['addend'],
    attrs: { dropout: NO_DROPOUT, bf16: false },
    results: { y: ({ x }, { bf16 }) => like(x, bf16) },
  }),

  ReasGelu: kernel({
    inputs: ['x'],
    attrs: { form: 'erf' as GeluForm, bf16: false },
    results: { y: ({ x }, { bf16 }) => like(x, bf16) },
  }),
  ReasGeluGrad: kernel({
    inputs: ['dy', 'x'],
    attrs: { form: 'erf' as GeluForm, bf16: false },
    results: { dx: ({ x }, { bf16 }) => like(x, bf16) },
  }),
  /** y = dropout(gelu(gate) up) */
  ReasGatedGelu: kernel({
    inputs: ['gate', 'up'],
    attrs: { form: 'erf' as GeluForm, dropout: NO_DROPOUT, bf16: false },
    results: { y: ({ gate }, { bf16 }) => like(gate, bf16) },
  }),
  ReasGatedGeluGrad: kernel({
    inputs: ['dy', 'gate', 'up'],
    attrs: { form: 'erf' as GeluForm, dropout: NO_DROPOUT, bf16: false },
    results: {
      dgate: ({ gate }, { bf16 }) => like(gate, bf16),
      dup: ({ up }, { bf16 }) => like(up, bf16),
    },
  }),

  /** y = dropout(gate sigmoid(gate) up) */
  ReasGatedSilu: kernel({
    inputs: ['gate', 'up'],
    attrs: { dropout: NO_DROPOUT, bf16: false },
    results: { y: ({ gate }, { bf16 }) => like(gate, bf16) },
  }),
  ReasGatedSiluGrad: kernel({
    inputs: ['dy', 'gate', 'up'],
    attrs: { dropout: NO_DROPOUT, bf16: false },
    results: {
      dgate: ({ gate }, { bf16 }) => like(gate, bf16),
      dup: ({ up }, { bf16 }) => like(up, bf16),
    },
  }),

  /** Rotary positions of (B, L, heads D); back: by the opposite angles. */
  ReasRope: kernel({
    inputs: ['x', 'cos', 'sin'],
    attrs: { heads: 1, back: false },
    results: { y: ({ x }) => like(x) },
  }),

  ReasLayerNorm: kernel({
    inputs: ['x', 'weight', 'bias'],
    attrs: { eps: 0, bf16: false },
    results: { y: ({ x }, { bf16 }) => like(x, bf16) },
  }),
  /** dx = the gradient + addend, as of the other norms. */
  ReasLayerNormGradInput: kernel({
    inputs: ['dy', 'x', 'weight'],
    optional: ['addend'],
    attrs: { eps: 0 },
    results: { dx: ({ x }) => like(x) },
  }),
  ReasLayerNormGradParameters: kernel({
    inputs: ['dy', 'x'],
    attrs: { eps: 0 },
    results: { dweight: ({ x }) => ({ shape: [last(x)] }), dbias: ({ x }) => ({ shape: [last(x)] }) },
  }),
  /** keepInverses: the rows' 1 / sqrt(mean(x^2) + eps) too, for ReasRmsNormGradFromResult. */
  ReasRmsNorm: kernel({
    inputs: ['x', 'weight'],
    attrs: { eps: 0, bf16: false, keepInverses: false },
    results: {
      y: ({ x }, { bf16 }) => like(x, bf16),
      inverses: ({ x }, { keepInverses }) =>
        keepInverses ? { shape: [tf.util.sizeFromShape(x.shape.slice(0, -1))] } : undefined,
    },
  }),
  ReasRmsNormGradInput: kernel({
    inputs: ['dy', 'x', 'weight'],
    optional: ['addend'],
    attrs: { eps: 0 },
    results: { dx: ({ x }) => like(x) },
  }),
  ReasRmsNormGradWeight: kernel({
    inputs: ['dy', 'x'],
    attrs: { eps: 0 },
    results: { dweight: ({ x }) => ({ shape: [last(x)] }) },
  }),
  /** Computed from the result instead of the operand, on a device that stores results in bf16. No weight may be 0. */
  ReasRmsNormGradFromResult: kernel({
    inputs: ['dy', 'y', 'weight', 'inverses'],
    optional: ['addend'],
    attrs: {},
    results: { dx: ({ y }) => like(y) },
  }),

  /** ys: one result a layer. */
  ReasLinear: kernel({
    inputs: ['x'],
    attrs: { layers: [] as LinearOperands[], bf16: false },
    results: {
      ys: ({ x }, { layers, bf16 }) => layers.map(({ weight }) => withLast(x, weight.shape[0]!, bf16)),
    },
  }),
  /** The sum of the layers' gradients to their input, and of the addend. */
  ReasLinearGradInput: kernel({
    inputs: [],
    optional: ['addend'],
    attrs: { layers: [] as LinearGradOperands[] },
    results: { dx: (_, { layers }) => withLast(layers[0]!.dy, layers[0]!.weight.shape[1]!) },
  }),
  ReasLinearGradLora: kernel({
    inputs: ['dy', 'x', 'loraA', 'loraB'],
    attrs: { scale: 1, dropout: NO_DROPOUT },
    results: { dA: ({ loraA }) => like(loraA), dB: ({ loraB }) => like(loraB) },
  }),

  /**
   * Without k and v, q holds all three as thirds of each row. keep: with a second result that is saved for backward, q,
   * k and v in half their bytes, if the device does so; only the device knows its size.
   */
  ReasAttention: kernel({
    inputs: ['q'],
    optional: ['k', 'v', 'bias', 'keyMask'],
    attrs: { ...attention, keep: false, bf16: false },
    results: {
      out: ({ q, v }, { bf16 }) => (v ? withLast(q, last(v), bf16) : withLast(q, last(q) / 3, bf16)),
      kept: () => undefined,
    },
  }),
  /**
   * Takes q, k and v, or their saved form; queryWidth is q's. Returns those of dq, dk, dv and dbias that are wanted.
   */
  ReasAttentionGrad: kernel({
    inputs: ['dy'],
    optional: ['q', 'k', 'v', 'kept', 'bias', 'keyMask'],
    attrs: { ...attention, queryWidth: 1, wantQkv: false, wantBias: false },
    results: {
      dq: ({ dy }, { wantQkv, queryWidth }) => (wantQkv ? withLast(dy, queryWidth) : undefined),
      dk: ({ dy }, { wantQkv, queryWidth, keys }) =>
        wantQkv ? { shape: [dy.shape[0]!, keys, queryWidth] } : undefined,
      dv: ({ dy }, { wantQkv, keys }) => (wantQkv ? { shape: [dy.shape[0]!, keys, last(dy)] } : undefined),
      dbias: ({ bias }, { wantBias }) => (wantBias && bias ? like(bias) : undefined),
    },
  }),

  /** A prompt and segments after it: causalAttention.ts says what starts and begins are. half, keep: as of ReasAttention. */
  ReasCausalAttention: kernel({
    inputs: ['q', 'k', 'v', 'starts', 'begins'],
    attrs: { ...grouped, half: false, keep: false, bf16: false },
    results: { out: ({ q }, { bf16 }) => like(q, bf16), kept: () => undefined },
  }),
  /** Takes q, k and v, or their saved form. */
  ReasCausalAttentionGrad: kernel({
    inputs: ['dy', 'starts', 'begins'],
    optional: ['q', 'k', 'v', 'kept'],
    attrs: { ...grouped, half: false },
    results: {
      dq: ({ dy }) => like(dy),
      dk: ({ dy }, { heads, keyHeads }) => withLast(dy, (last(dy) / heads) * keyHeads),
      dv: ({ dy }, { heads, keyHeads }) => withLast(dy, (last(dy) / heads) * keyHeads),
    },
  }),

  /** One query of decoding over the first `keys` rows of a cache: q (1, 1, heads D), k and v (1, rows, keyHeads D). */
  ReasGroupedQuery: kernel({
    inputs: ['q', 'k', 'v'],
    optional: ['bias'],
    attrs: { ...grouped, keys: 1 },
    results: { out: ({ q }) => like(q) },
  }),

  /** The loss of each row, and the gradient to hidden (for dy = 1) when wanted. */
  ReasLinearCrossEntropy: kernel({
    inputs: ['hidden', 'weight', 'labels'],
    attrs: { chunkRows: 1, wantGradient: false },
    results: {
      loss: ({ hidden }) => ({ shape: [hidden.shape[0]!] }),
      gradient: ({ hidden }, { wantGradient }) => (wantGradient ? like(hidden) : undefined),
    },
  }),
  ReasLinearCrossEntropyGradWeight: kernel({
    inputs: ['dy', 'hidden', 'weight', 'labels'],
    attrs: { chunkRows: 1 },
    results: { dweight: ({ weight }) => like(weight) },
  }),

  ReasEmbedding: kernel({
    inputs: ['table', 'ids'],
    attrs: {},
    results: { y: ({ table, ids }) => ({ shape: [...ids.shape, table.shape[1]!] }) },
  }),
  ReasEmbeddingGrad: kernel({
    inputs: ['dy', 'ids'],
    attrs: { rows: 1 },
    results: { dtable: ({ dy }, { rows }) => ({ shape: [rows, last(dy)] }) },
  }),

  /** Writes a row into its place in storage (1, capacity, width). */
  ReasAppendRow: kernel({ inputs: ['storage', 'row'], attrs: { at: 0 }, results: {} }),

  /**
   * p, m, v and gradient of each parameter. p, m and v are updated in place, so nothing else may share their buffers.
   */
  ReasAdamW: listKernel({
    attrs: {
      ...{ beta1: 0, beta2: 0, eps: 0, step: 1, gradScale: 1 },
      learningRates: [] as number[],
      weightDecays: [] as number[],
    },
    results: {},
  }),
  ReasGlobalNorm: listKernel({ attrs: {}, results: { norm: () => ({ shape: [] }) } }),

  /** x rounded to bf16 and stored in bf16 (bf16.ts). */
  ReasToBf16: kernel({ inputs: ['x'], attrs: {}, results: { y: ({ x }) => like(x) } }),
  ReasBf16OfBits: kernel({
    inputs: [],
    attrs: { bits: new Uint16Array() as Uint16Array, shape: [] as number[] },
    results: { y: (_, { shape }) => ({ shape }) },
  }),
  /** a (m, k) times b, which is stored in bf16: (k, n), or with transposeB (n, k). */
  ReasBf16MatMul: kernel({
    inputs: ['a', 'b'],
    attrs: { transposeB: false },
    results: { y: ({ a, b }, { transposeB }) => ({ shape: [a.shape[0]!, b.shape[transposeB ? 0 : 1]!] }) },
  }),
};

type Kernels = typeof KERNELS;
export type KernelName = keyof Kernels;

/** The operands of a table's entry as tensors of an operation (tf.Tensor), or as an engine sees them. */
export type OperandsOf<Entry, T> = Entry extends { list: true }
  ? T[]
  : Entry extends Kernel<infer R, infer O, infer _A, infer _S>
    ? Named<R, O, T>
    : never;
export type AttrsOf<Entry> = Entry extends { attrs: infer A } ? A : never;
type ResultsOf<Entry> = Entry extends { results: infer S } ? S : never;
export type ResultNames<Entry> = keyof ResultsOf<Entry> & string;

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;
/** One tensor where the entry has one result that every call gives, else an array of those given. */
type Result<Entry, T> = [ResultNames<Entry>] extends [never]
  ? T[]
  : IsUnion<ResultNames<Entry>> extends true
    ? T[]
    : ResultsOf<Entry>[ResultNames<Entry>] extends (...given: never[]) => Wanted
      ? T
      : T[];

/** Runs a kernel of the engine in use, which has it (hasKernel). */
export function runKernel<Name extends KernelName>(
  name: Name,
  inputs: OperandsOf<Kernels[Name], tf.Tensor>,
  attrs: AttrsOf<Kernels[Name]>,
): Result<Kernels[Name], tf.Tensor> {
  const operands = inputs as unknown as tf.NamedTensorMap;
  const untyped = attrs as unknown as tf.NamedAttrMap;
  return tf.engine().runKernel(name, operands, untyped) as unknown as Result<Kernels[Name], tf.Tensor>;
}

/** Kernels of an engine, each typed by its entry. */
export type Implementations<Backend> = {
  [Name in KernelName]?: (
    inputs: OperandsOf<Kernels[Name], Info>,
    attrs: AttrsOf<Kernels[Name]>,
    backend: Backend,
  ) => Result<Kernels[Name], Info>;
};

/** @param backendName the engine's name in tfjs */
export function registerKernels<Backend>(backendName: string, kernels: Implementations<Backend>): void {
  for (const [kernelName, run] of Object.entries(kernels)) {
    const untyped = run as (...given: unknown[]) => Info | Info[];
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => untyped(inputs, attrs ?? {}, backend),
    });
  }
}

let enabled = process.env.REASVQA_FUSED !== '0';

/**
 * Switches fused kernels on or off for every engine and returns the earlier setting. Off (or REASVQA_FUSED=0 in the
 * environment) forces the composed forms, for tests and for telling a kernel's fault from a model's.
 */
export function setFused(on: boolean): boolean {
  const before = enabled;
  enabled = on;
  return before;
}

/** Cache of look-ups in tfjs's registry, by engine: each look-up joins and hashes two strings (0.15 us). */
const found = new Map<string, Set<KernelName>>();

/** True when the engine in use has the kernel. */
export function hasKernel(name: KernelName): boolean {
  const engine = tf.getBackend();
  if (found.get(engine)?.has(name)) return true;
  if (tf.getKernel(name, engine) == null) return false;
  found.set(engine, (found.get(engine) ?? new Set()).add(name));
  return true;
}

/** True when the engine in use has the kernel and fused kernels are on. */
export function hasFused(name: KernelName): boolean {
  return enabled && hasKernel(name);
}
