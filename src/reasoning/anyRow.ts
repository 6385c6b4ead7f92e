/** Reads a row of somebody's file of model-written reasoning, whatever its fields are called. */
import { DataError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { shown } from '../data/problems.js';
import { MAX_OPTIONS } from '../data/sample.js';
import { isCaption } from './prompt.js';

/** What grading needs of a row. */
export interface AnyRow {
  /** As the file has it: a text or a number. */
  id: string | number;
  question: string;
  /** Question type; empty when the row names none. */
  type: string;
  options: string[];
  /** The model's text; null when the row has none. */
  text: string | null;
  /** An answer that stands beside the text, in the model's words; null without one. */
  given: string | null;
  /** True answer, 0-based; null when unknown. */
  answer: number | null;
  /** Of `generate --write brief` or `detailed`: it answers nothing. */
  caption: boolean;
  /** Further fields of the row. */
  value: Record<string, unknown>;
}

/**
 * Names of the fields, the first that holds something counts. `answer` is the true answer, except beside one of the
 * others of `TRUTH`, where it is the model's.
 */
const ID = ['id', 'question_id', 'qid', 'quid', 'uid', 'q_uid', 'sample_id', 'custom_id', 'questionId'];
const OPTIONS = ['options', 'choices', 'candidates', 'multiple_choices', 'hints'];
const TEXT = [
  ...['reasoning', 'response', 'raw_response', 'model_response', 'output', 'model_output', 'completion'],
  ...['generated_text', 'generation', 'generated', 'rationale', 'explanation', 'text', 'content', 'message'],
];
const TRUTH = [
  ...['true_index', 'truth', 'true_answer', 'ground_truth', 'groundtruth', 'gt', 'gt_answer', 'gt_idx'],
  ...['correct_answer', 'correct_choice', 'correct_idx', 'answer_idx', 'answer_index', 'answer_id', 'label'],
  ...['target', 'answer'],
];
const GIVEN = [
  ...['prediction', 'pred', 'pred_answer', 'predicted_answer', 'model_answer', 'pred_ans_idx', 'pred_idx'],
  ...['final_answer', 'answer'],
];
const TYPE = ['type', 'question_type', 'category', 'qtype', 'group'];

/** @throws DataError naming `where` and the field when the id, the options or the true answer cannot be read. */
export function readAnyRow(value: Record<string, unknown>, where: string): AnyRow {
  const id = ID.map((key) => value[key]).find(isId);
  if (id === undefined)
    throw new DataError(`${where}: no id; expected a text or a number under one of ${ID.join(', ')}`);
  const options = optionsOf(value, where);
  const text = firstText(value, TEXT);
  const truth = TRUTH.find((key) => isGiven(value[key]));
  const given = GIVEN.filter((key) => key !== truth);
  // `predicted` is what `generate` read from the text; the text is read again.
  if (text === null) given.push('predicted');
  return {
    id,
    question: firstText(value, ['question', 'query']) ?? '',
    type: firstText(value, TYPE) ?? '',
    options,
    text,
    given: firstText(value, given),
    answer: truth === undefined ? null : truthOf(value[truth], options, `${where}: field "${truth}"`),
    caption: isCaption(value.settings),
    value,
  };
}

/** The id of a row as a text, under any of its names; undefined without one. */
export function rowId(value: Record<string, unknown>): string | undefined {
  const id = ID.map((key) => value[key]).find(isId);
  return id === undefined ? undefined : String(id);
}

const isId = (id: unknown): id is string | number =>
  (typeof id === 'string' && id !== '') || (typeof id === 'number' && Number.isFinite(id));
const isGiven = (value: unknown) => value !== undefined && value !== null && value !== '';

function firstText(value: Record<string, unknown>, keys: readonly string[]): string | null {
  for (const key of keys) {
    const text = textOf(value[key]);
    if (text !== null) return text;
  }
  return null;
}

/** A text, a number, a list of texts one below the other, or `content` of a message. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (isRecord(value)) return textOf(value.content ?? value.text);
  if (!Array.isArray(value)) return null;
  const parts = value.map(textOf).filter((part) => part !== null);
  return parts.length > 0 ? parts.join('\n') : null;
}

/** A list of texts, of lists of one text or of objects with a text; an object by letter; or fields `a0`, `option_1`, `A`. */
function optionsOf(value: Record<string, unknown>, where: string): string[] {
  const key = OPTIONS.find((name) => isGiven(value[name]));
  const found = key === undefined ? columns(value) : value[key];
  const list = Array.isArray(found) ? found : isRecord(found) ? letters(found) : [];
  const options = list.map(optionText);
  if (options.length >= 2 && options.length <= MAX_OPTIONS && options.every((text) => text !== null))
    return unlabelled(options as string[]);
  const own = key === undefined ? madeBy(value) : undefined;
  if (own !== undefined)
    throw new DataError(
      `${where}: a line of ${own}, which has no options; name the file that it was made from`,
    );
  const field = key === undefined ? `one of ${OPTIONS.join(', ')}, a0, option_0, A` : `field "${key}"`;
  throw new DataError(
    `${where}: ${field}: expected the texts of 2 to 26 options, found ${shown(key === undefined ? undefined : found)}`,
  );
}

/** Our command whose output has such lines: they name their row by its id alone. */
function madeBy(value: Record<string, unknown>): string | undefined {
  if (Array.isArray(value.removed) && 'reasoning' in value) return '`reasvqa refine`';
  return typeof value.stated === 'string' && 'predicted' in value ? '`reasvqa reasoning grade`' : undefined;
}

/** `choice_id` and the like stand beside the text. */
const OPTION_TEXT = ['text', 'option', 'choice', 'content', 'value', 'answer'];

function optionText(value: unknown): string | null {
  if (Array.isArray(value)) return value.length === 1 ? optionText(value[0]) : null;
  if (isRecord(value)) return firstText(value, OPTION_TEXT);
  return textOf(value);
}

function letters(found: Record<string, unknown>): unknown[] {
  const keys = Object.keys(found).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return keys.map((key) => found[key]);
}

const COLUMNS = [
  (i: number) => `a${i}`,
  (i: number) => `option_${i}`,
  (i: number) => `option${i}`,
  (i: number) => `option ${i}`,
  (i: number) => String.fromCharCode(65 + i),
];

function columns(value: Record<string, unknown>): unknown[] {
  for (const name of COLUMNS) {
    const found: unknown[] = [];
    while (isGiven(value[name(found.length)])) found.push(value[name(found.length)]);
    if (found.length >= 2) return found;
  }
  return [];
}

/** Options without the letters "A." or "(A)" that all of them open with. */
function unlabelled(options: string[]): string[] {
  const bare = options.map((text, i) => {
    const letter = String.fromCharCode(65 + i);
    return new RegExp(`^\\s*(?:\\(${letter}\\)|${letter}[.:)])\\s*(?=\\S)(.*)$`, 's').exec(text)?.[1];
  });
  return bare.every((text) => text !== undefined) ? (bare as string[]) : options;
}

/** A 0-based index, a letter, or an option's own text. */
function truthOf(value: unknown, options: readonly string[], where: string): number {
  const text = textOf(value)?.trim() ?? '';
  const own = options.findIndex((option) => option.trim() === text);
  const letter = /^(?:option\s+)?\(?([A-Za-z])\)?\.?$/i.exec(text)?.[1]?.toUpperCase();
  const index =
    typeof value !== 'number' && own >= 0
      ? own
      : /^\d+$/.test(text)
        ? Number(text)
        : letter === undefined
          ? -1
          : letter.charCodeAt(0) - 65;
  if (index >= 0 && index < options.length) return index;
  throw new DataError(
    `${where}: expected a number from 0 to ${options.length - 1}, a letter or an option's own text, found ${shown(value)}`,
  );
}
