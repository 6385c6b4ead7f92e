/** The fused calls, by the names of the native functions. */
import { KERNELS, type KernelName, kernel, NO_DROPOUT } from '../../ops/kernels.js';

type Table = typeof KERNELS;
type Native<Name extends string> = Name extends `Reas${infer Rest}` ? Uncapitalize<Rest> : never;

/** Kernels of the table that are one call of native code each; fused.ts composes the others. */
type Direct = Exclude<
  KernelName,
  | ('ReasLinear' | 'ReasLinearGradInput' | 'ReasAppendRow')
  | ('ReasToBf16' | 'ReasBf16OfBits' | 'ReasBf16MatMul')
>;

/** Calls that are no kernel: one layer of ReasLinear and ReasLinearGradInput, and a query. */
export const PARTS = {
  linear: kernel({
    inputs: ['x', 'weight'],
    optional: ['bias', 'loraA', 'loraB', 'addend'],
    attrs: { scale: 0, dropout: NO_DROPOUT },
    results: { y: () => undefined },
  }),
  /** addend may be dx. */
  linearGradInput: kernel({
    inputs: ['dy', 'weight'],
    optional: ['loraA', 'loraB', 'addend'],
    attrs: { scale: 0, dropout: NO_DROPOUT },
    results: { dx: () => undefined },
  }),
  attentionKept: KERNELS.ReasAttention,
  causalAttentionKept: KERNELS.ReasCausalAttention,
};

export type Entries = { [Name in Direct as Native<Name>]: Table[Name] } & typeof PARTS;
export type FusedName = keyof Entries;
