/** The option that a sentence sets against all others, "no option but C fits", or against one, "of A and C the latter". */
import type { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { AGAINST, prefers } from '../leaning.js';
import { matchesOf } from '../matches.js';
import type { Candidate } from './candidate.js';

const LETTER = "(?:options?\\s+|choice\\s+|answer\\s+)?[(⟦]?([A-Z])(?![\\p{L}\\p{N}'’])[)⟧]?";
const BUT = '(?:other than|apart from|aside from|besides|but|except(?: for)?)';

/** What is said behind these is said of no other option. */
const NO_OTHER = new RegExp(
  `\\b(?:no(?: other)? (?:option|answer|choice|one)s?|none(?: of (?:them|these|the (?:\\w+ )?(?:options|choices|answers)))?|nothing)\\s+${BUT}\\s+${LETTER}([^.!?;\\n]*)`,
  'giu',
);
/** What is said behind these is said of all others. */
const ALL_OTHERS = new RegExp(
  `\\b(?:all(?: of)?(?: the)?(?: other)?(?: options| choices| answers| others)?|everything|every (?:other )?(?:option|choice|answer)|(?:the )?others|any (?:other )?(?:option|choice|answer))\\s+${BUT}\\s+${LETTER}([^.!?;\\n]*)`,
  'giu',
);
/** "We can rule out everything but C." */
const OTHERS_OUT = new RegExp(
  `\\b(?:rul\\w+ out|exclud\\w*|eliminat\\w*|discard\\w*|dismiss\\w*|reject\\w*)\\s+(?:all|every|any)[^.!?;,\\n]{0,30}?\\s${BUT}\\s+${LETTER}(?=\\s*(?:$|[.,;!\\n]))`,
  'giu',
);
/** What is said behind it is said of no other option. */
const ALONE = new RegExp(
  `(?:^|[.!?;,:]\\s+|\\b(?:so|that|thus|hence|therefore|and|but)\\s+)${LETTER}\\s+alone\\s+((?:is\\s+(?:consistent|compatible|correct|right|true|accurate|plausible|possible|likely|supported|left|in line|the)|fits|matches|explains|describes|agrees|captures|accounts)\\b[^.!?;\\n]*)`,
  'giu',
);

/** What all but {@link ALONE} have, looked for before them. */
const MAY_EXCEPT =
  /(?:[tT]han|[fF]rom|[bB]esides|[bB]ut|[eE]xcept|[fF]or)\s+(?:\p{L}+\s+)?[(⟦]?[A-Z](?!\p{Ll})/u;

/** The options that are left so, in the order of the text. */
export function exceptions(plain: string, choices: Choices): Candidate[] {
  const found = (form: RegExp, denied: boolean) =>
    matchesOf(plain, form).flatMap((match): Candidate[] => {
      const index = optionOf(match[1] as string, choices);
      const said = match[2] as string;
      if (index === undefined || said.trim() === '') return [];
      return refuses(said) === denied ? [{ at: match.index + match[0].length, index, stated: 'phrase' }] : [];
    });
  const alone = plain.includes(' alone') ? found(ALONE, false) : [];
  if (!MAY_EXCEPT.test(plain)) return alone;
  const out = matchesOf(plain, OTHERS_OUT).flatMap((match): Candidate[] => {
    const index = optionOf(match[1] as string, choices);
    const before = plain.slice(Math.max(0, match.index - 40), match.index);
    return index === undefined || denies(/[^.!?;,\n]*$/.exec(before)?.[0] ?? '')
      ? []
      : [{ at: match.index + match[0].length, index, stated: 'phrase' }];
  });
  return [...found(NO_OTHER, false), ...found(ALL_OTHERS, true), ...alone, ...out].sort(
    (a, b) => a.at - b.at,
  );
}

/** The option of a capital; the expressions ignore case. */
const optionOf = (letter: string, choices: Choices) => (letter > 'Z' ? undefined : choices.ofLetter(letter));

const refuses = (said: string) => denies(said) || AGAINST.test(said);

/** "Between A and C, the latter is more plausible": the two letters, which of them, and what is said of it. */
const PAIR = new RegExp(
  `\\b(?:between|(?:out )?of|comparing|both|either|options?)\\s+${LETTER}\\s*(?:and|or|&|/)\\s*${LETTER}[^.!?\\n]{0,60}?,?\\s+(?:the\\s+)?(former|latter|first|second)(?:\\s+(?:one|option|choice))?\\s+((?:is|seems|fits|appears|makes|has|would)\\b[^.!?;\\n]*)`,
  'giu',
);

/** The letter of a pair that is called the better one. */
export function ofPairs(plain: string, choices: Choices): Candidate[] {
  if (!/latter|former|first|second/i.test(plain)) return [];
  return matchesOf(plain, PAIR).flatMap((match): Candidate[] => {
    const [, one, other, which, said] = match as unknown as [string, string, string, string, string];
    const letter = /^(?:former|first)$/i.test(which) ? one : other;
    const index = choices.ofLetter(letter);
    if (index === undefined || one > 'Z' || other > 'Z' || refuses(said) || !prefers(said)) return [];
    return [{ at: match.index + match[0].length, index, stated: 'phrase' }];
  });
}
