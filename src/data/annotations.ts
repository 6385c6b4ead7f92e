/** Reads an annotation file into samples, by the record of its dataset. */
import { DataError, UsageError } from '../base/errors.js';
import { type DatasetRecord, datasetOf, type Row } from './datasets/index.js';
import { type Problem, ProblemLog } from './problems.js';
import type { Sample } from './sample.js';
import { type TextSource, textOf, textSource } from './textFile.js';

/** Problems of a file without a sound sample that are listed one by one. */
const MAX_LISTED = 20;

/** Problems before the first sound sample that are kept until there is one. */
const MAX_HELD = 100_000;

export interface AnnotationRequest {
  /** A name of datasets/index.ts. */
  dataset: string;
  file: string;
  /** When given, problems are passed here and the sound samples are returned; otherwise the first one throws. */
  onProblem?: (problem: Problem) => void;
  /** Told of rows that are mended or left out as the published loaders do it, such as a span beyond the video. */
  onWarning?: (problem: Problem) => void;
  /** The file of true spans, where they are in one of their own; found beside the annotations unless given. */
  spansFile?: string;
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
  const { file, onProblem } = request;
  const log = new ProblemLog(file, onProblem);
  const samples: Sample[] = [];
  const rows = annotationRows({
    ...request,
    onProblem: ({ line, field, expected, got }) => log.add(line, field, expected, got),
  });
  for await (const { sample } of rows) samples.push(sample);
  if (!onProblem) log.throwIfAny();
  return { samples, problems: log.problems };
}

/**
 * Reads the samples of an annotation file one by one, each with its line. Files of csv and JSON lines may be larger than
 * memory.
 *
 * @throws UsageError for an unknown dataset; DataError when the file cannot be read.
 */
export async function* annotationRows(
  request: AnnotationRequest & Required<Pick<AnnotationRequest, 'onProblem'>>,
): AsyncGenerator<Row> {
  const { dataset, file, onProblem, onWarning, spansFile } = request;
  const record = datasetOf(dataset);
  const problems = new HeldProblems(onProblem);
  const log = new ProblemLog(file, (problem) => problems.add(problem), record.rows === undefined, onWarning);
  if (spansFile !== undefined && !record.readsSpansFile)
    throw new UsageError(`${dataset}: its annotations hold the spans themselves; no other file is read`);
  try {
    for await (const rows of rowsOf(record, await textSource(file), log, spansFile)) {
      if (rows.length > 0) problems.release();
      for (const row of rows) yield row;
    }
  } catch (error) {
    problems.release();
    throw await advised(error, dataset, file);
  }
  if (!problems.released && log.count === 0)
    log.add(1, 'rows', 'at least one question', 'nothing that the reader takes for one');
  problems.end();
}

/** The error of a published file that is not there names the command that gets it. */
async function advised(error: unknown, dataset: string, file: string): Promise<unknown> {
  if (!(error instanceof DataError) || (error.cause as NodeJS.ErrnoException)?.code !== 'ENOENT')
    return error;
  const { fetchCommand } = await import('./published.js');
  const command = fetchCommand(dataset, file);
  if (command === undefined) return error;
  return new DataError(`${error.message}; ${command} downloads it`, { cause: error });
}

function rowsOf(
  record: DatasetRecord,
  source: TextSource,
  log: ProblemLog,
  spansFile: string | undefined,
): AsyncIterable<readonly Row[]> {
  return record.rows ? record.rows(source, log, spansFile) : rowsOfText(record, source, log);
}

async function* rowsOfText(record: DatasetRecord, source: TextSource, log: ProblemLog) {
  const samples = await record.read!(await textOf(source), log);
  yield samples.map((sample) => ({ sample }));
}

/** Problems that are passed on from the first sound sample on: a file without any has one thing wrong with all. */
class HeldProblems {
  released = false;
  private held: Problem[] = [];

  constructor(private readonly pass: (problem: Problem) => void) {}

  add(problem: Problem): void {
    if (this.released) this.pass(problem);
    else if (this.held.push(problem) > MAX_HELD) this.release();
  }

  release(): void {
    this.released = true;
    for (const problem of this.held) this.pass(problem);
    this.held = [];
  }

  /** Passes on the problems of a file without a sound sample: of very many the first. */
  end(): void {
    const [first] = this.held;
    if (first && this.held.length > MAX_LISTED) {
      const all = `${this.held.length - 1} more problems and no sound sample; is it a file of another dataset?`;
      this.held = [{ ...first, got: `${first.got}, ${all}` }];
    }
    this.release();
  }
}
