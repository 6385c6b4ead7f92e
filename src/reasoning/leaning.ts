/** Reads the option that a hedging text leans to: "if we must choose, the most plausible is E". */

import type { Choices } from './choices.js';
import { LABELLED_NOUNS } from './cues.js';
import { matchesOf } from './matches.js';
import { CLAIMING_VERBS } from './mentionForms.js';

/**
 * A clause leans to an option when it names that one letter, alone or before "over", "rather than" and the like, beside a
 * superlative ("the most plausible", "closest", "best fits") or a choice ("I would guess", "we are left with"), and
 * nothing in it denies, asks or supposes. Only English has these forms here; other languages have the cues of
 * `languages/`.
 */
export interface Leaning {
  /** Place of the letter. */
  at: number;
  index: number;
}

/** Sentences and clauses end here; not behind a letter that labels an option, "option C. tie the shoe". */
const CLAUSE_END =
  /(?<![(\s][A-Z])\.(?=\s|$)|\.(?=\s+[A-Z](?:[a-z]|\s[a-z]))|[!?](?=\s|$)|\n|;|\s+and\s+(?=(?:settle|go|choose|pick|select|opt)\b)|(?<!\b(?:all|everything|nothing|none|anything|others?|options?|choices?|answers?|else)(?:\s+of\s+them)?),?\s+(?:but|except)\b|,?\s+(?:however|although|though|whereas|while|yet|unlike)\b|\s[-–—]\s|,\s+(?=(?:we|i|it|this|one|my|so|then|hence|thus|therefore|the\s+(?:most|best|closest)|maybe|perhaps|possibly|probably|leaving|making|(?:options?\s+)?[(⟦]?[A-Z][)⟧]?\s+(?:is|by|seems|would|appears|fits|best|looks))\b)/gi;

const SUPERLATIVE =
  '(?:the\\s+)?(?:most|more|best|better|closest|nearest|likelie(?:r|st)|stronge(?:r|st)|safest|simplest|top|only(?!\\s+(?:seen|shown|visible|happens|occurs|appears|found|mentioned|implied|done|part\\w*|at|in|by|when|after|before|for|an?|one\\s+of)\\b)|sole|remaining)\\b(?!\\s+of\\s+the\\s+time)|(?:first|top|final)\\s+(?:choice|pick)\\b|(?:gets?|has|have)\\s+(?:my|our)\\s+vote\\b|(?:first|highest|top)\\b(?<=\\b(?:rank|rate|score|place)s?\\b[^.]{0,30}\\s\\w+)|least\\s+(?:in|un|im|wrong|bad)\\w*|likely\\b|probabl[ey]\\b|plausibl[ey]\\b|stands?\\s+out\\b|(?<=\\b[a-z][)⟧]?\\s+(?:\\w+ly\\s+)?)remains?\\b|remains?\\b(?=\\s*(?:$|[.,;:]|(?:is|as|the)\\b|[(⟦]?[a-z]\\b))|elimination\\b|narrow(?:s|ed)\\b';
const CHOICE =
  "(?:choos(?:e|ing)|chose|chosen|pick(?:ing|ed)?(?!\\s+up)|select(?:ing|ed)?|opt(?:ing)?\\s+for|guess(?:ing)?|infer(?:red)?|lean(?:s|ing)?|settle|deduce|conclude|assume|suggests?|indicates?|favou?rs?|implies|supports?)\\b|(?:go(?:ing)?|went)\\s+with\\b|(?:would|will|['’]ll|['’]d)\\s+(?:say|answer|be)\\b|\\bleft\\s+with\\b|leads?\\s+(?:us\\s+|me\\s+)?to\\b|\\bi(?:['’]d|['’]ll|\\s+would|\\s+will)?\\s+(?:think|believe|say|prefer|put|mark|tick)\\b";
const CUE = new RegExp(`\\b(?:${SUPERLATIVE}|${CHOICE})`, 'i');

/** What an option says is no choice of the text's: "option B suggests that he waves". */
export const OPTION_SAYS =
  /(?:\b[Oo]ption\s+)?(?<![\p{L}\p{N}])[A-Z][)⟧]?\s+(?:also\s+)?(?:suggests?|indicates?|implies|supports|assumes?)\b/gu;

/** Whether words of preference stand there. */
export const prefers = (clause: string): boolean => CUE.test(clause.replace(OPTION_SAYS, ''));

/** "My first guess was C": what somebody thought before they looked closely. */
export const ABANDONED =
  /\b(?:first|initial|original|earlier)\s+(?:guess|thought|impression|instinct|idea|hunch|reaction|assumption|intuition|inclination|answer|reading)\s+(?:was|had\s+been)\b|\b(?:first|initially|originally)\s+(?:thought|believed|assumed|guessed)\b|\bthought\s+(?:it|this|that)\s+was\b/i;

/** Words that lead from an option, or put it aside; {@link AGAINST} and {@link AWAY} have more of their own. */
const SET_ASIDE = String.raw`(?:could|might|may|would)\s+(?:expect|confuse|mislead|tempt|lead\s+\p{L}+\s+to)\b|contrary\s+to|clash\w*|at\s+odds|(?:struck|crossed)\s+(?:off|out)|set\s+aside`;

export const AGAINST = new RegExp(
  String.raw`\b(?:${SET_ASIDE}|not|never|no|none|neither|nor|cannot|without|less|(?<!at )least(?!\s+(?:in|un|im|wrong|bad))|(?:unlikely|improbable|implausible|impossible|incorrect|wrong)(?<!\bleast\s+\w+)|false|mistaken?|hardly|barely|unsupported|irrelevant|eliminat(?:e|es|ed|ing)|exclud\w*|reject\w*|rul(?:e|ed|es|ing)\s+out|dismiss\w*|discard\w*|contradict\w*|inconsistent|competitors?|rivals?|only\s+(?:a\s+)?part(?:ly|ially)?|doubt\w*|(?:second|third)(?=\s*(?:$|[.,;:!)]|(?:best|most|closest|likel\w+|choice|place|guess|pick|candidate|option|to)\b))|next\s+(?:most|best|closest|likeliest)|runner-up|alternatives?|tempt\w*|unclear|whether|worst|(?:last|lowest|bottom)(?<=\b(?:put|rank|rate|place|score)s?\b[^.]{0,30}\s\w+)|avoid\w*|refus\w*|suppos\w*|others|other\s+(?:options?|choices?|answers?|ones?|possib\w+|expla\w+|reasons?|candidates?|is|are|would|(?:two|three|four)(?=\s*(?:$|[.,;:!)]|(?:options|choices|answers|are|is|would)\b)))|example|too\s+(?!(?:and|but)\b)\p{L}+|vague|generic|far-fetched|speculative|would\s+(?:require|need|imply|involve)|(?:is|are|was|looks)\s+out(?=\s*(?:$|[.,;:]|(?:as|because|since)\b))|(?:is|was|are)\s+(?:only|merely|just)\s+(?:an?|the|part|incidental)\b(?!\s+(?:\p{L}+\s+)?(?:option|choice|answer|one|explanation|match|fit))|(?:people|viewers|someone|many)\s+(?:would|might|may|could))\b|n['’]t\b`,
  'iu',
);
/** A condition, except "if we must choose". */
const SUPPOSES = /\b(?:if|unless|were\s+it|had\s+it)\b/i;
const FORCED =
  /\bif\b[^.!?\n]{0,40}\b(?:must|ha(?:d|ve)\s+to|has\s+to|forced|need(?:ed)?\s+to|required|were\s+to|asked|only\s+one|choose|chosen)\b[^,.!?\n]{0,60}/gi;

const CONTRAST =
  /[,\s]+(?:over|rather\s+than|instead\s+of|than|as\s+opposed\s+to|compared\s+(?:to|with)|versus|vs\.?|(?:and\s+)?then|followed\s+by|ahead\s+of|(?:and\s+)?not\s+(?=(?:options?\s+)?[(⟦]?[A-Z](?![\p{L}\p{N}'’])))\s*/iu;

/** A letter by itself; A and I are words unless something marks them as a letter. */
const LETTER =
  /(?<![\p{L}\p{N}'’.])(?:((?:options?|choices?|answers?|letter)\s*:?\s*[(⟦]?|[(⟦])([A-Z])|([A-Z]))(?![\p{L}\p{N}'’_])(?!\.[A-Z]|\s+of\b|-\p{L})/giu;
const MARKS_LETTER = new RegExp(
  String.raw`^[)\]⟧]?\s*(?:$|[.,:;!?)\]⟧]|(?:is|was|would|seems?|appears?|might|may|could|must|should|because|since|as|fits?|best|makes?|matche?s|${CLAIMING_VERBS}|holds|does|remains|stands|looks|works|being|by|over|rather|instead|than|and\s+not|not|(?:i|we)\s+(?:would|think|believe|say))\b|[-–—])`,
  'i',
);
/** What is named by a letter behind it: "box A", "image B". */
export const NAMED_NOUNS = `${LABELLED_NOUNS}|images?|pictures?|photos?|photographs?|paintings?`;
const LABELLED = new RegExp(`\\b(?:${NAMED_NOUNS})\\s+$`, 'i');

/** "I guess C?" asks nobody. */
export const GUESS =
  /^\W*(?:(?:well|hmm+)\W+)?(?:i(?:['’]d| would)? (?:guess|think|suppose|believe|say|go with)|probably|maybe)\b/i;

/** The last clause that leans to one option; `several` when it leans to two. */
export function leaningIn(text: string, choices: Choices): Leaning | undefined {
  if (!CUE.test(text)) return undefined;
  const plain = choices.withoutOwnTexts(text);
  let found: Leaning | undefined;
  let start = 0;
  const close = (end: number, mark: string) => {
    const asks = mark.includes('?') && !GUESS.test(plain.slice(start, end));
    found = (asks ? undefined : clauseLeaning(plain, start, end, choices)) ?? found;
    start = end;
  };
  for (const match of matchesOf(plain, CLAUSE_END))
    close(match.index + (match[0].length === 1 ? 1 : 0), match[0]);
  close(plain.length, '');
  return found;
}

function clauseLeaning(plain: string, from: number, to: number, choices: Choices): Leaning | undefined {
  const clause = plain.slice(from, to);
  if (!CUE.test(clause)) return undefined;
  const letters = lettersIn(clause, choices);
  if (letters.length === 0) return undefined;
  const contrast = CONTRAST.exec(clause);
  const cut = contrast && contrast.index > letters[0]!.start ? contrast.index : clause.length;
  const said = clause.slice(0, cut).replace(FORCED, (forced) => ' '.repeat(forced.length));
  if (!prefers(clause.slice(0, cut)) || AGAINST.test(said) || SUPPOSES.test(said) || ABANDONED.test(said))
    return undefined;
  const named = letters.filter(({ start }) => start < cut);
  const [first] = named;
  if (!first || named.some(({ index }) => index !== first.index)) return undefined;
  // "E would be the usual reason, yet it is ..."
  if (/\bwould (?:be|have been)\b/i.test(said) && TURNS.test(plain.slice(to))) return undefined;
  return { at: from + first.start, index: first.index };
}

const TURNS = /^\W*(?:but|yet|however)\b/i;

/** A letter that names an option, in a clause. */
export interface LetterSpot {
  start: number;
  end: number;
  index: number;
  /** Without "option" or a bracket before it. */
  bare: boolean;
}

/** Characters before a letter that say what it is; the whole clause before each of its letters is read in its square. */
const REACH = 100;

export function lettersIn(clause: string, choices: Choices): LetterSpot[] {
  const found: LetterSpot[] = [];
  for (const match of matchesOf(clause, LETTER)) {
    const letter = match[2] ?? (match[3] as string);
    if (letter > 'Z') continue;
    const index = choices.ofLetter(letter);
    const start = match.index;
    const end = start + match[0].length;
    const bare = match[1] === undefined;
    const word = bare && (letter === 'A' || letter === 'I');
    const before = clause.slice(Math.max(0, start - REACH), start);
    if (index === undefined || (word && !isLetter(before, clause.slice(end)))) continue;
    if (EXCEPTED.test(before)) continue;
    const named = LABELLED.test(before) || NAMED_BY.test(before);
    if (bare && (named || choices.isName(letter))) continue;
    found.push({ start, end, index, bare });
  }
  return found;
}

/**
 * A word that names a thing by the letter behind it: "kitchen B", "a large D". Words of grammar and forms of verbs name
 * nothing: "clinches B", "so B".
 */
const NAMED_BY =
  /(?<![\p{L}'’])(?!(?<=\b(?:[Oo]n|[Aa]fter|[Ii]n)\s+)(?:balance|all|short|sum|fact)\s+$)(?!(?:\p{L}*(?:s|ed|ing|ly)|to|for|with|toward|into|onto|and|or|nor|but|not|than|over|so|be|by|of|on|in|as|at|from|between|among|amongst|versus|via|like|me|us|say|choose|pick|select|answer|guess|think|favou?r|support|prefer|consider|deem|find|judge|rate|believe|infer|conclude|make|get|took?|take|mean|both|either|neither|only|then|now|would|must|should|will|it|that|which|if|when|while|although|though|since|because|rather|still|just|therefore|hence|either|went|go|what|why|how|letter|left|even|are|however|nonetheless|nevertheless|perhaps|maybe|otherwise|again|too|indeed|lean|put|mark|tick|rank|rate|score|place|suggest|indicate|show|confirm|imply)\s+$)\p{Ll}+\s+$/u;

/** "All options but C": what is said there is said of the others. */
const EXCEPTED =
  /\b(?:all|everything|every|any|others?)\b[^.,;!?\n]{0,30}\s(?:but|except(?:\s+for)?|other\s+than|save|apart\s+from|besides)\s+$/i;

/** Whether A or I is an option's letter between `before` and `after`: in a list with another, or before a verb. */
function isLetter(before: string, after: string): boolean {
  return MARKS_LETTER.test(after) || LIST_BEFORE.test(before) || LIST_BEHIND.test(after);
}

const JOIN = '\\s*(?:,|/|&|,?\\s*\\b(?:and|or|nor)\\b)\\s*(?:options?\\s+)?[(⟦]?';
const LIST_BEFORE = new RegExp(`(?<![\\p{L}\\p{N}'’])[B-Z][)⟧]?${JOIN}$`, 'u');
const LIST_BEHIND = new RegExp(`^[)⟧]?${JOIN}[B-Z](?![\\p{L}\\p{N}'’])`, 'u');

/** Whether a sentence speaks against the option that it mentions, in words that are no plain negation. */
export function speaksAgainst(sentence: string): boolean {
  return AWAY.test(sentence);
}

const AWAY = new RegExp(
  String.raw`\b(?:${SET_ASIDE}|less|(?<!at )least(?!\s+(?:in|un|im|wrong|bad))|mistake|tempt\w*|(?:unlikely|improbable|implausible|impossible)(?<!\bleast\s+\w+)|eliminat\w*|exclud\w*|reject\w*|rul(?:e|ed|es|ing)\s+out|dismiss\w*|discard\w*|contradict\w*|unsupported|irrelevant|inconsistent|doubtful|far-fetched|vague|generic|speculative|too\s+(?!(?:and|but)\b)\p{L}+)\b`,
  'iu',
);

/** Whether a sentence supposes something that is not so: "if he had stood, C would be the best answer". */
export function isCounterfactual(sentence: string): boolean {
  return /\bwould\b/i.test(sentence) && COUNTERFACTUAL.test(sentence);
}

const COUNTERFACTUAL =
  /\bhad\s+(?:there|s?he|it|they|(?:the|an?|his|her|their)\s+\p{L}+)\s+(?:not\s+)?(?:been\b|\p{L}+(?:ed|en)\b)|(?:\b(?:if|unless)|^\W*had)\s+(?!(?:we|i|you|one|us|any|asked|forced|pressed|pushed|required|needed|necessary|so|not|a (?:choice|guess|decision|selection))\b)/iu;
