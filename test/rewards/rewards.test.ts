/** Each reward by cases, and all of them on broken texts. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { Sample } from '../../src/data/sample.js';
import { choice } from '../../src/rewards/choice.js';
import { combined } from '../../src/rewards/combine.js';
import { eventsOf, precision, recall } from '../../src/rewards/events.js';
import { formatOf } from '../../src/rewards/format.js';
import { registerReward, rewardNames, Scorer } from '../../src/rewards/index.js';
import { iou, scaledIou, timesIn } from '../../src/rewards/iou.js';
import { agreementOf } from '../../src/rewards/judge.js';
import { keywords, keywordsOf } from '../../src/rewards/keywords.js';
import type { RewardSettings } from '../../src/rewards/reward.js';
import { rouge, rougeOf, rougeTokens } from '../../src/rewards/rouge.js';
import { tool } from '../../src/rewards/tool.js';
import { iou as iouOf } from '../../src/text/overlap.js';
import { answerText, partsOf } from '../../src/text/tags.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

const GOLDEN = 'data/grounding/golden-grpo.json';
const SETTINGS: RewardSettings = { tagged: false, iouRange: [0, 1] };

const sample = (fields: Partial<Sample> = {}): Sample => ({
  ...{ id: 's', dataset: 'jsonl', video: 'v.mp4', question: 'what happens?', options: [], type: 'what' },
  ...fields,
});

/** A sample that every reward applies to. */
const EVERYTHING = sample({
  options: ['a ball', 'a dog', 'a car'],
  answer: 1,
  answers: ['the dog barked'],
  captions: ['the dog runs. then the cat sleeps.'],
  spans: [[2, 6]],
  task: 'caption',
});

describe('the format', () => {
  it.each([
    ['<think>a</think><answer>B</answer>', 1],
    [' <think>a\nb</think>\n <answer>B</answer>\n', 1],
    ['<think></think><answer></answer>', 1],
    ['<think>a</think><tool_call>c</tool_call><think>d</think><answer>B</answer>', 1],
    ['<think>a < b and <i>so</i></think><answer>B</answer>', 1],
    ['', 0],
    ['Option B', 0],
    ['<think>a</think>', 0],
    ['<answer>B</answer>', 0],
    ['<answer>B</answer><think>a</think>', 0],
    ['<think>a</think><answer>B', 0],
    ['<think>a<answer>B</answer>', 0],
    ['<think>a</think>so<answer>B</answer>', 0],
    ['well <think>a</think><answer>B</answer>', 0],
    ['<think>a</think><answer>B</answer> C', 0],
    ['<think>a</think><think>b</think><answer>B</answer>', 0],
    ['<think>a</think><answer>B</answer><answer>C</answer>', 0],
    ['<think><answer>A</answer></think><answer>B</answer>', 0],
    ['<think>a<think>b</think></think><answer>B</answer>', 0],
    ['<Think>a</Think><answer>B</answer>', 0],
  ])('of %j is %s', (text, expected) => {
    expect(formatOf(text)).toBe(expected);
  });

  it('is read in linear time', () => {
    expect(formatOf('<think>'.repeat(20_000))).toBe(0);
    expect(formatOf(`<think>${' '.repeat(100_000)}`)).toBe(0);
    expect(partsOf(' '.repeat(100_000))).toEqual([]);
  });
});

describe('the answer of a text', () => {
  it.each([
    ['<think>A</think><answer> B </answer>', 'B'],
    ['<answer>A</answer> <answer>B</answer>', 'B'],
    ['<answer>B', 'B'],
    ['<answer>B<think>', 'B'],
    ['<answer>', ''],
    ['B', ''],
    ['', ''],
  ])('in tags, %j, is %j', (text, answer) => {
    expect(answerText(text, true)).toBe(answer);
  });

  it('without tags is all of it', () => {
    expect(answerText(' Option B\n', false)).toBe('Option B');
  });
});

describe('the reward for a choice', () => {
  const of = (text: string, tagged = false) => choice({ tagged }).of({ sample: EVERYTHING, text });

  it.each([
    ['Option B', 1],
    ['B', 1],
    ['b', 1],
    ['(B)', 1],
    ['B. a dog', 1],
    ['The answer is B', 1],
    ['\\boxed{B}', 1],
    ['{B}', 1],
    ['Option A', 0],
    ['Option D', 0],
    ['Option', 0],
    ['', 0],
    ['Because', 0],
  ])('%j gets %s', (text, expected) => {
    expect(of(text)).toBe(expected);
  });

  it('reads the answer alone where it is in tags', () => {
    expect(of('<think>Option A</think><answer>B</answer>', true)).toBe(1);
    expect(of('<think>Option B</think><answer>A</answer>', true)).toBe(0);
    expect(of('Option B', true)).toBe(0);
  });

  it('does not apply without options or a known answer', () => {
    expect(choice(SETTINGS).of({ sample: sample({ answers: ['x'] }), text: 'B' })).toBeNull();
    expect(choice(SETTINGS).of({ sample: sample({ options: ['x', 'y'] }), text: 'B' })).toBeNull();
  });
});

describe('the reward for a span', () => {
  it.each([
    ['from 2 to 6', [2, 6]],
    ['2.5s - 6.25 seconds', [2.5, 6.25]],
    ['[2, 6]', [2, 6]],
    ['first 0 to 1, no: 2 to 6', [2, 6]],
    ['1:05 to 0:01:20.5', [65, 80.5]],
    ['6 to 2', [6, 2]],
    ['at 2', undefined],
    ['two to six', undefined],
    ['', undefined],
  ])('reads %j as %j', (text, expected) => {
    expect(timesIn(text)).toEqual(expected);
  });

  it('is the intersection over the union', () => {
    expect(iouOf([2, 6], [2, 6])).toBe(1);
    expect(iouOf([0, 4], [2, 6])).toBeCloseTo(2 / 6, 12);
    expect(iouOf([0, 10], [2, 6])).toBeCloseTo(0.4, 12);
    expect(iouOf([0, 1], [2, 6])).toBe(0);
    expect(iouOf([3, 3], [2, 6])).toBe(0);
    expect(iouOf([6, 2], [2, 6])).toBe(0);
    const rng = new Rng('iou');
    for (let round = 0; round < 100; round++) {
      const [a, b] = Array.from({ length: 2 }, () => [5 * rng.float(), 5 + 5 * rng.float()] as const) as [
        readonly [number, number],
        readonly [number, number],
      ];
      expect(iouOf(a, b)).toBeCloseTo(iouOf(b, a), 12);
      expect(iouOf(a, b)).toBeLessThanOrEqual(1);
    }
  });

  it('takes the best of several true spans, scaled', () => {
    const of = (text: string, range: [number, number]) =>
      iou({ tagged: false, iouRange: range }).of({
        sample: sample({
          spans: [
            [20, 30],
            [2, 6],
          ],
        }),
        text,
      });
    expect(of('0 to 4', [0, 1])).toBeCloseTo(1 / 3, 12);
    expect(of('0 to 4', [0.2, 0.8])).toBeCloseTo((1 / 3 - 0.2) / 0.6, 12);
    expect(of('20 to 30', [0.2, 0.8])).toBe(1);
    expect(of('6 to 2', [0, 1])).toBe(0);
    expect(of('when the dog barks', [0, 1])).toBe(0);
    expect(iou(SETTINGS).of({ sample: sample(), text: '0 to 4' })).toBeNull();
  });
});

describeWithShared('golden scaling of the IoU', [GOLDEN], () => {
  it('is clamp((iou - low) / (high - low), 0, 1)', () => {
    const { iou_scaling } = JSON.parse(readFileSync(sharedPath(GOLDEN)!, 'utf8'));
    for (const [value, low, high, expected] of iou_scaling)
      expect(scaledIou(value, [low, high])).toBeCloseTo(expected, 12);
  });
});

describe('ROUGE', () => {
  it('has the values of rouge_score', () => {
    // The example of its README; the bigrams by hand: "the quick" and "quick brown" of 7 and 8.
    const scores = rougeOf(
      'The quick brown dog jumps on the log.',
      'The quick brown fox jumps over the lazy dog',
    );
    expect(scores.rouge1).toBeCloseTo(0.7058823529411765, 12);
    expect(scores.rougeL).toBeCloseTo(0.5882352941176471, 12);
    expect(scores.rouge2).toBeCloseTo(4 / 15, 12);
    expect(rougeOf('the dogs barked', 'The dog barks!')).toEqual({ rouge1: 1, rouge2: 1, rougeL: 1 });
    expect(rougeTokens("it's the Dogs' 2nd café")).toEqual(['it', 's', 'the', 'dog', '2nd', 'caf']);
  });

  it('is 0 for texts without a word, on either side', () => {
    for (const [a, b] of [
      ['', 'a dog'],
      ['a dog', ''],
      ['', ''],
      ['!?', '…'],
      ['cat', 'dog'],
    ])
      expect(rougeOf(a!, b!)).toEqual({ rouge1: 0, rouge2: 0, rougeL: 0 });
    // One word has no bigram.
    expect(rougeOf('dog', 'dog')).toEqual({ rouge1: 1, rouge2: 0, rougeL: 1 });
  });

  it('counts a word as often as both sides have it', () => {
    expect(rougeOf('the the the the', 'the cat').rouge1).toBeCloseTo(2 / 6, 12);
  });

  it('rewards the mean with the best reference', () => {
    const of = (fields: Partial<Sample>, text: string) =>
      rouge(SETTINGS).of({ sample: sample(fields), text });
    expect(of({ answers: ['a cat', 'the dog barked'] }, 'the dog barked')).toBe(1);
    expect(of({ captions: ['dog'] }, 'dog')).toBeCloseTo(2 / 3, 12);
    expect(of({}, 'dog')).toBeNull();
    expect(of({ answers: ['dog'] }, '')).toBe(0);
  });
});

describe('events', () => {
  const caption = 'A man opens the door, then the dog runs outside. Finally it barks at a car.';
  const of = (make: typeof recall, text: string) =>
    make(SETTINGS).of({ sample: sample({ captions: [caption] }), text });

  it('are the clauses of a text, ten at most', () => {
    expect(eventsOf(caption)).toHaveLength(3);
    expect(eventsOf('')).toEqual([]);
    expect(eventsOf('and then. the.')).toEqual([]);
    expect(eventsOf(Array.from({ length: 30 }, (_, i) => `dog ${i}`).join('. '))).toHaveLength(10);
  });

  it('are recalled by a text that tells them, and are precise where nothing else is told', () => {
    expect(of(recall, caption)).toBe(1);
    expect(of(precision, caption)).toBe(1);
    expect(of(recall, 'The dogs ran outside.')).toBeCloseTo(1 / 3, 12);
    expect(of(precision, 'The dogs ran outside.')).toBe(1);
    expect(of(precision, 'The dog runs outside. A bird sings.')).toBe(0.5);
    expect(of(recall, 'A bird sings.')).toBe(0);
  });

  it('earn nothing for an empty text, and do not apply without a caption', () => {
    for (const text of ['', '...', 'the'])
      for (const make of [recall, precision]) expect(of(make, text)).toBe(0);
    expect(recall(SETTINGS).of({ sample: sample(), text: 'x' })).toBeNull();
    expect(recall(SETTINGS).of({ sample: sample({ captions: ['.'] }), text: 'x' })).toBeNull();
  });
});

describe('keywords', () => {
  it.each([
    ['a dog runs', 0],
    ['first a dog runs', 0.2],
    ['first a dog runs, then it barks', 0.4],
    ['first, then, next, finally', 0.4],
    ['then then then', 0.2],
    ['they strengthen the fence', 0],
    ['first it runs, then it might bark', -0.2],
    ['perhaps it possibly runs', -0.4],
    ['Then', 0.2],
    ['', 0],
  ])('of %j are worth %s', (text, expected) => {
    expect(keywordsOf(text)).toBeCloseTo(expected, 12);
  });

  it('apply to descriptions alone', () => {
    expect(keywords(SETTINGS).of({ sample: sample({ task: 'open' }), text: 'then' })).toBeNull();
    expect(keywords(SETTINGS).of({ sample: sample({ task: 'caption' }), text: 'then' })).toBe(0.2);
  });
});

describe('calls of a tool', () => {
  it('earn 0.5 each, two at most, where there is a tool', () => {
    const of = (calls?: number) =>
      tool().of({ sample: sample(), text: '', ...(calls !== undefined && { calls }) });
    expect([of(), of(0), of(1), of(2), of(3), of(-1)]).toEqual([null, 0, 0.5, 1, 1, 0]);
  });
});

describe('the rule that judges', () => {
  it.each([
    ['the dog barked at a car', 'the dog barked', 1],
    ['dogs bark', 'The dog barks.', 1],
    ['the dog', 'the dog barked', 0.5],
    ['a cat', 'the dog barked', 0],
    ['the dog did not bark', 'the dog barked', 0],
    ["it doesn't bark", 'it does not bark', 1],
    ['', 'the dog', 0],
    ['the', 'the dog', 0],
    ['dog', 'the', 0],
    ['dog cat car ball bird house tree man woman', 'dog ball', 0.5],
  ])('finds %j against %j worth %s', (answer, truth, expected) => {
    expect(agreementOf(answer, truth)).toBe(expected);
  });
});

describe('one reward of several', () => {
  const weights = { format: 1, choice: 2, iou: 0.5 };

  it('adds the format, or has it as a factor', () => {
    const values = { format: 1, choice: 1, iou: 0.5 };
    expect(combined(values, weights, 'add')).toBe(3.25);
    expect(combined(values, weights, 'multiply')).toBe(2.25);
    expect(combined({ ...values, format: 0 }, weights, 'add')).toBe(2.25);
    expect(combined({ ...values, format: 0 }, weights, 'multiply')).toBe(0);
    expect(combined({ choice: 1 }, { choice: 2 }, 'multiply')).toBe(2);
  });

  it('leaves out what does not apply, and does not apply without any', () => {
    expect(combined({ format: 1, choice: null, iou: 1 }, weights, 'add')).toBe(1.5);
    expect(combined({ format: null, choice: 1, iou: Number.NaN }, weights, 'multiply')).toBe(2);
    expect(combined({ format: 1, choice: null, iou: null }, weights, 'multiply')).toBeNull();
    expect(combined({ format: 1, choice: null, iou: null }, weights, 'add')).toBe(1);
    expect(combined({}, weights, 'add')).toBeNull();
  });
});

describe('a scorer', () => {
  const scorerOf = (weights: Record<string, number>, format: 'multiply' | 'add' = 'add') =>
    new Scorer({ weights, format, iouRange: [0.2, 0.8] });

  it('rewards a completion by name, with what it could have earned', async () => {
    const text = '<think>it runs from 1 to 9</think><answer>B, 2 to 6</answer>';
    const scorer = scorerOf({ format: 1, choice: 1, iou: 1, tool: 1 });
    expect(await scorer.score({ sample: EVERYTHING, text })).toEqual({
      values: { format: 1, choice: 0, iou: 1, tool: null },
      reward: 2,
      highest: 3,
    });
    const multiplied = await scorerOf({ format: 1, iou: 2 }, 'multiply').score({ sample: EVERYTHING, text });
    expect(multiplied).toMatchObject({ reward: 2, highest: 2 });
  });

  it('gives every text a number or null, and broken ones no more than 0', async () => {
    const names = rewardNames().filter((name) => !name.startsWith('test-'));
    const scorer = scorerOf(Object.fromEntries(names.map((name) => [name, 1])));
    expect(scorer.names).toEqual(names);
    const broken = [
      '',
      ' ',
      '<',
      '<answer>',
      '</answer>',
      '<think>',
      '<think>a</think',
      'a dog',
      '\u0000',
      '🐕',
    ];
    for (const text of broken) {
      const { values, reward } = await scorer.score({ sample: EVERYTHING, text, calls: 0 });
      expect(values, text).toEqual(Object.fromEntries(names.map((name) => [name, 0])));
      expect(reward).toBe(0);
    }
    const nothing = await scorer.score({ sample: sample(), text: '' });
    expect(Object.entries(nothing.values).filter(([, value]) => value !== null)).toEqual([['format', 0]]);
  });

  it('does not apply without a reward that does, and takes NaN for such', async () => {
    registerReward('test-nan', () => ({ highest: 1, of: () => Number.NaN }));
    const scored = await scorerOf({ 'test-nan': 1 }).score({ sample: sample(), text: 'x' });
    expect(scored).toEqual({ values: { 'test-nan': null }, reward: null, highest: 0 });
  });

  it('refuses an infinite value and an unknown name, each by name', async () => {
    registerReward('test-infinite', () => ({ highest: 1, of: () => Number.POSITIVE_INFINITY }));
    await expect(scorerOf({ 'test-infinite': 1 }).score({ sample: sample(), text: '' })).rejects.toThrow(
      'reward test-infinite is Infinity for sample s',
    );
    expect(() => scorerOf({ chioce: 1 })).toThrow(/no reward chioce/);
  });
});

describe('a task is solved', () => {
  const scorer = (weights: Record<string, number>, format: 'multiply' | 'add' = 'multiply') =>
    new Scorer({ weights, format, iouRange: [0, 1] });

  it.each([
    [{ choice: 1 }, { choice: 1 }, true],
    [{ choice: 1 }, { choice: 0 }, false],
    [{ choice: 1 }, { choice: null }, null],
    [{ choice: 1 }, { choice: Number.NaN }, null],
    // Half is not more than half: a judge's partly.
    [{ judge: 1 }, { judge: 0.5 }, false],
    [{ iou: 2 }, { iou: 0.51 }, true],
    [{ recall: 1, precision: 0.5 }, { recall: 0.6, precision: 0.4 }, true],
    [{ recall: 1, precision: 0.5 }, { recall: 0.4, precision: 0.6 }, false],
    // How it is said does not count, but for a form that is a factor.
    [{ choice: 1, keywords: 9, tool: 9 }, { choice: 0, keywords: 0.4, tool: 1 }, false],
    [{ keywords: 1, tool: 1 }, { keywords: 0.4, tool: 1 }, null],
    [{ choice: 1, format: 1 }, { choice: 1, format: 0 }, false],
    [{ choice: 1, format: 1 }, { choice: null, format: 0 }, null],
    [{ choice: 1, format: 1 }, { choice: 1, format: 1 }, true],
    [{ choice: 0 }, { choice: 1 }, null],
  ])('with weights %j by rewards %j: %s', (weights, values, expected) => {
    expect(scorer(weights as Record<string, number>).solves(values as Record<string, number>)).toBe(expected);
  });

  it('whatever the form, where that is a term', () => {
    expect(scorer({ choice: 1, format: 1 }, 'add').solves({ choice: 1, format: 0 })).toBe(true);
  });
});
