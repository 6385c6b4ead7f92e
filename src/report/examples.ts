/**
 * The questions that a report shows: validation questions with what every setting answered, and training questions with
 * what the teacher wrote. Where there are more than are wanted, they are taken at equal distances in the order of their
 * file, so that counts of right and wrong stay fair.
 */

import { DataError } from '../base/errors.js';
import { groupBy } from '../base/groups.js';
import type { Config } from '../config/schema.js';
import { readAnnotations } from '../data/annotations.js';
import { prepareText } from '../data/prepare.js';
import { type Sample, taskOf } from '../data/sample.js';
import { VideoLocator } from '../video/locate.js';
import { validationOf } from './accuracy.js';
import type { PageAnswer } from './page/data.js';
import type { Predicted } from './predictions.js';
import type { Setting } from './settings.js';
import { type RefinedTexts, readRefined, type TeacherText, teacherTexts } from './teacher.js';

/** A question with all that is known about it. */
export interface Example {
  sample: Sample;
  split: 'validation' | 'training';
  config: Config;
  /** File or folder of its video; undefined where it is gone. */
  path: string | undefined;
  /** By setting; null where the setting was not asked. */
  answers: (PageAnswer | null)[];
  teacher?: TeacherText;
}

export interface ExampleRequest {
  settings: readonly Setting[];
  /** Questions wanted; a fifth of them are training questions where there are any with the teacher's text. */
  count: number;
  /** File of the teacher's own texts. */
  raw?: string | undefined;
  onNotice: (line: string) => void;
}

/** The share of training questions. */
const TRAINING_SHARE = 0.2;

/** @returns the questions, and how many there were to choose from. @throws DataError for a damaged `raw` */
export async function chooseExamples(
  request: ExampleRequest,
): Promise<{ examples: Example[]; available: number }> {
  const { settings, count } = request;
  const asked = await validationQuestions(request);
  const taught = await trainingQuestions(request);
  const room = Math.max(Math.floor(count * TRAINING_SHARE), count - asked.length);
  const training = evenly(taught, Math.min(taught.length, room));
  const validation = evenly(asked, Math.min(asked.length, count - training.length));
  const texts = await teachersOf(training, request);
  const questions = [
    ...validation.map((question) => ({ ...question, answers: settings.map((s) => answerOf(s, question)) })),
    ...training.map((question) => ({
      ...question,
      answers: settings.map(() => null),
      teacher: texts.get(question),
    })),
  ];
  return { examples: await located(questions, request.onNotice), available: asked.length + taught.length };
}

/** A question before its video and texts were looked for. */
interface Question {
  sample: Sample;
  split: Example['split'];
  config: Config;
  /** What tells its set of questions from others. */
  set: string;
  /** Reasoning that its recipe trains on. */
  refined?: RefinedTexts | undefined;
}

/** The validation questions that any run answered. */
async function validationQuestions({ settings, onNotice }: ExampleRequest): Promise<Question[]> {
  const answered = settings.flatMap(({ runs }) => runs).filter(({ predictions }) => predictions);
  const sets = new Map(answered.map((run) => [validationOf(run), run]));
  const questions: Question[] = [];
  for (const [set, { config }] of sets) {
    const samples = await samplesOf(config, config.data.val!, onNotice);
    const ids = new Set(
      answered.filter((run) => validationOf(run) === set).flatMap((run) => [...run.predictions!.keys()]),
    );
    const known = samples.filter(({ id }) => ids.has(id));
    if (samples.length > 0 && known.length < ids.size)
      onNotice(
        `${config.data.val}: lacks ${ids.size - known.length} of ${ids.size} questions that were answered; it has changed since`,
      );
    questions.push(...known.map((sample) => ({ sample, split: 'validation' as const, config, set })));
  }
  return questions;
}

/** The training questions that a teacher wrote about. */
async function trainingQuestions({ settings, onNotice }: ExampleRequest): Promise<Question[]> {
  const configs = settings.map(({ runs }) => runs[0]!.config);
  // Of settings that differ in their reasoning the last one's is shown.
  const sets = new Map(
    configs
      .filter(({ data }) => data.train)
      .sort((a, b) => Number(Boolean(a.data.reasoning)) - Number(Boolean(b.data.reasoning)))
      .map((config) => [
        JSON.stringify([config.data.dataset, config.data.train, config.data.videos]),
        config,
      ]),
  );
  const questions: Question[] = [];
  for (const [set, config] of sets) {
    const { reasoning } = config.data;
    const refined = reasoning
      ? await readRefined(reasoning).catch((error) => {
          onNotice(goingOn(error, "the teacher's texts"));
          return undefined;
        })
      : undefined;
    const samples = await samplesOf(config, config.data.train!, onNotice);
    const taught = samples.filter((sample) => sample.reasoning !== undefined || refined?.rows.has(sample.id));
    questions.push(...taught.map((sample) => ({ sample, split: 'training' as const, config, set, refined })));
  }
  return questions;
}

async function samplesOf(config: Config, file: string, onNotice: (line: string) => void): Promise<Sample[]> {
  try {
    const { samples } = await readAnnotations({ dataset: config.data.dataset, file });
    // The browser of examples shows options; other tasks are in the table of tasks.
    const choices = samples.filter((sample) => taskOf(sample) === 'choice');
    return config.data.addPunctuation ? choices.map(prepareText) : choices;
  } catch (error) {
    onNotice(goingOn(error, 'its questions'));
    return [];
  }
}

async function teachersOf(
  questions: readonly Question[],
  { raw, onNotice }: ExampleRequest,
): Promise<Map<Question, TeacherText>> {
  const found = new Map<Question, TeacherText>();
  for (const set of new Set(questions.map((question) => question.set))) {
    const members = questions.filter((question) => question.set === set);
    const { refined } = members[0]!;
    const ids = new Set(members.map(({ sample }) => sample.id));
    const read = refined && (await teacherTexts(refined, ids, raw));
    if (read?.notice) onNotice(read.notice);
    for (const question of members) {
      const text = read?.texts.get(question.sample.id) ?? inlineText(question.sample);
      if (text) found.set(question, text);
    }
  }
  return found;
}

/** Reasoning that stands in the annotation itself (data.dataset jsonl). */
function inlineText({ reasoning, reasoningCorrect }: Sample): TeacherText | undefined {
  if (reasoning === undefined) return undefined;
  return { correct: reasoningCorrect ?? null, parts: [{ text: reasoning }], note: 'the refined text alone' };
}

function answerOf({ runs }: Setting, { sample, set }: Question): PageAnswer | null {
  const found = runs
    .filter((run) => validationOf(run) === set)
    .flatMap(({ predictions }) => predictions?.get(sample.id) ?? []);
  return found.length === 0 ? null : combined(found, sample.options.length);
}

/** The answers of several seeds as one. */
export function combined(found: readonly Predicted[], options: number): PageAnswer {
  const picks = found.map(({ prediction }) => prediction);
  const all = found.flatMap(({ probabilities }) => (probabilities ? [probabilities] : []));
  const share = (option: number) => picks.filter((pick) => pick === option).length / picks.length;
  const means = Array.from({ length: options }, (_, option) =>
    all.length === found.length
      ? all.reduce((sum, probabilities) => sum + (probabilities[option] ?? 0), 0) / all.length
      : share(option),
  );
  return {
    chosen: means.indexOf(Math.max(...means)),
    picks,
    ...(all.length === found.length ? { probabilities: means.map((mean) => Math.round(1000 * mean)) } : {}),
  };
}

/** Looks for the videos; what cannot be found is told once a folder. */
async function located<Found extends Omit<Example, 'path'>>(
  questions: readonly Found[],
  onNotice: (line: string) => void,
): Promise<(Found & { path: string | undefined })[]> {
  const byRoot = groupBy(questions, ({ config: { data } }) => JSON.stringify([data.videos, data.map]));
  const paths = new Map<Found, string | undefined>();
  for (const members of byRoot.values()) {
    const { videos, map } = members[0]!.config.data;
    try {
      const locator = await VideoLocator.open(videos, map ? { mapFile: map } : {});
      const found = await locator.locate(
        members.map(({ sample }) => sample),
        (error) => onNotice(goingOn(error, 'its frames')),
      );
      for (const member of members) paths.set(member, found.paths.get(member.sample.video));
      if (found.missing.length > 0)
        onNotice(
          `${videos}: no video for ${found.missing.length} of ${members.length} questions shown, the first ${found.missing[0]!.id}; the report goes on without their frames`,
        );
    } catch (error) {
      onNotice(goingOn(error, 'frames'));
    }
  }
  return questions.map((question) => ({ ...question, path: paths.get(question) }));
}

/** Some of a list at equal distances, in its order. */
export function evenly<T>(list: readonly T[], count: number): T[] {
  const wanted = Math.min(count, list.length);
  return Array.from({ length: wanted }, (_, i) => list[Math.floor((i * list.length) / wanted)]!);
}

/** What is said of a file that the report can do without. @throws whatever is no error of a file */
export function goingOn(error: unknown, without: string): string {
  if (!(error instanceof DataError)) throw error;
  return `${error.message}; the report goes on without ${without}`;
}
