/** Writes a dataset of the shapes world in NExT-QA's format. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { countTypes, QuestionBalancer } from './balance.js';
import { describeClip, describeFrame } from './captions.js';
import { factsOf } from './language.js';
import { TYPE_OF } from './questions.js';
import { writeClip } from './render.js';
import { BEATS, type Clip, SCENE_SIZE } from './scene.js';
import { simulateClip } from './simulate.js';

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
  /** True when the folder already held exactly this dataset and nothing was written. */
  reused: boolean;
}

/** One line of events.jsonl: everything that is known about a clip. */
export interface EventsLine {
  video: string;
  split: Split;
  clip: Clip;
}

type Settings = Required<Omit<ShapesOptions, 'out' | 'onProgress'>> & { version: number };

/**
 * Writes a dataset in NExT-QA's format: train.csv, val.csv, test.csv, videos/<video>.webp (lossless, one page a frame),
 * map_vid_vidorID.json; also events.jsonl (the whole truth about each clip) and captions.jsonl; last shapes.json, which
 * marks the folder as complete. The same settings give the same bytes; a folder that is complete with the same settings
 * is left alone. No story (objects, places, events) occurs twice, so the splits are disjoint.
 *
 * @throws DataError when a file cannot be written, RangeError for impossible settings.
 */
export async function makeShapes(options: ShapesOptions): Promise<ShapesSummary> {
  const settings = settingsOf(options);
  const { out } = options;
  const { train, val, test } = settings;
  const known = await readSummary(out, settings);
  if (known !== undefined) return known;
  const lines = inventClips(settings);
  await clearFolder(out, lines);
  await writeClips(options, settings.size, lines);
  const summary = { clips: { train, val, test }, questions: { train: 0, val: 0, test: 0 }, types: {} };
  for (const split of SPLITS) {
    const rows = questionRows(settings, split, lines);
    await writeFileAtomic(join(out, `${split}.csv`), toCsv(rows, settings));
    summary.questions[split] = rows.length;
    if (split === 'train') summary.types = countTypes(rows);
  }
  const map = Object.fromEntries(lines.map(({ video }) => [video, `videos/${video}`]));
  await writeFileAtomic(join(out, 'map_vid_vidorID.json'), `${JSON.stringify(map)}\n`);
  await writeFileAtomic(join(out, 'events.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFileAtomic(join(out, 'captions.jsonl'), lines.map(captionLine).join(''));
  await writeFileAtomic(join(out, 'shapes.json'), `${JSON.stringify({ settings, ...summary }, null, 2)}\n`);
  return { ...summary, out, reused: false };
}

/** Makes the folder, and removes files of an earlier or interrupted run that are not of this dataset. */
async function clearFolder(out: string, lines: EventsLine[]): Promise<void> {
  const videos = join(out, 'videos');
  const ours = /^(train|val|test)-\d{4,}\.webp(\.tmp-\d+)?$/;
  const wanted = new Set(lines.map(({ video }) => `${video}.webp`));
  try {
    await mkdir(videos, { recursive: true });
    // Without this file first of all, a kill halfway would leave a mixture that claims to be complete.
    await rm(join(out, 'shapes.json'), { force: true });
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
  const whole = { train, val, test, questionsPerClip, frames, size };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 0)
      throw new RangeError(`shapes ${name}: ${value}, expected a whole number`);
  }
  return { version: WORLD_VERSION, seed, ...whole };
}

/** What is written in the folder, if it is exactly this dataset. */
async function readSummary(out: string, settings: Settings): Promise<ShapesSummary | undefined> {
  try {
    const { settings: written, ...summary } = JSON.parse(await readFile(join(out, 'shapes.json'), 'utf8'));
    if (JSON.stringify(written) === JSON.stringify(settings)) return { ...summary, out, reused: true };
  } catch {
    // No file, or one that is not ours or not whole: the dataset is written again.
  }
  return undefined;
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
      do clip = simulateClip(`data/${settings.seed}/${video}/${take++}`, { frames: settings.frames });
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

async function writeClips(options: ShapesOptions, size: number, lines: EventsLine[]): Promise<void> {
  const queue = (function* () {
    yield* lines;
  })();
  let done = 0;
  const worker = async () => {
    for (const { video, clip } of queue) {
      await writeClip(join(options.out, 'videos', `${video}.webp`), clip, size);
      options.onProgress?.(++done, lines.length);
    }
  };
  // An error ends the generator for all workers, and is passed on when none of them writes any more.
  const ends = await Promise.allSettled(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** The questions of a split; qid restarts with every video, as in NExT-QA. */
function questionRows(settings: Settings, split: Split, lines: EventsLine[]) {
  const balancer = new QuestionBalancer(`data/${settings.seed}/${split}/questions`);
  const own = lines.filter((line) => line.split === split);
  return own.flatMap(({ video, clip }) =>
    balancer.choose(clip, settings.questionsPerClip).map((asked, qid) => ({ video, qid, ...asked })),
  );
}

/** No text of this world holds a comma, a quote or a line break, so the fields need no quoting. */
function toCsv(rows: ReturnType<typeof questionRows>, { frames, size }: Settings): string {
  const header = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
  const lines = rows.map(({ video, qid, question, answer, template, options }) =>
    [video, frames, size, size, question, answer, qid, TYPE_OF[template], ...options].join(','),
  );
  return [header, ...lines, ''].join('\n');
}

function captionLine({ video, clip }: EventsLine): string {
  const facts = factsOf(clip);
  const frames = Array.from({ length: BEATS }, (_, beat) => describeFrame(facts, beat));
  return `${JSON.stringify({ video, caption: describeClip(facts), frames })}\n`;
}
