/** How one row is graded and refined, sentence by sentence. */
import { DataError } from '../base/errors.js';
import type { AnyRow } from './anyRow.js';
import { generatedOf } from './generated.js';
import { type Grade, statedOf } from './grade.js';
import { type GradedText, gradedTexts } from './gradeFile.js';
import type { RefinedPart } from './refine.js';
import { refineRow } from './refineFile.js';
import { segment } from './sentences.js';

/** A graded row with its text cut into what refinement keeps and removes. */
export interface Explained {
  row: AnyRow;
  grade: Grade;
  /** `rule: words`, as a graded line has it. */
  stated: string;
  /** Sentences of the text in order, and of a sentence that loses words its pieces. */
  parts: RefinedPart[];
  /** What is left of the text. */
  refined: string;
}

/**
 * Refines a graded row as `reasvqa refine` does with its default patterns. An ungradable text loses the words of the true
 * answer like an incorrect one, since nothing says that it is right.
 */
export function explainRow({ row, grade }: Pick<GradedText, 'row' | 'grade'>): Explained {
  const { reasoning, parts } = refineRow(generatedOf(row, grade), {});
  return { row, grade, stated: statedOf(grade), parts: parts.flatMap(sentencesOf), refined: reasoning };
}

/** A kept part by its sentences; white space between them stays with the one before. */
function sentencesOf(part: RefinedPart): RefinedPart[] {
  if (part.removedBy !== undefined) return [part];
  const units = segment(part.text);
  return units.map((unit, i) => {
    const end = units[i + 1]?.start ?? part.text.length;
    return { text: part.text.slice(i === 0 ? 0 : unit.start, end) };
  });
}

/**
 * The row of an id.
 *
 * @throws DataError when the file has no such row, and as {@link gradedTexts}
 */
export async function explainId(
  file: string,
  id: string,
  onTorn: (notice: string) => void,
): Promise<Explained> {
  let rows = 0;
  let first = '';
  for await (const graded of gradedTexts(file, onTorn)) {
    if (rows++ === 0) first = String(graded.row.id);
    if (String(graded.row.id) === id) return explainRow(graded);
  }
  throw new DataError(`${file}: no row has the id "${id}" (rows: ${rows}, the first id is "${first}")`);
}
