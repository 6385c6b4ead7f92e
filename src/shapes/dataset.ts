/** Writes a dataset of the shapes world in NExT-QA's format. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DataError, messageOf, UsageError } from '../base/errors.js';
import { makeFolder, writeFileAtomic } from '../base/files.js';
import { isRecord } from '../base/values.js';
import { countTypes, QuestionBalancer } from './balance.js';
import { describeClip, describeFrame } from './captions.js';
import { factsOf } from './language.js';
import { CSV_HEADER, refuseForeign } from './ownFiles.js';
import { TYPE_OF } from './questions.js';
import { writeClip } from './render.js';
import { BEATS, beatCount, type Clip, isLength, SCENE_SIZE } from './scene.js';
import { lengthFault, simulateClip } from './simulate.js';
import { type ChanceLevel, chanceOf } from './tasks/chance.js';
import { type AskedChoice, type MadeVideo, taskRows, writeMade } from './tasks/index.js';
import { SHAPES_TASKS, type ShapesTask, type TaskRow } from './tasks/rows.js';

export const SPLITS = ['train', 'val', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** Goes into every dataset's identity; raise it when the same seed would give other files. */
export const WORLD_VERSION = 3;

export interface ShapesOptions {
  /** Folder to write; made if it is missing. */
  out: string;
  seed: number | string;
  /** Clips of each split. Defaults 300, 120, 120. */
  train?: number;
  val?: number;
  test?: number;
  /** Questions about each clip, at most. Default 4. */
  questionsPerClip?: number;
  /** Frames of a clip, at least 8. Default 16. */
  frames?: number;
  /** Beats of a clip: 4 (the default), or for long clips 4 times another odd number, with four frames each. */
  beats?: number;
  /** Tasks of the JSON lines. Default `choice` alone, which the csv holds: then no JSON lines are written. */
  tasks?: readonly ShapesTask[];
  /** Side of a frame in pixels. Default 64. */
  size?: number;
  /** Told after each clip is written. */
  onProgress?: (done: number, total: number) => void;
}

export interface ShapesSummary {
  out: string;
  clips: Record<Split, number>;
  questions: Record<Split, number>;
  /** Questions of each type in the training split. */
  types: Record<string, number>;
  /** Samples of each task in the JSON lines, where there are any. */
  samples?: Partial<Record<ShapesTask, Record<Split, number>>>;
  /** What is reached without a look, on the validation split, or the first that has samples. */
  chance?: ChanceLevel[];
  /** True when the folder already held exactly this dataset and nothing was written. */
  reused: boolean;
}

/** One line of events.jsonl: everything that is known about a clip. */
export interface EventsLine {
  video: string;
  split: Split;
  clip: Clip;
}

/** Beats and tasks are stated where they are not the default, so that a world without them is described as ever. */
type Settings = Required<Omit<ShapesOptions, 'out' | 'onProgress' | 'beats' | 'tasks'>> &
  Pick<ShapesOptions, 'beats' | 'tasks'> & { version: number };

/**
 * Writes a dataset in NExT-QA's format: train.csv, val.csv, test.csv, videos/<video>.webp (lossless, one page a frame),
 * map_vid_vidorID.json; also events.jsonl (the whole truth about each clip) and captions.jsonl; last shapes.json, which
 * marks the folder as complete. With tasks also train.jsonl, val.jsonl and test.jsonl, and made.jsonl, which says what the
 * films of dark and mixed samples are made of. The same settings give the same bytes; a folder that is complete with the same
 * settings is left alone. No story (objects, places, events) occurs twice, so the splits are disjoint.
 *
 * @throws DataError when a file cannot be written, or would replace one of another data set; UsageError for tasks and beats that there are not, RangeError for other
 *   impossible settings.
 */
export async function makeShapes(options: ShapesOptions): Promise<ShapesSummary> {
  const settings = settingsOf(options);
  const { out } = options;
  const { train, val, test } = settings;
  const known = await readSummary(out, settings);
  if (known !== undefined) return known;
  await refuseForeign(out, [...WORLD_FILES, ...(settings.tasks ? TASK_FILES : [])]);
  const lines = inventClips(settings);
  const choices = bySplit((split) => questionRows(settings, split, lines));
  const tasks = bySplit((split) => samplesOf(settings, split, lines, choices[split]));
  const made = SPLITS.flatMap((split) => tasks[split].videos);
  const videos = [...lines, ...made].map(({ video }) => video);
  await clearFolder(out, videos);
  await writeVideos(options, settings.size, lines, made);
  for (const split of SPLITS)
    await writeFileAtomic(join(out, `${split}.csv`), toCsv(choices[split], settings));
  if (settings.tasks) {
    for (const split of SPLITS)
      await writeFileAtomic(join(out, `${split}.jsonl`), toLines(tasks[split].rows.map(lineOf)));
    await writeFileAtomic(join(out, 'made.jsonl'), toLines(made));
  }
  const summary = {
    clips: { train, val, test },
    questions: bySplit((split) => choices[split].length),
    types: countTypes(choices.train),
    ...(settings.tasks ? taskSummary(settings.tasks, tasks) : {}),
  };
  const map = Object.fromEntries(videos.map((video) => [video, `videos/${video}`]));
  await writeFileAtomic(join(out, 'map_vid_vidorID.json'), `${JSON.stringify(map)}\n`);
  await writeFileAtomic(join(out, 'events.jsonl'), toLines(lines));
  await writeFileAtomic(join(out, 'captions.jsonl'), lines.map(captionLine).join(''));
  await writeFileAtomic(join(out, 'shapes.json'), `${JSON.stringify({ settings, ...summary }, null, 2)}\n`);
  return { ...summary, out, reused: false };
}

function bySplit<T>(make: (split: Split) => T): Record<Split, T> {
  const [train, val, test] = SPLITS.map(make) as [T, T, T];
  return { train, val, test };
}

function toLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/** A sample as JSON lines have it: without options where its task has none. */
function lineOf({ sample: { options, ...rest } }: TaskRow) {
  return options.length > 0 ? { ...rest, options } : rest;
}

/** The samples of all tasks about the clips of a split, and the films they need. */
function samplesOf(
  { seed, questionsPerClip, tasks = [] }: Settings,
  split: Split,
  lines: readonly EventsLine[],
  choices: readonly AskedChoice[],
) {
  const clips = lines.filter((line) => line.split === split);
  const of = { clips, seed: `data/${seed}/${split}`, questionsPerClip };
  const made = tasks.map((task) => ({ task, ...taskRows(task, of, choices) }));
  return {
    made,
    rows: made.flatMap(({ rows }) => rows),
    videos: made.flatMap(({ videos }) => videos),
  };
}

function taskSummary(
  tasks: readonly ShapesTask[],
  splits: Record<Split, { made: readonly { task: ShapesTask; rows: readonly TaskRow[] }[] }>,
) {
  const rowsOf = (task: ShapesTask, split: Split) =>
    splits[split].made.find((made) => made.task === task)!.rows;
  const samples = Object.fromEntries(
    tasks.map((task) => [task, bySplit((split) => rowsOf(task, split).length)]),
  );
  const judged = (task: ShapesTask) =>
    (['val', 'test', 'train'] as const).map((split) => rowsOf(task, split)).find((rows) => rows.length > 0) ??
    [];
  return { samples, chance: tasks.flatMap((task) => chanceOf(task, judged(task))) };
}

/** Files of every world; shapes.json, which is told by its content, comes last of all. */
const WORLD_FILES = [
  ...SPLITS.map((split) => `${split}.csv`),
  ...['map_vid_vidorID.json', 'events.jsonl', 'captions.jsonl'],
];

/** Files that only a world with tasks has. */
const TASK_FILES = [...SPLITS.map((split) => `${split}.jsonl`), 'made.jsonl'];

/** Makes the folder, and removes files of an earlier or interrupted run that are not of this dataset. */
async function clearFolder(out: string, names: readonly string[]): Promise<void> {
  const videos = join(out, 'videos');
  const ours = /^(train|val|test)-\d{4,}(-dark|-mix)?\.webp(\.tmp-\d+)?$/;
  const wanted = new Set(names.map((video) => `${video}.webp`));
  try {
    await makeFolder(videos);
    const hadTasks = (await writtenIn(out))?.settings?.tasks !== undefined;
    // Without this file first of all, a kill halfway would leave a mixture that claims to be complete.
    await rm(join(out, 'shapes.json'), { force: true });
    if (hadTasks) for (const name of TASK_FILES) await rm(join(out, name), { force: true });
    for (const name of await readdir(videos)) {
      if (ours.test(name) && !wanted.has(name)) await rm(join(videos, name));
    }
  } catch (error) {
    const message = `${out}: the shapes dataset cannot be written there (${messageOf(error)})`;
    throw new DataError(message, { cause: error });
  }
}

function settingsOf(options: ShapesOptions): Settings {
  const { seed, train = 300, val = 120, test = 120 } = options;
  const { questionsPerClip = 4, frames = 16, size = SCENE_SIZE } = options;
  const { beats = BEATS, tasks = ['choice'] } = options;
  const whole = { train, val, test, questionsPerClip, frames, size };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 0)
      throw new RangeError(`shapes ${name}: ${value}, expected a whole number`);
  }
  // The shortest clip of four beats is simulateClip's own concern, as ever.
  if (beats !== BEATS && !isLength(frames, beats))
    throw new UsageError(`shapes: ${lengthFault(frames, beats)}`);
  for (const [i, task] of tasks.entries())
    if (!SHAPES_TASKS.includes(task) || tasks.indexOf(task) !== i)
      throw new UsageError(`shapes tasks: ${task}, expected each of ${SHAPES_TASKS.join(', ')} once at most`);
  const more =
    tasks.length === 0 || (tasks.length === 1 && tasks[0] === 'choice') ? {} : { tasks: [...tasks] };
  return { version: WORLD_VERSION, seed, ...whole, ...(beats === BEATS ? {} : { beats }), ...more };
}

/** What is written in the folder, if it is exactly this dataset. */
async function readSummary(out: string, settings: Settings): Promise<ShapesSummary | undefined> {
  const { settings: written, ...summary } = (await writtenIn(out)) ?? {};
  if (JSON.stringify(written) !== JSON.stringify(settings)) return undefined;
  return { ...(summary as Omit<ShapesSummary, 'out' | 'reused'>), out, reused: true };
}

/** What shapes.json says: undefined without a file, and for one that is not ours or not whole. */
async function writtenIn(
  out: string,
): Promise<({ settings?: Settings } & Record<string, unknown>) | undefined> {
  try {
    const written = JSON.parse(await readFile(join(out, 'shapes.json'), 'utf8'));
    return isRecord(written) ? written : undefined;
  } catch {
    return undefined;
  }
}

/** All clips, split by split; a story that has been told before is invented anew. */
function inventClips(settings: Settings): EventsLine[] {
  const told = new Set<string>();
  const lines: EventsLine[] = [];
  for (const split of SPLITS) {
    for (let i = 0; i < settings[split]; i++) {
      const video = `${split}-${String(i).padStart(4, '0')}`;
      let clip: Clip;
      let take = 0;
      do clip = simulateClip(`data/${settings.seed}/${video}/${take++}`, settings);
      while (told.has(storyOf(clip)));
      told.add(storyOf(clip));
      lines.push({ video, split, clip: { ...clip, id: video } });
    }
  }
  return lines;
}

/** A clip's story, without the exact places and the tremble of its objects. */
export function storyOf({ objects, events }: Clip): string {
  return JSON.stringify([objects.map(({ colour, shape, cell }) => [colour, shape, cell]), events]);
}

async function writeVideos(
  options: ShapesOptions,
  size: number,
  lines: readonly EventsLine[],
  made: readonly MadeVideo[],
): Promise<void> {
  const clips = new Map(lines.map(({ video, clip }) => [video, clip]));
  const queue = (function* () {
    yield* lines;
    yield* made;
  })();
  let done = 0;
  const worker = async () => {
    for (const each of queue) {
      const path = join(options.out, 'videos', `${each.video}.webp`);
      if ('clip' in each) await writeClip(path, each.clip, size);
      else await writeMade(path, each, (video) => clips.get(video)!, size);
      options.onProgress?.(++done, lines.length + made.length);
    }
  };
  // An error ends the generator for all workers, and is passed on when none of them writes any more.
  const ends = await Promise.allSettled(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** The questions of a split; qid restarts with every video, as in NExT-QA. */
function questionRows(settings: Settings, split: Split, lines: EventsLine[]): AskedChoice[] {
  const balancer = new QuestionBalancer(`data/${settings.seed}/${split}/questions`);
  const own = lines.filter((line) => line.split === split);
  return own.flatMap(({ video, clip }) =>
    balancer.choose(clip, settings.questionsPerClip).map((asked, qid) => ({ video, qid, ...asked })),
  );
}

/** No text of this world holds a comma, a quote or a line break, so the fields need no quoting. */
function toCsv(rows: readonly AskedChoice[], { frames, size }: Settings): string {
  const lines = rows.map(({ video, qid, question, answer, template, options }) =>
    [video, frames, size, size, question, answer, qid, TYPE_OF[template], ...options].join(','),
  );
  return [CSV_HEADER, ...lines, ''].join('\n');
}

function captionLine({ video, clip }: EventsLine): string {
  const facts = factsOf(clip);
  const frames = Array.from({ length: beatCount(clip) }, (_, beat) => describeFrame(facts, beat));
  return `${JSON.stringify({ video, caption: describeClip(facts), frames })}\n`;
}
