import { DataError } from '../base/errors.js';
import { isRecord, shortened } from '../base/values.js';
import { readAnnotations } from '../data/annotations.js';
import { datasetOf } from '../data/datasets/index.js';
import { shown } from '../data/problems.js';
import type { Sample } from '../data/sample.js';
import { isGiven, JsonSyntaxError, parseJson, readTextFile, repeatedKey } from '../data/textFile.js';

/** Right answers among questions. */
export interface Accuracy {
  correct: number;
  count: number;
  /** Percent, rounded to two decimals. */
  accuracy: number;
}

export interface ScoreResult {
  dataset: string;
  /** By reported question type, in the order of the dataset's record. */
  types: Record<string, Accuracy>;
  /** By the groups a paper's table has; empty when the dataset has none beyond its types. */
  groups: Record<string, Accuracy>;
  /** All questions, each counting once (micro average). */
  total: Accuracy;
}

export interface ScoreRequest {
  dataset: string;
  /** Annotation file. */
  annotations: string;
  /** Official prediction file: `{"<sample id>": {"prediction": i, "answer": i}}`, `answer` optional (another key where the record has one). */
  predictions: string;
  /** File of 0-based row numbers of the annotation file, separated by white space or commas (ATP-hard). */
  subset?: string;
}

/**
 * Scores an official prediction file against an annotation file.
 *
 * @throws DataError for missing or unknown ids (how many, and the first ones), a prediction out of range, an `answer`
 *   that contradicts the annotation, a blind annotation file, or a row number outside the file.
 */
export async function scorePredictions(request: ScoreRequest): Promise<ScoreResult> {
  const { dataset, annotations, predictions, subset } = request;
  const { samples } = await readAnnotations({ dataset, file: annotations });
  const byKey = samplesByKey(samples, datasetOf(dataset).predictionKey);
  const given = await readPredictions(predictions);
  checkAgainst(byKey, given, predictions, annotations);
  const rows = subset === undefined ? undefined : await readSubset(subset, samples.length, annotations);
  const scored = rows ? rows.map((row) => samples[row] as Sample) : samples;
  return scoreAnswers(
    dataset,
    scored,
    new Map([...given].map(([key, { prediction }]) => [byKey.get(key)!.id, prediction])),
    predictions,
  );
}

/**
 * Scores predicted option indices.
 *
 * @param predictions option index by sample id; ids beyond the samples are ignored.
 * @param name names the predictions in messages.
 * @throws DataError when a sample has no prediction or no answer.
 */
export function scoreAnswers(
  dataset: string,
  samples: readonly Sample[],
  predictions: ReadonlyMap<string, number>,
  name = 'predictions',
): ScoreResult {
  const missing = samples.filter((sample) => !predictions.has(sample.id)).map((sample) => sample.id);
  if (missing.length > 0) {
    throw new DataError(
      `${name}: no prediction for ${missing.length} of ${samples.length} samples: ${some(missing)}`,
    );
  }
  const { types, countsAs = {}, groups } = datasetOf(dataset);
  const reported = (type: string) => (Object.hasOwn(countsAs, type) ? countsAs[type]! : type);
  const tally = new Map<string, { correct: number; count: number }>();
  for (const type of new Set(types.map(reported))) tally.set(type, { correct: 0, count: 0 });
  for (const sample of samples) {
    if (sample.answer === undefined) {
      throw new DataError(`sample ${sample.id} has no answer: a blind split cannot be scored here`);
    }
    const type = reported(sample.type);
    const cell = tally.get(type) ?? { correct: 0, count: 0 };
    cell.count++;
    if (predictions.get(sample.id) === sample.answer) cell.correct++;
    tally.set(type, cell);
  }
  const sum = (types: Iterable<string>) => {
    const cells = [...types].map((type) => tally.get(type) ?? { correct: 0, count: 0 });
    return accuracy(
      cells.reduce((total, cell) => total + cell.correct, 0),
      cells.reduce((total, cell) => total + cell.count, 0),
    );
  };
  const filled = (entries: [string, Accuracy][]) =>
    Object.fromEntries(entries.filter(([, cell]) => cell.count > 0));
  return {
    dataset,
    types: filled([...tally.keys()].map((type) => [type, sum([type])])),
    groups: filled(Object.entries(groups).map(([group, members]) => [group, sum(members)])),
    total: sum(tally.keys()),
  };
}

/** A table for people: one line a type, group and the total. */
export function formatScore(result: ScoreResult): string {
  const lines: [string, Accuracy][] = [
    ...Object.entries(result.types),
    ...Object.entries(result.groups),
    ['total', result.total],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const digits = String(result.total.count).length;
  return lines
    .map(([name, { accuracy: percent, correct, count }]) => {
      const share = `${String(correct).padStart(digits)} / ${String(count).padStart(digits)}`;
      return `${name.padEnd(width)}  ${percent.toFixed(2).padStart(6)}  ${share}`;
    })
    .join('\n');
}

/**
 * The prediction file of a model: `{"<sample id>": {"prediction": i, "answer": i}}`, which the datasets' own scripts
 * read too. Samples without an answer are written without one.
 *
 * @param keyOf the `predictionKey` of the dataset's record
 * @throws DataError when two samples have one key
 */
export function officialPredictions(
  samples: readonly Sample[],
  predictions: ReadonlyMap<string, number>,
  keyOf?: (sample: Sample) => string,
): string {
  const entries = [...samplesByKey(samples, keyOf)].map(([key, { id, answer }]) => {
    const prediction = predictions.get(id);
    return [key, answer === undefined ? { prediction } : { prediction, answer }];
  });
  return `${JSON.stringify(Object.fromEntries(entries))}\n`;
}

/** @throws DataError when two samples have one key, since one would be lost */
function samplesByKey(
  samples: readonly Sample[],
  keyOf: (sample: Sample) => string = ({ id }) => id,
): Map<string, Sample> {
  const byKey = new Map<string, Sample>();
  for (const sample of samples) {
    const key = keyOf(sample);
    const other = byKey.get(key);
    if (other)
      throw new DataError(
        `samples ${other.id} and ${sample.id} have the same key of predictions, ${shown(key)}`,
      );
    byKey.set(key, sample);
  }
  return byKey;
}

interface Prediction {
  prediction: number;
  answer?: number;
}

async function readPredictions(file: string): Promise<Map<string, Prediction>> {
  const text = await readTextFile(file);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new DataError(
      `${file}:${error.line}: json: expected {"id": {"prediction": i}}, got ${error.message}`,
    );
  }
  if (!isRecord(value))
    throw new DataError(`${file}: expected {"id": {"prediction": i}}, got ${shown(value)}`);
  const again = repeatedKey(text);
  if (again) {
    throw new DataError(`${file}:${again.line}: expected each key once, got ${shown(again.key)} again`);
  }
  const predictions = new Map<string, Prediction>();
  for (const [id, entry] of Object.entries(value)) {
    if (!isRecord(entry)) {
      throw new DataError(`${file}: ${shown(id)}: expected {"prediction": i}, got ${shown(entry)}`);
    }
    const { prediction, answer } = entry;
    if (!Number.isInteger(prediction)) {
      throw new DataError(`${file}: ${shown(id)}.prediction: expected an integer, got ${shown(prediction)}`);
    }
    if (isGiven(answer) && !Number.isInteger(answer)) {
      throw new DataError(`${file}: ${shown(id)}.answer: expected an integer, got ${shown(answer)}`);
    }
    predictions.set(id, {
      prediction: prediction as number,
      ...(isGiven(answer) ? { answer: answer as number } : {}),
    });
  }
  return predictions;
}

function checkAgainst(
  byKey: ReadonlyMap<string, Sample>,
  given: ReadonlyMap<string, Prediction>,
  file: string,
  annotations: string,
): void {
  const extra = [...given.keys()].filter((id) => !byKey.has(id));
  if (extra.length > 0) {
    throw new DataError(`${file}: ${extra.length} ids that ${annotations} does not have: ${some(extra)}`);
  }
  for (const [id, { prediction, answer }] of given) {
    const sample = byKey.get(id)!;
    const last = sample.options.length - 1;
    if (prediction < 0 || prediction > last) {
      throw new DataError(`${file}: "${id}".prediction: expected 0 to ${last}, got ${prediction}`);
    }
    if (answer !== undefined && sample.answer !== undefined && answer !== sample.answer) {
      throw new DataError(
        `${file}: "${id}".answer: ${answer} contradicts ${annotations}, which has ${sample.answer}; is it the right split?`,
      );
    }
  }
}

/**
 * Reads 0-based row numbers of an annotation file, separated by white space or commas.
 *
 * @throws DataError naming file:line of a number that is no row, or is there twice
 */
export async function readSubset(file: string, rowCount: number, annotations: string): Promise<number[]> {
  const text = await readTextFile(file);
  const seen = new Set<number>();
  for (const [index, lineText] of text.split('\n').entries()) {
    for (const word of lineText.split(/[\s,]+/).filter(Boolean)) {
      const row = /^\d+$/.test(word) ? Number(word) : Number.NaN;
      const place = `${file}:${index + 1}: row`;
      if (!(row < rowCount)) {
        throw new DataError(
          `${place}: expected 0 to ${rowCount - 1} (rows of ${annotations}), got ${word.slice(0, 40)}`,
        );
      }
      if (seen.has(row)) throw new DataError(`${place}: expected each row once, got ${row} again`);
      seen.add(row);
    }
  }
  if (seen.size === 0) throw new DataError(`${file}:1: row: expected at least one row number, got none`);
  return [...seen];
}

function accuracy(correct: number, count: number): Accuracy {
  return { correct, count, accuracy: count === 0 ? 0 : Math.round((10000 * correct) / count) / 100 };
}

/** The first five of several ids. */
export function some(ids: readonly string[]): string {
  const first = ids.slice(0, 5).map((id) => shortened(id, 60));
  return first.join(', ') + (ids.length > 5 ? `, and ${ids.length - 5} more` : '');
}
