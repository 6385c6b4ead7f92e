/** Policies of refinement beyond the paper's patterns. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import type { GeneratedText } from '../../src/reasoning/generated.js';
import { entailmentBy } from '../../src/reasoning/policies/entailment.js';
import { openPolicy, policyNames } from '../../src/reasoning/policies/index.js';
import type { Policy } from '../../src/reasoning/policies/policy.js';
import { promptId } from '../../src/reasoning/prompt.js';
import { refineFile } from '../../src/reasoning/refineFile.js';
import { writeTinyNli } from './tinyOnnx.js';

const OPTIONS = ['it grew', 'it shrank', 'it vanished', 'no'];
const ROW: GeneratedText = {
  id: 'a',
  question: 'what did the cup do',
  options: OPTIONS,
  reasoning:
    'A hand comes near.\nThe cup grows slowly. There is no lid, and the table stands still.\n- Nothing else happens.\n\nTherefore, the correct answer is A.\n###Answer: A',
  predicted: 0,
  answer: 0,
  correct: true,
};
const refined = async (policy: Policy, ...rows: GeneratedText[]) =>
  (await policy.refine(policy.byId ? [rows] : rows.map((row) => [row]))).map(({ reasoning }) => reasoning);

describe('first-n', () => {
  it.each([
    [1, 'A hand comes near.'],
    [2, 'A hand comes near.\nThe cup grows slowly.'],
    [99, ROW.reasoning],
  ])('keeps the first %i sentences, whatever they say', async (sentences, expected) => {
    expect(await refined(await openPolicy('first-n', { sentences }), ROW)).toEqual([expected]);
  });
});

describe('none-of-answer-sentences', () => {
  it('drops what mentions any option, in another form of the word too, and keeps the rest', async () => {
    const policy = await openPolicy('none-of-answer-sentences');
    expect(await refined(policy, ROW)).toEqual(['A hand comes near.\n- Nothing else happens.']);
    const other = { ...ROW, reasoning: 'It vanishes. Option C is far. A hand stays.' };
    expect(await refined(policy, other)).toEqual(['A hand stays.']);
  });

  it('does not take a word that all options have for a mention', async () => {
    const row = {
      ...ROW,
      options: ['the red object touched it', 'the blue object touched it'],
      reasoning: 'The object is touched. The blue one moves.',
      predicted: null,
      correct: false,
      answer: 1,
    };
    expect(await refined(await openPolicy('none-of-answer-sentences'), row)).toEqual([
      'The object is touched.',
    ]);
  });
});

describe('entailment', () => {
  const word = (text: string) => /grows|shrinks|vanishes/.exec(text)?.[0];
  const meaning = { grew: 'grows', shrank: 'shrinks', vanished: 'vanishes' };
  /** Knows the three verbs and nothing else. */
  const policy = () =>
    entailmentBy(async (pairs) =>
      pairs.map(({ premise, hypothesis }) => {
        const claim = Object.entries(meaning).find(([past]) => hypothesis.includes(past))?.[1];
        const said = word(premise);
        return {
          entails: said !== undefined && said === claim ? 0.9 : 0.1,
          contradicts: said && said !== claim ? 0.9 : 0,
        };
      }),
    );

  it('drops a sentence that entails one option and contradicts every other', async () => {
    expect(await refined(policy(), ROW)).toEqual([
      'A hand comes near.\nThere is no lid, and the table stands still.\n- Nothing else happens.',
    ]);
  });

  it('keeps it below the threshold', async () => {
    const strict = entailmentBy(async (pairs) => pairs.map(() => ({ entails: 0.5, contradicts: 0.5 })), {
      threshold: 0.6,
    });
    expect((await refined(strict, ROW))[0]).toContain('The cup grows slowly.');
  });

  it('opens the model of a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nli-'));
    try {
      // "grows" with "grew" entails; with another option's word it contradicts.
      await writeTinyNli(folder, {
        grows: [5, 0, 0],
        grew: [0, 9, 0],
        shrank: [0, 0, 0],
        vanished: [0, 0, 0],
      });
      const opened = await openPolicy('entailment', { model: folder });
      expect((await refined(opened, ROW))[0]).not.toContain('grows');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says what it needs', async () => {
    await expect(openPolicy('entailment')).rejects.toThrow(
      new UsageError(
        '--policy entailment: needs --nli, the folder or Hugging Face id of an ONNX model such as Xenova/nli-deberta-v3-xsmall',
      ),
    );
  });
});

describe('agreement', () => {
  const sample = (reasoning: string, predicted: number | null): GeneratedText => ({
    ...ROW,
    reasoning,
    predicted,
    correct: predicted === ROW.answer,
  });

  it('keeps of a text with the most frequent answer the steps that another sample has', async () => {
    const policy = await openPolicy('agreement');
    expect(
      await refined(
        policy,
        sample('1. A hand comes near. 2. The cup shrinks.\n###Answer: B', 1),
        sample('- A hand comes near.\n- The cup grew.\n- The lid is red.\n###Answer: A', 0),
        sample('The cup grows. A hand comes. The answer is A.', 0),
      ),
    ).toEqual(['- A hand comes near.\n- The cup grew.']);
  });

  it('asks for more samples, or for fewer words, when told', async () => {
    const rows = [
      sample('A hand comes near. The cup grows.', 0),
      sample('The big cup grows.', 0),
      sample('A hand comes.', 0),
    ];
    expect(await refined(await openPolicy('agreement', { votes: 3 }), ...rows)).toEqual(['']);
    expect(await refined(await openPolicy('agreement', { overlap: 0.6 }), ...rows)).toEqual([
      rows[0]!.reasoning,
    ]);
    await expect(openPolicy('agreement', { votes: 1 })).rejects.toThrow(UsageError);
  });
});

it('an unknown policy is named with those that are known', async () => {
  await expect(openPolicy('papers')).rejects.toThrow(
    new UsageError(`--policy papers: expected ${policyNames().join(', ')}`),
  );
});

describe('any text', () => {
  const pieces = [
    'A hand comes near.',
    'The cup grows.',
    'It is no lid',
    '###Answer: A',
    'Option B is out.',
    'The correct answer is A.',
    'it shrank',
    '😀😀',
    'no',
    '\n',
    '\n\n',
    ' - ',
    '. ',
    '**Conclusion**:',
    '<think>',
    '',
  ];
  const nli = entailmentBy(async (pairs) =>
    pairs.map(({ premise, hypothesis }) => {
      const same = /grow/.test(premise) && /grew/.test(hypothesis);
      return { entails: same ? 1 : 0, contradicts: /grow/.test(premise) && !same ? 1 : 0 };
    }),
  );
  const policies: [string, () => Promise<Policy>][] = policyNames()
    .filter((name) => name !== 'agreement')
    .map((name) => [name, async () => (name === 'entailment' ? nli : openPolicy(name))]);

  it.each(policies)('%s refines twice as once, and the same each time', async (_, open) => {
    const policy = await open();
    const rng = new Rng('policies');
    for (let i = 0; i < 150; i++) {
      const reasoning = Array.from(
        { length: rng.int(12) },
        () => rng.pick(pieces) + rng.pick(['', ' ', '\n']),
      ).join('');
      const predicted = rng.pick([0, 1, 2]);
      const row = { ...ROW, reasoning, predicted, correct: predicted === 0 };
      const [once] = await refined(policy, row);
      expect(await refined(policy, row)).toEqual([once]);
      expect(await refined(policy, { ...row, reasoning: once! }), JSON.stringify(reasoning)).toEqual([once]);
    }
  });

  it.each(policies)('%s takes empty, repeated and very long text', async (_, open) => {
    const policy = await open();
    const long = 'The cup grows in the hand. '.repeat(4000);
    for (const reasoning of ['', ' \n', '😀', long, 'x'.repeat(100_000)]) {
      const [text] = await refined(policy, { ...ROW, reasoning });
      expect(text!.length).toBeLessThanOrEqual(reasoning.length);
    }
  });
});

describe('a file', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const write = (name: string, ...rows: object[]) =>
    writeFileSync(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const rows = () =>
    readFileSync(at('out.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'policies-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('of several samples of each id gives one line an id', async () => {
    write('1.jsonl', ROW, { ...ROW, id: 'b' });
    write('2.jsonl', { ...ROW, id: 'b' }, { ...ROW, reasoning: 'A hand comes near. ###Answer: A' });
    const stats = await refineFile({
      input: [at('1.jsonl'), at('2.jsonl')],
      output: at('out.jsonl'),
      policy: 'agreement',
    });
    expect(stats).toMatchObject({ samples: 2, kept: 2 });
    expect(rows().map(({ id, reasoning }) => [id, reasoning.includes('grows')])).toEqual([
      ['b', true],
      ['a', false],
    ]);
  });

  it('with one sample of each id, or samples of other questions, is no file to compare', async () => {
    write('1.jsonl', ROW);
    const refining = () =>
      refineFile({ input: [at('1.jsonl')], output: at('out.jsonl'), policy: 'agreement' });
    await expect(refining()).rejects.toThrow(
      /every id has one line; the policy agreement compares several samples/,
    );
    write('1.jsonl', ROW, { ...ROW, question: 'why' });
    await expect(refining()).rejects.toThrow(
      new DataError(`${at('1.jsonl')}:2: id "a" has another question, options or answer than its first line`),
    );
  });

  it('of other tools, whose ids have another name, gives one line an id', async () => {
    const { id: _, predicted: __, correct: ___, ...row } = ROW;
    write('1.jsonl', { ...row, qid: 7 }, { ...row, qid: 7, reasoning: `Now. ${ROW.reasoning}` });
    const stats = await refineFile({
      ...{ input: at('1.jsonl'), output: at('out.jsonl'), policy: 'agreement' },
    });
    expect(stats).toMatchObject({ samples: 1 });
    expect(rows().map(({ id }) => id)).toEqual(['7']);
  });

  it('given twice is refused, since it agrees with itself', async () => {
    write('1.jsonl', ROW);
    write('2.jsonl', ROW);
    symlinkSync(at('1.jsonl'), at('link.jsonl'));
    const input = ['1.jsonl', '2.jsonl', 'link.jsonl'].map(at);
    await expect(refineFile({ input, output: at('out.jsonl'), policy: 'agreement' })).rejects.toThrow(
      new UsageError(
        `${at('link.jsonl')}: given twice; the policy agreement compares different samples, and a file agrees with itself`,
      ),
    );
  });

  it('whose samples of an id are one text says that their agreement means nothing', async () => {
    write('1.jsonl', ROW, { ...ROW, id: 'b' }, { ...ROW, id: 'c' });
    write('2.jsonl', ROW, { ...ROW, id: 'b', reasoning: 'It stays.' });
    const notices: string[] = [];
    await refineFile({
      ...{ input: ['1.jsonl', '2.jsonl'].map(at), output: at('out.jsonl'), policy: 'agreement' },
      onNotice: (line) => notices.push(line),
    });
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/^1 of 2 ids with several samples have the same text in all of them/);
  });

  it('of captions keeps the words of the true answer: they answer nothing', async () => {
    const caption = { predicted: null, correct: null, settings: { prompt: promptId('brief') } };
    write('1.jsonl', { ...ROW, ...caption, reasoning: 'The video shows: it grew.' });
    const stats = await refineFile({ input: at('1.jsonl'), output: at('out.jsonl') });
    expect(stats).toMatchObject({ correct: 0, incorrect: 0, ungradable: 0, unknown: 1 });
    expect(rows()).toEqual([{ id: 'a', reasoning: 'The video shows: it grew.', correct: null, removed: [] }]);
  });
});
