/**
 * What both builders share: a folder that belongs to one set of settings, films that are made once, samples that are written when
 * all films are there.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import pLimit from 'p-limit';
import { DataError, MissingToolError, messageOf, stopIfAborted, UsageError } from '../../base/errors.js';
import { hashFile, isFile, makeFolder, writeFileAtomic } from '../../base/files.js';
import { holdFolder } from '../../base/lock.js';
import { ProblemLog } from '../../data/problems.js';
import type { Sample } from '../../data/sample.js';
import { missingVideosError, VideoLocator } from '../locate.js';
import { probeVideo, type VideoTable } from '../probe.js';
import { decoderCount } from '../process.js';
import { videoName } from '../source.js';
import { type Encoding, encodeVideo, PARTIAL } from './encode.js';

export interface BuildRequest {
  /** Folder of the videos. */
  videos: string;
  /** JSON lines about them. */
  annotations: string;
  /** Folder to write: samples.jsonl and videos/. */
  out: string;
  /** Decides what is hidden, cut and paired. */
  seed: string;
  /** Leaves out videos that are missing or cannot be read; without it the first one is an error. */
  skipBad: boolean;
  signal: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

export interface BuildSummary {
  /** The file of samples. */
  file: string;
  samples: number;
  /** Films, and how many of them were made now. */
  films: number;
  made: number;
  /** Videos that were left out, each with the reason. */
  skipped: { id: string; reason: string }[];
}

/** A video file of the annotations, its frames listed. */
export interface FoundVideo {
  video: string;
  path: string;
  table: VideoTable;
  /** Seconds from its first frame to the end of its last. */
  duration: number;
}

/** A film to make, and the samples about it. */
export interface Film {
  /** Name of its file, without extension. */
  name: string;
  /** The id of what it is made of, and the path of that, for messages. */
  id: string;
  path: string;
  encoding: Encoding | (() => Promise<Encoding>);
  samples: Sample[];
}

/** Plans the films; problems of the annotations go into the log. */
export type Plan = (
  find: (videos: readonly string[]) => Promise<Map<string, FoundVideo>>,
  log: ProblemLog,
) => Promise<Film[]>;

/**
 * Makes films of videos, and a file of samples about them. The same request gives the same samples; one that was interrupted
 * continues. Every problem of the annotations is found before the first film is made.
 *
 * @param settings what else decides the films, beside seed and annotations.
 * @throws UsageError for a folder of other settings; DataError for the first problem, naming file, line and how many more there
 *   are, and for a video that cannot be read; Interrupted.
 */
export async function build(
  request: BuildRequest,
  settings: Record<string, unknown>,
  plan: Plan,
): Promise<BuildSummary> {
  const { out, annotations, seed, signal, skipBad } = request;
  const folder = join(out, 'videos');
  await makeFolder(folder).catch((error) => {
    throw new DataError(`${out}: cannot be written (${messageOf(error)})`, { cause: error });
  });
  const release = await holdFolder(out, { doing: 'building', option: '--out' });
  try {
    const marker = join(out, 'build.json');
    const written = { ...settings, seed, annotations: await hashFile(annotations) };
    const text = `${JSON.stringify(written, null, 2)}\n`;
    await refuseOther(marker, out, text);
    for (const name of await readdir(folder)) if (name.endsWith(PARTIAL)) await rm(join(folder, name));
    const log = new ProblemLog(annotations);
    const skipped: BuildSummary['skipped'] = [];
    const skip = (id: string, error: unknown) => {
      stopIfAborted(signal, out);
      if (!skipBad || !(error instanceof DataError) || error instanceof MissingToolError) throw error;
      skipped.push({ id, reason: error.message });
    };
    const films = await plan((videos) => findVideos(request, videos, skip), log);
    log.throwIfAny();
    if (films.length === 0)
      throw new DataError(`${annotations}: nothing to build: ${skipped.length} videos cannot be read`);
    // Annotations with a problem are mended and built again in the same folder, so only now is it theirs.
    await writeFileAtomic(marker, text);
    const { samples, made } = await makeFilms(request, films, skip);
    const file = join(out, 'samples.jsonl');
    await writeFileAtomic(file, samples.map(lineOf).join(''));
    return { file, samples: samples.length, films: films.length, made, skipped };
  } finally {
    await release();
  }
}

/** A folder holds what one request built. @throws UsageError when it is another's */
async function refuseOther(marker: string, out: string, text: string): Promise<void> {
  const there = await readFile(marker, 'utf8').catch(() => undefined);
  if (there !== undefined && there !== text)
    throw new UsageError(
      `${out}: holds what was built with another seed, question or annotations (build.json); use another --out folder, or remove it`,
    );
}

/** Lists the frames of videos; those that cannot be read are passed to `skip`. */
async function findVideos(
  { videos: root, signal }: BuildRequest,
  videos: readonly string[],
  skip: (id: string, error: unknown) => void,
): Promise<Map<string, FoundVideo>> {
  const locator = await VideoLocator.open(root);
  const named = videos.map((video) => ({ id: video, video }));
  const { paths, missing } = await locator.locate(named, (error) => skip('', error));
  const absent = missing.map(({ id }) => id);
  if (absent.length > 0) {
    const error = missingVideosError(root, missing, videos.length);
    for (const id of absent) skip(id, error);
  }
  const found = new Map<string, FoundVideo>();
  await forEach([...paths], async ([video, path]) => {
    try {
      const table = await probeFile(path, video, signal);
      const duration = (table.times.at(-1) as number) + 1 / table.fps;
      found.set(video, { video, path, table, duration });
    } catch (error) {
      skip(video, error);
    }
  });
  return found;
}

async function probeFile(path: string, id: string, signal: AbortSignal): Promise<VideoTable> {
  const isFolder = (await stat(path)).isDirectory();
  if (isFolder || extname(path).toLowerCase() === '.webp')
    throw new DataError(
      `${videoName(id, path)}: ${isFolder ? 'a folder of images' : 'a WebP animation'}, and films are made of video files`,
    );
  return probeVideo(path, id, signal);
}

async function makeFilms(
  { out, signal, onProgress }: BuildRequest,
  films: readonly Film[],
  skip: (id: string, error: unknown) => void,
): Promise<{ samples: Sample[]; made: number }> {
  let done = 0;
  let made = 0;
  const bad = new Set<Film>();
  const make = async ({ name, id, path, encoding }: Film) => {
    const film = join(out, 'videos', `${name}.mkv`);
    if (await isFile(film)) return;
    const use = { name: videoName(id, path), signal };
    await encodeVideo(film, typeof encoding === 'function' ? await encoding() : encoding, use);
    made++;
  };
  await forEach(films, async (film) => {
    stopIfAborted(signal, out);
    await make(film).catch((error) => {
      skip(film.id, error);
      bad.add(film);
    });
    onProgress?.(++done, films.length);
  });
  return { samples: films.flatMap((film) => (bad.has(film) ? [] : film.samples)), made };
}

/** Works on as many things at a time as decoders may run; after a fault none is begun, and those begun are waited for. */
async function forEach<T>(things: readonly T[], work: (thing: T) => Promise<void>): Promise<void> {
  const limit = pLimit(decoderCount());
  const faults: unknown[] = [];
  const attempt = async (thing: T) => {
    if (faults.length === 0) await work(thing).catch((error) => faults.push(error));
  };
  await Promise.all(things.map((thing) => limit(attempt, thing)));
  if (faults.length > 0) throw faults[0];
}

/** A sample as JSON lines have it: without options where its task has none. */
function lineOf({ options, ...rest }: Sample): string {
  return `${JSON.stringify(options.length > 0 ? { ...rest, options } : rest)}\n`;
}
