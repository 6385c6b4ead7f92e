/** The tables of an mp4 track: when its pictures are shown, and where in the file they lie. */
import { type Box, boxAt, boxesIn, rowsOf } from './boxes.js';

/** ffmpeg states rates as fractions of 32-bit numbers; larger ones are rounded. */
const MAX_INT = 2 ** 31 - 1;

export interface Times {
  timeScale: number;
  /** Sum of the durations, in the unit of the track. */
  total: number;
  /** Of each picture in the order of the file. */
  stamps: Float64Array;
}

/** When the pictures of a track are shown; undefined where its tables do not agree, or an edit list hides some. */
export function readTimes(moov: Box, track: Box): Times | undefined {
  const stbl = boxAt(track, 'mdia', 'minf', 'stbl');
  const durations = stbl && rowsOf(boxAt(stbl, 'stts'), 2);
  const timeScale = scaleOf(boxAt(track, 'mdia', 'mdhd'));
  const movieScale = scaleOf(boxAt(moov, 'mvhd'));
  const count = rowsOfSizes(stbl && boxAt(stbl, 'stsz'))?.length;
  if (!stbl || !durations || !timeScale || !movieScale || !count) return undefined;
  const stamps = new Float64Array(count);
  let at = 0;
  let total = 0;
  for (let row = 0; row < durations.length; row += 2) {
    const [times, delta] = [durations[row]!, durations[row + 1]!];
    if (at + times > count || delta === 0 || delta > MAX_INT) return undefined;
    for (let i = 0; i < times; i++, total += delta) stamps[at++] = total;
  }
  if (at !== count || !addOffsets(stbl, stamps)) return undefined;
  const start = editStart(track, stamps, timeScale, movieScale);
  if (start === undefined || !isExactRate(timeScale * count, total)) return undefined;
  return { timeScale, total, stamps: stamps.map((stamp) => stamp - start) };
}

/** The time scale of an mvhd or mdhd box. */
function scaleOf(box: Box | undefined): number | undefined {
  const at = box?.data[0] === 1 ? 20 : 12;
  return box && box.data.length >= at + 4 ? box.data.readUInt32BE(at) : undefined;
}

/** Adds the offsets from decoding to composition times, which older writers made signed in either version of the box. */
function addOffsets(stbl: Box, stamps: Float64Array): boolean {
  const box = boxAt(stbl, 'ctts');
  if (!box) return !boxesIn(stbl.data)?.some(({ type }) => type === 'ctts');
  const rows = rowsOf(box, 2);
  let at = 0;
  for (let row = 0; rows && row < rows.length; row += 2) {
    const times = rows[row]!;
    if (at + times > stamps.length) return false;
    for (let i = 0; i < times; i++) stamps[at++]! += rows[row + 1]! | 0;
  }
  return rows !== undefined && at === stamps.length;
}

/** Composition time that the edit list begins at; undefined where it is not one part with every picture. */
function editStart(
  track: Box,
  stamps: Float64Array,
  timeScale: number,
  movieScale: number,
): number | undefined {
  const types = boxesIn(track.data)?.map(({ type }) => type);
  if (!types?.includes('edts')) return 0;
  const data = boxAt(track, 'edts', 'elst')?.data;
  const long = data?.[0] === 1;
  if (data?.length !== (long ? 28 : 20) || data.readUInt32BE(4) !== 1) return undefined;
  const duration = long ? Number(data.readBigUInt64BE(8)) : data.readUInt32BE(8);
  const start = long ? Number(data.readBigInt64BE(16)) : data.readInt32BE(12);
  const normal = data.readUInt32BE(long ? 24 : 16) === 0x10000;
  const end = start + (duration * timeScale) / movieScale;
  const inside = stamps.every((stamp) => stamp >= start && (stamp < end || duration === 0));
  return normal && start >= 0 && inside ? start : undefined;
}

function isExactRate(numerator: number, denominator: number): boolean {
  let [a, b] = [numerator, denominator];
  while (b > 0) [a, b] = [b, a % b];
  return numerator / a <= MAX_INT && denominator / a <= MAX_INT;
}

/** Where the pictures of a track lie. */
export interface Places {
  /** Of each picture in the order of the file, in bytes. */
  offsets: Float64Array;
  sizes: Uint32Array;
  /** Numbers of those that decoding can start at; undefined when it can at every one. */
  keys: Set<number> | undefined;
}

/** Places of `count` pictures in a file of `fileSize` bytes; undefined where the tables do not agree, or go beyond its end. */
export function readPlaces(stbl: Box, count: number, fileSize: number): Places | undefined {
  const types = boxesIn(stbl.data)?.map(({ type }) => type);
  const chunks = chunkOffsets(stbl);
  const groups = rowsOf(boxAt(stbl, 'stsc'), 3);
  const keys = rowsOf(boxAt(stbl, 'stss'), 1);
  const sizes = rowsOfSizes(boxAt(stbl, 'stsz'));
  if (!chunks || !groups || sizes?.length !== count || !types?.every((type) => TABLES.includes(type)))
    return undefined;
  if (types.includes('stss') && !(keys && keys.length > 0 && keys.every((key) => key >= 1 && key <= count)))
    return undefined;
  const offsets = new Float64Array(count);
  let at = 0;
  for (let group = 0; group < groups.length; group += 3) {
    const from = groups[group]! - 1;
    const to = group + 3 < groups.length ? groups[group + 3]! - 1 : chunks.length;
    if (groups[group + 2] !== 1 || from < 0 || to > chunks.length || to <= from) return undefined;
    for (let chunk = from; chunk < to; chunk++) {
      let place = chunks[chunk]!;
      for (let left = groups[group + 1]!; left > 0; left--) {
        if (at === count || place + sizes[at]! > fileSize) return undefined;
        offsets[at] = place;
        place += sizes[at++]!;
      }
    }
  }
  return at === count
    ? { offsets, sizes, keys: keys && new Set(Array.from(keys, (key) => key - 1)) }
    : undefined;
}

/** Tables that say nothing else of what is shown. */
const TABLES = ['stsd', 'stts', 'ctts', 'stss', 'stsz', 'stsc', 'stco', 'co64', 'sdtp', 'sgpd', 'sbgp'];

function chunkOffsets(stbl: Box): Float64Array | undefined {
  const short = rowsOf(boxAt(stbl, 'stco'), 1);
  if (short) return Float64Array.from(short);
  const long = rowsOf(boxAt(stbl, 'co64'), 2);
  return (
    long &&
    Float64Array.from({ length: long.length / 2 }, (_, i) => long[2 * i]! * 2 ** 32 + long[2 * i + 1]!)
  );
}

/** The sizes of pictures; one for all, which no video has, is left out. */
function rowsOfSizes(box: Box | undefined): Uint32Array | undefined {
  if (!box || box.data.length < 12 || box.data.readUInt32BE(4) !== 0) return undefined;
  return rowsOf({ ...box, data: Buffer.concat([box.data.subarray(0, 4), box.data.subarray(8)]) }, 1);
}
