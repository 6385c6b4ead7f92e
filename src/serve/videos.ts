/** The videos that can be asked about: examples, and uploads in a folder of their own. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { DataError, MissingToolError, messageOf } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { describeHead, endingOf, HEAD_BYTES } from '../video/container.js';
import { chunksOf, Refusal } from './http.js';

export interface ExampleQuestion {
  question: string;
  options: string[];
  /** 0-based right option. */
  answer?: number | undefined;
}

export interface Video {
  /** What requests name it by; nothing else of a request becomes a path. */
  id: string;
  /** Name for people. */
  name: string;
  path: string;
  kind: 'example' | 'upload';
  bytes: number;
  questions: ExampleQuestion[];
}

export interface StoreLimits {
  /** Bytes of one upload. */
  bytes: number;
  /** Uploads kept at once. */
  videos: number;
  /** Milliseconds without a byte after which an upload counts as broken off. */
  silence: number;
}

/** Reads a video that has just arrived. @throws DataError for one that cannot be read */
type Probe = (video: Video) => Promise<void>;

export class VideoStore {
  private readonly videos = new Map<string, Video>();
  private uploading = 0;

  private constructor(
    readonly folder: string,
    private readonly limits: StoreLimits,
  ) {}

  /** @throws DataError where no temporary folder can be made */
  static async create(limits: StoreLimits): Promise<VideoStore> {
    const folder = await mkdtemp(join(tmpdir(), 'reasvqa-serve-')).catch((error) => {
      const reason = `no folder for uploads can be made there (${messageOf(error)})`;
      throw new DataError(`${tmpdir()}: ${reason}; name another with TMPDIR`, { cause: error });
    });
    return new VideoStore(folder, limits);
  }

  list(): Video[] {
    return [...this.videos.values()];
  }

  addExample(video: Omit<Video, 'kind'>): void {
    this.videos.set(video.id, { ...video, kind: 'example' });
  }

  /** @throws Refusal 404 for an id that there is not, 410 for a video whose file is gone */
  async find(id: string): Promise<Video> {
    const video = this.videos.get(id);
    if (!video)
      throw new Refusal(404, `no video ${JSON.stringify(id.slice(0, 80))}; GET /api/videos lists them`);
    await this.requirePresent(video);
    return video;
  }

  /** @throws Refusal 410 for a video whose file is gone */
  async requirePresent({ path, name }: Video): Promise<void> {
    if (!(await stat(path).catch(() => undefined))) throw new Refusal(410, `${name}: the video was removed`);
  }

  /**
   * Takes an upload from a stream to the disk, a chunk at a time, and keeps it if it is a video that can be read.
   * Nothing is left of one that breaks off, is too long or is none.
   *
   * @throws Refusal 413 beyond the limit, 408 for one that stops, 507 for a full store or disk, 422 for what is no video
   */
  async upload(body: Readable, name: string, probe: Probe): Promise<Video> {
    this.checkRoom();
    this.uploading++;
    const id = randomBytes(8).toString('hex');
    const partial = join(this.folder, `${id}.part`);
    let path: string | undefined;
    try {
      const { ending, bytes } = await this.receive(body, partial, shownName(name)).catch((error) => {
        const full = ['ENOSPC', 'EDQUOT'].includes(error.code);
        throw full ? new Refusal(507, 'the disk is full') : error;
      });
      path = join(this.folder, `${id}${ending}`);
      await rename(partial, path);
      const video: Video = { id, name: shownName(name), path, kind: 'upload', bytes, questions: [] };
      await probe(video).catch((error) => {
        throw this.refusalOf(error, video);
      });
      this.videos.set(id, video);
      return video;
    } catch (error) {
      // Tidying up must not hide the cause: rm itself fails when the folder is not one.
      for (const file of [partial, ...(path === undefined ? [] : [path])])
        await rm(file, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      this.uploading--;
    }
  }

  /** A reading error as a refusal that names the video as people know it. */
  refusalOf(error: unknown, { path, name, id }: Video): unknown {
    if (!(error instanceof DataError)) return error;
    const told = messageOf(error)
      .replaceAll(path, name)
      .replaceAll(basename(path), name)
      .replaceAll(id, name);
    return new Refusal(error instanceof MissingToolError ? 500 : 422, told);
  }

  /** @throws Refusal 404 for an id that there is not, 403 for an example */
  async remove(id: string): Promise<void> {
    const video = this.videos.get(id);
    if (!video) throw new Refusal(404, 'no such video');
    if (video.kind === 'example') throw new Refusal(403, `${video.name}: an example stays`);
    this.videos.delete(id);
    await rm(video.path, { force: true });
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /**
   * @param length that a sender announces, if it does
   * @throws Refusal 413 beyond the limit, 507 for a full store
   */
  checkRoom(length = 0): void {
    const { bytes, videos } = this.limits;
    if (length > bytes) throw tooLarge(bytes);
    const kept = this.list().filter(({ kind }) => kind === 'upload').length + this.uploading;
    if (kept >= videos)
      throw new Refusal(507, `${videos} videos are kept at once (--max-videos); remove one first`);
  }

  /** Writes a body to a file. What is no video is refused by its first bytes: gigabytes may be behind them. */
  private async receive(
    body: Readable,
    path: string,
    name: string,
  ): Promise<{ ending: string; bytes: number }> {
    const { bytes: most, silence } = this.limits;
    // Programs that tidy up remove temporary folders after days.
    await makeFolder(this.folder, 0o700);
    const file = await open(path, 'wx');
    let bytes = 0;
    let head = Buffer.alloc(0);
    let ending: string | undefined;
    try {
      for await (const chunk of chunksOf(body, silence)) {
        bytes += chunk.length;
        if (bytes > most) throw tooLarge(most);
        if (ending === undefined) {
          head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES)]);
          if (head.length >= HEAD_BYTES) ending = videoEnding(head, name);
        }
        await file.writeFile(chunk);
      }
      return { ending: ending ?? videoEnding(head, name), bytes };
    } finally {
      await file.close();
    }
  }
}

/** @throws Refusal 422 for the first bytes of anything but a video */
function videoEnding(head: Buffer, name: string): string {
  const ending = endingOf(head);
  if (!ending) throw new Refusal(422, `${name}: no video, ${describeHead(head)}`);
  return ending;
}

const tooLarge = (most: number) =>
  new Refusal(413, `the video has more than ${(most / 1e6).toFixed(0)} MB (--max-upload)`);

/** A name that a sender gave as people see it: one line, without folders. */
function shownName(name: string): string {
  const last = name.split(/[/\\]/).at(-1)!;
  const line = last
    .replace(/[\p{C}]/gu, '')
    .trim()
    .slice(0, 120);
  return line === '' || /^\.+$/.test(line) ? 'video' : line;
}
