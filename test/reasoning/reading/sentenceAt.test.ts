/** The sentence around a place of a text. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import { REACH, sentenceAt, sentenceStart } from '../../../src/reasoning/reading/sentenceAt.js';

describe('the sentence around a place', () => {
  it.each([
    ['He runs. She waits at home! It rains.', 12, 'She waits at home!'],
    ['He runs.\nShe waits', 12, 'She waits'],
    ['她走。他跑。', 5, '他跑。'],
  ])('of %j at %i is %j', (text, at, sentence) => expect(sentenceAt(text, at)).toBe(sentence));

  it('is a part of the text around the place, at most so long where nothing ends it', () => {
    const rng = new Rng('sentences');
    for (let i = 0; i < 300; i++) {
      const text = Array.from({ length: 1 + rng.int(400) }, () =>
        rng.pick(['A or B', 'no', 'so', '###Answer:']),
      ).join(' ');
      const at = rng.int(text.length) + 1;
      const sentence = sentenceAt(text, at);
      expect(sentence.length).toBeLessThanOrEqual(2 * REACH + 1);
      expect(text.slice(Math.max(0, at - REACH - 2), at + REACH), text).toContain(sentence);
      expect(text.slice(0, REACH)).toContain(sentenceAt(text.slice(0, REACH), REACH / 2));
      expect(at - sentenceStart(text, at)).toBeLessThanOrEqual(REACH);
    }
  });
});
