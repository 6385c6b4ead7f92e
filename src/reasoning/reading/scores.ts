/** The option to which a reply gives the highest probability: "A: 10 %, B: 75 %", "about 85% sure of D; E would get 10%". */

import type { Choices } from '../choices.js';
import { matchesOf } from '../matches.js';
import type { Candidate } from './candidate.js';

const SHARE = '(\\d{1,3}(?:\\.\\d+)?\\s?%|0?\\.\\d+)';
const LETTER = "[(⟦]?([A-Z])(?![\\p{L}\\p{N}'’])[)⟧]?";
const SCORES = [
  new RegExp(
    `(?<![\\p{L}\\p{N}'’])${LETTER}\\s*(?:[:=–—(-]\\s*|(?:is|at|has|gets|would get)\\s+)?(?:about\\s+|around\\s+|~)?${SHARE}`,
    'gu',
  ),
  new RegExp(
    `(?<![\\p{N}.])${SHARE}\\s*(?:(?:sure|certain|confident|likely|probability|chance)\\s+)?(?:(?:of|for|in|on|it is)\\s+)?(?:option\\s+)?${LETTER}(?!\\s+\\p{Ll})`,
    'gu',
  ),
];

/** "E > B > A": three letters or more in the order of their likelihood, by themselves on a line or behind a colon. */
const RANKED = /(?:^|:)[^\S\n]*([A-Z](?:\s*>\s*[A-Z]){2,25})[^\S\n]*\.?[^\S\n]*$/m;

/** The first letter of a ranking. */
export function rankedIn(plain: string, choices: Choices): Candidate | undefined {
  const match = RANKED.exec(plain);
  const letters = match?.[1]?.split(/\s*>\s*/) ?? [];
  if (!match || new Set(letters).size < letters.length) return undefined;
  const [first, ...others] = letters.map((letter) => choices.ofLetter(letter));
  if (first === undefined || others.includes(undefined)) return undefined;
  return { at: match.index + match[0].length, index: first, stated: 'leaning' };
}

/** "C - 90% confident": a reply of nothing else, more sure than not. */
const CONFIDENT =
  /^\W*(?:option\s+)?([A-Z])[)⟧]?\s*[:,=–—(-]\s*(?:(?:I am|I'm)\s+)?(?:about\s+|around\s+|~)?(?:[5-9]\d|100)(?:\.\d+)?\s?%\s*(?:sure|certain|confident|confidence)\W*$/;

/** @returns undefined unless two options have one probability each, and one of them the highest */
export function scoredIn(plain: string, choices: Choices): Candidate | undefined {
  if (!/\d\s?%|\.\d/.test(plain)) return undefined;
  const [, letter] = CONFIDENT.exec(plain) ?? [];
  if (letter !== undefined) {
    const index = choices.ofLetter(letter);
    return index === undefined ? undefined : { at: plain.length, index, stated: 'leaning' };
  }
  const shares = new Map<number, number>();
  const text = choices.withoutOwnTexts(plain);
  SCORES.forEach((form, behind) => {
    for (const match of matchesOf(text, form)) {
      const index = choices.ofLetter(match[behind + 1] as string);
      const share = match[2 - behind] as string;
      if (index === undefined || shares.has(index)) continue;
      shares.set(index, share.endsWith('%') ? Number.parseFloat(share) / 100 : Number(share));
    }
  });
  const ranked = [...shares].sort((a, b) => b[1] - a[1]);
  const [first, second] = ranked;
  if (!first || !second || first[1] === second[1]) return undefined;
  return { at: plain.length, index: first[0], stated: 'leaning' };
}
