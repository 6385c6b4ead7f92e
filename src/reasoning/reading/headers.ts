/** Answers behind a header, in a tag or in a box: rule 2, and what corrects them further down. */

import type { Choices } from '../choices.js';
import { type Cues, ENGLISH_CUES } from '../cues.js';
import { matchesOf } from '../matches.js';
import { ANSWER_TAG, BOX } from '../plain.js';
import type { Candidate } from './candidate.js';
import { named } from './named.js';

const TAG = new RegExp(`<${ANSWER_TAG}>\\s*|\\[${ANSWER_TAG}\\]\\s*(?=[(⟦]?[A-Z])`, 'gi');

export function headers(plain: string, choices: Choices, cues: readonly Cues[]): Candidate[] {
  const found = cues.flatMap((language) =>
    language.headers.flatMap((cue) => named(plain, cue, choices, language, 'header')),
  );
  found.push(...named(plain, TAG, choices, cues[0] as Cues, 'header'));
  return [...found, ...boxes(plain, choices)];
}

/** Boxes that name an option. Several within one sentence count as one: the last, or null when they differ. */
function boxes(plain: string, choices: Choices): Candidate[] {
  const found: Candidate[] = [];
  let end = 0;
  for (const box of matchesOf(plain, BOX)) {
    const inner = box[1] as string;
    const letter = choices.letterAt(inner)?.option;
    const index = choices.whole(inner) ?? (letter === 'two' ? 'several' : letter) ?? choices.textAt(inner);
    if (index === undefined || index === 'beyond' || /\bnot\s+$/i.test(plain.slice(0, box.index))) continue;
    const before = found.at(-1);
    const together = before && !/[.!?。\n]/.test(plain.slice(end, box.index));
    found.push({
      at: box.index,
      index: together && before.index !== index ? 'several' : index,
      stated: 'boxed',
    });
    end = box.index + box[0].length;
  }
  return found;
}

/** "Correction: C", "wait, it is C", "the correct answer is C": what overrides an answer above it. */
const CORRECTION =
  /\b(?:correction|actually|i mean|scratch that|on second thoughts?|(?:up)?on (?:further |closer )?(?:reflection|inspection|consideration|review)|wait|no(?=\s*[,:;.—–-]))\b[\s,:;.—–-]+(?:(?:it|that|this)(?:['’]s| is| should be| must be)|(?:the|my) (?:\w+ )?(?:answer|option|choice)(?: is| should be| must be)?)?[\s:]*/gi;

export function corrections(plain: string, choices: Choices, offset: number): Candidate[] {
  const found = [
    ...named(plain, CORRECTION, choices, ENGLISH_CUES, 'letter'),
    ...named(plain, FINAL, choices, ENGLISH_CUES, 'letter'),
    ...named(plain, RECONSIDERED, choices, ENGLISH_CUES, 'letter'),
  ];
  return found.flatMap((one) =>
    typeof one.index === 'number' ? [{ ...one, at: one.at + offset, stated: 'phrase' as const }] : [],
  );
}

/** "Wait, looking at the last frame again, the answer is C": words between may neither deny nor suppose. */
const RECONSIDERED =
  /\b(?:correction|actually|wait|hmm+|on second thoughts?|(?:up)?on (?:further |closer )?(?:reflection|inspection|consideration|review))\s*(?:[,:;.—–-]|\.\.\.|…)(?:(?!\b(?:if|unless|whether|why|how|not?|some\w*|one|would|could|might)\b|n['’]t)[^.!?\n]){0,80}?\b(?:the|my) (?:\w+ )?(?:answer|option|choice) (?:is|must be|should be)[\s:]*/gi;

const FINAL =
  /\b(?:corrected|revised|updated|amended) (?:answer|option|choice)(?: is|\s*:)[\s:]*|\b(?:the|my) (?:(?:correct|right|final|best|actual) )+(?:answer|option|choice) (?:is|would be|should be)(?: therefore| thus| actually)?[\s:]*/gi;
