/** The table of the frames of a video file: their number, the time of each, and how to seek to it. */
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { endBeyondFile, type ReadAt, readerOf } from './complete.js';
import { HEAD_BYTES, otherKind } from './container.js';
import { type Packet, type ProbedStream, probeFrames, probePackets, type ShownFrame } from './ffprobe.js';
import { areWhole, type Samples } from './mp4/cut.js';
import { type Mp4Track, readMp4Track } from './mp4/samples.js';
import { isSpliced, packetsAreFrames } from './packets.js';
import { firstComplaint } from './process.js';
import { videoName } from './source.js';

/** The frames of a video file in the order they are shown. */
export interface VideoTable {
  codec: string;
  /** Index of the video stream in the file: the largest picture, as ffmpeg chooses. */
  stream: number;
  /** Coded size in pixels; decoded frames may be turned by the file's rotation tag. */
  width: number;
  height: number;
  fps: number;
  /** Unit of `pts` in seconds, as the fraction the file states. */
  timeBase: readonly [number, number];
  /** Identity of a frame: its presentation time stamp, or its place in a decode of the whole file. */
  stamp: 'pts' | 'n';
  /** The stamp of every frame, ascending, without repeats. */
  stamps: Float64Array;
  /** Seconds since the first frame. */
  times: Float64Array;
  /** Indices of frames that decoding can start at, ascending; none where seeking is not to be trusted. */
  keyframes: number[];
  /** The coded pictures of an mp4 of which frames can be cut out. */
  samples?: Samples;
}

/** A table costs 32 bytes a frame; 2,048 half-minute clips are about 60 MB. */
const MAX_CACHED = 2048;
const cache = new Map<string, VideoTable>();
/** Tables in the making: several clips of one video may be asked for at once. */
const pending = new Map<string, Promise<VideoTable>>();

/** Containers with time stamps of their own and a way to reach one: ffmpeg invents those of other files. */
const SEEKABLE = ['mov', 'matroska', 'flv', 'avi', 'asf'];

/** Fewer bytes hold no picture, only that the one before stays (MPEG-4's uncoded pictures). */
const PICTURE_BYTES = 16;

/**
 * Lists the frames of a video file: those, and only those, that decoding the whole file shows. No header field is
 * trusted for their number (webm and mkv carry none, AVI often a wrong one) or for their times (the rate may vary).
 * The table of an unchanged file is kept, so a video with ten questions is probed once.
 *
 * Most mp4 files are read without starting ffprobe (readMp4Track). The packet table is enough where it is certain that each packet is shown, as in most mp4, mkv and webm files; see
 * packetsAreFrames. The frames of all other files are listed by decoding them once.
 *
 * @param id who asks, for messages.
 * @throws DataError naming id and path: no video in the file, a truncated file, frames that do not decode.
 */
export async function probeVideo(path: string, id: string, signal?: AbortSignal): Promise<VideoTable> {
  const file = resolve(path);
  const name = videoName(id, path);
  const handle = await open(file).catch((error) => {
    throw new DataError(`${name}: ${error.code === 'ENOENT' ? 'no such video' : messageOf(error)}`, {
      cause: error,
    });
  });
  let other: Promise<VideoTable> | undefined;
  try {
    const { size, mtimeMs } = await handle.stat();
    const key = `${file}\0${size}\0${mtimeMs}`;
    const known = cache.get(key);
    if (known) return known;
    other = pending.get(key);
    if (!other) {
      const own = probe(file, handle, size, name, signal);
      pending.set(key, own);
      return keep(key, await own.finally(() => pending.delete(key)));
    }
  } finally {
    await handle.close();
  }
  // What fails there names another sample, or was cancelled by another signal.
  const table = await other.catch(() => undefined);
  signal?.throwIfAborted();
  return table ?? probeVideo(path, id, signal);
}

function keep(key: string, table: VideoTable): VideoTable {
  cache.set(key, table);
  if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value as string);
  return table;
}

async function probe(
  file: string,
  handle: FileHandle,
  size: number,
  name: string,
  signal?: AbortSignal,
): Promise<VideoTable> {
  const read = readerOf(handle);
  const track = await readMp4Track(read, size);
  const isPlain =
    track &&
    (await areWhole(read, track.packets)) &&
    (await packetsAreFrames(read, track.stream, track.packets));
  if (isPlain) return tableOfTrack(track);
  const [probed, end] = await Promise.all([probePackets(file, { name, signal }), endBeyondFile(read, size)]);
  const { stream, packets, stderr } = probed;
  checkComplete(packets, stream, size, end, name);
  if (!probed.readable || !stream) throw await noVideo(read, probed, name);
  const visible = packets.filter(({ discarded }) => !discarded);
  if (stderr.trim() === '' && (await packetsAreFrames(read, stream, packets))) {
    const shown = visible.sort((a, b) => (a.pts as number) - (b.pts as number));
    return tableOf(stream, shown, packets.length, true);
  }
  const decoded = await probeFrames(file, stream.index, { name, signal });
  checkDecoded(packets, decoded.frames, name, { packets: stderr, frames: decoded.stderr });
  const stamps = new Set(visible.map(({ pts }) => pts));
  const seekable =
    SEEKABLE.some((format) => stream.formats.includes(format)) &&
    isAscending(decoded.frames) &&
    decoded.frames.every(({ pts }) => stamps.has(pts));
  return tableOf(stream, decoded.frames, packets.length, seekable);
}

/** The table of an mp4 whose samples are its frames. */
function tableOfTrack({ stream, packets, head }: Mp4Track): VideoTable {
  const order = Uint32Array.from(packets.keys()).sort((a, b) => packets[a]!.pts! - packets[b]!.pts!);
  const shown = Array.from(order, (sample) => packets[sample]!);
  const samples: Samples = {
    ...{ head, order },
    offsets: Float64Array.from(packets, ({ pos }) => pos!),
    sizes: Uint32Array.from(packets, ({ size }) => size),
    keys: Uint32Array.from(packets.flatMap(({ key }, i) => (key ? [i] : []))),
  };
  return { ...tableOf(stream, shown, packets.length, true), samples };
}

/**
 * @param packets how many there are, shown or not.
 * @param byPts frames are asked for by their time stamps, which are the container's own.
 */
function tableOf(
  stream: ProbedStream,
  frames: readonly { pts: number | undefined; key: boolean }[],
  packets: number,
  byPts: boolean,
): VideoTable {
  const { codec, index, width, height, timeBase } = stream;
  const pts = Float64Array.from(frames, (frame) => frame.pts ?? Number.NaN);
  const seconds = isAscending(frames)
    ? pts.map((stamp) => ((stamp - (pts[0] as number)) * timeBase[0]) / timeBase[1])
    : undefined;
  const measured = measuredRate(seconds);
  // A stated rate that counts packets which are not shown is off by as much.
  const misstated = frames.length !== packets && Math.abs((stream.fps ?? 0) / (measured ?? 0) - 1) > 0.01;
  const fps = (misstated ? measured : undefined) ?? stream.fps ?? measured ?? 25;
  return {
    ...{ codec, stream: index, width, height, timeBase, fps },
    stamp: byPts ? 'pts' : 'n',
    stamps: byPts ? pts : pts.map((_, i) => i),
    times: seconds ?? pts.map((_, i) => i / fps),
    keyframes: byPts ? frames.flatMap((frame, i) => (frame.key ? [i] : [])) : [],
  };
}

/** The error of a file without a video stream. */
async function noVideo(
  read: ReadAt,
  { readable, stderr }: { readable: boolean; stderr: string },
  name: string,
): Promise<DataError> {
  const what = otherKind(await read(0, HEAD_BYTES));
  if (what !== undefined) return new DataError(`${name}: no video, ${what}`);
  const complaint = stderr.trim() === '' ? '' : ` (${firstComplaint(stderr)})`;
  const fault = readable ? 'no video stream in the file' : 'cannot be read as a video';
  return new DataError(`${name}: ${fault}${complaint}`);
}

/** The error of a video with frames that do not decode; `frame` is the first requested one of them. */
export function brokenVideo(
  name: string,
  decoded: number,
  total: number,
  frame: number,
  stderr: string,
): DataError {
  return new DataError(
    `${name}: broken video: frame ${frame} does not decode, ${decoded} of ${total} frames do (${firstComplaint(stderr)}); fetch the file again`,
  );
}

/**
 * Refuses a file that was cut short: a piece of it goes beyond its end, or it ends in half of a frame. All frames the
 * header counts may be there all the same, when only sound or an index is lost.
 */
function checkComplete(
  packets: readonly Packet[],
  stream: ProbedStream | undefined,
  size: number,
  end: number | undefined,
  name: string,
): void {
  const whole = packets.filter((packet) => !packet.corrupt && (packet.pos ?? 0) + packet.size < size).length;
  if (end !== undefined && end > size && !(whole >= (stream?.statedFrames ?? Number.POSITIVE_INFINITY))) {
    throw new DataError(
      `${name}: truncated video: ${size} of at least ${end} bytes are in the file; fetch the file again`,
    );
  }
  // In a transport stream that mark means a packet lost on the way.
  if (packets.at(-1)?.corrupt && !stream?.formats.includes('mpegts')) {
    throw new DataError(
      `${name}: truncated video: the file ends inside frame ${packets.length - 1}; fetch the file again`,
    );
  }
}

/**
 * Refuses a file with a missing frame after the decoder complained. No fault are pictures before the first restart, or
 * that belong before it, in a stream that was cut from a longer one; pictures at the joints of an edit list; and
 * packets that hold no picture.
 *
 * Without time stamps a frame is known by its packet's place. Then only complaints made on reading the packets count:
 * those of the decoder may be about pictures it shows.
 */
function checkDecoded(
  packets: readonly Packet[],
  frames: readonly ShownFrame[],
  name: string,
  complaints: { packets: string; frames: string },
): void {
  const all = complaints.packets + complaints.frames;
  if (frames.length === 0) throw new DataError(`${name}: the video has no frames (${firstComplaint(all)})`);
  const visible = packets.filter(({ discarded }) => !discarded);
  if (frames.length >= visible.length || isSpliced(packets)) return;
  const field = (['pts', 'pos'] as const).find((each) => isUnique(visible, each) && isUnique(frames, each));
  const complaint = field === 'pts' ? all : complaints.packets;
  if (field === undefined || complaint.trim() === '') return;
  const shown = new Set(frames.map((frame) => frame[field]));
  const from = field === 'pts' ? firstWholePts(packets, frames) : secondInFile(frames);
  const broken = visible.find(
    (packet) =>
      !shown.has(packet[field]) &&
      packet.size >= PICTURE_BYTES &&
      ((packet === packets[0] && packet.key) || (packet[field] as number) > from),
  );
  if (!broken) return;
  const before = visible.filter((packet) => (packet[field] as number) < (broken[field] as number)).length;
  throw brokenVideo(name, frames.length, visible.length, before, all);
}

/** Time stamp from which on every picture is shown: the first frame's, or the first restart's if that is later. */
function firstWholePts(packets: readonly Packet[], frames: readonly ShownFrame[]): number {
  return Math.max(frames[0]?.pts ?? 0, packets.find(({ key }) => key)?.pts ?? Number.NEGATIVE_INFINITY);
}

/** Place of the second frame in the order of the file: pictures that belong before the first are between the two. */
function secondInFile(frames: readonly ShownFrame[]): number {
  const places = frames.map(({ pos }) => pos as number).sort((a, b) => a - b);
  return places[1] ?? (places[0] as number);
}

function isUnique<K extends 'pts' | 'pos'>(rows: readonly { [key in K]: number | undefined }[], field: K) {
  const values = new Set(rows.map((row) => row[field]));
  return values.size === rows.length && !values.has(undefined);
}

/** Whether every frame has a time stamp, later than the one before. */
function isAscending(frames: readonly { pts: number | undefined }[]): boolean {
  return frames.every(({ pts }, i) => pts !== undefined && (i === 0 || pts > (frames[i - 1]?.pts as number)));
}

function measuredRate(times: Float64Array | undefined): number | undefined {
  const duration = times?.at(-1) ?? 0;
  return times && duration > 0 ? (times.length - 1) / duration : undefined;
}
