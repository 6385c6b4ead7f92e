import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DataError } from '../errors.js';
import { firstComplaint, inputArgs, runTool } from './process.js';
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
  /** What tells a frame from the others: its presentation time stamp, or its place in a decode of the whole file. */
  stamp: 'pts' | 'n';
  /** The stamp of every frame, ascending, without repeats. */
  stamps: Float64Array;
  /** Seconds since the first frame. */
  times: Float64Array;
  /** Indices of frames that decoding can start at, ascending. */
  keyframes: number[];
}

interface Packet {
  stream_index?: number;
  pts?: number;
  flags?: string;
}

interface ProbeOutput {
  streams?: {
    index?: number;
    codec_name?: string;
    width?: number;
    height?: number;
    time_base?: string;
    avg_frame_rate?: string;
    r_frame_rate?: string;
    nb_frames?: string;
  }[];
  packets?: Packet[];
  frames?: { stream_index?: number; best_effort_timestamp?: number; key_frame?: number }[];
}

/** A table costs 16 bytes a frame; 4,096 half-minute clips are about 60 MB. */
const MAX_CACHED = 4096;
const cache = new Map<string, VideoTable>();

/**
 * Lists the frames of a video file from its packet table: no header field is trusted for the number of frames (webm
 * and mkv carry none) or for their times (the rate may vary). The table of an unchanged file is kept, so a video with
 * ten questions is probed once.
 *
 * VP8 hides frames in packets of their own, and files without time stamps (AVI) have no table: for both, and for
 * files that ffprobe complains about, the frames are listed by decoding the file once.
 *
 * @param id who asks, for messages.
 * @throws DataError naming id and path: no video in the file, a truncated file, frames that do not decode.
 */
export async function probeVideo(path: string, id: string, signal?: AbortSignal): Promise<VideoTable> {
  const file = resolve(path);
  const { size, mtimeMs } = await stat(file).catch((error) => {
    throw new DataError(`${videoName(id, path)}: no such video`, { cause: error });
  });
  const key = `${file}\0${size}\0${mtimeMs}`;
  const known = cache.get(key);
  if (known) return known;
  const table = await probe(file, videoName(id, path), signal);
  cache.set(key, table);
  if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value as string);
  return table;
}

async function probe(file: string, name: string, signal?: AbortSignal): Promise<VideoTable> {
  const output = await ffprobe(file, 'packet=stream_index,pts,flags', name, signal);
  const stream = output.json.streams?.[0];
  if (!stream?.width || !stream.height || !stream.time_base) {
    throw new DataError(`${name}: no video stream in the file (${firstComplaint(output.stderr)})`);
  }
  const packets = output.json.packets ?? [];
  checkComplete(packets, Number(stream.nb_frames ?? Number.NaN), name, output.stderr);
  // The edit list of a cut mp4 marks packets that are decoded but not shown.
  const visible = packets.filter((packet) => !packet.flags?.includes('D'));
  const base = fraction(stream.time_base);
  const info = {
    codec: stream.codec_name ?? 'unknown',
    stream: stream.index ?? 0,
    width: stream.width,
    height: stream.height,
    timeBase: base,
  };
  let rows = visible.map(({ pts, flags }) => ({ pts, key: flags?.startsWith('K') ?? false }));
  if (info.codec === 'vp8' || output.stderr.trim() !== '' || !usable(rows)) {
    const decoded = await decodedFrames(file, name, signal);
    if (output.stderr.trim() !== '' && decoded.rows.length < visible.length) {
      const asked = rows.findIndex(({ pts }) => !decoded.rows.some((row) => row.pts === pts));
      throw brokenVideo(name, decoded.rows.length, visible.length, asked, output.stderr + decoded.stderr);
    }
    rows = decoded.rows;
  }
  const stamped = usable(rows);
  if (!stamped) rows = rows.map((_, i) => ({ pts: i, key: false }));
  const sorted = rows.sort((a, b) => (a.pts as number) - (b.pts as number));
  const stamps = Float64Array.from(sorted, (row) => row.pts as number);
  const keyframes = sorted.flatMap((row, i) => (row.key ? [i] : []));
  const seconds = (stamp: number) => ((stamp - (stamps[0] as number)) * base[0]) / base[1];
  const fps = statedRate(stream) ?? measuredRate(stamped ? stamps.map(seconds) : undefined);
  const times = stamps.map(stamped ? seconds : (i) => i / fps);
  return { ...info, stamp: stamped ? 'pts' : 'n', stamps, times, keyframes, fps };
}

/** The error of a video of which some frames do not decode; `frame` is the first of them that was asked for. */
export function brokenVideo(
  name: string,
  decoded: number,
  total: number,
  frame: number,
  stderr: string,
): DataError {
  return new DataError(
    `${name}: broken video: frame ${frame} does not decode, ${decoded} of ${total} frames do (${firstComplaint(stderr)})`,
  );
}

/** Lists the frames that decoding the whole file gives. */
export async function decodedFrames(
  file: string,
  name: string,
  signal?: AbortSignal,
): Promise<{ rows: { pts: number | undefined; key: boolean }[]; stderr: string }> {
  const { json, stderr } = await ffprobe(
    file,
    'frame=stream_index,best_effort_timestamp,key_frame',
    name,
    signal,
  );
  const rows = (json.frames ?? []).map((frame) => ({
    pts: frame.best_effort_timestamp,
    key: frame.key_frame === 1,
  }));
  return { rows, stderr };
}

async function ffprobe(
  file: string,
  entries: string,
  name: string,
  signal?: AbortSignal,
): Promise<{ json: ProbeOutput; stderr: string }> {
  const streamFields = 'index,codec_name,width,height,time_base,avg_frame_rate,r_frame_rate,nb_frames';
  const args = [
    ...['-v', 'error', '-threads', '1', '-select_streams', 'V'],
    ...['-show_entries', `stream=${streamFields}:${entries}`, '-of', 'json=c=1'],
    ...inputArgs(file),
  ];
  const { status, stdout, stderr } = await runTool('ffprobe', args, signal);
  if (status !== 0) throw new DataError(`${name}: cannot be read as a video (${firstComplaint(stderr)})`);
  return { json: largestStream(JSON.parse(stdout.toString('utf8')) as ProbeOutput), stderr };
}

/** Keeps the stream with the largest picture, the first of equals, and what belongs to it. */
function largestStream({ streams = [], packets = [], frames = [] }: ProbeOutput): ProbeOutput {
  const pixels = (stream: { width?: number; height?: number }) => (stream.width ?? 0) * (stream.height ?? 0);
  const [first, ...others] = streams;
  if (!first) return {};
  const best = others.reduce((a, b) => (pixels(b) > pixels(a) ? b : a), first);
  const belongs = ({ stream_index }: { stream_index?: number }) => stream_index === best.index;
  return { streams: [best], packets: packets.filter(belongs), frames: frames.filter(belongs) };
}

/** An mp4 states its number of frames; a file that was cut short holds fewer, or ends in half of one. */
function checkComplete(packets: Packet[], stated: number, name: string, stderr: string): void {
  const whole = packets.filter((packet) => !packet.flags?.includes('C')).length;
  const expected = Math.max(packets.length, Number.isNaN(stated) ? 0 : stated);
  if (whole === 0) throw new DataError(`${name}: the video has no frames (${firstComplaint(stderr)})`);
  if (whole < expected) {
    throw new DataError(
      `${name}: truncated video: ${whole} of ${expected} frames are in the file; fetch the file again`,
    );
  }
}

/** Whether every frame has a time stamp of its own. */
function usable(rows: { pts: number | undefined }[]): boolean {
  return (
    new Set(rows.map((row) => row.pts)).size === rows.length && rows.every((row) => row.pts !== undefined)
  );
}

/** The average rate the file states, which is what decord gives SeViLA. */
function statedRate(stream: { avg_frame_rate?: string; r_frame_rate?: string }): number | undefined {
  for (const text of [stream.avg_frame_rate, stream.r_frame_rate]) {
    const [numerator, denominator] = fraction(text ?? '0/0');
    if (numerator > 0 && denominator > 0) return numerator / denominator;
  }
  return undefined;
}

function measuredRate(times: Float64Array | undefined): number {
  const duration = times?.at(-1) ?? 0;
  return times && duration > 0 ? (times.length - 1) / duration : 25;
}

function fraction(text: string): [number, number] {
  const [numerator = '0', denominator = '1'] = text.split('/');
  return [Number(numerator), Number(denominator)];
}
