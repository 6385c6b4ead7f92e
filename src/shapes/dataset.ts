/** Writes a dataset of the shapes world in NExT-QA's format. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { countTypes, QuestionBalancer } from './balance.js';
import { describeClip, describeFrame } from './captions.js';
import { factsOf } from './language.js';
import { type ShapesQuestion, TYPE_OF } from './questions.js';
import { writeClip } from './render.js';
import { BEATS, type Clip, SCENE_SIZE } from './scene.js';
import { simulateClip } from './simulate.js';

export const SPLITS = ['train', 'val', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** Goes into every dataset's identity; raise it when the same seed would give other files. */
const WORLD_VERSION = 1;

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
 * Writes a dataset in NExT-QA's format: train.csv, val.csv, test.csv, videos/<video>.webp (lossless, one page a
 * frame), map_vid_vidorID.json; for the teacher and for reading, events.jsonl (the whole truth about each clip)
 * and captions.jsonl; last shapes.json, which marks the folder as complete. The same settings give the same bytes;
 * a folder that is complete with the same settings is left alone. No story (objects, places, events) occurs twice,
 * so the splits are disjoint.
 *
 * @throws DataError when a file cannot be written, RangeError for impossible settings.
 */
export async function makeShapes(options: ShapesOptions): Promise<ShapesSummary> {
  const settings = settingsOf(options);
  const { out } = options;
  const known = await readSummary(out, settings);
  if (known !== undefined) return { ...known, out, reused: true };
  const lines = inventClips(settings);
  await clearFolder(out, lines);
  await writeClips(options, settings, lines);
  const summary = { clips: counts(settings), questions: { train: 0, val: 0, test: 0 }, types: {} };
  for (const split of SPLITS) {
    const rows = questionRows(settings, split, lines);
    await writeFileAtomic(join(out, `${split}.csv`), toCsv(rows, settings));
    summary.questions[split] = rows.length;
    if (split === 'train') summary.types = countTypes(rows.map((row) => row.question));
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
  const wanted = new Set(lines.map(({ video }) => `${video}.webp`));
  try {
    await mkdir(videos, { recursive: true });
    // Without this file first of all, a kill halfway would leave a mixture that claims to be complete.
    await rm(join(out, 'shapes.json'), { force: true });
    for (const name of await readdir(videos)) {
      if (OWN_VIDEO.test(name) && !wanted.has(name)) await rm(join(videos, name));
    }
  } catch (error) {
    throw new DataError(`${out}: the shapes dataset cannot be written there (${messageOf(error)})`, {
      cause: error,
    });
  }
}

const OWN_VIDEO = /^(train|val|test)-\d{4,}\.webp(\.tmp-\d+)?$/;

function settingsOf(options: ShapesOptions): Settings {
  const {
    seed,
    train = 300,
    val = 120,
    test = 120,
    questionsPerClip = 4,
    frames = 16,
    size = SCENE_SIZE,
  } = options;
  const whole = { train, val, test, questionsPerClip, frames, size };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 0) {
      throw new RangeError(`shapes ${name}: ${value}, expected a whole number`);
    }
  }
  return { version: WORLD_VERSION, seed, ...whole };
}

function counts({ train, val, test }: Settings): Record<Split, number> {
  return { train, val, test };
}

async function readSummary(
  out: string,
  settings: Settings,
): Promise<Pick<ShapesSummary, 'clips' | 'questions' | 'types'> | undefined> {
  let text: string;
  try {
    text = await readFile(join(out, 'shapes.json'), 'utf8');
  } catch {
    return undefined;
  }
  try {
    const { settings: written, clips, questions, types } = JSON.parse(text);
    return JSON.stringify(written) === JSON.stringify(settings) ? { clips, questions, types } : undefined;
  } catch {
    // A file that is not ours or not whole: the dataset is written again.
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
      for (let take = 0; ; take++) {
        const clip = simulateClip(`data/${settings.seed}/${video}/${take}`, { frames: settings.frames });
        const story = storyOf(clip);
        if (told.has(story)) continue;
        told.add(story);
        lines.push({ video, split, clip: { ...clip, id: video } });
        break;
      }
    }
  }
  return lines;
}

/** A clip's story, without the exact places and the tremble of its objects. */
export function storyOf({ objects, events }: Clip): string {
  return JSON.stringify([objects.map(({ colour, shape, cell }) => [colour, shape, cell]), events]);
}

async function writeClips(options: ShapesOptions, settings: Settings, lines: EventsLine[]): Promise<void> {
  const queue = lines.values();
  let done = 0;
  let stopped = false;
  const worker = async () => {
    for (const { video, clip } of queue) {
      if (stopped) return;
      try {
        await writeClip(join(options.out, 'videos', `${video}.webp`), clip, settings.size);
        options.onProgress?.(++done, lines.length);
      } catch (error) {
        stopped = true;
        throw error;
      }
    }
  };
  // All have ended before an error is passed on: nothing writes behind the caller's back.
  const ends = await Promise.allSettled(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

interface Row {
  video: string;
  qid: number;
  question: ShapesQuestion;
}

/** The questions of a split; qid restarts with every video, as in NExT-QA. */
function questionRows(settings: Settings, split: Split, lines: EventsLine[]): Row[] {
  const balancer = new QuestionBalancer(`data/${settings.seed}/${split}/questions`);
  return lines
    .filter((line) => line.split === split)
    .flatMap(({ video, clip }) =>
      balancer.choose(clip, settings.questionsPerClip).map((question, qid) => ({ video, qid, question })),
    );
}

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';

/** No text of this world holds a comma, a quote or a line break, so the fields need no quoting. */
function toCsv(rows: Row[], { frames, size }: Settings): string {
  const lines = rows.map(({ video, qid, question: { question, answer, template, options } }) =>
    [video, frames, size, size, question, answer, qid, TYPE_OF[template], ...options].join(','),
  );
  return [HEADER, ...lines, ''].join('\n');
}

function captionLine({ video, clip }: EventsLine): string {
  const facts = factsOf(clip);
  const frames = Array.from({ length: BEATS }, (_, beat) => describeFrame(facts, beat));
  return `${JSON.stringify({ video, caption: describeClip(facts), frames })}\n`;
}
