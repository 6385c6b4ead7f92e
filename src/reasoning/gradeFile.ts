/** Grades a whole file of model-written reasoning. */
import { DataError, Interrupted } from '../base/errors.js';
import { refuseInput, removeLeftovers, writeAtomic } from '../base/files.js';
import { type AnyRow, readAnyRow } from './anyRow.js';
import { type Grade, type GradeClass, gradeRow, statedOf } from './grade.js';
import { wholeLines } from './jsonl.js';

/** One line of the output of {@link gradeFile}. */
export interface GradedRow {
  id: string | number;
  /** 0-based option, or null when none can be read. */
  predicted: number | null;
  /** The rule that read it, or that says why nothing is read, and the words: `phrase: The answer is C.` */
  stated: string;
  /** Null when nothing is read or the true answer is unknown. */
  correct: boolean | null;
}

export interface GradeStats extends Record<GradeClass, number> {
  rows: number;
  /** correct / rows whose true answer is known, ungradable ones included as the paper counts; null without any. */
  accuracy: number | null;
  /** Rows by rule, most frequent first. */
  rules: Record<string, number>;
  /** Rows whose own prediction names another option than their text. */
  differing: number;
  /** Last lines that were left out since they are cut off: 0 or 1. */
  torn: number;
}

/** One row of a file with its grade. */
export interface GradedText {
  row: AnyRow;
  grade: Grade;
  /** 1-based. */
  line: number;
}

/**
 * The rows of a file of JSON lines, each graded, in bounded memory. A last line that was cut off in its middle is passed to
 * `onTorn` and left out; one that is whole but for its newline counts.
 *
 * @throws DataError naming `file:line` for a line that is no JSON object, for a field that cannot be read, for an id that
 *   appears twice, and for a file without rows
 */
export async function* gradedTexts(
  file: string,
  onTorn: (notice: string) => void,
): AsyncGenerator<GradedText> {
  const seen = new Map<string, number>();
  for await (const { value, line } of wholeLines(file, onTorn)) {
    const where = `${file}:${line}`;
    const row = readAnyRow(value, where);
    const id = String(row.id);
    const first = seen.get(id);
    if (first !== undefined)
      throw new DataError(
        `${where}: id "${id}" appears twice, first in line ${first}; remove one of the lines`,
      );
    seen.set(id, line);
    yield { row, grade: gradeRow(row), line };
  }
  if (seen.size === 0)
    throw new DataError(`${file}: expected at least one line with a model's text, found none`);
}

export interface GradeFileOptions {
  /** JSON lines with an id, options and a model's text; see anyRow.ts for the names of the fields. */
  input: string;
  /** JSON lines {@link GradedRow}, written whole or not at all. */
  output: string;
  onNotice?: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Grades a file in one pass and bounded memory.
 *
 * @throws DataError as {@link gradedTexts}, UsageError when the output is the input; the output is then as it was before
 */
export async function gradeFile(options: GradeFileOptions): Promise<GradeStats> {
  const { input, output, onNotice, signal } = options;
  // The model's texts may be the work of days.
  await refuseInput(output, [input]);
  const stats = emptyStats();
  let known = 0;
  await removeLeftovers(output);
  await writeAtomic(output, async (file) => {
    let lines: string[] = [];
    const flush = async () => {
      await file.writeFile(lines.join(''));
      lines = [];
    };
    const onTorn = (notice: string) => {
      stats.torn = 1;
      onNotice?.(notice);
    };
    for await (const { row, grade } of gradedTexts(input, onTorn)) {
      if (signal?.aborted) throw new Interrupted(`stopped; ${output} is as it was before`);
      stats.rows++;
      stats[grade.class]++;
      if (row.answer !== null && !row.caption) known++;
      if (grade.differs) stats.differing++;
      stats.rules[grade.rule] = (stats.rules[grade.rule] ?? 0) + 1;
      const { predicted, correct } = grade;
      const graded: GradedRow = { id: row.id, predicted, stated: statedOf(grade), correct };
      lines.push(`${JSON.stringify(graded)}\n`);
      if (lines.length >= LINES_AT_ONCE) await flush();
    }
    await flush();
  });
  const rules = Object.fromEntries(Object.entries(stats.rules).sort((a, b) => b[1] - a[1]));
  return { ...stats, rules, accuracy: known === 0 ? null : stats.correct / known };
}

const LINES_AT_ONCE = 256;

const emptyStats = (): GradeStats => ({
  rows: 0,
  correct: 0,
  incorrect: 0,
  ungradable: 0,
  unknown: 0,
  accuracy: null,
  rules: {},
  differing: 0,
  torn: 0,
});
