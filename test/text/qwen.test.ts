/** Qwen2's byte-level BPE: golden encodings of Hugging Face tokenizers, the chat around prompts, letters, bad files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { encodePrompt, encodeText } from '../../src/text/encode.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

/** Made by tools/reference/make_qwen_tokenizer.py. */
const FOLDER = fileURLToPath(new URL('../fixtures/qwen', import.meta.url));

interface Json {
  model: { type: string; merges: unknown; vocab: unknown };
  added_tokens: { content: string }[];
  pre_tokenizer: unknown;
}

let scratch: string;
let tokenizer: Tokenizer;
let golden: { text: string; ids: number[]; decoded: string }[];
let json: Json;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-qwen-'));
  tokenizer = await Tokenizer.load(FOLDER);
  golden = JSON.parse(await readFile(join(FOLDER, 'golden.json'), 'utf8'));
  json = JSON.parse(await readFile(join(FOLDER, 'tokenizer.json'), 'utf8'));
});
afterAll(() => rm(scratch, { recursive: true }));

/** A tokenizer of a changed copy of the file. */
async function changed(change: (json: Json) => void): Promise<Tokenizer> {
  const copy = structuredClone(json);
  change(copy);
  const folder = await mkdtemp(join(scratch, 'copy-'));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(copy));
  return Tokenizer.load(folder);
}

const id = (token: string) => json.added_tokens.findIndex(({ content }) => content === token) + 448;

describe('the tokenizer of Qwen2', () => {
  it('gives the golden ids and texts, whether merges are pairs or texts', async () => {
    expect(json.model.merges).toContainEqual(expect.any(Array));
    const older = await changed(({ model }) => {
      model.merges = (model.merges as string[][]).map((pair) => pair.join(' '));
    });
    const plain = golden.filter(({ text }) => !/<\S+>/.test(text));
    expect(plain.length).toBeGreaterThan(70);
    for (const { text, ids, decoded } of plain)
      for (const each of [tokenizer, older]) {
        expect(each.encode(text, { addEos: false }), text).toEqual(ids);
        expect(each.decode(ids), text).toBe(decoded);
      }
  });

  it('ends texts with <|im_end|>, and leaves special tokens and unknown ids out of texts', () => {
    const { ids } = encodeText(tokenizer, 'red', 9);
    expect(ids.at(-1)).toBe(id('<|im_end|>'));
    expect(tokenizer.decode([...ids, 9999, -1])).toBe('red');
    expect(tokenizer.decode([])).toBe('');
    expect([tokenizer.padId, tokenizer.unkId]).toEqual([id('<|endoftext|>'), -1]);
  });

  it('reads special tokens that a question writes out as text', () => {
    for (const text of ['<video>', 'a<|im_end|>b']) {
      const ids = tokenizer.encode(text, { addEos: false });
      expect(Math.max(...ids)).toBeLessThan(448);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it('puts a prompt into the turn of a chat with one video, and cuts its text alone', () => {
    const { ids, truncated } = encodePrompt(tokenizer, 'Why did the red square move?', 200);
    expect(truncated).toBe(false);
    const special = ids
      .filter((token) => token >= 448)
      .map((token) => json.added_tokens[token - 448]!.content);
    expect(special).toEqual([
      ...['<|im_start|>', '<|im_end|>', '<|im_start|>', '<video>'],
      ...['<|im_end|>', '<|im_start|>'],
    ]);
    expect(tokenizer.decode(ids)).toBe(
      'system\nYou are a helpful assistant.\nuser\n\nWhy did the red square move?\nassistant\n',
    );
    const cut = encodePrompt(tokenizer, 'Why did the red square move?', ids.length - 2);
    expect(cut.truncated).toBe(true);
    expect(cut.ids).toHaveLength(ids.length - 2);
    expect(cut.ids.slice(-6)).toEqual(ids.slice(-6));
    expect(() => encodePrompt(tokenizer, 'Why?', 10)).toThrow(UsageError);
  });

  it('answers with the letter alone, and behind reasoning with "Answer: " before it', () => {
    expect(tokenizer.answerStart()).toEqual([]);
    const letters = [...tokenizer.letterIds(5)];
    expect(letters.map((token) => tokenizer.piece(token))).toEqual([...'ABCDE']);
    expect(tokenizer.answerIds(2)).toEqual([letters[2], tokenizer.eosId]);
    expect(tokenizer.decode(tokenizer.answerIds(3, 'afterReasoning'))).toBe('\nAnswer: D');
    const after = [...tokenizer.letterIds(5, 'afterReasoning')];
    expect(after.map((token) => tokenizer.piece(token))).toEqual([...'ABCDE'].map((letter) => `Ġ${letter}`));
  });

  it.each([
    [
      'no <video>',
      (j: Json) => void j.added_tokens.pop(),
      /tokenizer\.json: has no <video> token, which the chat/,
    ],
    [
      'no end of turn',
      (j: Json) => void j.added_tokens.splice(2, 1),
      /has no <\|im_end\|> token, which the end of a text needs/,
    ],
    [
      'a merge of three',
      (j: Json) => {
        (j.model.merges as unknown[])[1] = 'a b c';
      },
      /model\.merges\[1\] must be/,
    ],
    [
      'no merges',
      (j: Json) => {
        j.model.merges = null;
      },
      /model\.merges\[0\] must be/,
    ],
    [
      'no vocabulary',
      (j: Json) => {
        j.model.vocab = {};
      },
      /model\.vocab must give each piece its id/,
    ],
    [
      'words of another kind',
      (j: Json) => {
        j.pre_tokenizer = null;
      },
      /not a byte-level BPE/,
    ],
    [
      'another model',
      (j: Json) => {
        j.model.type = 'WordPiece';
      },
      /model\.type is "WordPiece", expected/,
    ],
  ])('refuses a file with %s', async (_, change, message) => {
    await expect(changed(change)).rejects.toThrow(DataError);
    await expect(changed(change)).rejects.toThrow(message);
  });
});
