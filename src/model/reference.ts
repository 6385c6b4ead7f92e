/** PyTorch's recorded results of a small model (tools/reference), as an architecture presents them to src/parity. */
import type { Student, StudentInput, Target } from './student.js';

/** The tensors of reference.safetensors: `input.*`, `expect.*`, `grad.*`. */
export interface Reference {
  /** File, for messages. */
  path: string;
  names: readonly string[];
  metadata: Readonly<Record<string, string>>;
  read(name: string): Promise<{ shape: number[]; data: Float32Array | Int32Array }>;
}

/** The recorded inputs, and this implementation's results for them. */
export interface ReferenceCase {
  /** Pixels of the recorded batch; freed by {@link dispose}. */
  input: StudentInput;
  /** The answer first, then the reasoning. */
  targets: [answer: Target, reasoning: Target];
  /** Every stage of the forward pass, by the names of `expect.*`. */
  stages(): Record<string, ArrayLike<number>>;
  /** Greedily written tokens of every row, without stopping. */
  greedy(tokens: number): number[][];
  /** Name of a parameter's gradient in the file. */
  gradientName(parameter: string): string;
  dispose(): void;
}

/** @throws DataError naming the input that does not fit the student */
export type OpenReference = (student: Student, reference: Reference) => Promise<ReferenceCase>;
