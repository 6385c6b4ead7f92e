/** Questions of requests: read, queued, answered, and told as they are written. */
import { isDeviceError, messageOf, UsageError } from '../base/errors.js';
import type { Task } from '../data/sample.js';
import { type Answer, askAbout, checkQuery, type Query } from '../evaluation/ask.js';
import { previewOf } from '../evaluation/pictures.js';
import { type AnswerReport, reportOf } from '../evaluation/report.js';
import { checkClip, readSeen, type Watched, watch } from '../evaluation/watched.js';
import type { OpenAsked } from '../training/asked.js';
import type { Frames } from '../video/frames.js';
import { Refusal } from './http.js';
import type { DeviceQueue } from './queue.js';
import type { Video, VideoStore } from './videos.js';

/** A question of a request. */
export interface AskRequest extends Query {
  /** Id of a video. */
  video: string;
  start?: number | undefined;
  end?: number | undefined;
}

/** What a client that follows an answer is told, in this order; `queued` and `text` any number of times. */
export type AskEvent =
  | { event: 'queued'; place: number }
  | { event: 'frames'; frames: PreviewFrame[] }
  | { event: 'answer'; report: AnswerReport }
  | { event: 'text'; part: 'answer' | 'reasoning'; text: string }
  | { event: 'done'; report: AnswerReport };

export interface PreviewFrame {
  index: number;
  seconds: number;
  /** data: URL of a WebP. */
  image: string;
}

const KEYS = ['video', 'question', 'options', 'task', 'start', 'end', 'reasoning'];

/** @throws Refusal 400 naming the key that is wrong, what was expected and what came */
export function parseAsk(body: Record<string, unknown>): AskRequest {
  const unknown = Object.keys(body).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw new Refusal(400, `${unknown.slice(0, 40)}: unknown key; known are ${KEYS.join(', ')}`);
  const { video, question, options, task, start, end, reasoning = true } = body;
  if (typeof video !== 'string') throw new Refusal(400, 'video: expected the id of a video');
  if (typeof question !== 'string') throw new Refusal(400, 'question: expected text');
  const isTexts = Array.isArray(options) && options.every((each) => typeof each === 'string');
  if (given(options) && !isTexts) throw new Refusal(400, 'options: expected a list of texts');
  for (const [key, value] of Object.entries({ start, end }))
    if (given(value) && typeof value !== 'number') throw new Refusal(400, `${key}: expected seconds`);
  if (typeof reasoning !== 'boolean') throw new Refusal(400, 'reasoning: expected true or false');
  const request = {
    ...{ video, question, reason: reasoning },
    options: given(options) ? (options as string[]) : undefined,
    start: given(start) ? (start as number) : undefined,
    end: given(end) ? (end as number) : undefined,
    task: given(task) ? (task as Task) : undefined,
  };
  try {
    checkQuery(request);
    checkClip(request);
  } catch (error) {
    throw error instanceof UsageError ? new Refusal(400, error.message) : error;
  }
  return request;
}

const given = (value: unknown) => value !== undefined && value !== null;

export class Answers {
  /** The clip that was asked about last: the next question is likely to be about it. */
  private last: { key: string; watched: Watched } | undefined;

  constructor(
    private readonly asked: OpenAsked,
    private readonly store: VideoStore,
    private readonly queue: DeviceQueue,
  ) {}

  /**
   * Answers a question when its turn comes.
   *
   * @param signal ends it, waiting or in work, with its reason
   * @throws Refusal 404, 410, 422 for the video, 503 for a full queue, 500 for the device
   */
  async answer(
    request: AskRequest,
    signal: AbortSignal,
    tell: (event: AskEvent) => void,
  ): Promise<AnswerReport> {
    const video = await this.store.find(request.video);
    const work = () => this.work(video, request, signal, tell);
    return this.queue.run(work, signal, (place) => tell({ event: 'queued', place }));
  }

  /** The frames that a question about the whole video would look at, for people. @throws Refusal as {@link answer} */
  async preview(id: string): Promise<PreviewFrame[]> {
    const video = await this.store.find(id);
    return this.reading(video, async () => pictures(await this.framesOf(video)));
  }

  /** Reads a video, to see whether it can be. @throws DataError */
  framesOf({ path }: Video): Promise<Frames> {
    return readSeen(this.asked, path);
  }

  /** Frees the last clip, and the student. */
  close(): void {
    this.forget();
    this.asked.dispose();
  }

  private async work(
    video: Video,
    request: AskRequest,
    signal: AbortSignal,
    tell: (event: AskEvent) => void,
  ): Promise<AnswerReport> {
    // It may have been removed while the question waited.
    await this.store.requirePresent(video);
    const watched = await this.reading(video, () => this.watched(video, request, signal));
    tell({ event: 'frames', frames: await pictures(watched.frames) });
    const report = (answer: Answer) => reportOf(watched, request, answer);
    try {
      const answer = await askAbout(this.asked, watched, request, {
        signal,
        onAnswer: (found) => tell({ event: 'answer', report: report(found) }),
        onText: (part, text) => tell({ event: 'text', part, text }),
      });
      return report(answer);
    } catch (error) {
      throw isDeviceError(error) ? new Refusal(500, messageOf(error)) : error;
    }
  }

  private async watched(video: Video, { start, end }: AskRequest, signal: AbortSignal): Promise<Watched> {
    const key = JSON.stringify([video.id, start, end]);
    if (this.last?.key === key) return this.last.watched;
    this.forget();
    const watched = await watch(this.asked, { video: video.path, start, end }, signal);
    this.last = { key, watched };
    return watched;
  }

  private forget(): void {
    this.last?.watched.dispose();
    this.last = undefined;
  }

  /** Reading a video: its errors name it as people know it, and one that was removed meanwhile is said to be. */
  private async reading<T>(video: Video, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      await this.store.requirePresent(video);
      throw this.store.refusalOf(error, video);
    }
  }
}

async function pictures(frames: Frames): Promise<PreviewFrame[]> {
  const images = frames.indices.map(async (index, at) => ({
    ...{ index, seconds: frames.timestamps[at]! },
    image: `data:image/webp;base64,${(await previewOf(frames, at)).toString('base64')}`,
  }));
  return Promise.all(images);
}
