/** What a trained student answered, question by question: the predictions of a run folder. */
import { DataError } from '../base/errors.js';
import { readJsonLines } from '../data/jsonLines.js';
import { ProblemLog, shown } from '../data/problems.js';
import { isGiven, readTextFile } from '../data/textFile.js';

export interface Answer {
  right: boolean;
  /** Type of the question. */
  type: string;
}

/** By question id, in the order of the file. */
export type Answers = ReadonlyMap<string, Answer>;

/**
 * Reads a file of predictions (src/evaluation/evaluate.ts), such as predictions.jsonl of a run folder.
 *
 * @throws DataError naming file:line and field of the first thing that is wrong; for a file that is missing or blind
 */
export async function readAnswers(file: string): Promise<Answers> {
  const text = await readTextFile(file);
  const log = new ProblemLog(file);
  const answers = new Map<string, Answer>();
  let blind = 0;
  for (const { line, record } of readJsonLines(text, 'prediction', log)) {
    const { id, type, prediction, answer } = record;
    const before = log.problems.length;
    if (typeof id !== 'string' || id === '') log.add(line, 'id', 'a text', shown(id));
    else if (answers.has(id)) log.add(line, 'id', 'an id used once', `${shown(id)} again`);
    if (typeof type !== 'string') log.add(line, 'type', 'a text', shown(type));
    if (!isIndex(prediction)) log.add(line, 'prediction', 'an option, counted from 0', shown(prediction));
    if (!isGiven(answer)) blind++;
    else if (!isIndex(answer)) log.add(line, 'answer', 'an option, counted from 0', shown(answer));
    if (log.problems.length > before) continue;
    answers.set(id as string, { right: prediction === answer, type: type as string });
  }
  log.throwIfAny();
  if (blind > 0)
    throw new DataError(
      `${file}: ${blind} of ${answers.size} questions have no right answer to compare with`,
    );
  return answers;
}

const isIndex = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;

/** Share of right answers, in [0, 1]; NaN without questions. */
export function accuracyOf(answers: Answers): number {
  let right = 0;
  for (const answer of answers.values()) if (answer.right) right++;
  return right / answers.size;
}

/** The answers to some of the questions. */
export function answersWhere(answers: Answers, wanted: (id: string, answer: Answer) => boolean): Answers {
  return new Map([...answers].filter(([id, answer]) => wanted(id, answer)));
}
