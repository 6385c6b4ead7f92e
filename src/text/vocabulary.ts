/** Whether a tokenizer and a model belong together: its tokens have rows there, and its placeholders the ids that the model reads. */
import { join } from 'node:path';
import { DataError } from '../base/errors.js';
import type { Student } from '../model/student.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * Refuses a tokenizer of another model, before anything is computed.
 *
 * @param folder of the model's weights, for messages
 * @throws DataError naming both files, the token and both numbers
 */
export function requireVocabulary(
  tokenizer: Tokenizer,
  { vocabulary, placeholders = [] }: Pick<Student, 'vocabulary' | 'placeholders'>,
  folder: string,
): void {
  const { origin, vocabSize } = tokenizer;
  const config = join(folder, 'config.json');
  const otherwise = `take tokenizer.json and config.json from one checkpoint, or name another tokenizer with model.tokenizer`;
  for (const { token, id, key } of placeholders) {
    const found = tokenizer.idOf(token);
    if (found === undefined)
      throw new DataError(
        `${origin}: has no ${token} token, which ${config} gives the id ${id}; ${otherwise}`,
      );
    if (found !== id)
      throw new DataError(
        `${origin}: ${token} is token ${found}, but ${key} of ${config} is ${id}; ${otherwise}`,
      );
  }
  if (vocabSize > vocabulary)
    throw new DataError(
      `${origin}: has ids up to ${vocabSize - 1}, but the model of ${config} has ${vocabulary} tokens; ${otherwise}`,
    );
}
