/**
 * Tells at a glance which sentences cannot name an option. Reading a sentence closely takes some hundred expressions in
 * twenty languages; most sentences of a text have neither an option's letter nor a word for an answer.
 */
import { LANGUAGES } from './languages.js';

/** Text that {@link plainText} would change inside a word, or in another script. */
const CHANGED = /[^\n\r\t\x20-\x7E‘’“”–—…•]|[\\<{~]|[A-Za-z0-9][*_`"“”]+[A-Za-z0-9]/;

/** A letter by itself; the article "a" and the pronoun "I" before a word are none. */
const LETTER =
  /(?<![A-Za-z0-9])(?:[A-HJ-Zb-z]|I(?!\s+(?!is\b|was\b)[a-z])|a(?!\s+[A-Za-z0-9]))(?!['’]?[A-Za-z0-9])/;
const CAPITAL = /(?<![A-Za-z0-9])[A-Z](?![A-Za-z0-9])/g;

/** Words for an answer, an option and for choosing one, of all languages; compiled once. */
const WORDS = words();

function words(): RegExp {
  const fields = LANGUAGES.flatMap(({ answer, choice, option, optionBehind = '', choose }) => [
    answer,
    choice,
    option,
    optionBehind,
    choose,
  ]).filter((field) => field !== '');
  // Where no letter of another script is, a word of one is not either.
  const latin = fields.flatMap(alternatives).filter((form) => !/^[^\x20-\x7E]/.test(form));
  return new RegExp(`(?<![A-Za-z0-9])(?:${[...new Set(latin)].join('|')})`, 'iu');
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
  return CHANGED.test(sentence) || LETTER.test(sentence) || WORDS.test(sentence);
}

/** Whether the text may judge option by option, which takes two letters. */
export function mayHoldVerdicts(text: string): boolean {
  if (CHANGED.test(text)) return true;
  const first = text.match(CAPITAL);
  return first?.some((letter) => letter !== first[0]) ?? false;
}

/** Whether the text has marks that are no prose: tags, JSON, fences, tokens, or a box that nothing parts from a sentence. */
export function mayHoldMarks(text: string): boolean {
  return MARKED.test(text);
}

const MARKED = /[<＜◁[{`~\\]|&lt;|[.!?。！？।"”)]\*\*/;
