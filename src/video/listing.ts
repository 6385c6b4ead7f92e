/** The entries of a folder of videos, and the entry that an annotation means. */

import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { isSystemEntry } from '../base/systemFiles.js';

/** Tried in this order when an annotation names a video without an extension; then a folder of images. */
const EXTENSIONS = ['.mp4', '.webm', '.mkv', '.avi', '.mov', '.gif', '.webp', '.apng', '.m4v', '.mpg', '.ts'];

/** Further endings of videos that ffmpeg reads; of these none goes before another. */
const RARER_EXTENSIONS = new Set(
  (
    '.flv .f4v .wmv .asf .3gp .3g2 .mpeg .mpe .m1v .m2v .mpv .mp4v .vob .m2t .m2ts .mts .mod .tod .ogv .ogm .rm .rmvb ' +
    '.divx .xvid .qt .mxf .gxf .dv .dif .nut .y4m .wtv .amv .mk3d .mjpg .mjpeg .mj2 .264 .h264 .avc .265 .h265 .hevc ' +
    '.266 .h266 .vvc .av1 .obu .ivf'
  ).split(' '),
);

interface Entry {
  name: string;
  stem: string;
  /** In lower case, with its point. */
  extension: string;
  folder: boolean;
}

/** The entries of a folder by name and by stem, each as {@link alike} makes it. */
export interface Listing {
  byName: Map<string, Entry[]>;
  byStem: Map<string, Entry[]>;
}

/**
 * Lists a folder; hidden and system files are left out.
 *
 * @returns undefined when there is no such folder.
 * @throws DataError when it cannot be listed.
 */
export async function readListing(path: string): Promise<Listing | undefined> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DataError(`${path}: cannot be listed (${messageOf(error)})`, { cause: error });
  }
  const listing: Listing = { byName: new Map(), byStem: new Map() };
  for (const dirent of entries) {
    const { name } = dirent;
    if (isSystemEntry(name)) continue;
    const stem = name.slice(0, name.length - extname(name).length);
    const entry = { name, stem, extension: extname(name).toLowerCase(), folder: dirent.isDirectory() };
    push(listing.byName, alike(name), entry);
    push(listing.byStem, alike(stem), entry);
  }
  return listing;
}

/**
 * The entry that an annotation means by `name`: the one of this very name (a file, or a folder of images), or of this
 * name and a known extension; and only when there is none of them, the one whose name differs in Unicode normal form
 * (macOS wrote é as two characters) or in the case of its extension.
 *
 * @throws DataError when several entries fit equally well.
 */
export function chooseVideo(listing: Listing, name: string): string | undefined {
  const whole = listing.byName.get(alike(name)) ?? [];
  const stems = listing.byStem.get(alike(name)) ?? [];
  const exact = chooseOf(
    whole.filter((entry) => entry.name === name),
    stems.filter((entry) => entry.stem === name),
    name,
  );
  return exact ?? chooseOf(whole, stems, name);
}

/** The folder that is meant by `name`, which differs from it in Unicode normal form at most. */
export function chooseFolder(listing: Listing, name: string): string | undefined {
  const folders = (listing.byName.get(alike(name)) ?? []).filter((entry) => entry.folder);
  return only(
    folders.some((entry) => entry.name === name) ? folders.filter((entry) => entry.name === name) : folders,
    name,
  );
}

function chooseOf(whole: Entry[], stems: Entry[], name: string): string | undefined {
  const groups = [
    whole.filter((entry) => !entry.folder),
    ...EXTENSIONS.map((extension) => stems.filter((entry) => entry.extension === extension)),
    whole.filter((entry) => entry.folder),
    stems.filter((entry) => RARER_EXTENSIONS.has(entry.extension)),
  ];
  return only(groups.find((group) => group.length > 0) ?? [], name);
}

/** @throws DataError when there are several. */
function only(entries: readonly Entry[], name: string): string | undefined {
  if (entries.length < 2) return entries[0]?.name;
  const names = entries.map((entry) => entry.name).sort();
  const lookAlike = new Set(names.map((other) => other.normalize('NFC'))).size < names.length;
  const texts = names.map((other) => (lookAlike ? escaped(other) : JSON.stringify(other)));
  const list = `${texts.slice(0, -1).join(', ')} and ${texts.at(-1)}`;
  throw new DataError(
    `video ${JSON.stringify(name)}: ${list} fit equally well; name one in full in the annotations, or keep one of them`,
  );
}

/** A name without what may differ: its Unicode normal form, and the case of a video's extension. */
function alike(name: string): string {
  const normal = name.normalize('NFC');
  const extension = extname(normal).toLowerCase();
  const known = EXTENSIONS.includes(extension) || RARER_EXTENSIONS.has(extension);
  return known ? normal.slice(0, normal.length - extension.length) + extension : normal;
}

/** A name in JSON with every character that is not ASCII by its number, for names that look the same on a screen. */
function escaped(name: string): string {
  return JSON.stringify(name).replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const same = map.get(key);
  if (same) same.push(value);
  else map.set(key, [value]);
}
