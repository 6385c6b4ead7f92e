/** What the tasks of the shapes world share: their names, their samples, times. */
import type { Sample, Span } from '../../data/sample.js';
import { beatOfFrame, CLIP_FPS } from '../render.js';
import type { Clip } from '../scene.js';

/** Kinds of samples that are written; `dark` and `mix` are open questions about films made of clips. */
export const SHAPES_TASKS = [
  'choice',
  'open',
  'caption',
  'ground',
  'grounded-choice',
  'dark',
  'mix',
] as const;
export type ShapesTask = (typeof SHAPES_TASKS)[number];

/** The clips of one split, under the name of each one's video. */
export interface TaskSplit {
  clips: readonly { video: string; clip: Clip }[];
  /** Seed of this split's choices. */
  seed: string;
  /** Questions about each clip, at most. */
  questionsPerClip: number;
}

/** A sample, and how its question is worded: what a blind guess may know. */
export interface TaskRow {
  sample: Sample;
  kind: string;
}

/** How many of a clip's questions are asked: with more than half of them there would be nothing left to balance. */
export function someOf(questions: number, atMost: number): number {
  return Math.min(atMost, Math.ceil(questions / 2));
}

/** Seconds that a number of frames lasts. */
export function secondsOf(frames: number): number {
  return frames / CLIP_FPS;
}

/** The frames of the beats from `first` to `last`, [from, to). */
export function framesOfBeats(
  { frames, beats }: Pick<Clip, 'frames' | 'beats'>,
  first: number,
  last = first,
): [from: number, to: number] {
  const all = Array.from({ length: frames }, (_, frame) => beatOfFrame(frames, frame, beats));
  const from = all.findIndex((beat) => beat >= first);
  const to = all.findIndex((beat) => beat > last);
  return [from, to < 0 ? frames : to];
}

/** The time of these beats' frames in seconds, as the written clip's frames have it. */
export function spanOfBeats(clip: Pick<Clip, 'frames' | 'beats'>, first: number, last = first): Span {
  const [from, to] = framesOfBeats(clip, first, last);
  return [secondsOf(from), secondsOf(to)];
}

/** A sample of this world about a clip, without what its task adds. */
export function sampleOf(
  { video, clip }: { video: string; clip: Pick<Clip, 'frames'> },
  name: string,
  given: Omit<Sample, 'id' | 'dataset' | 'video' | 'options' | 'duration'> & { options?: string[] },
): Sample {
  const { options = [], ...rest } = given;
  return {
    id: `${video}_${name}`,
    dataset: 'shapes',
    video,
    ...rest,
    options,
    duration: secondsOf(clip.frames),
  };
}
