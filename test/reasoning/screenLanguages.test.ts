/** The screens over sentences of every language's own words: they let nothing pass that the close reading finds. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Choices } from '../../src/reasoning/choices.js';
import { cuesIn } from '../../src/reasoning/cues.js';
import { glance, mayBeConclusion, mayName } from '../../src/reasoning/glance.js';
import type { Language } from '../../src/reasoning/languages/language.js';
import { LANGUAGES } from '../../src/reasoning/languages.js';
import { leaningIn } from '../../src/reasoning/leaning.js';
import { plainText } from '../../src/reasoning/plain.js';
import { mayHoldOption } from '../../src/reasoning/reading/brief.js';
import { claimsLetter, placesIn } from '../../src/reasoning/reading/mentions.js';
import { pointers } from '../../src/reasoning/reading/pointers.js';
import { statedBy } from '../../src/reasoning/reading/stated.js';
import { concludedIn, mayConclude } from '../../src/reasoning/reading/worded.js';
import { isChanged, mayCueWords, mayNameByMark, mayNameOption } from '../../src/reasoning/screen.js';
import { Sentence } from '../../src/reasoning/sentence.js';
import { sampleOf } from './sampled.js';

const OPTIONS = ['a cat', 'the red ball', 'opens the door', 'no', 'two'];
const choices = new Choices(OPTIONS);

/** What may stand around an option in a sentence; `X` is an option, `Y` another one. */
const FRAMES: readonly (keyof Language | string)[][] = [
  ['answer', 'is', 'X'],
  ['answer', ': X'],
  ['answer', 'grade', 'is', 'fill', 'X'],
  ['answer', 'of', 'x', 'is', 'X'],
  ['grade', 'choice', 'is', 'X', 'after'],
  ['choice', 'grade', ': X'],
  ['grade', 'answer', 'X'],
  ['choose', 'X'],
  ['choose', 'option', 'X'],
  ['option', 'X'],
  ['option', 'X', 'or', 'Y'],
  ['X', 'optionBehind'],
  ['X', 'right'],
  ['option', 'X', 'right'],
  ['X', 'is', 'grade', 'choice'],
  ['so', ', X'],
  ['so', 'X', 'TAIL'],
  ['so', 'option', 'X', 'after'],
  ['points', 'X'],
  ['points', 'X', 'TAIL'],
  ['answer', 'is', 'not', 'X', 'but', 'Y'],
  ['answer', '(A, B or C)', 'is', 'X'],
  ['【', 'answer', '】X'],
  ['answer', ': ABD'],
  ['answer', 'is', 'none'],
  ['the most likely is', 'X', 'or', 'Y'],
  ['X', 'VERB', 'more'],
  ['it', 'VERB', 'X'],
];
const TAILS = [
  'overall',
  'after all',
  'then',
  'instead',
  'indeed',
  'for sure',
  'definitely',
  'for me',
  'in the end',
];
const VERBS =
  'is was fits matches describes seems stands wins remains makes picked chose shows means suggests'.split(
    ' ',
  );

function sentence(language: Language, rng: Rng): string {
  const option = () => rng.pick(['A', 'B', 'C', 'A', '(B)', 'b', 'D.', 'a', rng.pick(OPTIONS)]);
  const words = rng.pick(FRAMES).map((part) => {
    if (part === 'TAIL') return rng.pick(TAILS);
    if (part === 'VERB') return rng.pick(VERBS);
    const field = language[part as keyof Language];
    return typeof field === 'string'
      ? field === ''
        ? ''
        : sampleOf(field, rng)
      : part.replace(/[XY]/, option);
  });
  const text = words
    .join(language.spaced || rng.int(2) ? ' ' : '')
    .replace(/\s+/g, ' ')
    .trim();
  const end = rng.pick(['', '.', '!', ', as seen.']);
  return `${rng.int(2) ? text : text.charAt(0).toUpperCase() + text.slice(1)}${end}`;
}

describe.each(LANGUAGES.map((language) => [language.code, language] as const))('%s', (code, language) => {
  it('is read closely where an option may be named', () => {
    const rng = new Rng(`screen ${code}`);
    for (let i = 0; i < 800; i++) {
      const text = sentence(language, rng);
      const said = new Sentence(text, choices);
      const plain = plainText(text).trim();
      const whole = choices.whole(plain);
      const seen = glance(text, 0, text.length);
      expect(mayName(text, seen), text).toBe(mayNameOption(text));
      if (mayConclude(text)) expect(mayBeConclusion(seen) || isChanged(text), text).toBe(true);
      if (!mayNameOption(text)) {
        expect([said.statesAnswer(), said.announcesAnswer()], text).toEqual([false, false]);
        const pointed = OPTIONS.flatMap((_, at) => (at !== whole && said.pointsAt(at) ? [at] : []));
        // A conclusion in an option's own words has a screen of its own.
        expect(
          pointed.filter((at) => !mayConclude(text) || !mayHoldOption(text, at, choices)),
          text,
        ).toEqual([]);
      }
      const marked = mayNameByMark(plain);
      const concluded = concludedIn(plain, choices);
      if (concluded !== undefined && (!marked || !mayNameOption(text)))
        expect(mayHoldOption(plain, concluded, choices), text).toBe(true);
      if (marked) continue;
      const cues = cuesIn(plain);
      expect(
        [
          choices.mentions(plain),
          pointers(plain, choices, cues),
          placesIn(plain, choices),
          leaningIn(plain, choices),
        ],
        text,
      ).toEqual([[], [], [], undefined]);
      expect(
        OPTIONS.some((_, at) => claimsLetter(plain, at, choices)),
        text,
      ).toBe(false);
      if (!mayCueWords(plain)) expect(statedBy(plain, choices, cues), text).toBeUndefined();
    }
  });
});
