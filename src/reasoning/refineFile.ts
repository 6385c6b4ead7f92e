/** Refines a whole file of generated reasoning. */
import { DataError } from '../base/errors.js';
import { refuseInput, writeAtomic } from '../base/files.js';
import { shown } from '../data/problems.js';
import { predictedAnswer } from './answer.js';
import { classOf, isCorrect } from './grade.js';
import { readJsonLines } from './jsonl.js';
import type { Pattern } from './patterns.js';
import { type RefinedPart, type RefineSettings, refine } from './refine.js';
import type { ReasoningRow } from './row.js';

export interface RefineFileOptions {
  /** JSON lines with id, question, options, reasoning, predicted, answer, correct, as `generate` writes them. */
  input: string;
  /** JSON lines {@link RefinedRow}, written whole or not at all. */
  output: string;
  patterns?: readonly Pattern[];
  groundTruth?: RefineSettings['groundTruth'];
  /** `original` passes the teacher's text on as it is, for the paper's "Original Reasoning" rows. */
  mode?: 'refined' | 'original';
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
  samples: number;
  /** Samples written, that is, with reasoning left. */
  kept: number;
  /** Samples with no reasoning left; they train on the answer alone. */
  empty: number;
  /** Correct and Incorrect Reasoning among all samples. */
  correct: number;
  incorrect: number;
  /** Samples with an answer and no true one to compare it with. */
  unknown: number;
  /** Teacher texts in which no answer was found: neither correct nor incorrect. */
  ungradable: number;
  /** correct / samples whose true answer is known, ungradable ones included as the paper counts; null without any. */
  teacherAccuracy: number | null;
  /** Removed sentences, headers and words by pattern, most frequent first. */
  removed: Record<string, number>;
  /** Mean characters of a sample's reasoning before and after, over all samples. */
  meanCharacters: { before: number; after: number };
}

/**
 * Refines a file of generated reasoning in one pass and bounded memory.
 *
 * @throws DataError naming `file:line` and the field for a malformed row, for an id that appears twice, and for a
 *   file without rows; UsageError when the output is the input. The output is then left as it was.
 */
export async function refineFile(options: RefineFileOptions): Promise<RefineStats> {
  // It cost hours of a teacher's work, and another refinement needs its conclusions again.
  await refuseInput(options.output, [options.input]);
  const stats = emptyStats();
  const seen = new Map<string, number>();
  let known = 0;
  let before = 0;
  let after = 0;
  await writeAtomic(options.output, async (file) => {
    for await (const { value, line } of readJsonLines(options.input)) {
      const row = readGenerated(value, `${options.input}:${line}`);
      const first = seen.get(row.id);
      if (first !== undefined) {
        throw new DataError(
          `${options.input}:${line}: id "${row.id}" appears twice, first in line ${first}; remove one of the lines`,
        );
      }
      seen.set(row.id, line);
      const result = refineRow(row, options);
      count(stats, row, result);
      if (row.answer !== null) known++;
      before += row.reasoning.length;
      after += result.reasoning.length;
      if (result.reasoning !== '') {
        const out: RefinedRow = {
          id: row.id,
          reasoning: result.reasoning,
          correct: row.correct,
          removed: result.removed,
        };
        await file.writeFile(`${JSON.stringify(out)}\n`);
      }
    }
    if (stats.samples === 0) {
      throw new DataError(
        `${options.input}:1: expected at least one line of generated reasoning, found none`,
      );
    }
  });
  return finished(stats, known, before, after);
}

/** What refinement reads of a line that `generate` wrote. */
export type GeneratedText = Pick<
  ReasoningRow,
  'id' | 'question' | 'options' | 'reasoning' | 'predicted' | 'answer' | 'correct'
>;

/** One text as a file of refined reasoning holds it, and the teacher's own cut into what was kept and removed. */
export function refineRow(
  row: GeneratedText,
  options: Pick<RefineFileOptions, 'mode' | 'patterns' | 'groundTruth'>,
): { reasoning: string; removed: string[]; counts: Record<string, number>; parts: RefinedPart[] } {
  const original = row.reasoning.trim();
  if (options.mode === 'original')
    return { reasoning: original, removed: [], counts: {}, parts: [{ text: original }] };
  const { refined, removed, counts, parts } = refine(row.reasoning, {
    ...row,
    ...(row.predicted === null ? readAgain(row) : {}),
    ...(options.patterns ? { patterns: options.patterns } : {}),
    ...(options.groundTruth ? { groundTruth: options.groundTruth } : {}),
  });
  return { reasoning: refined, removed, counts, parts };
}

/**
 * A text in which generate, perhaps in an older version, found no answer may have one that is found now. If that answer
 * is the true one, the reasoning is correct and keeps the words of the ground truth.
 */
function readAgain({
  reasoning,
  options,
  answer,
  correct,
}: GeneratedText): Pick<RefineSettings, 'predicted' | 'correct'> {
  const read = predictedAnswer(reasoning, options);
  // Nothing says that an ungradable text is right, so it loses the words of the ground truth.
  if (read === null) return { predicted: undefined, correct: answer === null ? correct : false };
  return { predicted: read, correct: isCorrect(read, answer) };
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
  stats[classOf(row.predicted, row.answer)]++;
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
  };
}
