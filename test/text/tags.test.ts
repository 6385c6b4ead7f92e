/** Tags in texts, and as tokens of a vocabulary that cannot spell them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { formatOf } from '../../src/rewards/format.js';
import { encodeTagged, requireTags } from '../../src/text/encode.js';
import { cutAtTags, TAG_TOKENS, taggedParts, withoutTags } from '../../src/text/tags.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { randomText } from './support.js';
import { writeTinyTokenizer } from './tinyTokenizer.js';

const SHAPES = fileURLToPath(new URL('../../weights/shapes', import.meta.url));

let folder: string;
let shapes: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-tags-'));
  shapes = await Tokenizer.load(SHAPES);
});
afterAll(() => rm(folder, { recursive: true }));

const encode = (tokenizer: Tokenizer, text: string) => tokenizer.encode(text, { addEos: false });

describe('a text with tags', () => {
  it.each([
    ['<think>a b</think> <answer>C</answer>', { reasoning: 'a b', answer: 'C' }],
    [
      '<think> a </think><tool_call>x</tool_call><think>b</think><answer> C',
      { reasoning: 'a b', answer: 'C' },
    ],
    ['<think>a, cut', { reasoning: 'a, cut', answer: '' }],
    ['<answer>C</answer>', { reasoning: '', answer: 'C' }],
    ['</think>', { reasoning: '', answer: '' }],
    ['<think><think></think><answer></answer>', { reasoning: '', answer: '' }],
    ['no tags, a < b > c </thinking>', undefined],
    ['', undefined],
  ])('%j has the parts %j', (text, parts) => {
    expect(taggedParts(text)).toEqual(parts);
  });

  it('loses them where it stands inside a part itself', () => {
    expect(withoutTags('a </think> b<answer>c')).toBe('a b c');
    expect(withoutTags(' <think> ')).toBe('');
    expect(withoutTags('a < b')).toBe('a < b');
    expect(cutAtTags('<think> </think>x')).toEqual(['<think>', '</think>', 'x']);
  });
});

describe('tags as tokens', () => {
  it('are one token each, none of them one that starts the decoder', () => {
    const ids = [...TAG_TOKENS.keys()].map((tag) => encode(shapes, tag));
    expect(ids.map((each) => each.length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(new Set(ids.flat()).size).toBe(6);
    for (const cue of ['<extra_id_0>', '<extra_id_1>']) expect(ids).not.toContainEqual(encode(shapes, cue));
    expect(shapes.decode(ids.flat())).toBe('<think></think> <tool_call></tool_call> <answer></answer>');
  });

  it('come back as text, wherever they stand', () => {
    const rng = new Rng('tags');
    const tags = [...TAG_TOKENS.keys()];
    for (let round = 0; round < 100; round++) {
      const pieces = Array.from({ length: 1 + rng.int(6) }, () =>
        rng.chance(0.6) ? tags[rng.int(tags.length)]! : 'the red cube moves',
      );
      const text = shapes.decode(encode(shapes, pieces.join(' ')));
      expect(cutAtTags(text).join(' ')).toBe(pieces.join(' '));
      expect(encode(shapes, text)).toEqual(encode(shapes, pieces.join(' ')));
    }
  });

  it('leave a text without them as it was', () => {
    expect(shapes.decode([])).toBe('');
    const ids = encode(shapes, 'the red cube <extra_id_9> moves');
    expect(shapes.decode(ids)).toBe('the red cube moves');
  });

  it('are refused by name where a vocabulary has neither them nor <', async () => {
    const tiny = await Tokenizer.load(await writeTinyTokenizer(folder));
    expect(() => requireTags(tiny, 'the.key')).toThrow(UsageError);
    expect(() => requireTags(tiny, 'the.key')).toThrow(
      /^the\.key: the tokenizer of .* needs < and >, or the tokens <extra_id_2> /,
    );
    expect(() => requireTags(shapes, 'the.key')).not.toThrow();
  });
});

describe('a target in tags', () => {
  const reads = (tokenizer: Tokenizer, reasoning: string, limit = 1000) => {
    const { ids, truncated } = encodeTagged(tokenizer, reasoning, tokenizer.answerIds(2), limit);
    expect(ids.at(-1)).toBe(tokenizer.eosId);
    expect(ids.length).toBeLessThanOrEqual(limit);
    return { text: tokenizer.decode(ids), truncated, length: ids.length };
  };

  it('has the form that is rewarded, whatever the reasoning says and however short it must be', () => {
    const rng = new Rng('form');
    for (let round = 0; round < 50; round++) {
      const reasoning = round === 0 ? '' : `${randomText(rng, rng.int(20))} </think> red`;
      const { text, truncated, length } = reads(shapes, reasoning);
      expect(formatOf(text)).toBe(1);
      expect(taggedParts(text)!.answer).toBe('Option C');
      expect(truncated).toBe(false);
      const cut = reads(shapes, reasoning, 7 + rng.int(4));
      expect(formatOf(cut.text)).toBe(1);
      expect(cut.truncated).toBe(length > cut.length);
      expect(taggedParts(cut.text)!.answer).toBe('Option C');
    }
  });

  it('is refused where nothing but the reasoning could be left out', () => {
    expect(() => encodeTagged(shapes, 'red', shapes.answerIds(0), 6)).toThrow(UsageError);
  });

  it('spells the tags out in the vocabulary of a chat, which has every byte', async () => {
    const qwen = await Tokenizer.load(fileURLToPath(new URL('../fixtures/qwen', import.meta.url)));
    expect(() => requireTags(qwen, 'the.key')).not.toThrow();
    expect(reads(qwen, 'the red cube').text.replace('> <', '><')).toBe(
      '<think>the red cube</think><answer>C</answer>',
    );
  });

  describeWithShared('of FlanT5', ['data/tokenizer/flan-t5'], () => {
    it('is its spare tokens and its words', async () => {
      const flan = await Tokenizer.load(sharedPath('data/tokenizer/flan-t5')!);
      const { ids } = encodeTagged(flan, 'the dog runs', flan.answerIds(1), 100);
      expect(ids.map((id) => flan.piece(id))).toEqual([
        '<extra_id_2>',
        '▁the',
        '▁dog',
        '▁runs',
        '<extra_id_3>',
        '<extra_id_6>',
        '▁Option',
        '▁B',
        '<extra_id_7>',
        '</s>',
      ]);
      expect(flan.decode(ids)).toBe('<think>the dog runs</think> <answer>Option B</answer>');
    });
  });
});
