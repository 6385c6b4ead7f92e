/** Options named right after a cue: "the answer is C", "not A but C", "Answer: none of these". */

import type { Choices, FoundLetter } from '../choices.js';
import { type Cues, ENGLISH_CUES } from '../cues.js';
import { isCounterfactual } from '../leaning.js';
import { matchesOf } from '../matches.js';
import type { Candidate, Named } from './candidate.js';
import { sentenceAt } from './sentenceAt.js';

/**
 * Options named right after a cue, by letter or, unless only letters count, by their own words. "not A but C" names C.
 */
export function named(
  plain: string,
  cue: RegExp,
  choices: Choices,
  language: Cues,
  kind: 'header' | 'phrase' | 'letter',
): Candidate[] {
  const found: Candidate[] = [];
  for (const match of matchesOf(plain, cue)) {
    const at = match.index + match[0].length;
    const before = plain.slice(Math.max(0, match.index - 60), match.index);
    if (language.other.test(before) || ENGLISH_CUES.other.test(before)) continue;
    if (doubted(before, language)) continue;
    if (language.notBefore.test(before) || isCounterfactual(sentenceAt(plain, at))) continue;
    if (ASKED.test(plain.slice(at, at + 100))) continue;
    // "The answer (yes or no) is" denies nothing.
    const denied = language.not.test(match[0].replace(/\([^()]*\)/, '')) || match.groups?.not !== undefined;
    const article = ARTICLE.exec(match[0])?.[0] ?? '';
    const texts = kind === 'letter' ? false : { article };
    const tail = plain.slice(at, at + 400);
    const index =
      optionAt(tail, choices, language, denied, texts) ?? numberAt(match[0], tail, denied, choices);
    if (index !== undefined) found.push({ at, index, stated: kind === 'header' ? 'header' : 'phrase' });
  }
  return found;
}

/** "Answer: No. 4": the fourth option; where options hold numbers themselves, only the one that says it too. */
function numberedAt(tail: string, choices: Choices): Named | undefined {
  const [, number] = NUMBERED.exec(tail) ?? [];
  if (number === undefined) return undefined;
  const index = Number(number) - 1;
  if (choices.texts.some((text) => /\d/.test(text)))
    return choices.whole(number) === index ? index : undefined;
  return index >= 0 && index < choices.texts.length ? index : 'beyond';
}

const NUMBERED = /^[\s:(]*(?:no\.?|nr\.?|number|#|№)\s*(\d{1,2})(?=\W*(?:$|\n)|[.,;:)]\s)/i;

/** "The best option is 4": a number behind the noun is a place from 1, where no option is a number. */
function numberAt(cue: string, tail: string, denied: boolean, choices: Choices): number | undefined {
  if (denied || !/\b(?:option|choice)\b/i.test(cue) || !/^\d/.test(tail)) return undefined;
  return choices.texts.some((text) => /\d/.test(text)) ? undefined : choices.ordinalAt(`option ${tail}`);
}

/** "Answer: B? No, C.", "Answer: the lid? Let me look again." ask. */
const ASKED =
  /^(?:[(⟦]?[A-Z][)⟧]?\s*\?+\s*(?:no|nope|not|let me|wait|hmm+)\b|[^.!?\n]{2,80}\?+\s+(?:no|nope|not|let me|wait|hmm+)\b)/i;

const ARTICLE = /\b(?:the|an?)\s+$/i;

function optionAt(
  tail: string,
  choices: Choices,
  language: Cues,
  denied: boolean,
  texts: { article: string } | false,
): Named | undefined {
  const number = texts === false ? undefined : numberedAt(tail, choices);
  if (number !== undefined) return number;
  const not = language.notAhead.exec(tail)?.[0];
  if (
    not !== undefined &&
    choices.textAt(tail) === undefined &&
    choices.letterAt(tail, language) === undefined
  ) {
    const refused =
      language.none.test(tail) && choices.letterAt(tail.slice(not.length), language) === undefined;
    return refused && texts ? 'refusal' : optionAt(tail.slice(not.length), choices, language, true, false);
  }
  const letter = choices.letterAt(tail, language);
  if (denied || (letter && language.notBehind.test(letter.after))) {
    return letter && instead(letter, choices, language);
  }
  if (letter) return namedBy(letter, choices);
  if (!texts) return choices.ordinalAt(tail);
  const index = choices.textAt(tail, texts.article) ?? choices.ordinalAt(tail);
  return index ?? (language.none.test(tail.replace(/^[\s:*]+/, '')) ? 'refusal' : undefined);
}

/** "B: be quiet" where that is what option A says is neither. */
function namedBy({ option, after }: FoundLetter, choices: Choices): Named {
  if (option === 'two') return 'several';
  const text = /^[)\]⟧]?\s*[.:–—-]\s*([^\n]*?)[.!]?\s*(?:$|\n|[.!]\s)/.exec(after)?.[1] ?? '';
  const said = text.length > 1 ? choices.whole(text) : undefined;
  return said === undefined || said === option ? option : 'several';
}

/** The option named instead of a denied one. */
function instead(denied: FoundLetter, choices: Choices, language: Cues): Named | undefined {
  const behind = denied.after.replace(language.notBehind, '');
  const but = language.but.exec(behind)?.[0] ?? (behind === denied.after ? undefined : '');
  const rest = but === undefined ? undefined : behind.slice(but.length).replace(/^[\s,，、]+/, '');
  const next = rest === undefined ? undefined : choices.letterAt(rest, language);
  return next && namedBy(next, choices);
}

/** Models mix English into every language, and forms of some look like English. */
export function doubted(before: string, language: Cues): boolean {
  // A capital opens a sentence, whether or not the one before it came to its end.
  if (/(?:^|\s)The\s+$/.test(before)) return false;
  return language.doubtBefore.test(before) || ENGLISH_CUES.doubtBefore.test(before);
}
