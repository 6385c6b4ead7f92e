/** Reads files of predictions for samples of any task, in our own form and in those of official scripts. */
import { DataError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { readJsonLines } from '../data/jsonLines.js';
import { ProblemLog, shown } from '../data/problems.js';
import { elementLines, keyLines } from '../data/readers/jsonArray.js';
import { isGiven, JsonSyntaxError, parseJson, repeatedKey, sourceOf } from '../data/textFile.js';
import type { TaskPrediction } from './taskScore.js';

/** An entry of a file before its values are checked. */
export interface Entry {
  /** 1-based. */
  line: number;
  id: string;
  values: Record<string, unknown>;
}

/** Keys that may name the sample of an entry, the first that is there. */
const ID_KEYS = ['id', 'qid', 'question_id', 'image_id'] as const;

/** What a file may be, for messages. */
const FORMS = 'JSON lines of {id, span | text | prediction}, a list of them, or an object by id';

/**
 * The entries of a file: JSON lines, a JSON list, or a JSON object by id, whose values may be objects, `[start, end]`, texts, and
 * objects by question below an object by video, for the id `<video>_<question>`.
 *
 * @throws DataError for another form, an entry without an id, and an id that is there twice
 */
export async function readEntries(file: string, text: string): Promise<Entry[]> {
  const entries = isLines(text) ? await entriesOfLines(file, text) : entriesOfJson(file, text);
  if (entries.length === 0) throw new DataError(`${file}: expected ${FORMS}, got no prediction`);
  const lines = new Map<string, number>();
  for (const { id, line } of entries) {
    const earlier = lines.get(id);
    if (earlier !== undefined)
      throw new DataError(
        `${file}:${line}: expected each id once, got ${shown(id)} again (first on line ${earlier})`,
      );
    lines.set(id, line);
  }
  return entries;
}

/** Whether a text is JSON lines: its first line is an object with an id of its own. */
export function isLines(text: string): boolean {
  const first = /^\s*(\{.*)/.exec(text)?.[1];
  if (first === undefined) return false;
  try {
    const value = parseJson(first);
    return isRecord(value) && (idKeyOf(value) !== undefined || !isWhole(text));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return false;
  }
}

function isWhole(text: string): boolean {
  return text.trim().split('\n', 2).length === 1;
}

/** The key of an id, whose value is a text or a whole number. */
function idKeyOf(values: Record<string, unknown>): string | undefined {
  return ID_KEYS.find((key) => typeof values[key] === 'string' || Number.isSafeInteger(values[key]));
}

async function entriesOfLines(file: string, text: string): Promise<Entry[]> {
  const log = new ProblemLog(file);
  const entries: Entry[] = [];
  for await (const { line, record } of readJsonLines(sourceOf(file, text), 'prediction', log))
    entries.push(entryOf(file, line, record));
  log.throwIfAny();
  return entries;
}

function entriesOfJson(file: string, text: string): Entry[] {
  let root: unknown;
  try {
    root = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new DataError(`${file}:${error.line}: json: expected ${FORMS}, got ${error.message}`);
  }
  if (Array.isArray(root)) {
    const lines = elementLines(text);
    return root.map((value: unknown, i) => {
      if (!isRecord(value))
        throw new DataError(`${file}:${lines[i]}: [${i}]: expected an object, got ${shown(value)}`);
      return entryOf(file, lines[i]!, value);
    });
  }
  if (!isRecord(root)) throw new DataError(`${file}: expected ${FORMS}, got ${shown(root)}`);
  const again = repeatedKey(text);
  if (again)
    throw new DataError(`${file}:${again.line}: expected each key once, got ${shown(again.key)} again`);
  const lines = keyLines(text);
  return Object.entries(root).flatMap(([key, value]) => entriesAt(file, lines.get(key) ?? 1, key, value));
}

/** The entries below a key of an object by id or by video. */
function entriesAt(file: string, line: number, key: string, value: unknown): Entry[] {
  if (typeof value === 'string') return [{ line, id: key, values: { text: value } }];
  if (Array.isArray(value)) return [{ line, id: key, values: { span: value } }];
  if (!isRecord(value) || Object.keys(value).length === 0)
    throw new DataError(
      `${file}:${line}: ${shown(key)}: expected {span | text | prediction}, got ${shown(value)}`,
    );
  if (VALUE_KEYS.some((name) => Object.hasOwn(value, name))) return [{ line, id: key, values: value }];
  return Object.entries(value).flatMap(([question, below]) => {
    if (typeof below !== 'string' && !Array.isArray(below))
      throw new DataError(
        `${file}:${line}: ${shown(key)}: expected {span | text | prediction} or answers by question, got ${shown(value)}`,
      );
    return entriesAt(file, line, `${key}_${question}`, below);
  });
}

function entryOf(file: string, line: number, values: Record<string, unknown>): Entry {
  const key = idKeyOf(values);
  if (key !== undefined) return { line, id: String(values[key]), values };
  throw new DataError(`${file}:${line}: id: expected a text or a whole number, got ${shown(values.id)}`);
}

/** Keys that hold a prediction; a caption counts as text. */
const VALUE_KEYS = ['prediction', 'span', 'text', 'caption'] as const;

/**
 * The predictions by id. A value that is null, as of a reply that could not be read, counts as none.
 *
 * @throws DataError for an entry without any of the keys, and for values of another kind, such as times as `h:mm:ss`
 */
export function predictionsOf(file: string, entries: readonly Entry[]): Map<string, TaskPrediction> {
  return new Map(entries.map((entry) => [entry.id, predictionOf(file, entry)]));
}

function predictionOf(file: string, { line, id, values }: Entry): TaskPrediction {
  const bad = (key: string, expected: string, got: unknown) =>
    new DataError(`${file}:${line}: ${shown(id)}.${key}: expected ${expected}, got ${shown(got)}`);
  if (!VALUE_KEYS.some((key) => Object.hasOwn(values, key)))
    throw bad('span', 'span, text or prediction', Object.keys(values).join(', '));
  const given = (key: (typeof VALUE_KEYS)[number]) => (isGiven(values[key]) ? values[key] : undefined);
  const [prediction, span, text] = [given('prediction'), given('span'), given('text') ?? given('caption')];
  if (prediction !== undefined && !Number.isInteger(prediction))
    throw bad('prediction', 'the number of an option, from 0', prediction);
  if (span !== undefined && !isTimes(span)) throw bad('span', '[start, end] as numbers, in seconds', span);
  if (text !== undefined && typeof text !== 'string') throw bad('text', 'a text', text);
  return {
    ...(prediction === undefined ? {} : { prediction: prediction as number }),
    ...(span === undefined ? {} : { span }),
    ...(text === undefined ? {} : { text }),
  };
}

function isTimes(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every((time) => Number.isFinite(time));
}
