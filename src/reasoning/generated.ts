/** Rows of generated reasoning, checked: what refinement and the leak check read. */
import { DataError } from '../base/errors.js';
import { shown } from '../data/problems.js';
import { type AnyRow, readAnyRow } from './anyRow.js';
import { type Grade, gradeRow, isCorrect } from './grade.js';
import { isCaption } from './prompt.js';
import type { ReasoningRow } from './row.js';

/** What refinement reads of a line that `generate` wrote. */
export interface GeneratedText
  extends Pick<
    ReasoningRow,
    'id' | 'question' | 'options' | 'reasoning' | 'predicted' | 'answer' | 'correct'
  > {
  /** A caption: it answers nothing, so it is neither graded nor compared with the true answer. */
  caption?: boolean;
}

/**
 * A row that `generate` wrote, or a row from anywhere ({@link readAnyRow}) whose answer is then read as
 * `reasvqa reasoning grade` reads it. A row with `predicted` and `correct` is one of ours and is checked closely.
 *
 * @throws DataError naming `where` and the field.
 */
export function readTextRow(value: Record<string, unknown>, where: string): GeneratedText {
  if ('predicted' in value && 'correct' in value && !('stated' in value)) return readGenerated(value, where);
  const row = readAnyRow(value, where);
  return generatedOf(row, gradeRow(row));
}

/** A graded row as refinement takes it; a row without a text has an empty one. */
export function generatedOf(
  { id, question, options, text, answer, caption }: AnyRow,
  { predicted, correct }: Pick<Grade, 'predicted' | 'correct'>,
): GeneratedText {
  return {
    id: String(id),
    question,
    options,
    reasoning: text ?? '',
    predicted,
    answer,
    correct,
    ...(caption ? { caption } : {}),
  };
}

/** A checked row of generated reasoning. @throws DataError naming `where` and the field. */
export function readGenerated(value: Record<string, unknown>, where: string): GeneratedText {
  const wrong = (field: string, expected: string): never => {
    throw new DataError(`${where}: field "${field}": expected ${expected}, found ${shown(value[field])}`);
  };
  const text = (field: string): string => {
    const item = value[field];
    return typeof item === 'string' ? item : wrong(field, 'text');
  };
  const id = text('id');
  if (id === '') wrong('id', 'text that is not empty');
  const { options } = value;
  if (!Array.isArray(options) || options.length < 2 || options.some((item) => typeof item !== 'string')) {
    return wrong('options', 'a list of at least 2 texts');
  }
  const index = (field: string): number | null => {
    const item = value[field] ?? null;
    if (item === null) return null;
    const fits = Number.isInteger(item) && (item as number) >= 0 && (item as number) < options.length;
    return fits ? (item as number) : wrong(field, `null or a whole number from 0 to ${options.length - 1}`);
  };
  const answer = index('answer');
  const predicted = index('predicted');
  const given = value.correct ?? null;
  if (given !== null && typeof given !== 'boolean') wrong('correct', 'true, false or null');
  const correct = isCorrect(predicted, answer);
  // Older versions call a text without an answer wrong.
  const asBefore = predicted === null && answer !== null && given === false;
  if (given !== null && given !== correct && !asBefore) {
    wrong('correct', `${correct} (predicted ${predicted}, answer ${answer})`);
  }
  return {
    id,
    question: text('question'),
    options,
    reasoning: text('reasoning'),
    predicted,
    answer,
    correct,
    ...(isCaption(value.settings) ? { caption: true } : {}),
  };
}
