/** Grades rows of model-written reasoning: which option each text names, and whether that is the true one. */

import { type Rule, readText } from './answer.js';
import type { AnyRow } from './anyRow.js';

/**
 * The class of a row. Correct and Incorrect Reasoning are the paper's (section 3.1); a row without an answer that can be
 * read is `ungradable` and neither of them; `unknown` has an answer and no true one to compare it with, or is a caption.
 */
export type GradeClass = 'correct' | 'incorrect' | 'ungradable' | 'unknown';

export const GRADE_CLASSES: readonly GradeClass[] = ['correct', 'incorrect', 'ungradable', 'unknown'];

export function classOf(predicted: number | null, answer: number | null): GradeClass {
  if (predicted === null) return 'ungradable';
  if (answer === null) return 'unknown';
  return predicted === answer ? 'correct' : 'incorrect';
}

/** `correct` of a row: null when it is ungradable or the true answer is unknown. */
export function isCorrect(predicted: number | null, answer: number | null): boolean | null {
  return predicted === null || answer === null ? null : predicted === answer;
}

/** How one row was read. */
export interface Grade {
  /** 0-based option, or null. */
  predicted: number | null;
  /** The rule that read the option, or the rule that says why none is read. */
  rule: Rule | 'given' | 'caption';
  /** The words it read, shortened; empty where there are none. */
  words: string;
  correct: boolean | null;
  class: GradeClass;
  /** Whether the row's own prediction names another option than its text. */
  differs: boolean;
}

/** Rules under which a text that names no option lets the answer beside it count. */
const SILENT: readonly string[] = ['empty', 'silent'];

/** Grades a row by its text, or by the answer beside the text where the text names none and declines none. */
export function gradeRow({ text, given, options, answer, caption }: AnyRow): Grade {
  if (caption)
    return { predicted: null, rule: 'caption', words: '', correct: null, class: 'unknown', differs: false };
  const read = readText(text ?? '', options);
  const beside = given === null ? undefined : readGiven(given, options);
  const asked = read.option === null && SILENT.includes(read.rule) && beside !== undefined;
  const predicted = asked ? beside : read.option;
  return {
    predicted,
    rule: asked ? 'given' : read.rule,
    words: asked ? (given as string).trim().slice(0, 120) : read.words,
    correct: isCorrect(predicted, answer),
    class: classOf(predicted, answer),
    differs: read.option !== null && beside !== undefined && beside !== read.option,
  };
}

/** An answer beside the text: a 0-based index, or what {@link readText} reads. */
function readGiven(given: string, options: readonly string[]): number | undefined {
  const text = given.trim();
  if (/^\d+$/.test(text) && !options.some((option) => option.trim() === text))
    return Number(text) < options.length ? Number(text) : undefined;
  return readText(text, options).option ?? undefined;
}

/** `stated` of a graded line: the rule and the words it read. */
export function statedOf({ rule, words }: Pick<Grade, 'rule' | 'words'>): string {
  return words === '' ? rule : `${rule}: ${words}`;
}
