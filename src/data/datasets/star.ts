/** STAR (Wu et al. 2021, bobbywu.com/STAR): situated reasoning about clips of Charades. */
import { isRecord } from '../../base/values.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import { clipAt, optionText, type Place, problem, readQuestions, textAt } from '../readers/jsonQuestions.js';
import { readSevilaQuestion, type SevilaLayout } from '../readers/sevila.js';
import type { Sample } from '../sample.js';
import { isGiven, type TextSource, textOf } from '../textFile.js';
import type { DatasetRecord, Row } from './dataset.js';

/** The four question types, the first part of every question id. */
const TYPES = ['Interaction', 'Sequence', 'Prediction', 'Feasibility'];

const OPTION_COUNT = 4;

const SEVILA: SevilaLayout = {
  dataset: 'star',
  types: TYPES,
  optionCount: OPTION_COUNT,
  clips: true,
  id: ({ qid }) => qid,
};

export const star: DatasetRecord = {
  name: 'star',
  title: 'STAR',
  splits: { train: 'STAR_train.json', val: 'STAR_val.json', test: 'STAR_test.json' },
  trainQuestions: 45_731,
  rows: starRows,
  types: TYPES,
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: false,
};

/**
 * Reads either published form, told apart question by question:
 *
 * - the original: `question_id`, `video_id`, `start`, `end`, `question`, `choices` (list of `{choice}`), and `answer`
 *   as the text of the right choice;
 * - SeViLA's (sevila.ts).
 *
 * `start` and `end` are seconds. The test split has no answers.
 */
async function* starRows(source: TextSource, log: ProblemLog): AsyncGenerator<Row[]> {
  const idField = (item: Record<string, unknown>) => (isOriginal(item) ? 'question_id' : 'qid');
  yield readQuestions(await textOf(source), idField, log, (item, place, blind) =>
    isOriginal(item) ? readOriginal(item, place, blind) : readSevilaQuestion(item, SEVILA, place, blind),
  );
}

function isOriginal(item: Record<string, unknown>): boolean {
  return isGiven(item.choices) || isGiven(item.question_id);
}

function readOriginal(item: Record<string, unknown>, place: Place, blind: boolean): Sample | undefined {
  const before = place.log.count;
  const id = textAt(item, 'question_id', place);
  const video = textAt(item, 'video_id', place);
  const question = textAt(item, 'question', place);
  const type = id.split('_')[0] as string;
  if (id && !TYPES.includes(type))
    problem(place, 'question_id', `an id that starts with ${TYPES.join(', ')}`, shown(id));
  const options = optionsOf(item.choices, place);
  const clip = clipAt(item, true, place);
  const answer = blind || !options ? undefined : answerByText(item.answer, options, place);
  if (place.log.count > before || !options) return undefined;
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
