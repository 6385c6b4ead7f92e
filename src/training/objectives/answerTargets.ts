/** The answers of a batch as targets, one a task: each task has a loss of its own, all are learned in one forward pass. */
import type { Config } from '../../config/schema.js';
import { type Sample, taskOf } from '../../data/sample.js';
import type { Target } from '../../model/student.js';
import type { EncodedText } from '../../text/encode.js';
import { MAX_ANSWER, TASK_FORMS, taskForm } from '../../text/tasks/index.js';
import type { AnswerPlace, Tokenizer } from '../../text/tokenizer.js';
import type { NamedLoss } from './objective.js';

type TextLimits = Pick<Config['text'], 'maxAnswer'>;

/** The losses of all tasks; those of tasks that no sample has are never computed. */
export function answerLosses(weight: number): NamedLoss[] {
  return Object.values(TASK_FORMS).map(({ loss }) => ({ name: loss, weight }));
}

/** What a sample's task teaches. @throws DataError when the sample lacks it */
export function answerIn(
  sample: Sample,
  tokenizer: Tokenizer,
  { maxAnswer = MAX_ANSWER }: TextLimits,
  place: AnswerPlace = 'alone',
): EncodedText {
  return taskForm(sample).target(sample, tokenizer, place, maxAnswer);
}

/**
 * A target for each task that the samples have. Its loss counts by the share of its samples, times the task's weight: with
 * weights of 1 every sample counts alike, however many tokens its answer has.
 *
 * @param rows tokens of each sample's answer
 */
export function answerTargets(
  samples: readonly Sample[],
  rows: readonly number[][],
  { weights = {}, start }: { weights?: Config['train']['taskWeights']; start?: number | undefined },
): Target[] {
  const tasks = samples.map(taskOf);
  return Object.values(TASK_FORMS).flatMap(({ name, loss }) => {
    const count = tasks.filter((task) => task === name).length;
    if (count === 0) return [];
    const share = (count / samples.length) * (weights[name] ?? 1);
    const own = rows.map((row, i) => (tasks[i] === name ? row : []));
    return [{ name: loss, rows: own, start, ...(share !== 1 && { share }) }];
  });
}

/** How many answers were cut, with the key that limits them, as an entry of Lesson.truncated. */
export function cutAnswers(
  answers: readonly EncodedText[],
  { maxAnswer = MAX_ANSWER }: TextLimits,
): [what: string, cut: number] {
  return [`answers (text.maxAnswer ${maxAnswer})`, answers.filter(({ truncated }) => truncated).length];
}
