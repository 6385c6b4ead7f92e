/** The samples of all tasks about the clips of a split, and the films that dark and mixed ones need. */
import type { Frames } from '../../video/frames.js';
import type { ShapesQuestion } from '../questions.js';
import { TYPE_OF } from '../questions.js';
import { writeFrames } from '../render.js';
import type { Clip } from '../scene.js';
import { captionRows } from './caption.js';
import { type DarkVideo, darkFrames, darkRows } from './dark.js';
import { groundRows } from './ground.js';
import { groundedChoiceRows } from './groundedChoice.js';
import { type MixVideo, mixFrames, mixRows } from './mix.js';
import { openRows } from './open.js';
import { type ShapesTask, sampleOf, type TaskRow, type TaskSplit } from './rows.js';

/** A film that is made of clips; its frames follow from it. */
export type MadeVideo = DarkVideo | MixVideo;

/** A question of the csv, with its clip's video and its number. */
export type AskedChoice = ShapesQuestion & { video: string; qid: number };

/** The samples of a task, and the films that they are about. */
export function taskRows(
  task: ShapesTask,
  split: TaskSplit,
  choices: readonly AskedChoice[],
): { rows: TaskRow[]; videos: MadeVideo[] } {
  switch (task) {
    case 'choice':
      return { rows: choiceRows(split, choices), videos: [] };
    case 'open':
      return { rows: openRows(split), videos: [] };
    case 'caption':
      return { rows: captionRows(split), videos: [] };
    case 'ground':
      return { rows: groundRows(split), videos: [] };
    case 'grounded-choice':
      return { rows: groundedChoiceRows(split), videos: [] };
    case 'dark':
      return darkRows(split);
    case 'mix':
      return mixRows(split);
  }
}

/** The choices of the csv, under the same ids, with the final marks that prompts get. */
function choiceRows({ clips }: TaskSplit, choices: readonly AskedChoice[]): TaskRow[] {
  const clipOf = new Map(clips.map(({ video, clip }) => [video, clip]));
  return choices.map(({ video, qid, question, options, answer, template }) => ({
    kind: template,
    sample: sampleOf({ video, clip: clipOf.get(video)! }, String(qid), {
      task: 'choice',
      question: `${question}?`,
      options: options.map((option) => `${option}.`),
      answer,
      type: TYPE_OF[template],
    }),
  }));
}

/** Draws a film and writes it; see writeFrames. @param clipOf the clip of a video's name */
export async function writeMade(
  path: string,
  made: MadeVideo,
  clipOf: (video: string) => Clip,
  size: number,
): Promise<void> {
  const frames: Frames =
    made.task === 'dark'
      ? darkFrames(clipOf(made.of), made.beat, size)
      : mixFrames([clipOf(made.of[0]), clipOf(made.of[1])], made, size);
  await writeFrames(path, made.video, frames);
}
