/** Cuts out of an mp4 the few pictures that decoding some of its frames takes, as a small mp4 of its own. */
import type { ReadAt } from '../complete.js';
import { makeBox, makeTable } from './boxes.js';
import type { Mp4Head } from './samples.js';

/** The samples of a track (its coded pictures, in the order of decoding), as far as a cut needs them. */
export interface Samples {
  head: Mp4Head;
  /** Sample of each frame, frames in the order they are shown. */
  order: Uint32Array;
  /** Place in the file, in bytes. */
  offsets: Float64Array;
  sizes: Uint32Array;
  /** Samples that decoding may start at, ascending. */
  keys: Uint32Array;
}

/** An mp4 that holds some frames of another, and what they refer to. */
export interface Cut {
  /** The file, in parts. */
  bytes: Buffer[];
  /** The frames that were asked for, ascending, and the time stamp of each in the new file. */
  indices: number[];
  stamps: number[];
  /** Pictures in it. */
  count: number;
}

/** Pictures that are decoded one after the other: an instantaneous refresh (IDR), and those up to the last one wanted. */
interface Run {
  from: number;
  to: number;
  frames: number[];
}

/** More is left to ffmpeg, which reads the file itself: a minute of a disc's highest rate. */
const MAX_READ_BYTES = 2 ** 26;

/** A time scale is any number up to 2^32; this many units a picture give it any rate between. */
const UNIT = 512;

/**
 * Cuts out frames: of each group of pictures its start up to the last frame wanted, less the pictures that no other refers
 * to (nal_ref_idc 0, which a decoder may do without: ITU-T H.264, 7.4.1). The frames keep their bits.
 *
 * @param indices frames, ascending, without repeats
 * @param most pictures of one cut that may take another run
 * @returns undefined when the file has changed, or too much of it would be read
 */
export async function cutFrames(
  read: ReadAt,
  samples: Samples,
  indices: readonly number[],
  most: number,
): Promise<Cut[] | undefined> {
  const runs = await findRuns(read, samples, indices);
  if (!runs) return undefined;
  const cuts: { frames: number[]; kept: Sample[] }[] = [];
  let bytes = 0;
  for (const run of runs) {
    const region = regionOf(samples, run);
    bytes += region.length;
    if (bytes > MAX_READ_BYTES) return undefined;
    const kept = samplesOfRun(await read(region.from, region.length), region.from, samples, run);
    if (!kept) return undefined;
    const last = cuts.at(-1);
    if (last && last.kept.length < most) {
      last.kept = last.kept.concat(kept);
      last.frames = last.frames.concat(run.frames);
    } else cuts.push({ kept, frames: [...run.frames] });
  }
  return cuts.map(({ kept, frames }) => write(samples, kept, frames));
}

/** The runs that hold the frames; undefined when there is no refresh to start at. */
async function findRuns(
  read: ReadAt,
  { order, offsets, sizes, keys }: Samples,
  indices: readonly number[],
): Promise<Run[] | undefined> {
  const wanted = indices.map((frame) => ({ frame, sample: order[frame]! }));
  wanted.sort((a, b) => a.sample - b.sample);
  const runs: Run[] = [];
  for (const { frame, sample } of wanted) {
    const last = runs.at(-1);
    let key = keys.findLastIndex((each) => each <= sample);
    for (; key >= 0 && keys[key]! > (last?.to ?? -1); key--) {
      const at = keys[key]!;
      const units = unitsOf(await read(offsets[at]!, sizes[at]!));
      if (!units) return undefined;
      if (units.some(({ type }) => type === IDR)) break;
    }
    const from = keys[key];
    if (last && (from === undefined || from <= last.to)) {
      last.to = sample;
      last.frames.push(frame);
    } else if (from === undefined) return undefined;
    else runs.push({ from, to: sample, frames: [frame] });
  }
  return runs;
}

/** The part of the file that holds a run. */
function regionOf({ offsets, sizes }: Samples, { from, to }: Run): { from: number; length: number } {
  let [start, end] = [Number.POSITIVE_INFINITY, 0];
  for (let i = from; i <= to; i++) {
    start = Math.min(start, offsets[i]!);
    end = Math.max(end, offsets[i]! + sizes[i]!);
  }
  return { from: start, length: end - start };
}

interface Sample {
  /** Its number in the file. */
  number: number;
  data: Buffer;
  isKey: boolean;
}

/** The samples of a run that are wanted or referred to; undefined when they are not laid out as they should be. */
function samplesOfRun(
  region: Buffer,
  start: number,
  { order, offsets, sizes }: Samples,
  { from, to, frames }: Run,
): Sample[] | undefined {
  const wanted = new Set(frames.map((frame) => order[frame]!));
  const kept: Sample[] = [];
  for (let number = from; number <= to; number++) {
    const at = offsets[number]! - start;
    const data = region.subarray(at, at + sizes[number]!);
    const units = data.length === sizes[number] ? unitsOf(data) : undefined;
    if (!units) return undefined;
    if (wanted.has(number) || !isDisposable(units))
      kept.push({ number, data, isKey: units.some(({ type }) => type === IDR) });
  }
  return kept;
}

/** Types of NAL units (ITU-T H.264, table 7-1). */
const SLICE = 1;
const IDR = 5;
const PARAMETERS = [7, 8, 13, 15];

interface Unit {
  type: number;
  /** nal_ref_idc */
  reference: number;
}

/** The NAL units of a sample, each behind its length in 4 bytes; undefined unless they fill it exactly. */
function unitsOf(sample: Buffer): Unit[] | undefined {
  const units: Unit[] = [];
  let at = 0;
  while (at + 5 <= sample.length) {
    const byte = sample[at + 4]!;
    units.push({ type: byte & 31, reference: (byte >> 5) & 3 });
    at += 4 + sample.readUInt32BE(at);
  }
  return at === sample.length ? units : undefined;
}

/** Read at once where samples are looked through. */
const PIECE_BYTES = 2 ** 20;

/**
 * Whether every sample is NAL units from its first byte to its last. ffmpeg complains of others, and what they hold does not
 * decode: such a video is refused whichever of its frames are asked for.
 */
export async function areWhole(
  read: ReadAt,
  samples: readonly { pos: number | undefined; size: number }[],
): Promise<boolean> {
  let piece: Buffer = Buffer.alloc(0);
  let start = 0;
  for (const { pos, size } of samples) {
    if (pos === undefined) return false;
    if (pos < start || pos + size > start + piece.length)
      [piece, start] = [await read(pos, Math.max(size, PIECE_BYTES)), pos];
    const sample = piece.subarray(pos - start, pos - start + size);
    if (sample.length !== size || !unitsOf(sample)) return false;
  }
  return true;
}

/** Whether no other picture needs this one, nor parameters that came with it. */
function isDisposable(units: readonly Unit[]): boolean {
  const slices = units.filter(({ type }) => type >= SLICE && type <= IDR);
  const isAlone =
    slices.length > 0 && slices.every(({ type, reference }) => type === SLICE && reference === 0);
  return isAlone && !units.some(({ type }) => PARAMETERS.includes(type));
}

/** Writes samples as a file at an even rate; the order they are shown in stays. */
function write({ head, order }: Samples, kept: readonly Sample[], frames: readonly number[]): Cut {
  const frameOf = new Uint32Array(order.length);
  order.forEach((sample, frame) => {
    frameOf[sample] = frame;
  });
  const shown = kept.map(({ number }) => frameOf[number]!);
  const ranks = new Map([...shown].sort((a, b) => a - b).map((frame, rank) => [frame, rank]));
  const lead = shown.map((frame, i) => ranks.get(frame)! - i);
  // No picture is shown before it is decoded.
  const shift = lead.reduce((most, each) => Math.max(most, -each), 0);
  const tables = {
    stts: [1, kept.length, UNIT],
    ctts: [kept.length, ...lead.flatMap((each) => [1, (each + shift) * UNIT])],
    stss: listOf(kept.flatMap(({ isKey }, i) => (isKey ? [i + 1] : []))),
    stsz: [0, ...listOf(kept.map(({ data }) => data.length))],
    stsc: [1, 1, kept.length, 1],
  };
  const boxes = Object.entries(tables).map(([type, numbers]) => makeTable(type, numbers));
  const data = makeBox('mdat', Buffer.concat(kept.map((sample) => sample.data)));
  const moov = (at: number) => movie(head, [...boxes, makeTable('stco', [1, at])]);
  const bytes = [head.ftyp, moov(head.ftyp.length + moov(0).length + 8), data];
  const stamps = frames.map((frame) => (ranks.get(frame)! + shift) * UNIT);
  const byFrame = frames.map((frame, i) => ({ frame, stamp: stamps[i]! })).sort((a, b) => a.frame - b.frame);
  return {
    ...{ bytes, count: kept.length },
    indices: byFrame.map(({ frame }) => frame),
    stamps: byFrame.map(({ stamp }) => stamp),
  };
}

const listOf = (numbers: readonly number[]): number[] => [numbers.length, ...numbers];

function movie({ mvhd, tkhd, mdhd, hdlr, media, stsd }: Mp4Head, tables: readonly Buffer[]): Buffer {
  const information = makeBox('minf', ...media, makeBox('stbl', stsd, ...tables));
  return makeBox('moov', mvhd, makeBox('trak', tkhd, makeBox('mdia', mdhd, hdlr, information)));
}
