/** A clip as a student sees it before it is asked: the frames that are taken, their features, and how others are read. */
import { UsageError } from '../base/errors.js';
import { type AskSettings, askSettings } from '../config/settings.js';
import { LiveFrames } from '../features/source.js';
import { evaluationMode } from '../video/clip.js';
import { clipOf, type Frames, MixedSizes, readDuration, readFrames } from '../video/frames.js';
import { toPixelValues } from '../video/preprocess.js';
import type { Answerer } from './answers.js';

/** Who is asked: a student with its tokenizer, and how it was trained to see and be asked. */
export interface Asked extends Omit<Answerer, 'builder'> {
  /** The run's configuration; every key's default unless given. */
  config?: AskSettings | undefined;
}

/** Pictures in time order: 8-bit RGB, (n, height, width, 3). */
export type Pictures = Pick<Frames, 'data' | 'n' | 'height' | 'width'>;

/** What is looked at. */
export interface Clip {
  /** A video file, a GIF or WebP, a folder of frames; or frames, which are all shown. */
  video: string | Pictures;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number | undefined;
  end?: number | undefined;
}

/** A clip that a student has seen: any number of questions can be asked about it. Holds tensors: dispose of it. */
export interface Watched {
  /** The frames that it saw, at the video's own size; frames of many sizes as the student sees them. */
  readonly frames: Frames;
  /** A sample's `video`, for messages. */
  readonly name: string;
  /** Bounds of the clip in seconds, where it has any. */
  readonly clip: Omit<Clip, 'video'>;
  /** Reads other frames of the video for a later turn; undefined for frames, which have no others. */
  readonly again: LiveFrames | undefined;
  /** Length of the video in seconds. @throws DataError where it has none */
  duration(): Promise<number>;
  /** The features of the frames as a batch's input; the batch disposes them. */
  visual(): ReturnType<LiveFrames['visual']>;
  dispose(): void;
}

/**
 * Shows a clip to a student, which takes frames of it as in evaluation (video.frames) and computes their features.
 *
 * @throws UsageError for bounds that cannot be; DataError for a video that cannot be read
 */
export async function watch(asked: Asked, clip: Clip, signal?: AbortSignal): Promise<Watched> {
  checkClip(clip);
  const { student } = asked;
  const { video } = clip;
  const frames = typeof video === 'string' ? await readSeen(asked, video, clip, signal) : numbered(video);
  const pixels = await toPixelValues(frames, student.preprocessing);
  signal?.throwIfAborted();
  const name = typeof video === 'string' ? video : 'frames';
  const { sampling } = settingsOf(asked).video;
  const settings = { frames: frames.n, sampling, crop: 'none', fps: settingsOf(asked).data.fps } as const;
  const live = new LiveFrames(student, new Map([[name, name]]), settings, false);
  const { features } = live.visual([pixels]);
  return {
    ...{ frames, name, clip: { start: clip.start, end: clip.end } },
    again: typeof video === 'string' ? live : undefined,
    duration: async () => lengthOf(video, (await settingsOf(asked)).data.fps),
    visual: () => ({ features: features!.clone() }),
    dispose: () => features!.dispose(),
  };
}

/**
 * The frames of a video that a student looks at (video.frames), at the video's own size; the frames of a folder that
 * differ in size as the student sees them.
 *
 * @throws DataError for a video that cannot be read
 */
export async function readSeen(
  asked: Asked,
  path: string,
  clip: Omit<Clip, 'video'> = {},
  signal?: AbortSignal,
): Promise<Frames> {
  const { data, video } = settingsOf(asked);
  const { imageSize } = asked.student.preprocessing;
  const request = {
    ...{ path, id: path, count: video.frames, mode: evaluationMode(video.sampling) },
    ...clipOf(clip, data.fps),
    ...(signal && { signal }),
  };
  return readFrames(request).catch((error) => {
    if (!(error instanceof MixedSizes)) throw error;
    return readFrames({ ...request, size: { width: imageSize, height: imageSize } });
  });
}

/** Files are probed once: the table of their frames is kept. */
function lengthOf(video: string | Pictures, fps: number | undefined): Promise<number> {
  if (typeof video !== 'string')
    throw new UsageError('when something happens can be asked about the path of a video only, got frames');
  return readDuration({ path: video, id: video, ...(fps !== undefined && { fps }) });
}

function numbered(video: Pictures): Frames {
  const indices = Array.from({ length: video.n }, (_, i) => i);
  return { ...video, indices, timestamps: indices };
}

/** The run's configuration, or every key's default. */
export const settingsOf = ({ config, student }: Asked): AskSettings => config ?? askSettings(student.kind);

/** @throws UsageError for bounds that cannot be, or pictures of another size than they say */
export function checkClip({ video, start, end }: Clip): void {
  for (const [name, seconds] of Object.entries({ start, end }))
    if (seconds !== undefined && !(Number.isFinite(seconds) && seconds >= 0))
      throw new UsageError(`${name}: expected seconds, at least 0, got ${seconds}`);
  if (start !== undefined && end !== undefined && end <= start)
    throw new UsageError(`end: expected more than start, ${start} s, got ${end} s`);
  if (typeof video === 'string') return;
  if (start !== undefined || end !== undefined)
    throw new UsageError('start and end: expected with the path of a video only, got frames');
  const { data, n, height, width } = video;
  if (!(n >= 1 && height >= 1 && width >= 1 && data.length === n * height * width * 3))
    throw new UsageError(
      `video: expected ${n} x ${height} x ${width} x 3 bytes of RGB, at least one frame, got ${data.length}`,
    );
}
