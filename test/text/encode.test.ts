import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sample } from '../../src/data/sample.js';
import { UsageError } from '../../src/errors.js';
import { Rng } from '../../src/random.js';
import {
  encodeBatch,
  encodeFramePrefixes,
  encodeSample,
  encodeText,
  padIds,
  padLabels,
} from '../../src/text/encode.js';
import { qaPrompt, stlTarget } from '../../src/text/prompts.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { writeTinyTokenizer } from './tinyTokenizer.js';

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-encode-'));
  tokenizer = await Tokenizer.load(await writeTinyTokenizer(folder));
});
afterAll(() => rm(folder, { recursive: true }));

const rng = new Rng('encode');
const words = ['red', 'blue', 'square', 'circle', 'moves', 'touches', 'zigzag'];
const text = (n: number) => Array.from({ length: n }, () => rng.pick(words)).join(' ');

function sample(overrides: Partial<Sample> = {}): Sample {
  return {
    id: 's',
    dataset: 'shapes',
    video: 'v',
    question: text(6),
    options: [text(1), text(2), text(1), text(1), text(2)],
    answer: rng.int(5),
    type: 'CW',
    reasoning: text(20),
    ...overrides,
  };
}

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

describe('encodeSample', () => {
  it('encodes prompt, answer and reasoning apart', () => {
    const s = sample();
    const { prompt, answer, reasoning, truncated } = encodeSample(tokenizer, s, { maxPromptTokens: 4096 });
    expect(prompt).toEqual(tokenizer.encode(qaPrompt(s), { addEos: true }));
    expect(answer).toEqual([tokenizer.optionId, tokenizer.letterIds(5)[s.answer!], tokenizer.eosId]);
    expect(reasoning).toEqual(tokenizer.encode(s.reasoning!, { addEos: true }));
    expect(truncated).toEqual({ prompt: false, reasoning: false });
  });

  it('leaves reasoning empty when there is none, and both targets when none are wanted', () => {
    const { reasoning: absent, ...without } = sample();
    expect(absent).toBeDefined();
    expect(encodeSample(tokenizer, without).reasoning).toEqual([]);
    const { answer: hidden, ...blind } = without;
    expect(hidden).toBeDefined();
    const encoded = encodeSample(tokenizer, blind, {}, false);
    expect([encoded.answer, encoded.reasoning]).toEqual([[], []]);
    expect(() => encodeSample(tokenizer, blind)).toThrow(/has no answer/);
  });

  it('joins reasoning and answer in single-task mode as one text', () => {
    for (let i = 0; i < 50; i++) {
      const s = sample({ reasoning: text(1 + rng.int(30)) });
      const { answer, reasoning } = encodeSample(tokenizer, s, { stl: true });
      expect(answer).toEqual(tokenizer.encode(stlTarget(s), { addEos: true }));
      expect(reasoning).toEqual([]);
    }
  });

  it('cuts the reasoning of a joint target, never its answer', () => {
    const s = sample({ reasoning: text(100) });
    const target = tokenizer.encode(stlTarget(s), { addEos: true });
    const { answer, truncated } = encodeSample(tokenizer, s, { stl: true, maxReasoningTokens: 40 });
    expect(answer).toHaveLength(40);
    expect(answer.slice(-3)).toEqual(target.slice(-3));
    expect(answer.slice(0, 37)).toEqual(target.slice(0, 37));
    expect(truncated.reasoning).toBe(true);
    expect(() => encodeSample(tokenizer, s, { stl: true, maxReasoningTokens: 2 })).toThrow(UsageError);
  });
});

describe('encodeBatch', () => {
  it('pads to the longest row, with mask, pad id and -100', () => {
    const samples = [sample(), sample({ reasoning: text(3) }), sample({ reasoning: '' })];
    const batch = encodeBatch(tokenizer, samples, { maxPromptTokens: 4096 });
    const { prompt, reasoning } = batch;
    expect(prompt.rows).toBe(3);
    expect(prompt.ids).toHaveLength(3 * prompt.length);
    for (const [row, s] of samples.entries()) {
      const expected = tokenizer.encode(qaPrompt(s), { addEos: true });
      const ids = prompt.ids.subarray(row * prompt.length, (row + 1) * prompt.length);
      const mask = prompt.mask.subarray(row * prompt.length, (row + 1) * prompt.length);
      expect([...ids.subarray(0, expected.length)]).toEqual(expected);
      expect(ids.subarray(expected.length).every((id) => id === tokenizer.padId)).toBe(true);
      expect(mask.reduce((sum, x) => sum + x, 0)).toBe(expected.length);
      expect(mask[expected.length - 1]).toBe(1);
    }
    expect(reasoning.labels.subarray(2 * reasoning.length).every((label) => label === -100)).toBe(true);
    expect(reasoning.labels[reasoning.length - 1]).toBe(tokenizer.eosId);
    expect(batch.answer.length).toBe(3);
    expect(batch.truncated).toEqual({ prompt: 0, reasoning: 0 });
  });

  it('counts what it cuts', () => {
    const red = (n: number) => Array.from({ length: n }, () => 'red').join(' ');
    const base = { question: red(5), options: ['red', 'blue'], answer: 0, reasoning: red(9) };
    const samples = [
      base,
      { ...base, question: red(90) },
      { ...base, reasoning: red(80) },
      { ...base, reasoning: red(10) },
    ];
    const batch = encodeBatch(
      tokenizer,
      samples.map((overrides) => sample(overrides)),
      { template: '{question} {options}', maxPromptTokens: 60, maxReasoningTokens: 10 },
    );
    expect(batch.truncated).toEqual({ prompt: 1, reasoning: 2 });
    expect(batch.prompt.length).toBe(60);
    expect(batch.reasoning.length).toBe(10);
  });

  it('has a reasoning length of 0 when no row has any', () => {
    const { reasoning } = encodeBatch(tokenizer, [sample({ reasoning: '' }), sample({ reasoning: '' })]);
    expect([reasoning.rows, reasoning.length, reasoning.labels.length]).toEqual([2, 0, 0]);
  });

  it('rounds lengths up to a multiple', () => {
    for (const length of [0, 1, 7, 8, 9]) {
      const rows = [Array.from({ length }, () => 5), []];
      expect(padIds(rows, 0, 8).length).toBe(Math.ceil(length / 8) * 8);
      expect(padLabels(rows, 8).length).toBe(Math.ceil(length / 8) * 8);
    }
  });
});

describe('encodeFramePrefixes', () => {
  it('has one row a frame, without </s>', () => {
    const prefixes = encodeFramePrefixes(tokenizer, 2);
    expect([prefixes.rows, prefixes.length]).toEqual([2, 3]);
    expect([...prefixes.ids].map((id) => tokenizer.piece(id))).toEqual([
      '▁Frame',
      '▁1',
      ':',
      '▁Frame',
      '▁2',
      ':',
    ]);
    expect(prefixes.mask.every((x) => x === 1)).toBe(true);
  });

  it('masks the padding of shorter prefixes', () => {
    const prefixes = encodeFramePrefixes(tokenizer, 12);
    const lengths = Array.from({ length: 12 }, (_, i) =>
      prefixes.mask.subarray(i * prefixes.length, (i + 1) * prefixes.length).reduce((sum, x) => sum + x, 0),
    );
    expect(lengths[0]).toBe(3);
    expect(lengths[11]).toBe(prefixes.length);
    expect(prefixes.length).toBeGreaterThan(3);
  });
});
