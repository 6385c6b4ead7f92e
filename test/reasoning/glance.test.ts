/** The pass over a text before its sentences are read, against what it stands for. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import {
  glance,
  mayBeChanged,
  mayBeConclusion,
  mayBeHeading,
  mayHaveForms,
  mayHaveVerdicts,
  mayName,
} from '../../src/reasoning/glance.js';
import { PAPER_PATTERNS } from '../../src/reasoning/patterns.js';
import { mayConclude } from '../../src/reasoning/reading/worded.js';
import { isChanged, mayHoldVerdicts, mayNameOption } from '../../src/reasoning/screen.js';

/** Words of conclusions, patterns and headings among others, letters, and signs that part or hide them. */
const WORDS = (
  'so therefore thus in conclusion to sum up all in all on balance as such a result other words put differently that is, ' +
  'based on given considering judging by from it he she this these which of looks like seems appears reason: action : ' +
  '=> -> → ∴ suggests indicate implies imply means shows tells us confirms i I choose think go with opt for answer ' +
  'explanation closest most likely makes the sense best describes only plausible is correct right true explains ' +
  'reasoning **Reasoning observations cor**rect correct thus, A B. b c) a a, "a" I’m man’s s it’s C’s [x] [ ] _B_ (B) a[ ' +
  "Someone sofa opcja la respuesta wähle 'c' x-C C/D 3 \\boxed{C} <b> é *B* person video"
).split(' ');

describe('a glance', () => {
  it('misses nothing that the rules of refinement look for', () => {
    const rng = new Rng('glance');
    const seenMarks = { name: 0, conclusion: 0, neither: 0 };
    for (let i = 0; i < 12_000; i++) {
      const text = Array.from({ length: 1 + rng.int(7) }, () => rng.pick(WORDS))
        .join(rng.pick([' ', ' ', ' ', '\n', '  ', '']))
        .trim();
      const seen = glance(`x ${text} y`, 2, 2 + text.length);
      expect(seen).toBe(glance(text, 0, text.length));
      expect(mayName(text, seen), text).toBe(mayNameOption(text));
      if (isChanged(text)) expect(mayBeChanged(seen), text).toBe(true);
      else {
        if (mayConclude(text)) expect(mayBeConclusion(seen), text).toBe(true);
        if (mayHoldVerdicts(text)) expect(mayHaveVerdicts(seen), text).toBe(true);
        if (/(?<![a-z])reasoning/i.test(text)) expect(mayBeHeading(seen), text).toBe(true);
        const plain = text.replace(/[*_`]/g, '');
        if (PAPER_PATTERNS.some(({ words }) => words?.test(plain)))
          expect(mayHaveForms(seen), text).toBe(true);
      }
      if (mayName(text, seen)) seenMarks.name++;
      else if (mayBeConclusion(seen)) seenMarks.conclusion++;
      else seenMarks.neither++;
    }
    expect(Math.min(...Object.values(seenMarks))).toBeGreaterThan(1000);
  });

  it.each([
    'The man walks to a door, and a woman follows.',
    'Someone sits on the sofa and holds the person’s bag.',
    'He is wearing a red shirt that he took off.',
  ])('leaves %j to no rule', (text) => expect(glance(text, 0, text.length)).toBe(0));
});
