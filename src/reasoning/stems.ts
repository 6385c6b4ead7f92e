/** English words without their endings, so that "took" and "takes", "shrank" and "shrinks" count as one. */
import { wordsIn } from './plain.js';

/** Common verbs whose past is not regular: base, past, participle. */
const IRREGULAR =
  'arise arose arisen|awake awoke awoken|be was were been am is are|beat beaten|become became|begin began begun|bend bent|bite bit bitten|bleed bled|blow blew blown|break broke broken|bring brought|build built|burn burnt|buy bought|catch caught|choose chose chosen|come came|creep crept|deal dealt|dig dug|do did done does|draw drew drawn|dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel felt|fight fought|find found|flee fled|fly flew flown flies|forget forgot forgotten|freeze froze frozen|get got gotten|give gave given|go went gone goes|grow grew grown|hang hung|have had has|hear heard|hide hid hidden|hold held|keep kept|kneel knelt|know knew known|lay laid|lead led|lean leant|leap leapt|leave left|lend lent|lie lay lain lying|tie tying|die dying|light lit|lose lost|make made|mean meant|meet met|pay paid|ride rode ridden|ring rang rung|rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent|sew sewn|shake shook shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung|sink sank sunk|sit sat|sleep slept|slide slid|speak spoke spoken|spend spent|spin spun|stand stood|steal stole stolen|stick stuck|sting stung|stride strode|strike struck|swear swore sworn|sweep swept|swim swam swum|swing swung|take took taken|teach taught|tear tore torn|tell told|think thought|throw threw thrown|understand understood|use uses used using|wake woke woken|wear wore worn|weave wove woven|weep wept|win won|wind wound|write wrote written|child children|foot feet|man men|mouse mice|person people|tooth teeth|woman women|knife knives|shelf shelves';

/** Forms that are words of their own too, more often than the verb's: "the left", "a saw". */
const OTHER_WORDS = new Set(['left', 'saw', 'wound', 'lay']);

const BASE = new Map(
  IRREGULAR.split('|').flatMap((verb) => {
    const [base, ...forms] = verb.split(' ');
    return forms
      .filter((form) => !OTHER_WORDS.has(form))
      .map((form): [string, string] => [form, base as string]);
  }),
);

/** Stems that a form with another first letter has: "go", whose past is "went". */
export const SUPPLETIVE: ReadonlySet<string> = new Set(
  [...BASE].filter(([form, base]) => form[0] !== base[0]).map(([, base]) => base),
);

/** Endings in the order of trial; a stem keeps three letters at least. */
const ENDINGS = ['ing', 'ies', 'ied', 'es', 'ed', 's', 'e', 'y'];

/** The stem of a word in lower case; other languages' words mostly stay. */
export function stem(given: string): string {
  const word = americanSpelling(given);
  // "tried" and "try", which an ending cut off would leave too short.
  const base = BASE.get(word) ?? (/^[a-z]{2}ie[ds]$/.test(word) ? `${word.slice(0, 2)}y` : word);
  if (base.length < 4 || /[^a-z]/.test(base) || base.endsWith('ss')) return base;
  const ending = ENDINGS.find((each) => base.endsWith(each) && base.length - each.length >= 3);
  if (ending === undefined) return base;
  const rest = base.slice(0, -ending.length);
  // "stopped" and "stop", but "falling" and "fall".
  return /([bdgmnprt])\1$/.test(rest) && /^(?:ing|ed)$/.test(ending) ? rest.slice(0, -1) : rest;
}

/** One spelling for "colour" and "color", "stabilise" and "stabilize"; other words with these endings change alike. */
function americanSpelling(word: string): string {
  if (word === 'gray') return 'grey';
  return word
    .replace(/(?<=[a-z]{3})is(e[sd]?|ing|ation)$/, 'iz$1')
    .replace(/(?<=[a-z]{3})our(s|ed|ing)?$/, 'or$1');
}

/** Words too common to tell one text from another. */
const COMMON = new Set(
  (
    'a an and are as at be been but by can could did do does for from had has have he her hers him his how i in into is it its ' +
    'itself may might me my of on onto or our own she should so some such than that the their them then there these they this ' +
    'those through to too us very was we were what when where which while who why will with would you your'
  ).split(' '),
);

/** The stems of a text's words, in order, without the common ones; `no` and `not` stay. */
export function stemsOf(text: string): string[] {
  return wordsIn(text.toLowerCase())
    .filter((word) => !COMMON.has(word))
    .map(stem);
}
