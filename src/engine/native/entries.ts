/** Which fused calls there are, by the names of the native functions. */
import { KERNELS, type KernelName, kernel, NO_DROPOUT } from '../../ops/kernels.js';

type Table = typeof KERNELS;
type Native<Name extends string> = Name extends `Reas${infer Rest}` ? Uncapitalize<Rest> : never;

/** Kernels of the table that are calls of native code as they are; the others are put together in fused.ts. */
type Direct = Exclude<
  KernelName,
  | ('ReasLinear' | 'ReasLinearGradInput' | 'ReasAppendRow')
  | ('ReasToBf16' | 'ReasBf16OfBits' | 'ReasBf16MatMul')
>;

/** Calls that are no kernel: of one of the layers that ReasLinear and ReasLinearGradInput take, and a question. */
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
};

export type Entries = { [Name in Direct as Native<Name>]: Table[Name] } & typeof PARTS;
export type FusedName = keyof Entries;
