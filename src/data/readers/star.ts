import { isRecord } from '../../values.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import type { Sample } from '../sample.js';
import { isGiven } from '../textFile.js';
import { clipAt, optionText, type Place, problem, readQuestions, textAt } from './jsonQuestions.js';
import { readSevilaQuestion, type SevilaLayout } from './sevila.js';

/** The four question types, the first part of every question id. */
export const STAR_TYPES = ['Interaction', 'Sequence', 'Prediction', 'Feasibility'] as const;

const OPTION_COUNT = 4;

const SEVILA: SevilaLayout = {
  dataset: 'star',
  types: STAR_TYPES,
  optionCount: OPTION_COUNT,
  clips: true,
  id: ({ qid }) => qid,
};

/**
 * STAR in either published form, told apart question by question:
 *
 * - the original: `question_id`, `video_id`, `start`, `end`, `question`, `choices` (list of `{choice}`), and `answer`
 *   as the text of the right choice;
 * - SeViLA's (sevila.ts).
 *
 * `start` and `end` are seconds. The test split has no answers.
 */
export function readStar(text: string, log: ProblemLog): Sample[] {
  const idField = (item: Record<string, unknown>) => (isOriginal(item) ? 'question_id' : 'qid');
  return readQuestions(text, idField, log, (item, place, blind) =>
    isOriginal(item) ? readOriginal(item, place, blind) : readSevilaQuestion(item, SEVILA, place, blind),
  );
}

function isOriginal(item: Record<string, unknown>): boolean {
  return isGiven(item.choices) || isGiven(item.question_id);
}

function readOriginal(item: Record<string, unknown>, place: Place, blind: boolean): Sample | undefined {
  const before = place.log.problems.length;
  const id = textAt(item, 'question_id', place);
  const video = textAt(item, 'video_id', place);
  const question = textAt(item, 'question', place);
  const type = id.split('_')[0] as string;
  if (id && !(STAR_TYPES as readonly string[]).includes(type))
    problem(place, 'question_id', `an id that starts with ${STAR_TYPES.join(', ')}`, shown(id));
  const options = optionsOf(item.choices, place);
  const clip = clipAt(item, true, place);
  const answer = blind || !options ? undefined : answerByText(item.answer, options, place);
  if (place.log.problems.length > before || !options) return undefined;
  const sample: Sample = { id, dataset: 'star', video, question, options, type, ...clip };
  if (answer !== undefined) sample.answer = answer;
  return sample;
}

function optionsOf(choices: unknown, place: Place): string[] | undefined {
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

function answerByText(value: unknown, options: string[], place: Place): number | undefined {
  const matches = options.filter((option) => option === value).length;
  if (matches === 1) return options.indexOf(value as string);
  const got = matches === 0 ? shown(value) : `${shown(value)}, which ${matches} choices have`;
  problem(place, 'answer', 'the text of one choice', got);
  return undefined;
}
