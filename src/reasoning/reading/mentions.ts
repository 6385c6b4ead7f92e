/** Options that a text refers to without stating them as its answer. */
import type { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { isCounterfactual, speaksAgainst } from '../leaning.js';
import type { Candidate } from './candidate.js';
import { sentenceStart } from './sentenceAt.js';

export function onlyMention(text: string, choices: Choices): Candidate | undefined {
  const plain = choices.withoutOwnTexts(text);
  const letters = new Set<number>();
  const counts = new Map<number, boolean>();
  for (const { index, at } of choices.mentions(plain)) {
    const from = sentenceStart(plain, at);
    if (!counts.has(from)) {
      const sentence = /^[^.!?。！？।\n]*[?？]?/.exec(plain.slice(from).trimStart())?.[0] ?? '';
      const against = denies(sentence) || speaksAgainst(sentence) || isCounterfactual(sentence);
      counts.set(from, !against && !/[?？]$/.test(sentence));
    }
    if (counts.get(from)) letters.add(index);
    if (letters.size > 1) return undefined;
  }
  return letters.size === 1 ? { at: 0, index: [...letters][0] as number, stated: 'mention' } : undefined;
}

/** Options pointed at by their place, "the third option", or by a small letter, "option c". */
export function placesIn(plain: string, choices: Choices): number[] {
  const places = [...plain.matchAll(/\b(?=(?:first|second|third|fourth|fifth)\s+option\b)/gi)].map((match) =>
    choices.ordinalAt(plain.slice(match.index)),
  );
  // "Option a" may be an article's.
  const small = [...plain.matchAll(/\boption\s+([b-z])\b/gi)].map((match) =>
    choices.ofLetter(match[1] as string),
  );
  return [...places, ...small].filter((index) => index !== undefined);
}
