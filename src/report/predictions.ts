/** Answers of a run, question by question: a file of predictions with the probability of every option. */
import { readJsonLines } from '../data/jsonLines.js';
import { ProblemLog, shown } from '../data/problems.js';
import { isGiven, textSource } from '../data/textFile.js';

/** What a run said about one question. */
export interface Predicted {
  type: string;
  /** 0-based option. */
  prediction: number;
  /** Ground truth; absent in a blind split. */
  answer?: number;
  /** Probability of every option, in [0, 1]; absent where the answer was read off text. */
  probabilities?: number[];
}

/** By question id, in the order of the file; answers to tasks other than choice are left out. */
export type Predictions = ReadonlyMap<string, Predicted>;

/**
 * Reads a file of predictions (src/evaluation/evaluate.ts), such as predictions.jsonl of a run folder.
 *
 * @throws DataError naming file:line and field of the first thing that is wrong, or for a file that is missing
 */
export async function readPredictions(file: string): Promise<Predictions> {
  const log = new ProblemLog(file);
  const predictions = new Map<string, Predicted>();
  for await (const { line, record } of readJsonLines(await textSource(file), 'prediction', log)) {
    const { id, type, task, prediction, answer, scores } = record;
    if (isGiven(task) && task !== 'choice') continue;
    const before = log.problems.length;
    if (typeof id !== 'string' || id === '') log.add(line, 'id', 'a text', shown(id));
    else if (predictions.has(id)) log.add(line, 'id', 'an id used once', `${shown(id)} again`);
    if (typeof type !== 'string') log.add(line, 'type', 'a text', shown(type));
    if (!isOption(prediction)) log.add(line, 'prediction', 'an option, counted from 0', shown(prediction));
    if (isGiven(answer) && !isOption(answer))
      log.add(line, 'answer', 'an option, counted from 0', shown(answer));
    if (isGiven(scores) && !isScores(scores))
      log.add(line, 'scores', 'a list of finite numbers', shown(scores));
    else if (isGiven(scores) && (prediction as number) >= (scores as number[]).length)
      log.add(line, 'prediction', `one of ${(scores as number[]).length} options`, shown(prediction));
    if (log.problems.length > before) continue;
    predictions.set(id as string, {
      type: type as string,
      prediction: prediction as number,
      ...(isGiven(answer) ? { answer: answer as number } : {}),
      ...(isGiven(scores) ? { probabilities: softmax(scores as number[]) } : {}),
    });
  }
  log.throwIfAny();
  return predictions;
}

const isOption = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
const isScores = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(Number.isFinite);

/** Probabilities of logits. */
export function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
