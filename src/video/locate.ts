import type { Dirent } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { JsonSyntaxError, parseJson, readTextFile } from '../data/textFile.js';
import { DataError, messageOf } from '../errors.js';

/** Tried in this order when an annotation names a video without an extension; then a folder of images. */
const EXTENSIONS = ['.mp4', '.webm', '.mkv', '.avi', '.mov', '.gif', '.webp', '.apng', '.m4v', '.mpg', '.ts'];

/** The published map of NExT-QA; read without asking when it lies in the data root. */
const MAP_NAME = 'map_vid_vidorID.json';

/** What a folder holds: the entry names, and for each stem (name without extension) the names that have it. */
interface Listing {
  names: Set<string>;
  folders: Set<string>;
  byStem: Map<string, string[]>;
}

/**
 * Finds the files of videos below a data root. A folder is listed once, when the first video in it is looked up, so
 * ten thousand videos in one folder cost one listing. Nothing outside the root is ever returned: neither through
 * `..`, nor an absolute path, nor a symbolic link.
 */
export class VideoLocator {
  private readonly listings = new Map<string, Promise<Listing | undefined>>();

  private constructor(
    readonly root: string,
    private readonly realRoot: string,
    private readonly map: ReadonlyMap<string, string>,
  ) {}

  /**
   * @param mapFile map_vid_vidorID.json: video id to the path (without extension) below the root.
   * @throws DataError when the root or the map cannot be read.
   */
  static async open(root: string, options: { mapFile?: string } = {}): Promise<VideoLocator> {
    const realRoot = await realpath(root).catch((error) => {
      throw new DataError(`${root}: no such video folder`, { cause: error });
    });
    const entries = await readdir(realRoot).catch((error) => {
      throw new DataError(`${root}: not a folder that can be read (${messageOf(error)})`, { cause: error });
    });
    const mapFile = options.mapFile ?? (entries.includes(MAP_NAME) ? join(root, MAP_NAME) : undefined);
    return new VideoLocator(root, realRoot, mapFile === undefined ? new Map() : await readMap(mapFile));
  }

  /**
   * The file (or folder of images) of a video, or undefined when there is none. In order: the path as it stands, the
   * path with a known extension, then both for the path the map gives.
   *
   * @param video as the annotation names it.
   * @throws DataError when the path leaves the root.
   */
  async find(video: string): Promise<string | undefined> {
    const mapped = this.map.get(video);
    return (await this.findPath(video)) ?? (mapped === undefined ? undefined : await this.findPath(mapped));
  }

  /**
   * Finds the videos of many samples.
   *
   * @param onError is given what is wrong with a sample's path, one that leaves the root; without it that is thrown.
   * @returns `paths` by video, and the ids of samples whose video is missing, in their order.
   * @throws DataError naming the sample, see `onError`.
   */
  async locate(
    samples: readonly { id: string; video: string }[],
    onError: (error: DataError) => void = (error) => {
      throw error;
    },
  ): Promise<{ paths: Map<string, string>; missing: string[] }> {
    const paths = new Map<string, string>();
    const absent = new Set<string>();
    const missing: string[] = [];
    for (const { id, video } of samples) {
      if (!paths.has(video) && !absent.has(video)) {
        try {
          const path = await this.find(video);
          if (path === undefined) absent.add(video);
          else paths.set(video, path);
        } catch (error) {
          onError(new DataError(`${id}: ${messageOf(error)}`, { cause: error }));
        }
      }
      if (absent.has(video)) missing.push(id);
    }
    return { paths, missing };
  }

  private async findPath(video: string): Promise<string | undefined> {
    const clean = normalize(video);
    if (isAbsolute(video) || clean === '..' || clean.startsWith(`..${sep}`) || video.includes('\0')) {
      throw new DataError(`video ${JSON.stringify(video)}: the path leaves the data root ${this.root}`);
    }
    const folder = dirname(clean);
    const listing = await this.list(folder);
    const name = basename(clean);
    const found = listing && chooseEntry(listing, name);
    if (found === undefined) return undefined;
    const path = join(this.root, folder, found);
    const inside = relative(this.realRoot, await realpath(path).catch(() => this.realRoot));
    if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
      throw new DataError(
        `video ${JSON.stringify(video)}: ${path} is a link that leaves the data root ${this.root}`,
      );
    }
    // A dangling link resolves to the root itself, which is no video.
    return inside === '' ? undefined : path;
  }

  private list(folder: string): Promise<Listing | undefined> {
    let listing = this.listings.get(folder);
    if (!listing) {
      listing = readListing(join(this.root, folder));
      this.listings.set(folder, listing);
    }
    return listing;
  }
}

/**
 * The error for samples without a video.
 *
 * @returns a one-line message that lists the first ids and their number.
 */
export function missingVideosError(root: string, ids: readonly string[], total: number): DataError {
  const shown = ids.slice(0, 5).join(', ');
  const more = ids.length > 5 ? `, and ${ids.length - 5} more` : '';
  const otherwise =
    ids.length < total
      ? 'leave these samples out with --on-bad-video skip'
      : 'name their folder with --set data.videos=FOLDER';
  return new DataError(
    `${root}: no video for ${ids.length} of ${total} samples: ${shown}${more}; add the files, or ${otherwise}`,
  );
}

async function readListing(path: string): Promise<Listing | undefined> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DataError(`${path}: cannot be listed (${messageOf(error)})`, { cause: error });
  }
  const byStem = new Map<string, string[]>();
  for (const { name } of entries) {
    const stem = name.slice(0, name.length - extname(name).length);
    const same = byStem.get(stem);
    if (same) same.push(name);
    else byStem.set(stem, [name]);
  }
  return {
    names: new Set(entries.map((entry) => entry.name)),
    folders: new Set(entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)),
    byStem,
  };
}

function chooseEntry({ names, folders, byStem }: Listing, name: string): string | undefined {
  if (names.has(name) && !folders.has(name)) return name;
  const candidates = byStem.get(name) ?? [];
  for (const extension of EXTENSIONS) {
    const found = candidates.find((other) => extname(other).toLowerCase() === extension);
    if (found !== undefined) return found;
  }
  return names.has(name) ? name : undefined;
}

async function readMap(path: string): Promise<Map<string, string>> {
  let value: unknown;
  try {
    value = parseJson(await readTextFile(path));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new DataError(`${path}:${error.line}: json: expected an object of video ids, got ${error.message}`);
  }
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const bad = entries.find(([, target]) => typeof target !== 'string');
  if (entries.length === 0 || Array.isArray(value) || bad) {
    const place = bad ? ` at ${JSON.stringify(bad[0])}` : '';
    throw new DataError(`${path}: expected {"video id": "folder/name"}${place}, got something else`);
  }
  return new Map(entries as [string, string][]);
}
