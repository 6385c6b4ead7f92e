/**
 * Tells at a glance which sentences cannot name an option. Reading a sentence closely takes some hundred expressions in
 * twenty languages; most sentences of a text have neither an option's letter nor a word for an answer.
 */
import { LANGUAGES } from './languages.js';

/** Text that {@link plainText} would change inside a word, or in another script. */
const CHANGED = /[^\n\r\t\x20-\x7E‘’“”–—…•]|[\\<{~]|(?<=[A-Za-z0-9])[*_`"“”]+[A-Za-z0-9]/;
/** A sign that {@link CHANGED} begins with; one class of signs is looked for faster than several. */
const CHANGING = /[^\n\r\t !#-)+-;=-[\]^a-z|}‘’–—…•]/;

const isChanged = (text: string) => CHANGING.test(text) && CHANGED.test(text);

/** Words that make a letter of an "A" before them, beside those of `languages/`. */
const BEHIND_LETTER =
  'is|was|would|seems?|appears?|might|may|could|can|cannot|must|should|will|because|since|as|fits?|best|makes?|match\\w*|' +
  'aligns|describes|explains|captures|answers|does|remains|stands|looks|works|applies|wins|being|by|over|rather|instead|than|' +
  'and|or|nor|not|i|we|it|the|correct|right|for|more|most|me|if|to|shows|means|came|comes|then|too|also|has|had';

/** A letter by itself; the article "a" and the pronoun "I" before a word are none, nor is the "s" of "man's". */
const LETTER = letter();

function letter(): RegExp {
  const verbs = LANGUAGES.flatMap(({ after, right, notAfter, but, or, not, optionBehind = '' }) => [
    ...[after, right, notAfter, but, or, not, optionBehind],
  ]).filter((field) => field !== '');
  const article = `\\s+(?!(?:${[...new Set(verbs), BEHIND_LETTER].join('|')})(?![a-z]))[a-z]`;
  return new RegExp(
    `(?<![A-Za-z0-9])(?:[B-HJ-Z]|(?<![A-Za-z0-9]['’])[b-z]|A(?!${article})|I(?!\\s+(?!is\\b|was\\b)[a-z])|a(?!\\s+[A-Za-z0-9]))(?!['’]?[A-Za-z0-9])`,
    'u',
  );
}
/** A letter that opens an item of a list, before its mark; and a box to tick, behind which one may stand. */
const ITEM = /(?<![A-Za-z0-9])[A-Z](?=\)?\s*[-.:)|–—=(])/g;
const TICK = /\[[ x]\]/i;

/** Words for an answer, an option and for choosing one, of all languages; compiled once. */
const WORDS = words();

function words(): RegExp {
  // An option's letter may follow its noun at once; other words are whole ones.
  const open = LANGUAGES.flatMap(({ option, optionBehind = '' }) => [option, optionBehind]);
  const closed = LANGUAGES.flatMap(({ answer, choice, choose }) => [answer, choice, choose]);
  // Where no letter of another script is, a word of one is not either.
  const latin = (fields: string[]) =>
    [...new Set(fields.filter((field) => field !== '').flatMap(alternatives))].filter((form) =>
      /^[\x20-\x7E‘’]*$/.test(form),
    );
  // A test has no use for a condition behind the place, and is slow with it: the words themselves are looked for.
  const words = latin(closed).map((form) => form.replace(/^\(\?<=/, '(?:'));
  return new RegExp(`(?<![a-z0-9])(?:(?:${words.join('|')})(?![a-z0-9])|${latin(open).join('|')})`);
}

/** The alternatives of an expression at its top level. */
function alternatives(source: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= source.length; i++) {
    const sign = source[i];
    if (sign === '\\') i++;
    else if (sign === '(' || sign === '[') depth++;
    else if (sign === ')' || sign === ']') depth--;
    else if (depth === 0 && (sign === '|' || sign === undefined)) {
      found.push(source.slice(from, i));
      from = i + 1;
    }
  }
  return found;
}

/** Whether reading the sentence closely can find an option in it that is named by letter or as an answer. */
export function mayNameOption(sentence: string): boolean {
  return isChanged(sentence) || LETTER.test(sentence) || WORDS.test(sentence.toLowerCase());
}

/** Whether the text may judge option by option, which takes two letters that open an item. */
export function mayHoldVerdicts(text: string): boolean {
  if (isChanged(text)) return true;
  if (TICK.test(text)) return true;
  const first = text.match(ITEM);
  return first?.some((letter) => letter !== first[0]) ?? false;
}

/** Whether the text has marks that are no prose: tags, JSON, fences, tokens, or a box that nothing parts from a sentence. */
export function mayHoldMarks(text: string): boolean {
  return MARKED.test(text);
}

const MARKED = /[<＜◁[{`~\\]|&lt;|[.!?。！？।"”)]\*\*/;
