import { isRecord } from '../../values.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import type { Sample } from '../sample.js';
import { JsonSyntaxError, parseJson } from '../textFile.js';
import { elementLines } from './jsonArray.js';

/** The four question types, the first part of every question id. */
export const STAR_TYPES = ['Interaction', 'Sequence', 'Prediction', 'Feasibility'] as const;

const OPTION_COUNT = 4;

/** Where in the file one question stands; adds problems under `[index].field`. */
interface Place {
  line: number;
  path: (field: string) => string;
  log: ProblemLog;
}

/**
 * STAR in either published form, told apart question by question:
 *
 * - the original: `question_id`, `video_id`, `start`, `end`, `question`, `choices` (list of `{choice}`), and `answer`
 *   as the text of the right choice;
 * - SeViLA's: `qid`, `video`, `num_option`, `a0`..`a3`, `answer` as an index, `start`, `end`.
 *
 * `start` and `end` are seconds. The test split has no answers.
 */
export function readStar(text: string, log: ProblemLog): Sample[] {
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
  const blind = items.every((item) => !isRecord(item) || item.answer === undefined);
  const firstIndex = new Map<string, number>();
  const samples: Sample[] = [];
  items.forEach((item, index) => {
    const path = (field: string) => (isList ? `[${index}].${field}` : field);
    const place: Place = { line: lines[index] ?? 1, path, log };
    const before = log.problems.length;
    const sample = readQuestion(item, place, blind);
    if (!sample) return;
    const earlier = firstIndex.get(sample.id);
    if (earlier === undefined) firstIndex.set(sample.id, index);
    else
      problem(place, 'question_id', 'an id used once', `${shown(sample.id)} again (first at [${earlier}])`);
    if (log.problems.length === before) samples.push(sample);
  });
  return samples;
}

function readQuestion(item: unknown, place: Place, blind: boolean): Sample | undefined {
  if (!isRecord(item)) {
    problem(place, 'question', 'an object', shown(item));
    return undefined;
  }
  const original = 'choices' in item || 'question_id' in item;
  const before = place.log.problems.length;
  const id = textAt(item, original ? 'question_id' : 'qid', place);
  const video = textAt(item, original ? 'video_id' : 'video', place);
  const question = textAt(item, 'question', place);
  const type = id.split('_')[0] as string;
  if (id && !(STAR_TYPES as readonly string[]).includes(type)) {
    problem(
      place,
      original ? 'question_id' : 'qid',
      `an id that starts with ${STAR_TYPES.join(', ')}`,
      shown(id),
    );
  }
  const options = original ? originalOptions(item, place) : sevilaOptions(item, place);
  const start = secondsAt(item, 'start', place);
  const end = secondsAt(item, 'end', place);
  if (start !== undefined && end !== undefined && end <= start) {
    problem(place, 'end', `a time after start (${start} s)`, `${end}`);
  }
  const answer =
    blind || !options
      ? undefined
      : original
        ? answerByText(item.answer, options, place)
        : answerByIndex(item.answer, place);
  if (place.log.problems.length > before || !options) return undefined;
  const sample: Sample = { id, dataset: 'star', video, question, options, type };
  if (start !== undefined) sample.start = start;
  if (end !== undefined) sample.end = end;
  if (answer !== undefined) sample.answer = answer;
  return sample;
}

function originalOptions(item: Record<string, unknown>, place: Place): string[] | undefined {
  const choices = item.choices;
  if (!Array.isArray(choices) || choices.length !== OPTION_COUNT) {
    const got = Array.isArray(choices) ? String(choices.length) : shown(choices);
    problem(place, 'choices', `${OPTION_COUNT} choices`, got);
    return undefined;
  }
  const options = choices.map((choice, i) =>
    isRecord(choice)
      ? optionText(choice.choice, `choices[${i}].choice`, place)
      : optionText(undefined, `choices[${i}]`, place),
  );
  return options.includes('') ? undefined : options;
}

function sevilaOptions(item: Record<string, unknown>, place: Place): string[] | undefined {
  const count = item.num_option;
  const present = Object.keys(item).filter((key) => /^a\d+$/.test(key)).length;
  if (present !== OPTION_COUNT || (count !== undefined && count !== OPTION_COUNT)) {
    const got = present !== OPTION_COUNT ? String(present) : `num_option ${shown(count)}`;
    problem(place, 'options', `${OPTION_COUNT} options a0 to a${OPTION_COUNT - 1}`, got);
    return undefined;
  }
  const options = Array.from({ length: OPTION_COUNT }, (_, i) => optionText(item[`a${i}`], `a${i}`, place));
  return options.includes('') ? undefined : options;
}

function optionText(value: unknown, field: string, place: Place): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  problem(place, field, 'an option text', shown(value));
  return '';
}

function answerByText(value: unknown, options: string[], place: Place): number | undefined {
  const matches = options.filter((option) => option === value).length;
  if (matches === 1) return options.indexOf(value as string);
  const got = matches === 0 ? shown(value) : `${shown(value)}, which ${matches} choices have`;
  problem(place, 'answer', 'the text of one choice', got);
  return undefined;
}

function answerByIndex(value: unknown, place: Place): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < OPTION_COUNT)
    return value;
  problem(place, 'answer', `an integer from 0 to ${OPTION_COUNT - 1}`, shown(value));
  return undefined;
}

function textAt(item: Record<string, unknown>, field: string, place: Place): string {
  const value = item[field];
  if (typeof value === 'string' && value.trim() !== '') return value;
  problem(place, field, 'a text', shown(value));
  return '';
}

function secondsAt(item: Record<string, unknown>, field: string, place: Place): number | undefined {
  const value = item[field];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  problem(place, field, 'a time in seconds', shown(value));
  return undefined;
}

function problem(place: Place, field: string, expected: string, got: string): void {
  place.log.add(place.line, place.path(field), expected, got);
}
