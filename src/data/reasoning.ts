/** Joins the teacher's reasoning onto samples by id. */
import { stat } from 'node:fs/promises';
import { readJsonLines } from './jsonLines.js';
import { type Problem, ProblemLog, shown } from './problems.js';
import type { Sample } from './sample.js';
import { textSource } from './textFile.js';

interface ReasoningJoin {
  /** The samples in their order, those with reasoning as copies that carry it. */
  samples: Sample[];
  /** Samples that have reasoning now. */
  joined: number;
  /** Samples without: no line for them, or nothing left after refinement. */
  without: number;
  /** Lines whose reasoning is empty (refinement removed all of it); counted in `without`. */
  empty: number;
}

/**
 * A notice for the user where a recipe's reasoning is still to be written; undefined where its file is there. Annotations
 * and videos are checked and counted before a teacher is asked about them.
 */
export async function reasoningToCome(reasoningFile: string): Promise<string | undefined> {
  const error: NodeJS.ErrnoException | undefined = await stat(reasoningFile).then(
    () => undefined,
    (caught) => caught,
  );
  if (error?.code !== 'ENOENT') return undefined;
  return `${reasoningFile}: no such file yet; reasvqa generate and refine write it, and training needs it`;
}

/**
 * Joins refined reasoning onto samples by id. The file holds one `{id, reasoning, correct}` a line, `correct` telling
 * whether the teacher's own answer was right (null when it gave none that could be read); further keys are the
 * refinement's notes and are ignored. The given samples are not changed.
 *
 * @param onProblem when given, problems are passed here and the sound lines are joined; otherwise the first one throws.
 * @throws DataError naming file:line for malformed lines, unknown ids and ids used twice, and for an empty file.
 */
export async function joinReasoning(
  samples: readonly Sample[],
  reasoningFile: string,
  onProblem?: (problem: Problem) => void,
): Promise<ReasoningJoin> {
  const log = new ProblemLog(reasoningFile, onProblem);
  const known = new Set(samples.map((sample) => sample.id));
  const lineOfId = new Map<string, number>();
  const found = new Map<string, Reasoning>();
  let empty = 0;
  const source = await textSource(reasoningFile);
  for await (const { line, record } of readJsonLines(source, 'line of reasoning', log)) {
    const entry = readEntry(record, line, log);
    if (!entry) continue;
    const earlier = lineOfId.get(entry.id);
    if (!known.has(entry.id)) log.add(line, 'id', 'the id of a sample in the annotations', shown(entry.id));
    else if (earlier !== undefined) {
      log.add(line, 'id', 'an id used once', `${shown(entry.id)} again (first on line ${earlier})`);
    } else {
      lineOfId.set(entry.id, line);
      if (entry.reasoning.trim() === '') empty++;
      else found.set(entry.id, entry);
    }
  }
  if (!onProblem) log.throwIfAny();
  const result = samples.map((sample) => {
    const entry = found.get(sample.id);
    if (!entry) return sample;
    const joined: Sample = { ...sample, reasoning: entry.reasoning };
    if (entry.correct !== null) joined.reasoningCorrect = entry.correct;
    else delete joined.reasoningCorrect;
    return joined;
  });
  return { samples: result, joined: found.size, without: samples.length - found.size, empty };
}

interface Reasoning {
  id: string;
  reasoning: string;
  correct: boolean | null;
}

/** Reasoning that is null is empty. */
function readEntry(record: Record<string, unknown>, line: number, log: ProblemLog): Reasoning | undefined {
  const { id, correct } = record;
  const reasoning = record.reasoning === null ? '' : record.reasoning;
  const before = log.problems.length;
  if (typeof id !== 'string' || id === '') log.add(line, 'id', 'a text', shown(id));
  if (typeof reasoning !== 'string') log.add(line, 'reasoning', 'a text', shown(reasoning));
  if (typeof correct !== 'boolean' && correct !== null) {
    log.add(line, 'correct', 'true, false or null', shown(correct));
  }
  return log.problems.length > before ? undefined : ({ id, reasoning, correct } as Reasoning);
}
