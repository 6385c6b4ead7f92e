/** A JSON list of questions, the frame that the readers of JSON annotations share. */

import { isRecord } from '../../base/values.js';
import type { Row } from '../datasets/dataset.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import type { Sample } from '../sample.js';
import { isGiven, JsonSyntaxError, parseJson } from '../textFile.js';
import { elementLines } from './jsonArray.js';
import { misspelt } from './misspelt.js';

/** The place of one question in the file; adds problems under `[index].field`. */
export interface Place {
  line: number;
  path: (field: string) => string;
  log: ProblemLog;
}

/** What is read of a question; without an answer when `blind`. */
type QuestionReader = (item: Record<string, unknown>, place: Place, blind: boolean) => Sample | undefined;

/** How questions are read. */
interface QuestionForm {
  /** Names the id of a question in messages. */
  idField: (item: Record<string, unknown>) => string;
  /** Keys that are read. */
  keys: (item: Record<string, unknown>) => readonly string[];
  read: QuestionReader;
}

/**
 * Reads the questions of a JSON list, or a single question. Null counts as not given, and when no question has an
 * answer the split is blind.
 */
export function readQuestions(text: string, { idField, keys, read }: QuestionForm, log: ProblemLog): Row[] {
  let root: unknown;
  try {
    root = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    log.add(error.line, 'json', 'a JSON list of questions', error.message);
    return [];
  }
  const isList = Array.isArray(root);
  const items: unknown[] = Array.isArray(root) ? root : [root];
  if (items.length === 0) log.add(1, 'json', 'at least one question', 'an empty list');
  const lines = elementLines(text);
  const blind = items.every((item) => !isRecord(item) || !isGiven(item.answer));
  const firstIndex = new Map<string, number>();
  const rows: Row[] = [];
  for (const [index, item] of items.entries()) {
    const path = (field: string) => (isList ? `[${index}].${field}` : field);
    const place: Place = { line: lines[index] ?? 1, path, log };
    if (!isRecord(item)) problem(place, 'question', 'an object', shown(item));
    const answer = blind && isRecord(item) ? misspelt('answer', Object.keys(item), keys(item)) : undefined;
    if (answer !== undefined)
      problem(place, 'answer', 'a key of this name, or none in a blind split', shown(answer));
    const sample = isRecord(item) && answer === undefined ? read(item, place, blind) : undefined;
    if (!sample) continue;
    const earlier = firstIndex.get(sample.id);
    if (earlier === undefined) {
      firstIndex.set(sample.id, index);
      const known = keys(item as Record<string, unknown>);
      const unread = Object.keys(item as object).filter((key) => !known.includes(key));
      rows.push({ line: place.line, sample, unread });
    } else
      problem(
        place,
        idField(item as Record<string, unknown>),
        'an id used once',
        `${shown(sample.id)} again (first at [${earlier}])`,
      );
  }
  return rows;
}

export function problem(place: Place, field: string, expected: string, got: string): void {
  place.log.add(place.line, place.path(field), expected, got);
}

/** A text; '' after a problem. */
export function textAt(item: Record<string, unknown>, field: string, place: Place): string {
  const value = item[field];
  if (typeof value === 'string' && value.trim() !== '') return value;
  problem(place, field, 'a text', shown(value));
  return '';
}

/** An option's text; '' after a problem. */
export function optionText(value: unknown, field: string, place: Place): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  problem(place, field, 'an option text', shown(value));
  return '';
}

/** `start` and `end` in seconds; `required`: both are problems when they are not given. */
export function clipAt(
  item: Record<string, unknown>,
  required: boolean,
  place: Place,
): Pick<Sample, 'start' | 'end'> {
  const [start, end] = ['start', 'end'].map((field) => secondsAt(item, field, required, place));
  if (end !== undefined && end <= (start ?? 0))
    problem(place, 'end', `a time after start (${start ?? 0} s)`, `${end}`);
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}

function secondsAt(
  item: Record<string, unknown>,
  field: string,
  required: boolean,
  place: Place,
): number | undefined {
  const value = item[field];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  if (required || isGiven(value)) problem(place, field, 'a time in seconds', shown(value));
  return undefined;
}
