/** An architecture's part in training a small model from random weights (src/pretraining). */
import type { Student } from './student.js';

export interface PretrainingSupport {
  /**
   * A config.json of a few million parameters.
   *
   * @param visualTokens number of visual tokens of one frame
   */
  smallConfig(vocabularySize: number, visualTokens: number): object;
  /**
   * Overwrites some of the language model's random initial weights.
   *
   * @param words embeddings, by token id, of the words that have a symbol (src/pretraining/symbols.ts)
   */
  startLanguageModel(student: Student, words: ReadonlyMap<number, Float32Array>): void;
  /** How much faster than the others a parameter learns. */
  learningRateFactor(parameterName: string): number;
}
