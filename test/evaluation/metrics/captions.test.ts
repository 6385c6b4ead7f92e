/** BLEU, ROUGE-L and CIDEr: values derived by hand, properties, and the official scripts' numbers. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bleu } from '../../../src/evaluation/metrics/bleu.js';
import { scoreCaptions } from '../../../src/evaluation/metrics/captions.js';
import { cider } from '../../../src/evaluation/metrics/cider.js';
import { captionTokens } from '../../../src/evaluation/metrics/ptb.js';
import { rougeL } from '../../../src/evaluation/metrics/rougeL.js';
import { describeWithShared, sharedPath } from '../../support/shared.js';

const item = (candidate: string, ...references: string[]) => ({
  candidate: captionTokens(candidate),
  references: references.map(captionTokens),
});

describe('the tokens of a caption', () => {
  it.each([
    ['A man, who RUNS.', 'a man who runs'],
    ["It's a dog that doesn't bark!", "it 's a dog that does n't bark"],
    ['"hello" she says; (twice) -- really?', 'hello she says twice really'],
    ['He cannot stop... and falls.', 'he can not stop and falls'],
    ["the boy's t-shirt costs 3.50, not 1,000", "the boy 's t-shirt costs 3.50 not 1,000"],
    ['mr. smith of the U.S. waits.', 'mr. smith of the u.s. waits'],
    ['\u201cwait\u201d \u2013 it\u2019s \u2018late\u2019', "wait it 's late"],
    ["the boys' ball", 'the boys ball'],
    ['  two   blanks\tand\na line ', 'two blanks and a line'],
    ['{a} [b]', 'a [ b ]'],
    ['...', ''],
    ['', ''],
  ])('%j', (text, expected) => {
    expect(captionTokens(text).join(' ')).toBe(expected);
  });

  it('are the same when they are tokenised again', () => {
    const text = captionTokens("The dog can't see the boy's hat, can it?").join(' ');
    expect(captionTokens(text).join(' ')).toBe(text);
  });
});

describe('BLEU', () => {
  it('clips matches at the largest count of a reference', () => {
    // 2 of 7 "the" count against the first reference, 1 against the second (Papineni et al. 2002, example 2).
    const [one, two] = bleu([
      item('the the the the the the the', 'the cat is on the mat', 'there is a cat on the mat'),
    ]);
    expect(one).toBeCloseTo(2 / 7, 6);
    expect(two).toBeLessThan(1e-4);
  });

  it('punishes a short text by the closest reference, the shorter of two', () => {
    const [one] = bleu([item('a b c', 'a b c d e', 'a')]);
    // Lengths 5 and 1 are 2 away from 3: the shorter counts, so nothing is taken off.
    expect(one).toBeCloseTo(1, 6);
    expect(bleu([item('a b c', 'a b c d e')])[0]).toBeCloseTo(Math.exp(1 - 5 / 3), 6);
  });

  it('sums matches and guesses before it divides', () => {
    const [one] = bleu([item('a b c d', 'a b c d'), item('x y', 'a y')]);
    expect(one).toBeCloseTo(5 / 6, 6);
  });
});

describe('ROUGE-L', () => {
  it('is F with beta 1.2 of the longest common subsequence', () => {
    // "a c" of "a b c" and "a c d e": precision 2/3, recall 2/4.
    const [p, r] = [2 / 3, 2 / 4];
    expect(rougeL([item('a b c', 'a c d e')])).toBeCloseTo((2.44 * p * r) / (r + 1.44 * p), 12);
  });

  it('takes precision and recall from different references', () => {
    const [p, r] = [1, 1];
    // "a b" of 3 words is recalled whole; the candidate is whole inside the longer reference.
    expect(rougeL([item('a b c', 'a b', 'a b c d e f')])).toBeCloseTo((2.44 * p * r) / (r + 1.44 * p), 12);
  });

  it('is 0 without a common word, and for an empty caption', () => {
    expect(rougeL([item('x', 'a b'), item('', 'a b')])).toBe(0);
  });
});

describe('CIDEr', () => {
  it('is 10 for equal captions of 4 words or more that share none with other items', () => {
    expect(cider([item('a b c d', 'a b c d'), item('e f g h', 'e f g h')])).toBeCloseTo(10, 12);
  });

  it('is 0 for a set of one item, where no word tells anything', () => {
    expect(cider([item('a b c d', 'a b c d')])).toBe(0);
  });

  it('punishes another length by the number of bigrams', () => {
    // Unigrams alone match: "a" weighs 3 of norm 3 against norm sqrt(1 + 1); bigrams 0 against 1.
    const [one] = [cider([item('a', 'a b'), item('e f', 'e f')])];
    const first = (Math.exp(-1 / 72) / Math.sqrt(2) / 4) * 10;
    expect(one).toBeCloseTo((first + 5) / 2, 12);
  });
});

describe('the scores of captions', () => {
  it('are times 100, and the best possible where each caption is its reference', () => {
    const scores = scoreCaptions([
      { candidate: 'A dog runs away.', references: ['a dog runs away'] },
      { candidate: 'two boys swim there', references: ['Two boys swim there!'] },
    ]);
    for (const name of ['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L'])
      expect(scores[name]).toBeCloseTo(100, 4);
    expect(scores.CIDEr).toBeCloseTo(1000, 6);
  });

  it('are finite for empty captions, references of punctuation and nothing at all', () => {
    for (const items of [
      [],
      [{ candidate: '', references: ['a b'] }],
      [{ candidate: 'a', references: ['...'] }],
    ])
      for (const [name, score] of Object.entries(scoreCaptions(items))) {
        expect(Number.isFinite(score), name).toBe(true);
        expect(score, name).toBeLessThan(0.1);
      }
  });

  it('take a caption of 10,000 words', () => {
    const long = Array.from({ length: 10_000 }, (_, i) => `w${i % 997}`).join(' ');
    const scores = scoreCaptions([
      { candidate: long, references: ['w1 w2 w3', 'w5'] },
      { candidate: 'a b', references: ['a b'] },
    ]);
    expect(scores['BLEU-1']).toBeGreaterThan(0);
    expect(scores['BLEU-1']).toBeLessThan(1);
  });
});

describeWithShared('golden values of pycocoevalcap', ['data/grounding/golden-captions.json'], () => {
  const golden = JSON.parse(readFileSync(sharedPath('data/grounding/golden-captions.json')!, 'utf8'));
  const items = Object.keys(golden.references).map((id) => ({
    candidate: golden.candidates[id] as string,
    references: golden.references[id] as string[],
  }));

  it('hold for the corpus', () => {
    const scores = scoreCaptions(items);
    for (const [name, value] of Object.entries<number>(golden.corpus))
      expect(Math.abs(scores[name]! / 100 - value), name).toBeLessThan(1e-6);
  });

  it('hold for each item by BLEU and ROUGE-L', () => {
    for (const [i, scores] of Object.values<Record<string, number>>(golden.items).entries()) {
      const one = [item(items[i]!.candidate, ...items[i]!.references)];
      for (const [n, value] of bleu(one).entries())
        expect(Math.abs(value - scores[`BLEU-${n + 1}`]!)).toBeLessThan(1e-9);
      expect(rougeL(one)).toBeCloseTo(scores['ROUGE-L']!, 12);
    }
  });
});
