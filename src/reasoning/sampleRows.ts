/** Draws rows of a file of reasoning by their class. */
import { Rng } from '../base/random.js';
import { type Explained, explainRow } from './explain.js';
import { GRADE_CLASSES, type GradeClass } from './grade.js';
import { type GradedText, gradedTexts } from './gradeFile.js';

export interface SampleRequest {
  /** Rows of each class, at most. */
  count: number;
  classes?: readonly GradeClass[];
  seed: number;
  onTorn: (notice: string) => void;
}

/**
 * `count` rows of each class drawn at random, in the order of the file, and how many there are; one pass, and the memory of
 * the rows drawn (reservoir sampling, Vitter 1985). The same file and seed give the same rows.
 */
export async function sampleRows(
  file: string,
  request: SampleRequest,
): Promise<{ class: GradeClass; of: number; rows: Explained[] }[]> {
  const classes = GRADE_CLASSES.filter((name) => (request.classes ?? GRADE_CLASSES).includes(name));
  const drawn = new Map(
    classes.map((name) => [
      name,
      { rng: new Rng(`${request.seed} ${name}`), of: 0, rows: [] as GradedText[] },
    ]),
  );
  for await (const graded of gradedTexts(file, request.onTorn)) {
    const draw = drawn.get(graded.grade.class);
    if (!draw) continue;
    const place = draw.of++ < request.count ? draw.rows.length : Math.floor(draw.rng.float() * draw.of);
    if (place < request.count) draw.rows[place] = graded;
  }
  return [...drawn].map(([name, { of, rows }]) => ({
    class: name,
    of,
    rows: rows.sort((a, b) => a.line - b.line).map(explainRow),
  }));
}
