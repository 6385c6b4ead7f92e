/** Refines a whole file of generated reasoning. */
import { DataError, UsageError } from '../base/errors.js';
import { refuseInput, removeLeftovers, sameFile, writeAtomic } from '../base/files.js';
import { rowId } from './anyRow.js';
import { type GeneratedText, readTextRow } from './generated.js';
import { classOf } from './grade.js';
import { wholeLines } from './jsonl.js';
import { DrawnRows, type RuleLeak } from './leak/drawn.js';
import { openPolicy } from './policies/index.js';
import { originalRow } from './policies/original.js';
import { paperRow } from './policies/paper.js';
import { type PolicySettings, type RefineResult, resultOf } from './policies/policy.js';

export interface RefineFileOptions extends PolicySettings {
  /** JSON lines as `generate` writes them, or rows from anywhere with an id, options and a text (anyRow.ts). */
  input: string | readonly string[];
  /** JSON lines {@link RefinedRow}, written whole or not at all. */
  output: string;
  /** What is kept (src/reasoning/policies/); default `paper`. */
  policy?: string;
  /** Measure what a reader of the text alone recovers before and after, on {@link DRAWN_ROWS} rows; default false. */
  leak?: boolean;
  /** One-line remarks, such as a torn last line that was left out. */
  onNotice?: (line: string) => void;
}

/** One line of the output; samples with nothing left have none. */
export interface RefinedRow {
  id: string;
  reasoning: string;
  /** Correct Reasoning (true), Incorrect Reasoning (false), or null when it is ungradable or the true answer unknown. */
  correct: boolean | null;
  removed: string[];
}

export interface RefineStats {
  /** Texts refined: one for each id. */
  samples: number;
  /** Samples written, that is, with reasoning left. */
  kept: number;
  /** Samples with no reasoning left; they train on the answer alone. */
  empty: number;
  /** Correct and Incorrect Reasoning among all samples. */
  correct: number;
  incorrect: number;
  /** Samples with an answer and no true one to compare it with, and captions. */
  unknown: number;
  /** Teacher texts in which no answer was found: neither correct nor incorrect. */
  ungradable: number;
  /** correct / samples whose true answer is known, ungradable ones included as the paper counts; null without any. */
  teacherAccuracy: number | null;
  /** Removed sentences, headers and words by pattern, most frequent first. */
  removed: Record<string, number>;
  /** Mean characters of a sample's reasoning before and after, over all samples. */
  meanCharacters: { before: number; after: number };
  /** Absent unless asked for. */
  leak?: RuleLeak;
}

/** Groups that a policy gets at once, and the characters of output that are written at once. */
const GROUPS = 64;
const CHUNK = 1 << 18;

/**
 * Refines generated reasoning in bounded memory. Only `agreement` holds texts longer: those of an id until its last one
 * was read.
 *
 * @throws DataError naming `file:line` and the field for a malformed row, for an id that appears twice, and for a
 *   file without rows; UsageError when the output is an input, or for a policy that lacks a setting. The output is then
 *   left as it was.
 */
export async function refineFile(options: RefineFileOptions): Promise<RefineStats> {
  const inputs = typeof options.input === 'string' ? [options.input] : options.input;
  // It cost hours of a teacher's work, and another refinement needs its conclusions again.
  await refuseInput(options.output, inputs);
  const policy = await openPolicy(options.policy ?? 'paper', options);
  if (policy.byId) await refuseSameFile(inputs);
  const stats = emptyStats();
  const drawn = options.leak ? new DrawnRows() : undefined;
  let known = 0;
  let before = 0;
  let after = 0;
  await removeLeftovers(options.output);
  await writeAtomic(options.output, async (file) => {
    let lines = '';
    const refineAll = async (groups: readonly GeneratedText[][]) => {
      for (const { row, ...result } of await policy.refine(groups)) {
        count(stats, row, result);
        drawn?.add(row, result.reasoning);
        if (row.answer !== null && !row.caption) known++;
        before += row.reasoning.length;
        after += result.reasoning.length;
        if (result.reasoning !== '') lines += lineOf(row, result);
      }
      if (lines.length < CHUNK) return;
      await file.writeFile(lines);
      lines = '';
    };
    let waiting: GeneratedText[][] = [];
    for await (const group of policy.byId
      ? groupsOf(inputs, options.onNotice)
      : singles(inputs, options.onNotice)) {
      waiting.push(group);
      if (waiting.length < GROUPS) continue;
      await refineAll(waiting);
      waiting = [];
    }
    await refineAll(waiting);
    if (stats.samples === 0) {
      throw new DataError(`${inputs[0]}:1: expected at least one line of generated reasoning, found none`);
    }
    await file.writeFile(lines);
  });
  const leak = drawn?.measure();
  return { ...finished(stats, known, before, after), ...(leak ? { leak } : {}) };
}

function lineOf({ id, correct }: GeneratedText, { reasoning, removed }: RefineResult): string {
  const row: RefinedRow = { id, reasoning, correct, removed };
  return `${JSON.stringify(row)}\n`;
}

type Notice = ((line: string) => void) | undefined;

async function* singles(inputs: readonly string[], onNotice: Notice): AsyncGenerator<GeneratedText[]> {
  const seen = new Map<string, string>();
  for (const input of inputs)
    for await (const { value, line } of wholeLines(input, onNotice)) {
      const row = readTextRow(value, `${input}:${line}`);
      const first = seen.get(row.id);
      if (first !== undefined) {
        throw new DataError(
          `${input}:${line}: id "${row.id}" appears twice, first in ${first}; remove one of the lines (the policy agreement takes several samples of an id)`,
        );
      }
      seen.set(row.id, inputs.length > 1 ? `${input}:${line}` : `line ${line}`);
      yield [row];
    }
}

/** The rows of each id, in the order of the ids' last rows. @throws DataError where no id has two */
async function* groupsOf(inputs: readonly string[], onNotice: Notice): AsyncGenerator<GeneratedText[]> {
  const left = new Map<string, number>();
  for (const input of inputs)
    for await (const { value } of wholeLines(input, onNotice)) {
      const id = rowId(value);
      if (id !== undefined) left.set(id, (left.get(id) ?? 0) + 1);
    }
  if (left.size > 0 && [...left.values()].every((rows) => rows < 2))
    throw new DataError(
      `${inputs.join(', ')}: every id has one line; the policy agreement compares several samples of an id, from one file or several (generate them with --temperature above 0)`,
    );
  const waiting = new Map<string, GeneratedText[]>();
  let several = 0;
  let alike = 0;
  for (const input of inputs)
    for await (const { value, line } of wholeLines(input)) {
      const row = readTextRow(value, `${input}:${line}`);
      const rows = waiting.get(row.id) ?? [];
      if (rows[0]) refuseOther(rows[0], row, `${input}:${line}`);
      rows.push(row);
      waiting.set(row.id, rows);
      if (rows.length < left.get(row.id)!) continue;
      waiting.delete(row.id);
      if (rows.length > 1) several++;
      if (rows.length > 1 && rows.every(({ reasoning }) => reasoning === rows[0]!.reasoning)) alike++;
      yield rows;
    }
  // Equal texts agree on everything, which says nothing about the teacher.
  if (alike > 0)
    onNotice?.(
      `${alike} of ${several} ids with several samples have the same text in all of them, so all their steps agree; samples differ with --temperature above 0 and another --seed, on a server that follows them`,
    );
}

/** A file agrees with itself in every step. @throws UsageError */
async function refuseSameFile(inputs: readonly string[]): Promise<void> {
  for (const [i, input] of inputs.entries()) {
    const twice = await sameFile(input, inputs.slice(i + 1));
    if (twice !== undefined)
      throw new UsageError(
        `${twice}: given twice; the policy agreement compares different samples, and a file agrees with itself`,
      );
  }
}

/** Samples of one id are about one question. */
function refuseOther(first: GeneratedText, row: GeneratedText, place: string): void {
  const asked = ({ question, options, answer }: GeneratedText) => JSON.stringify([question, options, answer]);
  if (asked(first) !== asked(row))
    throw new DataError(
      `${place}: id "${row.id}" has another question, options or answer than its first line`,
    );
}

/** One text as the policies that need no other row refine it. */
export function refineRow(
  row: GeneratedText,
  options: Pick<RefineFileOptions, 'policy' | 'patterns' | 'groundTruth'>,
): RefineResult {
  return options.policy === 'original' ? originalRow(row) : resultOf(paperRow(row, options));
}

function emptyStats(): RefineStats {
  return {
    samples: 0,
    kept: 0,
    empty: 0,
    correct: 0,
    incorrect: 0,
    unknown: 0,
    ungradable: 0,
    teacherAccuracy: null,
    removed: {},
    meanCharacters: { before: 0, after: 0 },
  };
}

function count(
  stats: RefineStats,
  row: GeneratedText,
  result: { reasoning: string; counts: Record<string, number> },
) {
  stats.samples++;
  if (result.reasoning === '') stats.empty++;
  else stats.kept++;
  stats[row.caption ? 'unknown' : classOf(row.predicted, row.answer)]++;
  for (const [pattern, n] of Object.entries(result.counts)) {
    stats.removed[pattern] = (stats.removed[pattern] ?? 0) + n;
  }
}

function finished(stats: RefineStats, known: number, before: number, after: number): RefineStats {
  const mean = (total: number) => (stats.samples === 0 ? 0 : total / stats.samples);
  return {
    ...stats,
    teacherAccuracy: known === 0 ? null : stats.correct / known,
    removed: Object.fromEntries(Object.entries(stats.removed).sort((a, b) => b[1] - a[1])),
    meanCharacters: { before: mean(before), after: mean(after) },
  };
}
