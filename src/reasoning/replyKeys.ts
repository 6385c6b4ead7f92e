/** Names of keys in a teacher's JSON reply. */
import { LANGUAGES } from './languages.js';

/** Keys of a JSON reply that hold the answer, and keys that repeat the question. */

const NOUN =
  'answers?|ans|option|choice|predict(?:ion|ed)|pred|letter|label|select(?:ion|ed)|chosen|guess|result|output|verdict';
const BEFORE =
  'the|final|correct|right|best|true|my|your|model|predicted|chosen|selected|most likely|most probable';
const AFTER = 'index|idx|id|letter|option|choice|text|label|key|number|value|is';
const ENGLISH = new RegExp(`^(?:(?:${BEFORE}) )*(?:${NOUN})(?: (?:${AFTER}|${NOUN}))*$`, 'i');
const OTHERS = LANGUAGES.filter(({ code }) => code !== 'en').map(
  ({ answer, option, grade }) =>
    new RegExp(`^(?:(?:${grade})\\s*)*(?:${answer}|${option})(?:\\s*(?:${grade}))*$`, 'iu'),
);
const QUESTION =
  /^(?:questions?|query|prompt|instruction|options|choices|candidates|hints?|id|question id|video|video id|confidence|score|language)$/i;

/** `answer`, `final_answer`, `predictedOption`, `answer-index`, `respuesta correcta`, `答案`. */
export function isAnswerKey(key: string): boolean {
  const words = spelled(key);
  if (QUESTION.test(words)) return false;
  return ENGLISH.test(words) || OTHERS.some((form) => form.test(words));
}

export function isQuestionKey(key: string): boolean {
  return QUESTION.test(spelled(key));
}

function spelled(key: string): string {
  return key
    .replace(/(\p{Ll})(?=\p{Lu})/gu, '$1 ')
    .replace(/[\s_.-]+/g, ' ')
    .trim();
}
