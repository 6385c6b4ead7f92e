/**
 * T5 shares one table of embeddings: the encoder and the decoder read their tokens from it, and a tied head writes with
 * it. Files may hold it again under each of these names, and that copy may have other values. transformers 5 then keeps
 * both ("with different values, so we will NOT tie them"), whatever `tie_word_embeddings` says, and itself writes
 * `tie_word_embeddings: true` beside a FlanT5's own head; transformers 4 replaces them by the shared table.
 */
import { readReal, type TensorSource } from './source.js';

export const SHARED_TABLE = 'language_model.shared.weight';
export const DECODER_TABLE = 'language_model.decoder.embed_tokens.weight';
export const HEAD_TABLE = 'language_model.lm_head.weight';

/** A table that a model reads by several names, and files may hold again under them. */
export interface SharedTable {
  /** The table that is always there. */
  name: string;
  /** Names of a copy of it, or of a table of the same shape that replaces it. */
  again: readonly string[];
}

export const T5_TABLE: SharedTable = { name: SHARED_TABLE, again: [DECODER_TABLE, HEAD_TABLE] };

/** Name of a table that replaces the one which config.json shares. */
export type OwnTable = string;

/**
 * The names that hold other values than a shared table.
 *
 * @param source under canonical names, with tables of the shape that config.json gives them.
 * @param expected tables that the model has parameters for anyway, such as an untied head.
 */
export async function ownTables(
  source: TensorSource,
  expected: { has(name: string): boolean },
  { name: first, again }: SharedTable,
): Promise<OwnTable[]> {
  const present = again.filter((name) => source.has(name) && !expected.has(name));
  if (present.length === 0) return [];
  const shared = await readReal(first, source);
  const found: OwnTable[] = [];
  for (const name of present) {
    const table = await readReal(name, source);
    if (table.some((value, i) => value !== shared[i])) found.push(name);
  }
  return found;
}

/** A notice about a table with other values: which table is used, here and by transformers. */
export function describeOwnTable(name: OwnTable): string {
  if (name !== HEAD_TABLE && name !== DECODER_TABLE)
    return `${name} holds other values than the embedding, though tie_word_embeddings is true; it is used as it is, as by transformers 5`;
  const though = name === HEAD_TABLE ? 'text_config.tie_word_embeddings is true' : 'T5 shares that table';
  return `${name} holds other values than ${SHARED_TABLE}, though ${though}; it is used as it is, as by transformers 5 (transformers 4 uses the shared table)`;
}
