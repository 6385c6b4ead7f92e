/** Expressions that find an option referred to by its letter, in the words of all languages. */
import { LANGUAGES } from './languages.js';

/** Verbs whose subject is an option's letter: "C explains it". Behind an "A" they make a letter of it. */
export const CLAIMING_VERBS =
  'aligns|describes|explains|captures|answers|reflects|represents|corresponds|agrees|accounts|happens|occurs|sounds|feels|ought';

/** A word that begins with either case; inside a group that does no harm. */
const eitherCase = (field: string) =>
  field.replace(/(^|\|)(\p{Ll})/gu, (_, before, letter) => `${before}[${letter}${letter.toUpperCase()}]`);

/** Words before an option's letter, in any language. */
const NOUN = optionNoun();

function optionNoun(): string {
  const nouns = (spaced: boolean) =>
    eitherCase(
      LANGUAGES.flatMap((language) => (language.spaced === spaced ? language.option : [])).join('|'),
    );
  return `(?:(?<![\\p{L}\\p{N}])(?:${nouns(true)})|${nouns(false)})`;
}

/** "option C", "options A, B and D", "(C)". */
export const MENTION = mentionForm();

function mentionForm(): RegExp {
  const or = [...new Set(LANGUAGES.map((language) => language.or))].join('|');
  const list = `(?:[A-Z]\\)?(?:\\s*[,，、]\\s*(?:(?:${or})\\s*)?|\\s*(?:${or})\\s*|\\s*[/&]\\s*)\\(?)*[A-Z]`;
  const behind = LANGUAGES.flatMap((language) => language.optionBehind ?? []).join('|');
  return new RegExp(
    `${NOUN}[^\\S\\n]*:?[^\\S\\n]*\\(?${list}\\)?(?![A-Za-z\\d_'’])|\\([A-Z]\\)|⟦[A-Z]⟧|(?<![\\p{L}\\p{N}])[A-Z]\\s?(?:${behind})`,
    'gu',
  );
}

/** References to one option by its letter, over text that is not plain: "option A", "(A)". Compiled once. */
export function letterForms(letter: string): RegExp[] {
  const forms = LETTER_FORMS.get(letter) ?? [
    new RegExp(`${NOUN}\\s*\\(?${letter}\\)?(?![A-Za-z\\d_'’])`, 'gu'),
    new RegExp(`\\(${letter}\\)`, 'g'),
  ];
  LETTER_FORMS.set(letter, forms);
  return forms;
}

const LETTER_FORMS = new Map<string, RegExp[]>();
