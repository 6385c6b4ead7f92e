/**
 * Three students of the study (bench/shapes/STUDY.md) ship beside their base: one learned answers alone, one answers and
 * reasoning in one pass, one to write reasoning and then the answer. All answer questions about clips that no student was
 * trained, chosen or tested on.
 */
import { join } from 'node:path';
import { stopIfAborted } from '../base/errors.js';
import { ownFile } from '../base/packageFiles.js';
import { createProgress, say } from '../base/progress.js';
import { readSplit } from '../batches/split.js';
import { resolveConfig } from '../config/load.js';
import { evaluateTogether } from '../evaluation/split.js';
import { accuracyOf, judged } from '../report/answers.js';
import { type Comparison, compare } from '../report/statistics.js';
import { makeShapes } from '../shapes/dataset.js';
import { worldFiles } from '../sweep/world.js';
import { attachTrial, openBase, openBuilder, type Trial } from '../training/trial.js';

/** One student's answers. */
export interface StudentScore {
  student: Student;
  /** A fraction. */
  accuracy: number;
  /** `reasoning` less this student, paired over questions; none for `reasoning` itself. */
  behind?: Comparison;
}

export type Student = (typeof STUDENTS)[number];

/** Folders of weights/shapes/students, and the setting that each was trained with. */
export const STUDENTS = ['answers', 'reasoning', 'stl'] as const;

/** How a student answers, where it is not by the probability of a letter: as it learned to in bench/shapes/long.yaml. */
const ANSWERING: Partial<Record<Student, readonly string[]>> = {
  stl: [
    'train.mode=stl',
    'train.stlTarget=reasoning-answer',
    'eval.scorer=generate',
    'eval.maxNewTokens=264',
  ],
};

/**
 * Draws clips of their own and lets the students answer all questions about them.
 *
 * @param recipe of the base that all were trained from
 * @param folder of the clips and of their features; a later call draws nothing again
 * @param signal ends it after the next clip or batch
 * @param clips each is asked about four times
 * @returns a score a student, in the order of {@link STUDENTS}
 * @throws Interrupted when `signal` aborts
 */
export async function compareStudents(
  recipe: string,
  folder: string,
  signal: AbortSignal,
  clips: number,
): Promise<StudentScore[]> {
  const stop = () => stopIfAborted(signal, folder);
  stop();
  await makeShapes({ out: folder, seed: 'unseen', train: 0, val: clips, test: 0, onProgress: stop });
  const { videos, val } = worldFiles(folder);
  const data = [`data.videos=${JSON.stringify(videos)}`, `data.val=${JSON.stringify(val)}`];
  const configs = await Promise.all(
    STUDENTS.map(async (student) => {
      const own = [
        `model.adapter=${JSON.stringify(ownFile(`weights/shapes/students/${student}`))}`,
        'data.reasoning=null',
        'train.beta=0',
        ...(ANSWERING[student] ?? []),
      ];
      return (await resolveConfig({ recipe, overrides: [...data, ...own] })).config;
    }),
  );
  const split = await readSplit(configs[0]!, val, false);
  const base = await openBase(configs);
  const trials: Trial[] = [];
  const progress = createProgress({ label: '  students', total: split.samples.length, unit: 'questions' });
  try {
    for (const config of configs) trials.push(await attachTrial(base, config));
    const evaluators = trials.map((trial, i) => {
      const options = { runFolder: join(folder, '..'), onWarning: say, training: false };
      return { ...trial, config: configs[i]!, builder: openBuilder(trial, configs[i]!, split, options) };
    });
    const onProgress = (done: number) => {
      progress.tick(done);
      stop();
    };
    stop();
    const evaluations = await evaluateTogether(evaluators, split.samples, { onProgress });
    const answers = evaluations.map(({ predictions }) =>
      judged(
        new Map(
          predictions.map(({ prediction, ...rest }) => [rest.id, { ...rest, prediction: prediction! }]),
        ),
      ),
    );
    const reasoning = [{ seed: 1, answers: answers[STUDENTS.indexOf('reasoning')]! }];
    return STUDENTS.map((student, i) => ({
      student,
      accuracy: accuracyOf(answers[i]!),
      ...(student !== 'reasoning' && { behind: compare(reasoning, [{ seed: 1, answers: answers[i]! }])! }),
    }));
  } finally {
    progress.done();
    for (const trial of trials) trial.dispose();
    base.dispose();
  }
}
