/** Options that a text refers to by letter without stating them as its answer, by rule 9. */

import type { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { ABANDONED, isCounterfactual, lettersIn, NAMED_NOUNS, prefers, speaksAgainst } from '../leaning.js';
import { matchesOf } from '../matches.js';
import { CLAIMING_VERBS } from '../mentionForms.js';
import type { Candidate } from './candidate.js';
import { claimed, TURN } from './claims.js';
import { nearBefore, type Placed, REACH, sentenceStart, sentencesOf } from './sentenceAt.js';

/** The one option that the whole text refers to by letter without denying it. */
export function onlyMention(text: string, choices: Choices): Candidate | undefined {
  const plain = choices.withoutOwnTexts(text);
  const letters = new Set<number>();
  const counts = new Map<number, boolean>();
  for (const { index, at } of choices.mentions(plain)) {
    const from = sentenceStart(plain, at);
    if (!counts.has(from)) {
      const sentence = /^[^.!?。！？।\n]*[?？]?/.exec(plain.slice(from, at + REACH).trimStart())?.[0] ?? '';
      const against =
        denies(sentence) || speaksAgainst(sentence) || isCounterfactual(sentence) || ABANDONED.test(sentence);
      counts.set(from, !against && !/[?？]$/.test(sentence));
    }
    if (counts.get(from)) letters.add(index);
    if (letters.size > 1) return undefined;
  }
  const [index] = letters;
  if (index === undefined || isRemarked(plain, index, choices)) return undefined;
  return { at: 0, index, stated: 'mention' };
}

/** Ties a sentence to those before it, as the last word on them. */
const CONCLUDES =
  /^\W*(?:so|therefore|thus|hence|consequently|overall|in (?:conclusion|summary|short|sum)|to sum up|all in all|on balance|ultimately|considering|given|based on|from (?:this|these|the)|with (?:this|that|these)|taking|between|while|although|though|but|however|instead|still|still,|yet|finally|verdict|final)\b|[=-]>|→|∴|\b(?:but|so|hence|thus|therefore|instead|rather)\b/i;

/**
 * The letter that the last sentence with letters claims: where no other sentence claims another, or where it is the
 * text's own last sentence and draws a conclusion. An item of a list of options counts where it is the one item, or the
 * only one that is not denied.
 */
export function lastMention(text: string, choices: Choices): Candidate | undefined {
  const plain = choices.withoutOwnTexts(text);
  const names = new Set(matchesOf(plain, NAMED_THING).map((match) => choices.ofLetter(match[1] as string)));
  const said = sentencesOf(plain).map((sentence) => readLetters(sentence, choices, names));
  const claims = new Set(said.flatMap(({ options }) => [...options]));
  const decided = claims.size === 1 ? said.findLast(({ options }) => options.size > 0) : said.at(-1);
  if (decided?.options.size !== 1 || !decided.stands) return undefined;
  const named = new Set(said.flatMap((sentence) => sentence.named));
  const item = ITEM.test(decided.text) && named.size > 1 && named.size < choices.texts.length;
  if (item || (claims.size > 1 && !CONCLUDES.test(decided.text))) return undefined;
  const next = said[said.indexOf(decided) + 1];
  // "C seems right. But this is not seen."
  if (next && TURN.exec(next.text.trim())?.index === 0 && denies(next.text)) return undefined;
  const [index] = decided.options;
  const own = ITEM.test(decided.text) ? choices.endingAt(decided.text) : undefined;
  // "A: sin x = 0.8" where 0.8 is another option.
  if (own !== undefined && own !== index) return undefined;
  if (isRemarked(plain, index as number, choices)) return undefined;
  return { at: decided.at + decided.text.length, index: index as number, stated: 'mention' };
}

/** "Angle A": the letter by itself means that thing in the rest of the text. */
const NAMED_THING = new RegExp(`\\b(?:${NAMED_NOUNS})\\s+([A-Z])(?![\\p{L}\\p{N}'’])`, 'gu');

/**
 * "Recording (C) is done by others": whether the option is only ever named in brackets behind its own words, beside others,
 * in sentences that neither conclude nor prefer. They discuss it.
 */
function isRemarked(plain: string, index: number, choices: Choices): boolean {
  const said = sentencesOf(plain).map(({ text }) => ({ text, spots: lettersIn(text, choices) }));
  if (!said.some(({ spots }) => spots.some((spot) => spot.index !== index))) return false;
  return said.every(({ text, spots }) =>
    spots.every((spot) => {
      if (spot.index !== index) return true;
      const behindWords =
        text[spot.start] === '(' && /[\p{Ll}\d]['"’”]?\s+$/u.test(text.slice(0, spot.start));
      const ends = /^\)?\W*$/.test(text.slice(spot.end));
      return behindWords && !ends && !FINAL.test(text) && !prefers(text);
    }),
  );
}

const FINAL =
  /^\W*(?:so|therefore|thus|hence|consequently|overall|ultimately|finally|in (?:conclusion|summary|short|sum))\b/i;

/** "The first option is A" tells the options. */
const PLACED =
  /\b(?:first|second|third|fourth|fifth|next|last)\s+(?:option|choice|one)\s+(?:is|was|says)\W*$/i;

/** Whether one plain sentence claims the option of a letter and no other. */
export function claimsLetter(plain: string, option: number, choices: Choices): boolean {
  const { options, stands } = readLetters(
    { at: 0, text: choices.withoutOwnTexts(plain) },
    choices,
    new Set(),
  );
  return stands && options.size === 1 && options.has(option);
}

const ITEM = /^\W*(?:option\s+)?[A-Z][)\]⟧]?\s*[.:)–—-]/i;

interface Said extends Placed {
  /** Options claimed; behind the last "but" where something is claimed there. */
  options: Set<number>;
  named: number[];
  /** Whether one of them cannot be a word or a name. */
  stands: boolean;
}

/** @param names options whose letters by themselves name other things */
function readLetters(sentence: Placed, choices: Choices, names: ReadonlySet<number | undefined>): Said {
  const { text } = sentence;
  const spots = lettersIn(text, choices).filter(
    ({ start, index, bare }) => !PLACED.test(nearBefore(text, start)) && !(bare && names.has(index)),
  );
  if (spots.length === 0) return { ...sentence, options: new Set(), named: [], stands: false };
  const all = claimed(text, spots);
  const turn = Math.max(...matchesOf(text, /\b(?:but|however|yet)\b/gi).map((match) => match.index), -1);
  const after = all.filter(({ start }) => start > turn);
  const found = after.length > 0 ? after : all;
  return {
    ...sentence,
    options: new Set(found.map(({ index }) => index)),
    named: spots.map(({ index }) => index),
    stands: found.some(({ bare, end }) => !bare || stands(text, end)),
  };
}

/** Whether a letter by itself is an option's: it ends a clause, or a verb follows. */
function stands(text: string, end: number): boolean {
  const after = text.slice(end);
  if (/^[)\]⟧]?\s*(?:$|[,;!?)(\]⟧–—:])/.test(after)) return true;
  if (/^[)\]⟧]?\.(?:\s*$|\s+[^\s\p{Ll}]|\s{3})/u.test(after)) return true;
  return VERB.test(after);
}

const VERB = new RegExp(
  String.raw`^[)\]⟧]?\s+(?:is|was|would|seems?|appears?|must|because|since|as|fits?|best|makes?|matche?s|${CLAIMING_VERBS}|will do|checks out|takes it|does|remains|stands|looks|works|applies|wins|correct|right|over|rather|instead|than|and not|not|for me|more|most|it is|gets (?:my|our)|holds(?=\s*(?:$|[.,;!]|(?:true|up)\b))|(?:i|we) (?:would|think|believe|say))\b`,
  'i',
);

/** Options pointed at by their place, "the third option", or by a small letter, "option c". */
export function placesIn(plain: string, choices: Choices): number[] {
  const places = matchesOf(plain, /\b(?=(?:first|second|third|fourth|fifth)\s+option\b)/gi).map((match) =>
    choices.ordinalAt(plain.slice(match.index)),
  );
  // "Option a" may be an article's.
  const small = matchesOf(plain, /\boption\s+([b-z])\b/gi).map((match) =>
    choices.ofLetter(match[1] as string),
  );
  return [...places, ...small].filter((index) => index !== undefined);
}
