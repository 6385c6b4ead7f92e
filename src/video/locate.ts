/** Finds the video files of samples below the data root. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { readHead } from '../base/files.js';
import { isLfsPointer } from '../base/lfsPointer.js';
import { JsonSyntaxError, parseJson, readTextFile } from '../data/textFile.js';
import { orderFrames } from './frameNames.js';
import { chooseFolder, chooseVideo, type Listing, readListing } from './listing.js';

/** The published map of NExT-QA; read without asking when it lies in the data root. */
const MAP_NAME = 'map_vid_vidorID.json';

/** Git LFS pointers are smaller than this, in bytes (the format's specification). */
const MAX_POINTER = 1024;

/** Folders of images whose names are looked at: those of one data set are named by one program. */
const LOOKED_AT = 64;

/** Where a video lies, or why it counts as missing. */
type Place = { path: string; folder: boolean } | { reason: string };

/** Where the videos of samples lie. */
interface Located {
  /** File or folder of images, by video. */
  paths: Map<string, string>;
  /** The samples whose video is not there, in their order, each with the reason. */
  missing: { id: string; reason: string }[];
  /** Notices for the user: an order of frames that had to be guessed. */
  notices: string[];
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
   * The file (or folder of images) of a video, or undefined when there is none. In order: the path unchanged, the path
   * with a known extension, a path that differs in Unicode form at most (listing.ts), then the same for the path the
   * map gives.
   *
   * @param video as the annotation names it.
   * @throws DataError when the path leaves the root, or fits several files.
   */
  async find(video: string): Promise<string | undefined> {
    const mapped = this.map.get(video);
    return (await this.findPath(video)) ?? (mapped === undefined ? undefined : await this.findPath(mapped));
  }

  /**
   * Finds the videos of many samples.
   *
   * @param onError called with the fault of a sample's path, which leaves the root or fits several files; without it
   *   the fault is thrown.
   * @throws DataError naming the sample, see `onError`.
   */
  async locate(
    samples: readonly { id: string; video: string }[],
    onError: (error: DataError) => void = (error) => {
      throw error;
    },
  ): Promise<Located> {
    const looked = new Map<string, Place>();
    const missing: Located['missing'] = [];
    for (const { id, video } of samples) {
      try {
        const place = looked.get(video) ?? (await this.look(video));
        looked.set(video, place);
        if ('reason' in place) missing.push({ id, reason: place.reason });
      } catch (error) {
        onError(new DataError(`${id}: ${messageOf(error)}`, { cause: error }));
      }
    }
    const there = [...looked].flatMap(([video, place]) => ('path' in place ? [{ video, ...place }] : []));
    const folders = there.filter(({ folder }) => folder).map(({ path }) => path);
    const guess = await guessedOrder(folders.slice(0, LOOKED_AT));
    return {
      paths: new Map(there.map(({ video, path }) => [video, path])),
      missing,
      notices: guess === undefined ? [] : [`${this.root}: ${guess}`],
    };
  }

  private async look(video: string): Promise<Place> {
    const path = await this.find(video);
    if (path === undefined) return { reason: noVideo(this.root) };
    const info = await stat(path);
    if (!info.isFile() && !info.isDirectory()) return { reason: `${path}: neither a file nor a folder` };
    if (info.isFile() && info.size < MAX_POINTER && (await isPointerAt(path)))
      return { reason: `${path}: a Git LFS pointer, not the video; fetch it with git lfs pull` };
    return { path, folder: info.isDirectory() };
  }

  private async findPath(video: string): Promise<string | undefined> {
    const clean = normalize(video);
    if (isAbsolute(video) || clean === '..' || clean.startsWith(`..${sep}`) || video.includes('\0')) {
      throw new DataError(`video ${JSON.stringify(video)}: the path leaves the data root ${this.root}`);
    }
    const folder = await this.findFolder(dirname(clean));
    const listing = folder === undefined ? undefined : await this.list(folder);
    const found = listing && chooseVideo(listing, basename(clean));
    if (folder === undefined || found === undefined) return undefined;
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

  /** The folder of this path below the root; its names may differ in Unicode normal form. */
  private async findFolder(folder: string): Promise<string | undefined> {
    if (folder === '.' || (await this.list(folder))) return folder;
    const parent = await this.findFolder(dirname(folder));
    const listing = parent === undefined ? undefined : await this.list(parent);
    const found = listing && chooseFolder(listing, basename(folder));
    return parent === undefined || found === undefined ? undefined : join(parent, found);
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
export function missingVideosError(root: string, missing: Located['missing'], total: number): DataError {
  const shown = missing.slice(0, 5).map(({ id }) => id);
  const more = missing.length > 5 ? `, and ${missing.length - 5} more` : '';
  const otherwise =
    missing.length < total
      ? 'leave these samples out with --on-bad-video skip'
      : 'name their folder with --set data.videos=FOLDER';
  return new DataError(
    `${root}: no video for ${missing.length} of ${total} samples: ${shown.join(', ')}${more}${otherReason(root, missing)}; add the files, or ${otherwise}`,
  );
}

/** The first reason other than that there is no file, in brackets to go behind a list of ids; may be empty. */
export function otherReason(root: string, missing: Located['missing']): string {
  const other = missing.find(({ reason }) => reason !== noVideo(root));
  return other ? ` (${other.id}: ${other.reason})` : '';
}

function noVideo(root: string): string {
  return `no video in ${root}`;
}

/** @returns false for a file that cannot be read: it is named when its frames are. */
const isPointerAt = (path: string): Promise<boolean> => readHead(path, 128).then(isLfsPointer, () => false);

/**
 * A notice of the reading that was taken where the names of images can be read in two ways, for the first such folder.
 */
async function guessedOrder(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    // A folder that cannot be listed is named when its frames are read.
    const { guess } = orderFrames(await readdir(folder).catch(() => []));
    if (!guess) continue;
    const { reading, first, second } = guess;
    const other = reading === 'decimals' ? 'versions' : 'decimals';
    return `frames named by numbers with a point are read as ${reading}, not ${other}: in ${basename(folder)} ${first} comes before ${second}`;
  }
  return undefined;
}

/** A map of video ids to paths, such as map_vid_vidorID.json. @throws DataError for another form */
export async function readMap(path: string): Promise<Map<string, string>> {
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
