/** Truncated token ids and frame prefixes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { encodeText, framePrefixRows } from '../../src/text/encode.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { writeTinyTokenizer } from './tinyTokenizer.js';

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-encode-'));
  tokenizer = await Tokenizer.load(await writeTinyTokenizer(folder));
});
afterAll(() => rm(folder, { recursive: true }));

describe('encodeText', () => {
  it('cuts on the right, keeps </s> and says so, for every limit', () => {
    const whole = tokenizer.encode('red square touches blue circle', { addEos: true });
    for (let limit = 1; limit < whole.length + 3; limit++) {
      const { ids, truncated } = encodeText(tokenizer, 'red square touches blue circle', limit);
      expect(truncated).toBe(limit < whole.length);
      expect(ids).toHaveLength(Math.min(limit, whole.length));
      expect(ids.at(-1)).toBe(tokenizer.eosId);
      expect(ids.slice(0, -1)).toEqual(whole.slice(0, ids.length - 1));
    }
    expect(() => encodeText(tokenizer, 'x', 0)).toThrow(UsageError);
  });
});

describe('framePrefixRows', () => {
  it('has one row a frame, without </s>', () => {
    const rows = framePrefixRows(tokenizer, 2);
    expect(rows.map((row) => row.map((id) => tokenizer.piece(id)))).toEqual([
      ['▁Frame', '▁1', ':'],
      ['▁Frame', '▁2', ':'],
    ]);
  });

  it('has rows of several lengths where the numbers have', () => {
    const lengths = framePrefixRows(tokenizer, 12).map((row) => row.length);
    expect(lengths).toHaveLength(12);
    expect(lengths[0]).toBe(3);
    expect(lengths[11]).toBe(Math.max(...lengths));
    expect(lengths[11]).toBeGreaterThan(3);
  });
});
