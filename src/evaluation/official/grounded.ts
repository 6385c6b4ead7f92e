/** NExT-GQA's prediction files, by the rules of its script (eval_ground.py). */
import { DataError } from '../../base/errors.js';
import { readAnnotations } from '../../data/annotations.js';
import { shown } from '../../data/problems.js';
import { gsubBeside, readGsub } from '../../data/readers/gsub.js';
import { isGiven, readTextFile } from '../../data/textFile.js';
import { type GroundedItem, scoreGrounded, spanOfFractions } from '../metrics/nextgqa.js';
import type { PredictedSpan } from '../metrics/spans.js';
import { oddities } from '../predictionChecks.js';
import { type Entry, predictionsOf, readEntries } from '../predictionFile.js';
import { readSubset, some } from '../score.js';
import type { TaskScoreRequest, TaskScoreResult } from '../scoreRequest.js';
import type { TaskPrediction } from '../taskScore.js';

/** A grounded question of the file of spans; `answer` is known from the csv. */
interface Question {
  id: string;
  duration: number;
  spans: readonly (readonly [number, number])[];
  answer?: number | undefined;
}

/**
 * Scores `{"<video>_<qid>": [start, end]}`, or entries of span and prediction. The annotations are the csv, with the file of spans
 * beside it or named, or that file alone. Questions without a predicted span are passed over, predictions for other questions are
 * told and left out.
 */
export async function officialGrounded(request: TaskScoreRequest, text: string): Promise<TaskScoreResult> {
  const { dataset, predictions, annotations, qa } = request;
  const questions = await questionsOf(request);
  const entries = await readEntries(predictions, text);
  const given = predictionsOf(predictions, entries);
  const right = qa === undefined ? ownAnswers(questions, given) : await answersOf(qa, questions);
  const spanOf = ({ id, duration }: Question): PredictedSpan | undefined => {
    const span = given.get(id)?.span;
    return span && request.fractions ? spanOfFractions(span, duration) : span;
  };
  const items = questions.map(
    (question): GroundedItem => ({
      spans: question.spans,
      predicted: spanOf(question),
      right: right?.get(question.id) ?? (right ? false : undefined),
    }),
  );
  if (items.every(({ predicted }) => predicted === undefined))
    throw new DataError(
      `${predictions}: no span for any of ${questions.length} questions of ${annotations}; is it the right split?`,
    );
  const seconds = new Map(questions.map((question) => [question.id, { span: spanOf(question) }]));
  const notices = [...oddities(questions, seconds), ...beyond(entries, questions)];
  const unanswered = right ? questions.filter(({ id }) => !right.has(id)).map(({ id }) => id) : [];
  if (unanswered.length > 0)
    notices.push(`${unanswered.length} questions without an answer, which are wrong: ${some(unanswered)}`);
  return { dataset, tasks: { 'grounded-choice': scoreGrounded(items, true) }, notices };
}

/** The questions that have spans, in the order of their file; with a csv those that it has. */
async function questionsOf({
  dataset,
  annotations,
  spansFile,
  subset,
}: TaskScoreRequest): Promise<Question[]> {
  const isSpans = /^\s*\{/.test(await readTextFile(annotations));
  const file = isSpans ? annotations : (spansFile ?? (await gsubBeside(annotations)));
  const own = isSpans
    ? undefined
    : await readAnnotations({ dataset, file: annotations, ...(file ? { spansFile: file } : {}) });
  if (file === undefined)
    throw new DataError(`${annotations}: no spans to score; name their file (gsub_*.json)`);
  const rows =
    subset === undefined ? undefined : await readSubset(subset, own?.samples.length ?? 0, annotations);
  const samples = rows ? rows.map((row) => own!.samples[row]!) : own?.samples;
  const answers = samples && new Map(samples.map(({ id, answer }) => [id, answer]));
  const questions: Question[] = [];
  for (const [video, { duration, spans }] of await readGsub(file))
    for (const [qid, windows] of spans) {
      const id = `${video}_${qid}`;
      if (!answers || answers.has(id))
        questions.push({ id, duration, spans: windows, answer: answers?.get(id) });
    }
  if (questions.length > 0) return questions;
  throw new DataError(
    `${file}: has spans of no question of ${annotations}; is it the file of another split?`,
  );
}

/** Whether the answers that stand beside the spans are right; undefined where there are none. */
function ownAnswers(
  questions: readonly Question[],
  given: ReadonlyMap<string, TaskPrediction>,
): Map<string, boolean> | undefined {
  const right = new Map<string, boolean>();
  for (const { id, answer } of questions) {
    const prediction = given.get(id)?.prediction;
    if (prediction !== undefined && answer !== undefined) right.set(id, prediction === answer);
  }
  return right.size > 0 ? right : undefined;
}

/**
 * Whether the answers of a file `{"<id>": {"prediction": i, "answer": i}}` are right, by its own `answer` as the script has it, or by
 * the csv where it has none.
 *
 * @throws DataError for another form, and for an answer that contradicts the csv
 */
async function answersOf(file: string, questions: readonly Question[]): Promise<Map<string, boolean>> {
  const entries = await readEntries(file, await readTextFile(file));
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const right = new Map<string, boolean>();
  for (const { id, answer: truth } of questions) {
    const entry = byId.get(id);
    if (!entry) continue;
    const { prediction, answer } = entry.values;
    const place = `${file}:${entry.line}: ${shown(id)}`;
    if (!isAnswer(prediction))
      throw new DataError(`${place}.prediction: expected an option, got ${shown(prediction)}`);
    if (isGiven(answer) && !isAnswer(answer))
      throw new DataError(`${place}.answer: expected an option, got ${shown(answer)}`);
    if (typeof answer === 'number' && truth !== undefined && answer !== truth)
      throw new DataError(`${place}.answer: ${answer} contradicts the annotations, which have ${truth}`);
    const expected = isGiven(answer) ? answer : truth;
    if (expected === undefined)
      throw new DataError(`${place}.answer: expected the right option, got nothing`);
    right.set(id, prediction === expected);
  }
  return right;
}

const isAnswer = (value: unknown): value is number | string =>
  Number.isInteger(value) || typeof value === 'string';

/** A line about predictions for questions that are not scored. */
function beyond(entries: readonly Entry[], questions: readonly Question[]): string[] {
  const known = new Set(questions.map(({ id }) => id));
  const others = entries.filter(({ id }) => !known.has(id)).map(({ id }) => id);
  return others.length === 0
    ? []
    : [`${others.length} predictions for questions without spans here, left out: ${some(others)}`];
}
