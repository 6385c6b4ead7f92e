/** Embedding tables that differ from the shared one. */
import { describe, expect, it } from 'vitest';
import { describeOwnTable, ownTables, T5_TABLE } from '../../src/weights/ownTables.js';
import { memorySource } from './fixtures.js';

const SHARED = 'language_model.shared.weight';
const HEAD = 'language_model.lm_head.weight';
const DECODER = 'language_model.decoder.embed_tokens.weight';
const NONE = new Set<string>();

const table = (...data: number[]) => ({ shape: [2, 2], data: Float32Array.from(data) });
const shared = table(1, -2, 0, 4);

describe('ownTables', () => {
  it.each<[string, Parameters<typeof memorySource>[0], string[]]>([
    ['no other table', {}, []],
    ['copies', { [HEAD]: table(1, -2, 0, 4), [DECODER]: table(1, -2, 0, 4) }, []],
    ['a copy that differs in the sign of zero', { [HEAD]: table(1, -2, -0, 4) }, []],
    ['a head of its own', { [HEAD]: table(1, -2, 0, 5) }, [HEAD]],
    ['a decoder of its own', { [DECODER]: table(3, -2, 0, 4), [HEAD]: table(1, -2, 0, 4) }, [DECODER]],
    ['both', { [DECODER]: table(3, -2, 0, 4), [HEAD]: table(3, -2, 0, 4) }, [DECODER, HEAD]],
  ])('finds of %s those with other values', async (_, more, expected) => {
    expect(await ownTables(memorySource({ [SHARED]: shared, ...more }), NONE, T5_TABLE)).toEqual(expected);
  });

  it('leaves out a head that the model has anyway', async () => {
    const source = memorySource({ [SHARED]: shared, [HEAD]: table(9, 9, 9, 9) });
    expect(await ownTables(source, new Set([HEAD]), T5_TABLE)).toEqual([]);
  });

  it('says which table is used', () => {
    expect(describeOwnTable(HEAD)).toMatch(
      /lm_head\.weight holds other values than .*shared\.weight, though text_config\.tie_word_embeddings is true; it is used as it is, as by transformers 5 /,
    );
    expect(describeOwnTable(DECODER)).toMatch(
      /^language_model\.decoder\.embed_tokens\.weight .* T5 shares that table/,
    );
  });
});
