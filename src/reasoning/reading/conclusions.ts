/** Options that a conclusion names, by rule 4: "Therefore, option C", "Hence, C." */

import type { Choices } from '../choices.js';
import type { Cues } from '../cues.js';
import { matchesOf } from '../matches.js';
import { plainText } from '../plain.js';
import { LAST_WORDS } from '../screen.js';
import { agreed, type Candidate } from './candidate.js';

/** Options in the sentence that follows "therefore", "in conclusion" and the like, or a bare letter that ends it. */
export function conclusions(plain: string, choices: Choices, cues: readonly Cues[]): Candidate[] {
  const found: Candidate[] = [];
  for (const language of cues) {
    const forms = language === cues[0] ? [language.so, ARROW_OR_HEADING] : [language.so];
    for (const cue of forms.flatMap((form) => matchesOf(plain, form))) {
      const at = cue.index + cue[0].length;
      const tail = plain.slice(at);
      const sentence = /^[\s:：]*[^.!?。！？।\n]*/.exec(tail)?.[0] ?? '';
      if (language.not.test(sentence) && language.not.test(choices.withoutOwnTexts(sentence))) continue;
      const letters = new Set(choices.mentions(sentence).map((mention) => mention.index));
      const end = ending(tail, choices);
      if (end !== undefined) letters.add(end);
      const place = letters.size === 0 && PLACE.test(sentence) ? placeOf(sentence, choices) : undefined;
      if (place !== undefined) letters.add(place);
      if (letters.size > 0) {
        found.push({
          at,
          index: agreed([...letters]),
          stated: 'conclusion',
        });
      }
    }
  }
  return found;
}

/** "Hence option 3.", "Therefore, the third option is correct." */
const PLACE =
  /^[\s,:]*(?:(?:the\s+)?(?:first|second|third|fourth|fifth|last)(?:\s+(?:option|choice|answer|one)|(?=\s*$))|(?:option|choice|answer)\s*(?:number\s*|no\.?\s*|#)?(?:\d{1,2}|one|two|three|four|five))\s*(?:$|(?:is|seems|fits)\b)/i;

const placeOf = (sentence: string, choices: Choices) =>
  choices.ordinalAt(sentence.replace(/^[\s,:]+/, '').replace(/(?<=^the \w+)\s*$/, ' one'));

const ARROW_OR_HEADING = /[=-]>|→|#{1,6}\s*conclusion\b|(?:^|[.!?])\s*conclusion\s*:/gim;

const ENDING = new RegExp(
  `^[\\s,:：，、]*[([⟦]?([A-Z])[)\\]⟧]?(?:,?[^\\S\\n]+(?:${LAST_WORDS})(?=\\W*(?:$|\\n)|[.!]\\s))?` +
    '(?:[^\\S\\n]*(?:$|[\\n!?。！？])|[^\\S\\n]*[.:)][^\\S\\n]*([^\\n]*))',
);

/** The option whose letter is here and ends the sentence: ", C.", ": (C)", " C. pick up the ball". */
export function ending(tail: string, choices: Choices): number | undefined {
  const match = ENDING.exec(tail);
  const index = match ? choices.ofLetter(match[1] as string) : undefined;
  if (!match || index === undefined) return undefined;
  const rest = match[2] ?? '';
  const own = plainText(rest).trim() === '' || /^\P{Ll}/u.test(rest);
  return own || choices.textAt(rest) === index ? index : undefined;
}
