import { shown } from '../data/problems.js';
import type { DatasetName } from '../data/readers/index.js';
import { readAnnotations } from '../data/readers/index.js';
import type { Sample } from '../data/sample.js';
import { isGiven, JsonSyntaxError, parseJson, readTextFile, repeatedKey } from '../data/textFile.js';
import { DataError } from '../errors.js';
import { isRecord, shortened } from '../values.js';

/** Right answers among questions. */
export interface Accuracy {
  correct: number;
  count: number;
  /** Percent, rounded to two decimals. */
  accuracy: number;
}

export interface ScoreResult {
  dataset: DatasetName;
  /** By question type, in the order of the dataset's table. */
  types: Record<string, Accuracy>;
  /** By the groups a paper's table has; empty when the dataset has none beyond its types. */
  groups: Record<string, Accuracy>;
  /** All questions, each counting once (micro average). */
  total: Accuracy;
}

export interface ScoreRequest {
  dataset: DatasetName;
  /** Annotation file. */
  annotations: string;
  /** Official prediction file: `{"<sample id>": {"prediction": i, "answer": i}}`, `answer` optional. */
  predictions: string;
  /** File of 0-based row numbers of the annotation file, separated by white space or commas (ATP-hard). */
  subset?: string;
}

/** How question types are reported: the type each counts as, and the group each belongs to. */
interface Table {
  rows: Record<string, string>;
  groups: Record<string, string[]>;
}

/** NExT-QA's eval_mc.py: TP counts as TN; causal, temporal, descriptive. */
const NEXTQA: Table = {
  rows: { CW: 'CW', CH: 'CH', TN: 'TN', TP: 'TN', TC: 'TC', DC: 'DC', DL: 'DL', DO: 'DO' },
  groups: { Cau: ['CW', 'CH'], Tem: ['TN', 'TC'], Des: ['DC', 'DL', 'DO'] },
};

const TABLES: Partial<Record<DatasetName, Table>> = {
  nextqa: NEXTQA,
  shapes: NEXTQA,
  intentqa: {
    rows: { CW: 'CW', CH: 'CH', TN: 'TN', TP: 'TP' },
    groups: { Why: ['CW'], How: ['CH'], Tem: ['TN', 'TP'] },
  },
  star: {
    rows: {
      Interaction: 'Interaction',
      Sequence: 'Sequence',
      Prediction: 'Prediction',
      Feasibility: 'Feasibility',
    },
    groups: {},
  },
};

/**
 * Scores an official prediction file against an annotation file.
 *
 * @throws DataError for missing or unknown ids (how many, and the first ones), a prediction out of range, an `answer`
 *   that contradicts the annotation, a blind annotation file, or a row number outside the file.
 */
export async function scorePredictions(request: ScoreRequest): Promise<ScoreResult> {
  const { dataset, annotations, predictions, subset } = request;
  const { samples } = await readAnnotations({ dataset, file: annotations });
  const given = await readPredictions(predictions);
  checkAgainst(samples, given, predictions, annotations);
  const rows = subset === undefined ? undefined : await readSubset(subset, samples.length, annotations);
  const scored = rows ? rows.map((row) => samples[row] as Sample) : samples;
  return scoreAnswers(
    dataset,
    scored,
    new Map([...given].map(([id, entry]) => [id, entry.prediction])),
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
  dataset: DatasetName,
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
  const table = TABLES[dataset];
  const tally = new Map<string, { correct: number; count: number }>();
  for (const type of new Set(Object.values(table?.rows ?? {}))) tally.set(type, { correct: 0, count: 0 });
  for (const sample of samples) {
    if (sample.answer === undefined) {
      throw new DataError(`sample ${sample.id} has no answer: a blind split cannot be scored here`);
    }
    const type = table?.rows[sample.type] ?? sample.type;
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
    groups: filled(Object.entries(table?.groups ?? {}).map(([group, types]) => [group, sum(types)])),
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
 */
export function officialPredictions(
  samples: readonly Sample[],
  predictions: ReadonlyMap<string, number>,
): string {
  const entries = samples.map(({ id, answer }) => {
    const prediction = predictions.get(id);
    return [id, answer === undefined ? { prediction } : { prediction, answer }];
  });
  return `${JSON.stringify(Object.fromEntries(entries))}\n`;
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
  samples: readonly Sample[],
  given: Map<string, Prediction>,
  file: string,
  annotations: string,
): void {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const extra = [...given.keys()].filter((id) => !byId.has(id));
  if (extra.length > 0) {
    throw new DataError(`${file}: ${extra.length} ids that ${annotations} does not have: ${some(extra)}`);
  }
  for (const [id, { prediction, answer }] of given) {
    const sample = byId.get(id) as Sample;
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

async function readSubset(file: string, rowCount: number, annotations: string): Promise<number[]> {
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

function some(ids: readonly string[]): string {
  const first = ids.slice(0, 5).map((id) => shortened(id, 60));
  return first.join(', ') + (ids.length > 5 ? `, and ${ids.length - 5} more` : '');
}
