/** STAR (Wu et al. 2021, bobbywu.com/STAR): situated reasoning about clips of Charades. */
import { isRecord } from '../../base/values.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import { clipAt, optionText, type Place, problem, readQuestions, textAt } from '../readers/jsonQuestions.js';
import {
  checkOptions,
  readSevilaQuestion,
  type SevilaLayout,
  sevilaKeys,
  sevilaWriter,
} from '../readers/sevila.js';
import type { Sample } from '../sample.js';
import { isGiven, type TextSource, textOf } from '../textFile.js';
import { type DatasetRecord, NotWritable, type Row, type SampleWriter } from './dataset.js';

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
  yield readQuestions(
    await textOf(source),
    {
      idField: (item) => (isOriginal(item) ? 'question_id' : 'qid'),
      keys: (item) => (isOriginal(item) ? ORIGINAL_KEYS : SEVILA_KEYS),
      read: (item, place, blind) =>
        isOriginal(item) ? readOriginal(item, place, blind) : readSevilaQuestion(item, SEVILA, place, blind),
    },
    log,
  );
}

const ORIGINAL_KEYS = ['question_id', 'video_id', 'question', 'choices', 'start', 'end', 'answer'];
const SEVILA_KEYS = sevilaKeys(SEVILA);

/** The original form, with the right choice as text. */
const original: SampleWriter = {
  form: 'json',
  before: '[\n',
  between: ',\n',
  after: '\n]\n',
  without: ['duration', 'reasoning', 'reasoningCorrect'],
  text: (sample) => {
    const { id, video, question, options, answer, start, end, type } = sample;
    checkOptions(sample, SEVILA);
    if (id.split('_')[0] !== type)
      throw new NotWritable(`with an id that does not start with the type, ${type}`);
    if (start === undefined || end === undefined)
      throw new NotWritable('without start and end, which every question of this form has');
    const right = answer === undefined ? undefined : options[answer];
    if (right !== undefined && options.indexOf(right) !== options.lastIndexOf(right))
      throw new NotWritable('with two options of the text of the right one, by which this form names it');
    const choices = options.map((choice, i) => ({ choice_id: i, choice }));
    return JSON.stringify({ question_id: id, question, video_id: video, start, end, answer: right, choices });
  },
};

export const star: DatasetRecord = {
  name: 'star',
  title: 'STAR',
  splits: { train: 'STAR_train.json', val: 'STAR_val.json', test: 'STAR_test.json' },
  trainQuestions: 45_731,
  rows: starRows,
  write: [original, sevilaWriter(SEVILA, ({ id }) => id)],
  types: TYPES,
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: false,
};

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
