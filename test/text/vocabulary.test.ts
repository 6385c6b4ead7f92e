/** Tokenizers beside models of another vocabulary. */

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { requireVocabulary } from '../../src/text/vocabulary.js';

const FOLDER = fileURLToPath(new URL('../fixtures/qwen', import.meta.url));
const SHAPES = fileURLToPath(new URL('../../weights/shapes', import.meta.url));
const video = (id: number) => [{ token: '<video>', id, key: 'video_token_index' }];

describe('requireVocabulary', () => {
  let chat: Tokenizer;
  let plain: Tokenizer;
  beforeAll(async () => {
    chat = await Tokenizer.load(FOLDER);
    plain = await Tokenizer.load(SHAPES);
  });

  it('takes a tokenizer whose ids the model has, with rows to spare', () => {
    requireVocabulary(chat, { vocabulary: chat.vocabSize, placeholders: video(452) }, 'x');
    requireVocabulary(chat, { vocabulary: 464, placeholders: video(452) }, 'x');
    requireVocabulary(plain, { vocabulary: plain.vocabSize }, 'x');
  });

  it('names both files and both numbers of a placeholder, and of a row that is not there', () => {
    const refused = (tokenizer: Tokenizer, model: Parameters<typeof requireVocabulary>[1]) => {
      const check = () => requireVocabulary(tokenizer, model, 'base');
      expect(check).toThrow(DataError);
      return expect(check);
    };
    refused(chat, { vocabulary: 464, placeholders: video(319) }).toThrow(
      /qwen\/tokenizer\.json: <video> is token 452, but video_token_index of base\/config\.json is 319; take/,
    );
    refused(plain, { vocabulary: 464, placeholders: video(452) }).toThrow(
      /shapes\/tokenizer\.json: has no <video> token, which base\/config\.json gives the id 452/,
    );
    refused(chat, { vocabulary: 452 }).toThrow(
      /qwen\/tokenizer\.json: has ids up to 452, but the model of base\/config\.json has 452 tokens/,
    );
  });
});
