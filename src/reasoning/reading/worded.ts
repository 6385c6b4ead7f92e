/**
 * The option that a text concludes in its own words: "Therefore, the dog is smelling leaves", "what best describes it is
 * 'wave at her'", or a reply of one sentence that holds one option. The weakest rule but for mentions.
 */
import { type Choices, NOUN_LABEL } from '../choices.js';
import { AGAINST, isCounterfactual, OPTION_SAYS } from '../leaning.js';
import { comparable } from '../plain.js';
import { rootsOf } from '../roots.js';
import { stemsOf } from '../stems.js';
import { briefIn } from './brief.js';
import type { Candidate } from './candidate.js';
import { claimsNothing, withoutDenied } from './claims.js';
import { comparedIn } from './compared.js';
import { directionIn } from './direction.js';
import { labelled } from './labels.js';
import { openingIn } from './opening.js';
import { partIn } from './part.js';
import { claimedIn, type Said, saidIn } from './said.js';
import { sentencesOf } from './sentenceAt.js';
import { isCommon, isNumber } from './spots.js';
import { refusalAt } from './withheld.js';
import { yesOrNo } from './yesNo.js';

const SHOWN = '(?:suggests?|indicates?|implies|imply|means?|shows?)';
const CHOSEN = '(?:choose|select|pick|answer|conclude|say|think|believe|go with|opt for)';
/**
 * Opens a conclusion, or says in the sentence that it is one. What has to stand before a verb or a colon is asked behind
 * it, so that a match begins with what is rare in a text.
 */
const CONCLUDES = new RegExp(
  '^\\W*(?:so\\b|therefore|thus|hence|consequently|accordingly|overall|in (?:conclusion|summary|short)|to (?:conclude|sum up)|' +
    'all in all|on balance|as such|as a result|in other words|put differently|that is,|' +
    '(?:based on|given|considering|judging (?:by|from))\\b[^,]*,|(?:it|he|she|this) (?:looks like|seems that|appears that))|' +
    ':(?<=^\\W*(?:reason|explanation|action|conclusion|result|purpose|answer|correct|best)\\s*:)|[=-]>|→|∴|' +
    '\\b(?:therefore|thus|hence)\\b|' +
    `\\b${SHOWN}\\b(?<=^\\W*(?:this|these|which|it|all of this)\\b[^.]{0,60}\\b${SHOWN})|` +
    '\\b(?:suggests?|indicates?|implies|confirms?|reveals?|tells us|means)\\s+that\\b|' +
    `\\b${CHOSEN}\\b(?<=\\bi\\b[^.]{0,20}\\b${CHOSEN})`,
  'i',
);
const UNSURE =
  /(?<!\bso (?:that )?\w+ )\b(?:could|may|might|can)\s+(?:also\s+)?(?:suggest|indicate|imply|mean|show)\b/i;
/** "The most plausible reason is ...", "... comes closest", "... is the only option". */
const NAMES =
  /\b(?:answer|(?<!(?:first|second|third|fourth|fifth|last)\s)(?:option|choice)|(?<!(?:one|another|possible|alternative|other)\s)(?:reason|explanation|interpretation)|description|statement|purpose|response|one that|best (?:describ|captur|fit|match|explain|reflect|represent|convey|account|align|correspond|illustrat|reproduc|summar)\w*|makes? the most sense|closest|most (?:likely|plausible|probable|fitting|appropriate|accurate|logical|reasonable)|only plausible|is (?:correct|right|true)|explains)\b/i;

/** Both: what a conclusion has to hold. */
export const CONCLUSIONS: readonly RegExp[] = [CONCLUDES, NAMES];

/** A conclusion within a sentence, which answers a question as a reply; in reasoning it may be a step like any other. */
const SO = /,\s*so\s(?!that\b)/i;

/** Whether one plain sentence concludes an option in its own words, and which. */
export function concludedIn(sentence: string, given: Choices): number | undefined {
  const { plain, choices } = labelled(sentence, given);
  if (!mayConclude(plain)) return undefined;
  const options = claimedIn(plain, choices);
  if (options.size === 0) return isPlain(plain) ? briefIn(plain, choices, false) : undefined;
  const [index] = options;
  return options.size === 1 && !isLoose(plain, index as number, choices) ? index : undefined;
}

/** Whether a sentence has words of a conclusion: a quick look before {@link concludedIn}. */
export function mayConclude(sentence: string): boolean {
  const own = sentence.replace(NOUN_LABEL, '').replace(OPTION_SAYS, '');
  return CONCLUSIONS.some((form) => form.test(own));
}

/** "- (B) garden: it is named too, so it is included" discusses one of the options. */
const ITEM = /^\W*(?:option\s+)?[A-Z][)\]⟧.:]/;

const concludes = (sentence: string): boolean =>
  mayConclude(sentence) || (SO.test(sentence) && !ITEM.test(sentence));

export function wordedIn(text: string, given: Choices): Candidate | undefined {
  const { plain, choices } = labelled(text, given);
  const said = sentencesOf(plain).map((sentence) => saidIn(sentence, choices));
  const opening = yesOrNo(plain, said, choices);
  if (opening !== undefined) return { at: plain.length, index: opening, stated: 'worded' };
  const explained = openingIn(said, choices);
  if (explained) return { at: explained.end, index: explained.index, stated: 'worded' };
  return (
    concluded(said, choices) ??
    shortReply(plain, said, choices) ??
    directed(plain, said, choices) ??
    preferred(said, choices) ??
    ended(said, choices) ??
    hedged(plain, said, choices) ??
    supposed(plain, said, choices)
  );
}

/** The better one of two options. */
function preferred(said: readonly Said[], choices: Choices): Candidate | undefined {
  const found = comparedIn(said, choices);
  return found && { ...found, stated: 'worded' };
}

/**
 * "At the end of the game, Bob has the ball.": how a puzzle ends that goes through all its options. What happens at the
 * end of a video is one thing among those that happen.
 */
function ended(said: readonly Said[], choices: Choices): Candidate | undefined {
  const last = said.at(-1);
  const [index] = last?.options ?? [];
  if (index === undefined || last!.options.size > 1 || last!.aside || !ENDED.test(last!.text))
    return undefined;
  const passed = new Set(said.slice(0, -1).flatMap(({ options }) => [...options]));
  return passed.size === choices.texts.length && passed.size > 2
    ? { at: last!.end, index, stated: 'worded' }
    : undefined;
}

const ENDED =
  /^\W*(?:at|by) the end of (?:the|this|that) (?!(?:videos?|clips?|scenes?|footage|sequence|frames?|images?)\b)\p{L}+, /iu;

/** "If gulls disappeared, herring may increase.": what a reply of one sentence says under the question's condition. */
function supposed(plain: string, said: readonly Said[], choices: Choices): Candidate | undefined {
  const condition = said.length === 1 ? CONDITION.exec(plain)?.[0] : undefined;
  if (condition === undefined || isCounterfactual(condition.replace(/^\W*if\b/i, ''))) return undefined;
  const then = plain.slice(condition.length);
  return OPEN.test(then.replace(/\band\b/gi, ''))
    ? undefined
    : wordedIn(then.replace(HEDGE, 'will'), choices);
}

const CONDITION = /^\W*if\s+(?!.*\b(?:had|would)\b)[^,;.?]{3,80},\s+(?=[^,;]*$)/i;

/** "The boy might be hugging the dog.": a reply of one sentence that weighs no other option. */
function hedged(plain: string, said: readonly Said[], choices: Choices): Candidate | undefined {
  if (said.length > 1 || !HEDGE.test(plain) || OPEN.test(plain)) return undefined;
  return wordedIn(plain.replace(HEDGE, 'will'), choices);
}

/** What those who watch may do, and no option's deed: "one can see". */
const WATCHING =
  '(?:be\\s+)?(?:think|believe|say|said|guess|assume|argue|expect|infer|conclude|look|seem|appear|have|see|seen|hear|heard|tell|told|identif\\w*|observ\\w*|notic\\w*|determin\\w*|find|found|count\\w*|clearly|only|not)\\b';
/** "He can jump", "perhaps he jumps", "it is possible to jump". */
const HEDGE = new RegExp(
  '^\\W*(?:perhaps|maybe|possibly)\\b,?|' +
    "\\bit(?:\\s+is|\\s+would\\s+be|\\s+seems|['’]s)\\s+possible\\s+(?:for\\s+[^,.;]{1,40}?\\s+)?to\\b" +
    `(?=\\s+(?!be\\b|${WATCHING}))|` +
    `\\b(?:may|might|could|can)(?=\\s+(?!${WATCHING}))`,
  'i',
);
/** More than one thing may be so, or it is under a condition. */
const OPEN =
  /\b(?:or|and|either|whether|if|unless|also|but|though|although|other|another|any|some|one|several|many)\b|[?？]/i;

/** The option of the last sentence that claims one, where it concludes or is the reply's only claim. */
function concluded(said: readonly Said[], choices: Choices): Candidate | undefined {
  const tail = behindColon(said.at(-1)?.text ?? '', choices);
  if (tail !== undefined) return { at: (said.at(-1) as Said).end, index: tail, stated: 'worded' };
  for (const one of [...said].reverse()) {
    const { options, text, end } = one;
    if (options.size > 1) return undefined;
    if (options.size === 0) {
      const brief = concludes(text) && isPlain(text) ? briefIn(text, choices, false) : undefined;
      if (brief !== undefined) return { at: one.at + text.length, index: brief, stated: 'worded' };
      continue;
    }
    const [index] = options as Set<number> & Iterable<number>;
    const strong = concludes(text) && !isLoose(text, index as number, choices);
    const rest = restOf(said);
    const claims = said.every((other) => [...other.options].every((option) => option === index));
    const alone = claims && !others(rest, index as number, choices);
    const direct =
      alone && one === said.at(-1) && !one.aside && isBrief(text, index as number, said.length, choices);
    return strong || direct ? { at: end, index: index as number, stated: 'worded' } : undefined;
  }
  return undefined;
}

/** "He holds the glance for the camera: posing." */
function behindColon(sentence: string, choices: Choices): number | undefined {
  const [head = '', tail = '', ...more] = sentence.split(':');
  if (
    more.length > 0 ||
    !/^\s/.test(tail) ||
    !/\s/.test(head) ||
    NOUN_LABEL.test(sentence) ||
    claimsNothing(head) ||
    AGAINST.test(head) ||
    /\b(?:options?|choices?|possible|question|example)\b|[?？]/i.test(sentence)
  )
    return undefined;
  return choices.whole(tail.trimStart());
}

/** The option of a reply of one to three short sentences of which one says it, and none says another or only describes. */
function shortReply(plain: string, said: readonly Said[], choices: Choices): Candidate | undefined {
  const [first] = said;
  if (
    !first ||
    said.length > 3 ||
    refusalAt(plain) !== undefined ||
    stemsOf(plain).length > 30 ||
    !said.every(({ text }) => isPlain(text))
  )
    return undefined;
  const whole = said.length === 1;
  const briefs = said.map((one) =>
    briefIn(one.text, choices, whole || (one === said.at(-1) && IT_IS.test(one.text))),
  );
  // "The lady. The man in white enters later."
  const wholes = said.map(({ text }) =>
    /[?？]\s*$/.test(text) ? undefined : choices.wholeInOtherWords(text),
  );
  if (wholes[0] !== undefined && wholes.filter((index) => index !== undefined).length === 1)
    return { at: plain.length, index: wholes[0], stated: 'worded' };
  const part = whole && !/[?？]\s*$/.test(plain) ? partIn(plain, choices, true) : undefined;
  if (part !== undefined) return { at: plain.length, index: part, stated: 'worded' };
  const found = new Set(briefs.filter((index) => index !== undefined));
  const [index] = found;
  if (index === undefined || found.size > 1) return undefined;
  const rest = restOf(said);
  const rivals = said.some(({ options }) => [...options].some((option) => option !== index));
  if (!whole && (rivals || others(rest, index, choices))) return undefined;
  return { at: plain.length, index, stated: 'worded' };
}

/** The option whose direction a reply of one sentence tells. */
function directed(plain: string, said: readonly Said[], choices: Choices): Candidate | undefined {
  const index = said.length === 1 ? directionIn(plain, choices) : undefined;
  return index === undefined ? undefined : { at: plain.length, index, stated: 'worded' };
}

/** "It's a forest, not a garden." */
const IT_IS = /^\W*(?:it|this|that)(?:['’]s| is| was)\s[^,]*, not\s/i;

/** A sentence of few words that neither lists nor doubts. */
const isPlain = (text: string) =>
  !describes(text) && !UNSURE.test(text) && !/[?？]/.test(text) && stemsOf(text).length < 18;

/** What the sentences say without the options that they name and do not claim, and without what they deny. */
const restOf = (said: readonly Said[]) => said.map(({ rest }) => withoutDenied(rest)).join('\n');

/** Whether the words of another option are in the text, wherever they stand. */
function others(text: string, index: number, choices: Choices): boolean {
  const words = new Set(rootsOf(comparable(text)));
  const own = choices.rootsOf(index);
  return choices.texts.some((_, i) => {
    const roots = choices.rootsOf(i);
    const part = roots.every((root) => own.includes(root));
    return (
      i !== index && !part && !isCommon(roots) && !isNumber(roots) && roots.every((root) => words.has(root))
    );
  });
}

/** A reply of one sentence is an answer; the last of several is one where it gives a cause, or says little else. */
function isBrief(sentence: string, index: number, sentences: number, choices: Choices): boolean {
  const roots = choices.rootsOf(index);
  // "The video shows a woman opening the box": as the whole reply it answers, where an option of several words stands there.
  const shown = sentences === 1 && roots.length > 1 && !LISTS.test(sentence);
  if (!shown && describes(sentence) && !isNumber(roots)) return false;
  const more = wordsBeside(sentence, index, choices);
  return more <= (sentences === 1 || CAUSE.test(sentence) ? 12 : 2);
}

/**
 * Whether a conclusion is one about other things: it describes, it is unsure, or an option of one word stands among many
 * others, "this indicates that the person is engaged in organizing the clothes".
 */
function isLoose(sentence: string, index: number, choices: Choices): boolean {
  const named = WHICH_IS.exec(sentence)?.index;
  if ((named === undefined && describes(sentence)) || UNSURE.test(sentence)) return true;
  const short = stemsOf(choices.texts[index] as string).length < 2;
  if (!short || PREDICATE.test(sentence)) return false;
  const said = sentence.slice(0, named).split(CONCLUSION_WITHIN).at(-1)?.split('=').at(-1) as string;
  return wordsBeside(said, index, choices) > 5;
}

/** "..., which is the best option". */
const WHICH_IS = /,\s*which (?:is|was|makes it) the (?:\w+ )?(?:option|answer|choice)\b/i;

/** "The most likely place for a pond with trees around it is in a forest": the option is all that is said of the superlative. */
const PREDICATE =
  /\b(?:the|his|her|their|its)\s+(?:most|best|only|likeliest)\b[^,;:]*\s(?:is|are|was|were|would be)\s+(?:(?:in|on|at|to|by|with|from|a|an|the)\s+)*\p{L}+\W*$/iu;

function wordsBeside(sentence: string, index: number, choices: Choices): number {
  return stemsOf(sentence).length - stemsOf(choices.texts[index] as string).length;
}

/** "The targets are the person, the box, and the desk". */
const LISTS = /,[^,]*,\s*(?:and|or)\b|\b(?:targets?|objects)\b/i;
/** "The video captures ...". */
const SHOWS = /\b(?:video|scene|image|clip)s? (?:shows?|captures?|depicts?|features?|provides?)\b/i;

/** Whether a sentence lists or describes, and concludes nothing from it: "..., so three men". */
function describes(sentence: string): boolean {
  const last = sentence.split(CONCLUSION_WITHIN).at(-1) as string;
  return LISTS.test(last) || SHOWS.test(last);
}

const CONCLUSION_WITHIN = /,\s*(?:and )?(?:so|therefore|thus|hence)\b|[=-]>|→/i;

const CAUSE = /\b(?:because|in order to|so that|due to|which is why|that is why|that['’]s why)\b/i;
