/** The sample table of an H.264 track in an mp4 or mov file: what ffprobe would list, without starting it. */
import type { ReadAt } from '../complete.js';
import type { Packet, ProbedStream } from '../ffprobe.js';
import { type Box, boxAt, boxesIn } from './boxes.js';
import { readSps, type Sps } from './sps.js';
import { readPlaces, readTimes, type Times } from './tables.js';

/** The pictures of a track in the order of the file. */
export interface Mp4Track {
  stream: ProbedStream;
  packets: Packet[];
  /** The boxes that a decoder needs beside the tables (cut.ts). */
  head: Mp4Head;
}

/** Boxes of a file as they are, without the tables of its samples. */
export interface Mp4Head {
  ftyp: Buffer;
  mvhd: Buffer;
  tkhd: Buffer;
  mdhd: Buffer;
  hdlr: Buffer;
  /** Of the media information: what is neither stbl nor a table. */
  media: Buffer[];
  stsd: Buffer;
}

/** Larger than the tables of ten hours of video with sound (1 M pictures of 16 bytes, 1.7 M pieces of sound). */
const MAX_MOOV_BYTES = 2 ** 26;
const VISUAL_ENTRY_BYTES = 78;

/**
 * Reads the table of a file with one H.264 track of whole frames, all in one file and shown in one piece.
 *
 * Stamps are those of ffmpeg: composition times, from the start of the edit list's only part. Everything rarer is left to
 * ffprobe: fragments, several video tracks, edits that hide or move pictures, fields, other codecs.
 *
 * @param size bytes in the file
 * @returns undefined for a file that is not so, or whose tables do not agree
 */
export async function readMp4Track(read: ReadAt, size: number): Promise<Mp4Track | undefined> {
  const top = await readTop(read, size);
  const moov = top?.moov;
  const tracks = moov && boxesIn(moov.data)?.filter(({ type }) => type === 'trak');
  // A cover picture is a stream of its own.
  if (!top || !moov || !tracks || boxAt(moov, 'mvex') || moov.data.includes('covr')) return undefined;
  const videos = tracks.filter((track) => handlerOf(track) === 'vide');
  const others = tracks.filter((track) => handlerOf(track) !== 'vide');
  const track = videos[0];
  if (!track || videos.length !== 1 || others.some((other) => handlerOf(other) !== 'soun')) return undefined;
  const head = headOf(top.ftyp, moov, track);
  const sps = head && spsOf(head.stsd);
  const times = readTimes(moov, track);
  const stbl = boxAt(track, 'mdia', 'minf', 'stbl');
  const places = stbl && times && readPlaces(stbl, times.stamps.length, size);
  if (!head || !sps?.progressive || !times || !places) return undefined;
  const packets = Array.from(times.stamps, (pts, i): Packet => {
    const flags = { key: places.keys ? places.keys.has(i) : true, discarded: false, corrupt: false };
    return { pts, pos: places.offsets[i], size: places.sizes[i]!, ...flags };
  });
  return { stream: streamOf(tracks.indexOf(track), sps, times, packets.length), packets, head };
}

function streamOf(index: number, sps: Sps, { timeScale, total }: Times, count: number): ProbedStream {
  return {
    ...{ index, codec: 'h264', width: sps.width, height: sps.height },
    timeBase: [1, timeScale],
    fps: (timeScale * count) / total,
    statedFrames: count,
    reorders: sps.reorders,
    interlaced: false,
    formats: ['mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2'],
  };
}

/** What stands beside the media data; undefined where other boxes than the ordinary lie between (fragments), or one is cut. */
async function readTop(read: ReadAt, size: number): Promise<{ ftyp: Buffer; moov: Box } | undefined> {
  const found = new Map<string, Buffer>();
  for (let at = 0; at < size; ) {
    const head = await read(at, 16);
    if (head.length < 8) return undefined;
    const short = head.readUInt32BE(0);
    const type = head.toString('latin1', 4, 8);
    const length = short === 1 && head.length === 16 ? Number(head.readBigUInt64BE(8)) : short;
    if (length < 8 || at + length > size || !/^(ftyp|moov|mdat|free|skip|wide|udta|uuid|meta)$/.test(type))
      return undefined;
    if (type === 'ftyp' || type === 'moov') {
      if (found.has(type) || length > MAX_MOOV_BYTES || short === 1) return undefined;
      found.set(type, await read(at, length));
    }
    at += length;
  }
  const [ftyp, moov] = [found.get('ftyp'), found.get('moov')];
  return ftyp && moov && { ftyp, moov: { type: 'moov', bytes: moov, data: moov.subarray(8) } };
}

function handlerOf(track: Box): string | undefined {
  return boxAt(track, 'mdia', 'hdlr')?.data.toString('latin1', 8, 12);
}

function headOf(ftyp: Buffer, moov: Box, track: Box): Mp4Head | undefined {
  const information = boxAt(track, 'mdia', 'minf');
  const media = information && boxesIn(information.data)?.filter(({ type }) => type !== 'stbl');
  const boxes = {
    mvhd: boxAt(moov, 'mvhd'),
    tkhd: boxAt(track, 'tkhd'),
    mdhd: boxAt(track, 'mdia', 'mdhd'),
    hdlr: boxAt(track, 'mdia', 'hdlr'),
    stsd: boxAt(track, 'mdia', 'minf', 'stbl', 'stsd'),
  };
  const { mvhd, tkhd, mdhd, hdlr, stsd } = boxes;
  const references = information && boxAt(information, 'dinf', 'dref');
  if (!mvhd || !tkhd || !mdhd || !hdlr || !stsd || !media || !references || !isOneFile(references))
    return undefined;
  return {
    ...{ ftyp, mvhd: mvhd.bytes, tkhd: tkhd.bytes, mdhd: mdhd.bytes, hdlr: hdlr.bytes, stsd: stsd.bytes },
    media: media.map(({ bytes }) => bytes),
  };
}

/** Whether the only data reference is this file itself. */
function isOneFile({ data }: Box): boolean {
  const entries = boxesIn(data.subarray(8));
  return entries?.length === 1 && entries[0]!.data.length === 4 && entries[0]!.data[3] === 1;
}

/** The parameter set of the only sample entry, whose pictures have lengths of 4 bytes. */
function spsOf(stsd: Buffer): Sps | undefined {
  const entries = boxesIn(stsd.subarray(16));
  const entry = entries?.[0];
  if (!entry || entries.length !== 1 || entry.type !== 'avc1' || entry.data.length < VISUAL_ENTRY_BYTES)
    return undefined;
  const avcC = boxAt({ ...entry, data: entry.data.subarray(VISUAL_ENTRY_BYTES) }, 'avcC')?.data;
  if (!avcC || avcC.length < 8 || (avcC[4]! & 3) !== 3 || (avcC[5]! & 31) !== 1) return undefined;
  return readSps(avcC.subarray(8, 8 + avcC.readUInt16BE(6)));
}
