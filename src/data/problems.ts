/** Problems of an annotation file, each with its line, and the log that collects them. */
import { DataError } from '../base/errors.js';
import { shortened } from '../base/values.js';

/** One thing that is wrong in an annotation file, at the place where a person can mend it. */
export interface Problem {
  file: string;
  /** 1-based line of the file. */
  line: number;
  /** Column, key or JSON path, for example `answer` or `[17].choices`. */
  field: string;
  expected: string;
  got: string;
}

/** `file:line: field: expected ..., got ...`, always one line. */
export function describeProblem(problem: Problem): string {
  const { file, line, field, expected, got } = problem;
  return `${file}:${line}: ${field}: expected ${expected}, got ${got}`;
}

/** Where a sample is: `file:line`, then its id; the line is left out where the reader names none. */
export function placeOf(file: string, { line, sample }: { line?: number; sample: { id: string } }): string {
  return `${line === undefined ? file : `${file}:${line}`}: ${sample.id}`;
}

/** A value as a message shows it: JSON, at most `limit` characters. */
export function shown(value: unknown, limit = 60): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return shortened(text, limit);
}

/** Collects the problems of one file while it is read, so that all of them can be listed and not just the first. */
export class ProblemLog {
  /** All of them; the first alone when they are not kept. */
  readonly problems: Problem[] = [];
  /** Problems so far. */
  count = 0;

  /**
   * @param keep whether `problems` holds all, or the first alone, for files of any length
   * @param onWarning told of what a reader mends or leaves out because the published loaders do
   */
  constructor(
    readonly file: string,
    private readonly onProblem?: (problem: Problem) => void,
    private readonly keep = true,
    private readonly onWarning?: (problem: Problem) => void,
  ) {}

  /** Tells of a row that is no problem, but is not read as it stands. */
  warn(line: number, field: string, expected: string, got: string): void {
    this.onWarning?.({ file: this.file, line, field, expected, got });
  }

  add(line: number, field: string, expected: string, got: string): void {
    const problem = { file: this.file, line, field, expected, got };
    if (this.keep || this.count === 0) this.problems.push(problem);
    this.count++;
    this.onProblem?.(problem);
  }

  /** @throws DataError with the first problem and the number of further ones, if there are any. */
  throwIfAny(): void {
    const first = this.problems[0];
    if (!first) return;
    const more = this.count - 1;
    const tail = more > 0 ? ` (and ${more} more problem${more > 1 ? 's' : ''} in this file)` : '';
    throw new DataError(describeProblem(first) + tail);
  }
}
