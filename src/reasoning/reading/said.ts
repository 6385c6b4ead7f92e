/** What each sentence of a text claims, in the options' own words. */
import type { Choices } from '../choices.js';
import { claimed, grantedLength } from './claims.js';
import { nearBefore, type Placed } from './sentenceAt.js';
import { placesIn, spotsIn } from './spots.js';

export interface Said extends Placed {
  /** The options that the sentence claims. */
  options: Set<number>;
  /** Place of the last claim in the text. */
  end: number;
  /** The sentence without the options that it names and does not claim. */
  rest: string;
  /** Whether all claims stand in a clause that says when: "while sitting on the sofa". */
  aside: boolean;
}

/** The options that a sentence claims. */
export function claimedIn(sentence: string, choices: Choices): Set<number> {
  return new Set(claimed(sentence, namedIn(sentence, choices)).map(({ index }) => index));
}

const namedIn = (sentence: string, choices: Choices) => [
  ...spotsIn(sentence, choices),
  ...placesIn(sentence, choices),
];

export function saidIn(sentence: Placed, choices: Choices): Said {
  const named = namedIn(sentence.text, choices);
  const spots = claimed(sentence.text, named);
  let rest = sentence.text.slice(grantedLength(sentence.text));
  const cut = sentence.text.length - rest.length;
  for (const spot of named)
    if (!spots.includes(spot) && spot.start >= cut)
      rest = `${rest.slice(0, spot.start - cut)}${' '.repeat(spot.end - spot.start)}${rest.slice(spot.end - cut)}`;
  const end = sentence.at + (spots.at(-1)?.end ?? 0);
  const aside = spots.every(({ start }) => WHEN.test(nearBefore(sentence.text, start)));
  return { ...sentence, options: new Set(spots.map(({ index }) => index)), end, rest, aside };
}

/** Opens a clause of time that goes on to the end of what stands before an option, with a form of no subject. */
const WHEN = /\b(?:while|when|after|before|whilst)\s+(?:\p{L}+ing\s+)?$/iu;
