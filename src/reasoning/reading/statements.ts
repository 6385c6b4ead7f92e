/** Sentences that state an answer, by rule 3: "the correct answer is C", "(C) is correct", "I choose C". */

import type { Choices } from '../choices.js';
import { type Cues, ENGLISH_CUES } from '../cues.js';
import { isCounterfactual } from '../leaning.js';
import { matchesOf } from '../matches.js';
import type { Candidate } from './candidate.js';
import { exceptions, ofPairs } from './except.js';
import { doubted, named } from './named.js';
import { partIn } from './part.js';
import { nearBefore, sentenceAt } from './sentenceAt.js';

export function statements(plain: string, choices: Choices, cues: readonly Cues[]): Candidate[] {
  return decided(plain, allStatements(plain, choices, cues));
}

/** Statements without those under conditions that lead to different options: "If it is large, A is right. If not, B is." */
function decided(plain: string, found: Candidate[]): Candidate[] {
  if (found.length < 2 || !CONDITION.test(plain)) return found;
  const under = found.filter(({ at }) => UNDER_CONDITION.test(sentenceAt(plain, at)));
  return new Set(under.map(({ index }) => index)).size < 2
    ? found
    : found.filter((one) => !under.includes(one));
}

const CONDITION = /\b(?:if|in case|suppose|supposing|assuming|otherwise)\b/i;
/** Not "if we must choose", "if you look closely": these decide nothing between options. */
const UNDER_CONDITION =
  /(?:^\W*|[;,:]\s*|\bin which case\b.*)\b(?:(?:if|in case|suppose|supposing|assuming)\b(?!\s+(?:that\s+)?(?:we|i|you|one|us|any|asked|forced|pressed|required|needed|necessary|so)\b)|otherwise\b|in which case\b)/i;

function allStatements(plain: string, choices: Choices, cues: readonly Cues[]): Candidate[] {
  return cues.flatMap((language) => [
    ...named(plain, language.statement, choices, language, 'phrase'),
    ...[language.bare, language.bareEnd, language.bareNot, language.choose].flatMap((cue) =>
      cue ? named(plain, cue, choices, language, 'letter') : [],
    ),
    ...letterVerdicts(plain, choices, language),
    ...textVerdicts(plain, choices, language),
    ...(language === ENGLISH_CUES
      ? [
          ...placeVerdicts(plain, choices),
          ...namedExceptions(plain, choices),
          ...exceptions(plain, choices),
          ...ofPairs(plain, choices),
        ]
      : []),
  ]);
}

/** "Option 3 is right", "the third option is the most plausible". */
function placeVerdicts(plain: string, choices: Choices): Candidate[] {
  return matchesOf(plain, PLACE_VERDICT).flatMap((match): Candidate[] => {
    const at = match.index + match[0].length;
    const before = plain.slice(Math.max(0, match.index - 60), match.index);
    const index = choices.ordinalAt(match[0]);
    const said =
      index !== undefined && !doubted(before, ENGLISH_CUES) && !isCounterfactual(sentenceAt(plain, at));
    return said ? [{ at, index, stated: 'phrase' }] : [];
  });
}

/** "The only option that is NOT named is (C)": the answer to a question for the exception, which denies nothing of it. */
function namedExceptions(plain: string, choices: Choices): Candidate[] {
  return matchesOf(plain, EXCEPTION).flatMap((match): Candidate[] => {
    const at = match.index + match[0].length;
    const index = choices.letterAt(plain.slice(at, at + 400))?.option;
    const before = plain.slice(Math.max(0, match.index - 60), match.index);
    if (typeof index !== 'number' || doubted(before, ENGLISH_CUES)) return [];
    return isCounterfactual(sentenceAt(plain, at)) ? [] : [{ at, index, stated: 'phrase' }];
  });
}

const EXCEPTION =
  /\bthe (?:only|one) (?:\p{L}+ ){0,2}?\p{L}+ (?:(?:that|which|who) (?:is|was|are|were|does|did|has|can) )?not (?:(?!\b(?:if|unless|but|and|is|are)\b)[^.!?\n;:]){1,80} is (?:therefore |thus |clearly )?(?=(?:option )?[(⟦]?[A-Z]\b)/giu;

const PLACE_VERDICT =
  /\b(?:the (?:first|second|third|fourth|fifth|last) (?:option|choice|answer)|(?:option|choice|answer)\s*(?:number\s*|no\.?\s*|#)?(?:\d{1,2}|one|two|three|four|five))\s+(?:is|seems|must be|would be)\s+(?:(?:clearly|indeed)\s+)?(?:(?:the\s+)?(?:correct|right|best|most \w+)|the answer)\b/gi;

/** "Option C is the most appropriate", "(C) is correct", "option C as the answer". */
function letterVerdicts(plain: string, choices: Choices, language: Cues): Candidate[] {
  const found: Candidate[] = [];
  language.letterVerdicts.forEach((form, i) => {
    for (const match of matchesOf(plain, form)) {
      const letter = match[1] as string;
      const index = choices.ofLetter(letter);
      if (index === undefined || letter > 'Z' || language.not.test(match[0])) continue;
      if (language.notBehind.test(plain.slice(match.index + match[0].length))) continue;
      if (doubted(plain.slice(Math.max(0, match.index - 60), match.index), language)) continue;
      if (isCounterfactual(sentenceAt(plain, match.index + match[0].length))) continue;
      const lead = plain.slice(Math.max(0, match.index - 40), match.index + 1);
      if (LISTED_BEFORE.test(lead) || DENIED_BEFORE.test(i === 0 ? lead.slice(0, -1) : lead)) continue;
      // "option A, but C is correct": the verdict belongs to the letter next to it.
      if (/(?<![\p{L}\p{N}])[B-Z](?![\p{L}\p{N}'’])/u.test(match[2] as string)) continue;
      // "E é a resposta" may begin with "and"; "A é a resposta" begins with no word.
      const word = language !== ENGLISH_CUES && letter !== 'A' && language.words.includes(letter);
      if (i === 1 && word) continue;
      found.push({ at: match.index + match[0].length, index, stated: 'phrase' });
    }
  });
  return found;
}

/** "D or E is right" names two. */
const LISTED_BEFORE = /(?<![\p{L}\p{N}])[A-Z][)⟧]?\s+(?:or|and)\s+[(⟦]?\s*$/u;

/** "Neither caption A nor caption B is correct", "this eliminates B as the correct option". */
const DENIED_BEFORE =
  /\b(?:neither|nor|(?:eliminat|exclud|discard|dismiss|reject)\w*|rul\w+ out)\s+(?:\p{L}+\s+)?[(⟦]?\s*$/iu;

/** "This means that section 418": what a verdict behind it is about. */
const subjectOf = (before: string) =>
  (/[^.,;:!?\n]*$/.exec(before)?.[0] ?? '').split(/\b(?:that|so|therefore|thus|hence)\b/i).at(-1) as string;

/** "The blanket is the correct answer." */
function textVerdicts(plain: string, choices: Choices, { textVerdict, not }: Cues): Candidate[] {
  const found: Candidate[] = [];
  for (const match of textVerdict ? matchesOf(plain, textVerdict) : []) {
    if (not.test(match[0])) continue;
    const before = nearBefore(plain, match.index);
    const index = choices.endingAt(before) ?? partIn(subjectOf(before), choices, false);
    if (index !== undefined) found.push({ at: match.index + match[0].length, index, stated: 'phrase' });
  }
  return found;
}
