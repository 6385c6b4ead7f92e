import { UsageError } from '../../errors.js';
import { type Problem, ProblemLog } from '../problems.js';
import type { Sample } from '../sample.js';
import { readTextFile } from '../textFile.js';
import { readIntentQa } from './intentqa.js';
import { readJsonl } from './jsonl.js';
import { readNextQa } from './nextqa.js';
import { readStar } from './star.js';

/** Reads the text of an annotation file; what is wrong goes to the log, and only sound samples come back. */
type Reader = (text: string, log: ProblemLog) => Sample[];

const READERS = {
  nextqa: (text, log) => readNextQa(text, 'nextqa', log),
  star: readStar,
  intentqa: readIntentQa,
  shapes: (text, log) => readNextQa(text, 'shapes', log),
  jsonl: readJsonl,
} satisfies Record<string, Reader>;

/** Problems of a file without a sound sample that are listed one by one. */
const MAX_LISTED = 20;

export type DatasetName = keyof typeof READERS;

/** The datasets that have a reader. */
export const DATASETS = Object.keys(READERS) as DatasetName[];

export interface AnnotationRequest {
  dataset: DatasetName;
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
  if (!Object.hasOwn(READERS, dataset)) {
    throw new UsageError(`unknown dataset "${dataset}": expected one of ${DATASETS.join(', ')}`);
  }
  const found = new ProblemLog(file);
  const samples = READERS[dataset](await readTextFile(file), found);
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
