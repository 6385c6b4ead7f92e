/** The images of a folder in the order of the frames, by their names alone. */

import { extname } from 'node:path';
import { isSystemEntry } from '../base/systemFiles.js';

const IMAGE_EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff', '.avif']);

/** Reading of `1.9` and `1.10`: as numbers (1.10 before 1.9), or as versions (1.9 before 1.10). */
type Reading = 'decimals' | 'versions';

interface FrameOrder {
  /** The images in the order of the frames. */
  names: string[];
  /** Set when the other reading of the names would give another order: two neighbours as they stand now. */
  guess?: { reading: Reading; first: string; second: string };
}

/** A name as texts (at even places) and numbers between them. */
type Parts = (string | FrameNumber)[];

/** The digits before and behind the point; `behind` is undefined for a whole number. */
interface FrameNumber {
  negative: boolean;
  before: string;
  behind: string | undefined;
}

/** A number with one point or comma; `1.2.3` is none. */
const FRACTION = /(?<!\d[.,]?)\d+[.,]\d+(?![.,]?\d)/;
const NUMBER = /(?<!\d[.,]?)(\d+)[.,](\d+)(?![.,]?\d)|(\d+)/g;
/** A minus sign before a number, at the start or behind something that is no part of a word. */
const MINUS = /(?<=^|[^\p{L}\p{N}-])-(?=\d)/gu;

const collator = new Intl.Collator('en', { numeric: true });

/** Whether a file name can be a frame of an image folder. */
function isImageName(name: string): boolean {
  return !isSystemEntry(name) && IMAGE_EXTENSIONS.has(extname(name).toLowerCase());
}

/** The image files of a folder in the order of the frames; see {@link orderFrames}. */
export function sortFrameNames(names: readonly string[]): string[] {
  return orderFrames(names).names;
}

/**
 * Orders the images of a folder: in natural order, frame2 before frame10, and with decimal numbers by their value,
 * 0.25 before 0.5 before 1. Where some names have a minus sign before a number and others none, it counts.
 *
 * @param names entries of the folder; entries that are no images are left out.
 */
export function orderFrames(names: readonly string[]): FrameOrder {
  const images = names.filter(isImageName);
  const fractions = images.some((name) => FRACTION.test(stemOf(name)));
  const signed = haveSigns(images.map(stemOf));
  if (!fractions && !signed) return { names: images.sort(naturally) };
  const rows = images.map((name) => ({ name, parts: partsOf(stemOf(name), signed) }));
  const orderAs = (reading: Reading) =>
    rows
      .toSorted((a, b) => compareParts(a.parts, b.parts, reading) || naturally(a.name, b.name))
      .map((row) => row.name);
  const reading = readingOf(rows.map((row) => row.parts));
  const ordered = orderAs(reading);
  const other = orderAs(reading === 'decimals' ? 'versions' : 'decimals');
  const place = new Map(other.map((name, i) => [name, i]));
  const at = ordered.findIndex((name, i) => i > 0 && place.get(name)! < place.get(ordered[i - 1]!)!);
  if (at < 0) return { names: ordered };
  return { names: ordered, guess: { reading, first: ordered[at - 1]!, second: ordered[at]! } };
}

/** Whether hyphens before numbers are minus signs: names that are alike but for their numbers have one or none. */
function haveSigns(stems: readonly string[]): boolean {
  const signed = stems.filter((stem) => stem.search(MINUS) >= 0);
  if (signed.length === 0 || signed.length === stems.length) return false;
  const shape = (stem: string) => stem.replace(MINUS, '').replace(NUMBER, '0');
  const shapes = new Set(signed.map(shape));
  return stems.some((stem) => stem.search(MINUS) < 0 && shapes.has(shape(stem)));
}

/** The reading of a folder's names, by the first number with a point that differs between them. */
function readingOf(names: readonly Parts[]): Reading {
  const places = Math.max(...new Set(names.map((parts) => parts.length)));
  for (let i = 1; i < places; i += 2) {
    const column = names.flatMap((parts) => (i < parts.length ? [parts[i] as FrameNumber] : []));
    const different = new Set(column.map(({ before, behind }) => `${before}.${behind}`)).size > 1;
    if (different && column.some(({ behind }) => behind !== undefined)) return columnReading(column);
  }
  return 'decimals';
}

/**
 * Decimals are written with as many digits everywhere or without zeros at the end, so 1.10 beside 1.9 is a version. So
 * are counters behind one number, as in clip.mp4.1 to clip.mp4.12, of which more than half are there.
 */
function columnReading(column: readonly FrameNumber[]): Reading {
  const fractions = column.filter(({ behind }) => behind !== undefined);
  const digits = fractions.map(({ behind }) => behind!);
  const mixed = new Set(digits.map((text) => text.length)).size > 1;
  if (mixed && digits.some((text) => /\d0$/.test(text))) return 'versions';
  const before = new Set(fractions.map((number) => number.before));
  if (before.size > 1 || before.has('0') || fractions.length < column.length) return 'decimals';
  const counters = [...new Set(digits.map(Number))].sort((a, b) => a - b);
  const span = counters.at(-1)! - counters[0]! + 1;
  return counters.length > span / 2 ? 'versions' : 'decimals';
}

function stemOf(name: string): string {
  return name.slice(0, name.length - extname(name).length);
}

function naturally(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : 1);
}

function partsOf(stem: string, signed: boolean): Parts {
  const signs = new Set(signed ? [...stem.matchAll(MINUS)].map((match) => match.index) : []);
  const parts: Parts = [];
  let at = 0;
  for (const match of stem.matchAll(NUMBER)) {
    const negative = signs.has(match.index - 1);
    const [digits, before = digits, behind] = match;
    parts.push(stem.slice(at, match.index - Number(negative)));
    parts.push({ negative, before: withoutZeros(before), behind });
    at = match.index + digits.length;
  }
  return [...parts, stem.slice(at)];
}

function compareParts(a: Parts, b: Parts, reading: Reading): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!];
    const order =
      typeof x === 'string' || typeof y === 'string'
        ? collator.compare(x as string, y as string)
        : compareNumbers(x, y, reading);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** By value, whatever the number of digits: names may hold nanoseconds, which a float64 would round. */
function compareNumbers(a: FrameNumber, b: FrameNumber, reading: Reading): number {
  if (a.negative !== b.negative) return a.negative ? -1 : 1;
  const order = compareWhole(a.before, b.before) || compareBehind(a.behind, b.behind, reading);
  return a.negative ? -order : order;
}

function compareBehind(a: string | undefined, b: string | undefined, reading: Reading): number {
  if (a === undefined || b === undefined) return Number(b === undefined) - Number(a === undefined);
  if (reading === 'versions') return compareWhole(withoutZeros(a), withoutZeros(b));
  return a === b ? 0 : a < b ? -1 : 1;
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=\d)/, '');
}

/** @param a, b digits without leading zeros. */
function compareWhole(a: string, b: string): number {
  return a.length - b.length || (a === b ? 0 : a < b ? -1 : 1);
}
