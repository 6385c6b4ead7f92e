/**
 * Precision bf16: frozen weights that only matrix products read, nearly all of a model, are stored in bf16. Norms,
 * biases, embeddings and trainable parameters stay float32, but may be multiplied on 16-bit units (withHalfProducts in
 * ops/bf16.ts).
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from '../base/errors.js';
import { hasBf16 } from '../ops/bf16.js';
import type { Precision } from './context.js';
import type { Parameter } from './layers/module.js';
import type { Student } from './student.js';
import { isTrained } from './trainable.js';

/**
 * Refuses a precision that the engine in use lacks.
 *
 * @param setting the key or option that asked for it. @throws EngineError
 */
export function requirePrecision(precision: Precision, setting: string): void {
  if (precision === 'bf16' && !hasBf16())
    throw new EngineError(
      `${setting} bf16: the engine ${tf.getBackend()} computes in f32 alone; use f32, or the engine native-cpu, native-cuda or tensorflow`,
    );
}

/** The parameters of a student to store in bf16 while `groups` are trained. */
export function bf16Parameters(student: Student, groups: readonly string[]): ReadonlySet<Parameter> {
  return new Set(student.matrices().filter(({ name }) => !isTrained(student.kind, name, groups)));
}
