/** What a trained student answered, question by question: the predictions of a run folder. */
import { DataError } from '../base/errors.js';
import { type Predictions, readPredictions } from './predictions.js';

export interface Answer {
  right: boolean;
  /** Type of the question. */
  type: string;
}

/** By question id, in the order of the file. */
export type Answers = ReadonlyMap<string, Answer>;

/**
 * Reads a file of predictions, such as predictions.jsonl of a run folder, into right and wrong.
 *
 * @throws DataError naming file:line and field of the first thing that is wrong; for a file that is missing or blind
 */
export async function readAnswers(file: string): Promise<Answers> {
  const predictions = await readPredictions(file);
  const answers = judged(predictions);
  const blind = predictions.size - answers.size;
  if (blind > 0)
    throw new DataError(
      `${file}: ${blind} of ${predictions.size} questions have no right answer to compare with`,
    );
  return answers;
}

/** Predictions of questions whose right answer is known. */
export function judged(predictions: Predictions): Answers {
  return new Map(
    [...predictions].flatMap(([id, { type, prediction, answer }]) =>
      answer === undefined ? [] : [[id, { type, right: prediction === answer }]],
    ),
  );
}

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
