/**
 * The built-in teacher: it sees frames and a question, recognises the clip by its pixels, and reasons from the clip's
 * events. Like a real model it is wrong, about a fixed share of the questions: there it defends another option, with at
 * least one step that the frames do not show.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { Rng } from '../base/random.js';
import { describeClip, nameObjects } from './captions.js';
import { type EventsLine, SPLITS } from './dataset.js';
import { FrameIndex } from './frameIndex.js';
import { factsOf } from './language.js';
import { lookUp, type PosedQuestion } from './questions.js';
import { reasoningSteps } from './reasoning.js';
import { beatOfFrame } from './render.js';
import { type Clip, COLOURS } from './scene.js';
import { composeAnswer } from './teacherText.js';

export interface TeacherOptions {
  /** Folder written by makeShapes. */
  dataset: string;
  /** Decides which questions it is wrong about, and its wording. Default 0. */
  seed?: number | string;
  /** Share of the questions of each split it answers wrongly, 0 to 1. Default 0.325. */
  errorRate?: number;
}

export interface TeacherReply {
  text: string;
  /** 0-based index of the option it chose. */
  chosen: number;
  correct: boolean;
}

export class ShapesTeacher {
  private constructor(
    private readonly index: FrameIndex,
    private readonly mistaken: ReadonlySet<string>,
    private readonly seed: number | string,
  ) {}

  /** @throws DataError when the folder does not hold a complete shapes dataset. */
  static async open(options: TeacherOptions): Promise<ShapesTeacher> {
    const { dataset, seed = 0, errorRate = 0.325 } = options;
    if (!(errorRate >= 0 && errorRate <= 1)) throw new RangeError(`error rate ${errorRate}, expected 0 to 1`);
    const { size, clips, questions } = await readSplit(dataset);
    const mistaken = new Set(questions.flatMap((split) => someOf(split, errorRate, seed)));
    return new ShapesTeacher(new FrameIndex(clips, size), mistaken, seed);
  }

  /**
   * Reasons about one question.
   *
   * @param images encoded frames in the order of time.
   * @throws Error (one line) when the images show no clip of the dataset, or the question is not of this world.
   */
  async answer(
    images: readonly Uint8Array[],
    question: string,
    options: readonly string[],
  ): Promise<TeacherReply> {
    const { clip, frames } = await this.index.recognise(images);
    const asked = bare(question);
    const offered = options.map(bare);
    const rng = new Rng(`teacher/${this.seed}/${clip.id}/${asked}`);
    const facts = factsOf(clip);
    const posed = lookUp(facts, asked);
    if (posed === undefined || !offered.includes(posed.right))
      throw new Error(`"${asked}" with these options is no question about ${clip.id} that I know`);
    const isMistaken = this.mistaken.has(keyOf(clip.id, asked));
    const claim = isMistaken ? temptation(clip, posed, offered, rng) : posed.right;
    const steps = reasoningSteps(facts, posed, offered, claim, { frameOf: frameNumbers(clip, frames), rng });
    const chosen = offered.indexOf(claim);
    return { text: composeAnswer(steps, offered, chosen, rng), chosen, correct: !isMistaken };
  }

  /** Describes the clip that the images show, as {@link answer} recognises it: its objects, or also what they do. */
  async caption(images: readonly Uint8Array[], writing: 'brief' | 'detailed'): Promise<string> {
    const { clip } = await this.index.recognise(images);
    const facts = factsOf(clip);
    return writing === 'brief' ? nameObjects(facts) : describeClip(facts);
  }
}

/** The first frame, counted from 1, that shows the end of a beat; the last one if none does. */
function frameNumbers(clip: Clip, frames: readonly number[]): (beat: number) => number {
  const beats = frames.map((frame) => beatOfFrame(clip.frames, frame, clip.beats));
  return (beat) => {
    const first = beats.findIndex((shown) => shown >= beat);
    return first < 0 ? frames.length : first + 1;
  };
}

/** A wrong option to defend: one that names an object of the clip, if there is one. */
function temptation(clip: Clip, posed: PosedQuestion, options: readonly string[], rng: Rng): string {
  const wrong = options.filter((option) => option !== posed.right);
  const plausible = wrong.filter((option) => {
    const colour = COLOURS.find((c) => option.split(' ').includes(c));
    return colour === undefined || clip.objects.some((object) => object.colour === colour);
  });
  return rng.pick(plausible.length > 0 && rng.float() < 0.7 ? plausible : wrong);
}

/** Without the final mark that prompts add to questions and options. */
function bare(text: string): string {
  return text
    .trim()
    .replace(/[?.]+$/, '')
    .trim();
}

function keyOf(video: string, question: string): string {
  return `${video}\n${question}`;
}

/** Exactly the given share of the keys, the ones with the smallest hashes. */
function someOf(keys: readonly string[], share: number, seed: number | string): string[] {
  const ranked = keys
    .map((key) => ({ key, rank: fraction(`${seed}/${key}`) }))
    .sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, Math.round(share * keys.length)).map(({ key }) => key);
}

/** A number in [0, 1) that depends on the text alone. */
function fraction(text: string): number {
  return createHash('sha1').update(text).digest().readUInt32BE(0) / 2 ** 32;
}

/** The clips of a dataset, and the keys of its questions split by split. */
async function readSplit(folder: string): Promise<{ size: number; clips: Clip[]; questions: string[][] }> {
  try {
    const { settings } = JSON.parse(await readFile(join(folder, 'shapes.json'), 'utf8'));
    const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).split('\n').filter(Boolean);
    const clips = lines.map((line) => (JSON.parse(line) as EventsLine).clip);
    const rowsOf = async (split: string) =>
      (await readFile(join(folder, `${split}.csv`), 'utf8')).split('\n').slice(1).filter(Boolean);
    const keyOfRow = (row: string) => keyOf(row.split(',')[0]!, row.split(',')[4]!);
    const questions = await Promise.all(SPLITS.map(async (split) => (await rowsOf(split)).map(keyOfRow)));
    return { size: settings.size, clips, questions };
  } catch (error) {
    throw new DataError(`${folder}: not a complete shapes dataset (${messageOf(error)}); make it again`, {
      cause: error,
    });
  }
}
