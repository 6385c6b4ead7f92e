/** `reasvqa shapes`: the built-in world's dataset, and its teacher. */
import type { Command } from 'commander';
import type { ShapesTask } from '../shapes/tasks/rows.js';
import { fromCwd, type Io, integer, interruptible, number, print, printJson, progressOf } from './io.js';

interface MakeOptions {
  out: string;
  seed: string;
  train: number;
  val: number;
  test: number;
  questions: number;
  frames: number;
  beats: number;
  size: number;
  tasks: string[];
  json?: boolean;
}

interface TeacherOptions {
  data: string;
  port: number;
  seed: string;
  errorRate: number;
}

export function addShapes(program: Command, io: Io): void {
  const shapes = program
    .command('shapes')
    .summary('the built-in world of coloured shapes')
    .description(
      'A small world of coloured shapes with causal rules: videos, questions, and a teacher that errs.',
    );

  shapes
    .command('make')
    .summary('write a dataset of clips and questions')
    .description(
      "Writes clips and questions in NExT-QA's format: train.csv, val.csv, test.csv, videos/. Other tasks than choice are written as JSON lines beside them: train.jsonl, val.jsonl, test.jsonl. The same options give the same files.",
    )
    .requiredOption('--out <folder>', 'folder to write (required)')
    .option('--seed <text>', 'seed of the world', '0')
    .option('--train <n>', 'training clips', integer(0), 300)
    .option('--val <n>', 'validation clips', integer(0), 120)
    .option('--test <n>', 'test clips', integer(0), 120)
    .option('--questions <n>', 'questions about each clip, at most', integer(1), 4)
    .option('--frames <n>', 'frames of a clip', integer(8), 16)
    .option(
      '--beats <n>',
      'beats of a clip; more than 4 (12, 20, ...) hide events from four uniform frames, and need 4 frames each: --frames 64 --beats 12',
      integer(4),
      4,
    )
    .option('--size <pixels>', 'side of a frame', integer(16), 64)
    .option(
      '--tasks <list>',
      'choice, open, caption, ground, grounded-choice, dark, mix, separated by commas',
      (text: string) => text.split(',').map((task) => task.trim()),
      ['choice'],
    )
    .option('--json', 'print the summary as JSON (default: off)')
    .action(async (options: MakeOptions) => {
      const { makeShapes } = await import('../shapes/dataset.js');
      const { questions: questionsPerClip, json, out, tasks, ...rest } = options;
      const progress = progressOf(io, 'shapes', 'clips');
      const summary = await makeShapes({
        ...rest,
        out: fromCwd(io, out),
        questionsPerClip,
        // What is no task is named by makeShapes.
        tasks: tasks as ShapesTask[],
        onProgress: (done) => progress.tick(done),
      }).finally(() => progress.done());
      if (json) return printJson(io, summary);
      for (const split of ['train', 'val', 'test'] as const)
        print(io, `${split}: ${summary.clips[split]} clips, ${summary.questions[split]} questions`);
      for (const [task, { train, val, test }] of Object.entries(summary.samples ?? {}))
        print(io, `${task}: ${train} / ${val} / ${test} samples to train / validate / test`);
      for (const { task, measure, constant, byWording } of summary.chance ?? [])
        print(
          io,
          `${task}: ${measure} without a look at the clip ${constant} %, knowing the wording ${byWording} %`,
        );
      if (summary.reused) print(io, `${out} already held exactly this`);
    });

  shapes
    .command('teacher')
    .summary('serve a model that reasons about these clips, and errs')
    .description(
      'Serves an OpenAI-compatible teacher on 127.0.0.1 until it is interrupted. It recognises the clips of a dataset and answers wrongly at the given rate.',
    )
    .requiredOption('--data <folder>', 'folder written by `reasvqa shapes make` (required)')
    .option('--port <n>', 'port; 0 takes a free one', integer(0), 8000)
    .option('--seed <text>', 'decides where it errs', '0')
    .option('--error-rate <share>', 'share of wrong answers', number(0, 1), 0.325)
    .action(async (options: TeacherOptions) => {
      const { startTeacher } = await import('../shapes/teacherServer.js');
      const { data, ...rest } = options;
      const teacher = await startTeacher({ ...rest, dataset: fromCwd(io, data) });
      print(io, `${teacher.url} model ${teacher.model}`);
      await interruptible(
        (signal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      );
      await teacher.close();
    });
}
