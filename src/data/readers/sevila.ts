/** Questions in JSON as SeViLA's data preparation writes them, the same for every dataset. */

import { NotWritable, type SampleWriter } from '../datasets/dataset.js';
import { shown } from '../problems.js';
import { type Sample, taskOf } from '../sample.js';
import { isGiven } from '../textFile.js';
import { clipAt, optionText, type Place, problem, textAt } from './jsonQuestions.js';

/** What SeViLA's form leaves to the dataset. */
export interface SevilaLayout {
  dataset: string;
  /** Known question types; `qid` begins with one. */
  types: readonly string[];
  /** Number of answer options, in `a0`, `a1`, ... */
  optionCount: number;
  /** Whether every question is about a part of its video. */
  clips: boolean;
  /** The sample's id. */
  id: (question: { video: string; qid: string; type: string }) => string;
}

/** The keys that are read. */
export function sevilaKeys({ optionCount }: SevilaLayout): string[] {
  const options = Array.from({ length: optionCount }, (_, i) => `a${i}`);
  return ['video', 'qid', 'question', 'type', 'num_option', ...options, 'answer', 'start', 'end'];
}

/**
 * Reads one question: `video`, `qid`, `question`, `num_option`, `a0`, `a1`, ..., `answer` as an index (a number or its
 * digits), `start` and `end` in seconds. A `type` of its own is read where there is one.
 */
export function readSevilaQuestion(
  item: Record<string, unknown>,
  layout: SevilaLayout,
  place: Place,
  blind: boolean,
): Sample | undefined {
  const before = place.log.count;
  const video = keyAt(item, 'video', place);
  const qid = keyAt(item, 'qid', place);
  const question = textAt(item, 'question', place);
  const type = typeOf(item, qid, layout.types, place);
  const options = optionsOf(item, layout.optionCount, place);
  const clip = clipAt(item, layout.clips, place);
  const answer = blind || !options ? undefined : answerOf(item.answer, layout.optionCount, place);
  if (place.log.count > before || !options) return undefined;
  const id = layout.id({ video, qid, type });
  const sample: Sample = { id, dataset: layout.dataset, video, question, options, type, ...clip };
  if (answer !== undefined) sample.answer = answer;
  return sample;
}

/** A text, or a whole number where a table program turned ids into numbers; '' after a problem. */
function keyAt(item: Record<string, unknown>, field: string, place: Place): string {
  const value = item[field];
  return Number.isSafeInteger(value) ? String(value) : textAt(item, field, place);
}

function typeOf(item: Record<string, unknown>, qid: string, types: readonly string[], place: Place): string {
  const own = isGiven(item.type) ? textAt(item, 'type', place) : undefined;
  const type = own ?? (qid.split('_')[0] as string);
  if (type && !types.includes(type)) {
    if (own === undefined) problem(place, 'qid', `an id that starts with ${types.join(', ')}`, shown(qid));
    else problem(place, 'type', `one of ${types.join(', ')}`, shown(own));
  }
  return type;
}

function optionsOf(item: Record<string, unknown>, optionCount: number, place: Place): string[] | undefined {
  const present = Object.keys(item).filter((key) => /^a\d+$/.test(key) && isGiven(item[key])).length;
  const stated = isGiven(item.num_option) ? wholeNumber(item.num_option) : optionCount;
  if (present !== optionCount || stated !== optionCount) {
    const got = present !== optionCount ? String(present) : `num_option ${shown(item.num_option)}`;
    problem(place, 'options', `${optionCount} options a0 to a${optionCount - 1}`, got);
    return undefined;
  }
  const options = Array.from({ length: optionCount }, (_, i) => optionText(item[`a${i}`], `a${i}`, place));
  return options.includes('') ? undefined : options;
}

function answerOf(value: unknown, optionCount: number, place: Place): number | undefined {
  const index = wholeNumber(value);
  if (index !== undefined && index < optionCount) return index;
  problem(place, 'answer', `an integer from 0 to ${optionCount - 1}`, shown(value));
  return undefined;
}

/** A number from 0, or the digits of one. */
function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : value;
  return Number.isInteger(number) && (number as number) >= 0 ? (number as number) : undefined;
}

/**
 * Writes questions in this form.
 *
 * @param qid the `qid` of a sample, from which the reader makes its id and, at its start, the type
 */
export function sevilaWriter(layout: SevilaLayout, qid: (sample: Sample) => string): SampleWriter {
  return {
    form: 'sevila',
    before: '[\n',
    between: ',\n',
    after: '\n]\n',
    without: ['duration', 'reasoning', 'reasoningCorrect'],
    text: (sample) => {
      const { video, question, options, answer, start, end, type } = sample;
      checkOptions(sample, layout);
      if (layout.clips && (start === undefined || end === undefined))
        throw new NotWritable('without start and end, which every question of this form has');
      const written = qid(sample);
      if (layout.id({ video, qid: written, type }) !== sample.id)
        throw new NotWritable(`with an id that is not made of video and number, as in ${layout.dataset}`);
      return JSON.stringify({
        video,
        num_option: options.length,
        qid: written,
        ...Object.fromEntries(options.map((option, i) => [`a${i}`, option])),
        answer,
        question,
        start,
        end,
        ...(written.split('_')[0] === type ? {} : { type }),
      });
    },
  };
}

/** @throws NotWritable for another task, number of options, or type than a form has */
export function checkOptions(sample: Sample, layout: Pick<SevilaLayout, 'optionCount' | 'types'>): void {
  const { options, type } = sample;
  if (taskOf(sample) !== 'choice')
    throw new NotWritable(`of task ${taskOf(sample)}, where this form has choices alone`);
  if (options.length !== layout.optionCount)
    throw new NotWritable(`with ${options.length} options, where this form has ${layout.optionCount}`);
  if (!layout.types.includes(type))
    throw new NotWritable(`of type ${shown(type)}, which is none of ${layout.types.join(', ')}`);
}
