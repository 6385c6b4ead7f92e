/** Reads an annotation file into samples, by the record of its dataset. */
import { datasetOf } from './datasets/index.js';
import { type Problem, ProblemLog } from './problems.js';
import type { Sample } from './sample.js';
import { readTextFile } from './textFile.js';

/** Problems of a file without a sound sample that are listed one by one. */
const MAX_LISTED = 20;

export interface AnnotationRequest {
  /** A name of datasets/index.ts. */
  dataset: string;
  file: string;
  /** When given, problems are passed here and the sound samples are returned; otherwise the first one throws. */
  onProblem?: (problem: Problem) => void;
}

/**
 * Reads an annotation file into samples, in file order.
 *
 * @throws UsageError for an unknown dataset; DataError when the file cannot be read and, unless `onProblem` is given,
 *   for the first problem in it (naming file, line, field, and how many more there are).
 */
export async function readAnnotations(
  request: AnnotationRequest,
): Promise<{ samples: Sample[]; problems: Problem[] }> {
  const { dataset, file, onProblem } = request;
  const record = datasetOf(dataset);
  const found = new ProblemLog(file);
  const samples = await record.read(await readTextFile(file), found);
  if (samples.length === 0 && found.problems.length === 0)
    found.add(1, 'rows', 'at least one question', 'nothing that the reader takes for one');
  const log = new ProblemLog(file, onProblem);
  for (const problem of samples.length > 0 ? found.problems : summary(found.problems)) {
    const { line, field, expected, got } = problem;
    log.add(line, field, expected, got);
  }
  if (!onProblem) log.throwIfAny();
  return { samples, problems: log.problems };
}

/** The problems of a file without a sound sample: of very many the first, since one thing is wrong with all. */
function summary(problems: readonly Problem[]): readonly Problem[] {
  const [first] = problems;
  if (!first || problems.length <= MAX_LISTED) return problems;
  const all = `${problems.length - 1} more problems and no sound sample; is it a file of another dataset?`;
  return [{ ...first, got: `${first.got}, ${all}` }];
}
