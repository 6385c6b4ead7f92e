/** Which of the options that a sentence names it also claims, by clauses and comparisons. */

import { denies, ENGLISH_CUES } from '../cues.js';
import { ABANDONED, AGAINST, GUESS, isCounterfactual } from '../leaning.js';
import { matchesOf } from '../matches.js';
import { REACH } from './sentenceAt.js';

/** A place that names an option: its letter or its words. */
export interface Spot {
  start: number;
  end: number;
  /** 0-based option. */
  index: number;
}

/** Clauses end here; a comma does where another clause begins behind it. */
const CLAUSE =
  /[;\n]|(?<!\bnot|n['’]t),?\s+(?:but|however|although|though|while|whereas|yet|because|since|as|so|hence|thus|therefore|leaving|instead|and(?=\s+(?:not|in(?:consistent|compatible)|rules?|excludes?)\b))\b|\s[-–—]\s|:\s|(?<!\b(?:at first(?: glance| sight)?|initially|originally)),\s+(?=(?:not|nor|the|it|this|that|i|we|so|which|making|he|she|they)\b|(?<!(?<![A-Za-z])[A-Z][)⟧]?,\s+[(⟦]?[A-Z][)⟧]?,\s+)[(⟦]?[A-Z][)⟧]?\s(?!(?:or|and|nor)\s+[(⟦]?[A-Z](?![a-z])))/gi;

/** "While A is possible, C fits": what a sentence grants and then leaves. */
const GRANTED =
  /^\W*(?:(?:from|(?:out )?of|among|given|considering)\b[^.!?]*,\s+(?=(?:it['’]s|it is|only)\b)|(?:from|(?:out )?of|among|between)\b[^.]*?\b(?:and|or)\s+\(?[A-Z]\)?\s*,|(?:(?:and )?(?:while|whilst|although|though|even (?:if|though)|despite|having|whereas|between|of|both|apart from|besides|unlike|rather than|instead of)\b[^,]*,\W*)+)/i;

/** Behind these the other side of a comparison stands. */
const COMPARED =
  /\b(?:rather than|instead of|as opposed to|compared (?:to|with)|over|than|versus|vs\.?|unlike|(?:and|but) not|not)(?![a-z])\W*(?:\w+\W+){0,3}$|(?<![-=])>\W*$/i;

/** "C rather than A", "C, not A": what the option is preferred to. */
const PREFERRED =
  /\b(?:rather than|instead of|as opposed to|over|than|versus|vs\.?|unlike|(?<=^\W*)(?:and )?not)\b.*$/is;

/** "Half the normal speed", "below normal": measured by what is usual, and not so. */
const MEASURED =
  /(?:\b(?:half|twice|double|triple|quarter|fraction|times|below|above|under|beyond|from|\d[\d.]*\s?(?:x|%)?)(?:\s+of)?|%\s+of)\s+(?:the\s+|its\s+)?$/i;
const USUAL = /^(?:normal|usual|regular|original|real)/i;

const WEIGHED =
  /\b(?:may|might|(?<!\bso (?:that )?(?:\w+ ){1,3})(?:could|can)(?! (?:be )?(?:clearly )?(?:see|hear|count|note|observe|find|identif|notic|infer|conclud|deduc|assum|determin)\w*)|possibl[ey]|perhaps|maybe|either|whether|if|unless|or)\b/i;

/** Words that somebody in the video says or that stand there to be read. */
const REPORTED =
  /\b(?:says|said|saying|asks|asked|shouts?|sings?|told|tells?(?! (?:us|me)\b)|reads?|written|writes?|titled|named|called|options?\s+(?:are|include)|(?<!\b(?:answers?(?: to)?|address(?:es)?) (?:the|this) )question)\b/i;

/** "We need to find out why he waves"; but "that is why he waves" says that he does. */
const ASKED_ABOUT = /(?<!\b(?:that|this|it|which)(?:['’]s| is| was)\s+)\b(?:why|whether)\b[^,;:]*$/i;

const CANDIDATES =
  /^\W*(?:the )?(?:possible|plausible|potential|likely|remaining|candidate)\s+(?:answers|options|choices|candidates|reasons|explanations)\b/i;

/** Whether a sentence claims nothing at all: it asks, supposes what is not so, or reports words. */
export function claimsNothing(sentence: string): boolean {
  return (
    (/[?？]\s*$/.test(sentence) && !GUESS.test(sentence)) ||
    isCounterfactual(sentence) ||
    REPORTED.test(sentence)
  );
}

/** The characters at the beginning of a sentence that grant something, and are left behind. */
export function grantedLength(sentence: string): number {
  return GRANTED.exec(sentence)?.[0].length ?? 0;
}

const LISTED = "(?:options?\\s+)?[(⟦]?[A-Z](?![\\p{L}\\p{N}'’])[)⟧]?";
const LIST = `${LISTED}(?:\\s*(?:[,/&]\\s*)?(?:(?:and|or|nor)\\s+)?${LISTED}){0,25}`;
const GONE =
  '(?:out|not|wrong|incorrect|excluded|eliminated|ruled out|dismissed|rejected|discarded|implausible|impossible|unlikely)';
/** "None of A, B, D", "not B or C"; "B, D and E are out". */
const DENIED_LISTS = [
  new RegExp(
    `(?<!\\p{L})(?:[Nn]ot|NOT|[Nn]either|[Nn]one of|[Nn]or|rul(?:es?|ed|ing) out|exclud(?:es?|ed|ing)|eliminat(?:es?|ed|ing)|dismiss(?:es|ed|ing)?|reject(?:s|ed|ing)?)\\s+(${LIST})`,
    'gu',
  ),
  new RegExp(
    `(?<![\\p{L}\\p{N}'’])(${LIST})\\s+(?:is|are|was|were|can be)\\s+(?:(?:also|therefore|thus)\\s+)?${GONE}\\b`,
    'gu',
  ),
];

/** The ranges of a text that list letters which it denies. */
export function deniedLists(plain: string): { start: number; end: number }[] {
  return DENIED_LISTS.flatMap((form) =>
    matchesOf(plain, form).map((match) => {
      const start = match.index + match[0].indexOf(match[1] as string);
      return { start, end: start + (match[1] as string).length };
    }),
  );
}

/** The spots of a sentence that stand in a clause which denies nothing, weighs nothing, and prefers nothing else. */
export function claimed<S extends Spot>(sentence: string, spots: readonly S[]): S[] {
  if (spots.length === 0 || claimsNothing(sentence)) return [];
  // "Possible answers: A, D".
  if (CANDIDATES.test(sentence) && spots.some(({ index }) => index !== spots[0]?.index)) return [];
  const granted = grantedLength(sentence);
  const ends = matchesOf(sentence, CLAUSE).map((match) => match.index);
  const denied = deniedLists(sentence);
  return spots.filter(({ start, end }) => {
    if (start < granted || denied.some((list) => start >= list.start && end <= list.end)) return false;
    const from = Math.max(granted, start - REACH, ends.findLast((at) => at < start) ?? 0);
    const to = Math.min(end + REACH, ends.find((at) => at >= end) ?? sentence.length);
    // The option's own words deny nothing: "not sure".
    const before = sentence.slice(from, start);
    const behind = sentence.slice(end, to).replace(PREFERRED, '');
    const clause = `${before} ${behind}`;
    return (
      !COMPARED.test(before) &&
      !ASKED_ABOUT.test(before) &&
      !(USUAL.test(sentence.slice(start)) && MEASURED.test(before)) &&
      !refuses(clause) &&
      !WEIGHED.test(clause) &&
      !takenBack(sentence, end, spots)
    );
  });
}

/** "He looks at the towel, then takes something else." */
const ELSE = /\b(?:some|any|no)(?:thing|one|body|where) else\b/i;

const refuses = (clause: string) =>
  denies(clause) ||
  AGAINST.test(clause) ||
  ELSE.test(clause) ||
  ABANDONED.test(clause) ||
  ENGLISH_CUES.doubt.test(clause);

/** `sentence` without the clauses that deny or refuse something. */
export function withoutDenied(sentence: string): string {
  let result = '';
  let from = 0;
  for (const end of [...matchesOf(sentence, CLAUSE).map((match) => match.index), sentence.length]) {
    const clause = sentence.slice(from, end);
    result += refuses(clause) ? ' '.repeat(clause.length) : clause;
    from = end;
  }
  return result;
}

/** "C would be chosen, but this is not seen": whether a turn behind a spot denies it and names nothing else. */
function takenBack(sentence: string, end: number, spots: readonly Spot[]): boolean {
  const behind = sentence.slice(end, end + REACH);
  const turn = TURN.exec(behind);
  if (!turn) return false;
  const from = end + turn.index;
  // "E would be the usual reason, yet it is ..."
  const granted = /^\W*would (?:be|have been)\b/i.test(behind) && /^(?:but|yet|however)$/i.test(turn[0]);
  return !spots.some(({ start }) => start > from) && (granted || refuses(behind.slice(turn.index)));
}

/** Turns against what was said before. */
export const TURN = /\b(?:but|however|yet|although|though)\b/i;
