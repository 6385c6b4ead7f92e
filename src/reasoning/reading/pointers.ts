/** Sentences that end with the letter they point at, by rule 7: "it must be C", "that leaves C". */

import type { Choices } from '../choices.js';
import { type Cues, cuesIn, denies } from '../cues.js';
import { matchesOf } from '../matches.js';
import type { Candidate } from './candidate.js';
import { ending } from './conclusions.js';
import { doubted } from './named.js';
import { sentenceStart } from './sentenceAt.js';

export function pointers(plain: string, choices: Choices, cues: readonly Cues[]): Candidate[] {
  const found: Candidate[] = [];
  const push = (at: number, index: number | undefined) => {
    if (index !== undefined) found.push({ at, index, stated: 'pointer' });
  };
  for (const language of cues) {
    for (const cue of matchesOf(plain, language.points)) {
      const at = cue.index + cue[0].length;
      const index = ending(plain.slice(at), choices);
      const before = plain.slice(Math.max(0, cue.index - 60), cue.index);
      if (ASKED.test(plain.slice(at, at + 20))) continue;
      if (index === undefined || language.other.test(before) || doubted(before, language)) continue;
      if (
        !language.doubt.test(cue[0]) &&
        !denies(
          plain.slice(Math.max(sentenceStart(plain, cue.index), plain.lastIndexOf(';', cue.index) + 1), at),
        )
      )
        push(at, index);
    }
  }
  for (const form of LOOSE) {
    for (const match of matchesOf(plain, form)) {
      if ((match[1] as string) <= 'Z' || /^\s*[a-z],/.test(plain))
        push(match.index, choices.ofLetter(match[1] as string));
    }
  }
  const [, lead = '', letter] = LAST.exec(plain) ?? [];
  if (letter !== undefined && !OPEN.test(lead) && !denies(lead.split(/[,;]/).at(-1) as string))
    push(plain.length, choices.ofLetter(letter));
  return found;
}

/** The letter behind a colon that ends the text: "she lifts a trophy: A." */
const LAST = /(?:^|[.!?\n])([^.!?\n]{8,}):\s+[(⟦]?([A-Z])[)⟧]?[.!]?\s*$/;
/** A list, another choice, or words that say no more than where a letter is. */
const OPEN =
  /\b(?:options?|choices?|others?|another|second|wrong|incorrect|eliminated|possib\w+|alternativ\w+|either|or|labell?ed|reads|says?|written|vitamin|letters?)\b[^,;]*$/i;

/** "C it is", "C fits best", "this makes C the best choice", "not B but C". */
const LOOSE = [
  /(?:^|[.!?]\s)\W*(?:prediction|response|selection|pick|output)\s*:\s*\(?([A-Z])(?=\)?\s*[,;|])/gim,
  /\bnot\s+(?:option\s+)?\(?[A-Z]\)?,?\s+but\s+(?:rather\s+)?(?:option\s+)?\(?([A-Z])(?=\)?\s*(?:[.,;!]|$))/gi,
  /(?:^|[.!?]\s+|\bso,?\s+)([A-Z])\s+(?:it is|fits|matches)\b/gim,
  // "A? No, C.", "Hmm, A... no, C."
  /(?<![\p{L}\p{N}'’])[A-Z][)⟧]?\s*(?:\?+|\.{2,}|…)\s*(?:no|nope|wait)\b[\s,.:;–—-]+(?:(?:it|that)(?:['’]s| is)\s+)?(?:option\s+)?\(?([A-Z])(?=[)⟧]?\s*(?:[.,;!]|$))/giu,
  /^\W*(?:[^.!?\n]{0,40}\p{L}{3},\s+)?(?:most likely|possibly|perhaps|maybe|probably|presumably|likely)[,:]?\s+(?:option\s+)?\(?([A-Z])(?=\)?\s*(?:[.;!?]|$|,(?!\s*(?:(?:or|and|maybe|perhaps|possibly|probably)\b|\(?[A-Z](?![a-z])))))/gimu,
  // "..., and since there is no table, C."
  /(?<=[^.!?\n]{12}(?<!\b(?:options?|choices?|letters?|answers?)\b[^,.!?\n]{0,40})\p{Ll}{2}),\s+([A-Z])[.!]?\s*$/gu,
  /^\s*([A-Z])(?: because|, (?:because|since|as))\b/g,
  // No word of a letter stands before a comma.
  /^\s*([a-z])(?=, (?:because|since)\b)/g,
  /(?<![\p{L}\p{N}])([A-Z])[)⟧]?\?+\s+(?:yes|yep|yeah|correct|right|indeed)\b/giu,
  /\bmak(?:es|ing)\s+(?:it|this|the answer)\s+(?:option\s+)?([A-Z])(?=\s*(?:[.,;!]|$))/gi,
  /\b(?:ist|wäre)\s+(?:option\s+|antwort\s+)?([A-Z])\s+(?:richtig|korrekt|die (?:richtige|beste))/gi,
  /\bmak(?:es|ing)\s+([A-Z])\b(?=\s+the\b)/g,
  // "The answer is 63/4, or D.": the letter of what was said before it.
  /\banswer is [^.,;!?\n]{1,40}, or (?:option )?[(⟦]?([A-Z])(?=[)⟧]?[.!]?\s*(?:$|\n))/g,
];

/** A letter that a question ends with. */
const ASKED = /^[\s,:]*[(⟦]?[A-Z][)⟧]?\s*[?？]/;

export function pointerIn(plain: string, choices: Choices): Candidate | undefined {
  const found = pointers(plain, choices, cuesIn(plain));
  return found.every((one) => one.index === found[0]?.index) ? found[0] : undefined;
}
