/** Decodes frames of a video file with ffmpeg. */
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DataError } from '../base/errors.js';
import { readerOf } from './complete.js';
import { probeFrames } from './ffprobe.js';
import { cutFrames } from './mp4/cut.js';
import { readPictures } from './pictures.js';
import { brokenVideo, probeVideo, type VideoTable } from './probe.js';
import { firstComplaint, inputArgs, runTool, type ToolUse } from './process.js';
import { asItIs, type FitFrame, type RawFrame, type VideoSource, videoName } from './source.js';

/**
 * Pixels decoded in the time that a further ffmpeg process takes to start: 60 to 80 ms, at 600 million pixels a second
 * of H.264 on one core. Frames with fewer pixels between them share a process.
 */
const PROCESS_COST_PIXELS = 40e6;

/** Pixels that one process decodes of what is cut out, about; what goes beyond is shared by several: half a second's. */
const PROCESS_PIXELS = 300e6;

/** Frames that one process is asked for by their stamps: Linux takes no argument of more than 128 KiB. */
const MOST_STAMPS = 4096;

/** ffmpeg's arguments to decode what it is given on its standard input. */
const CUT_INPUT = ['-protocol_whitelist', 'pipe', '-f', 'mov', '-i', 'pipe:0', '-map', '0:0'];

/**
 * Output times 0, 1, 2, ... at a fixed rate keep ffmpeg from repeating or dropping frames, in every version. The rate
 * is far below any video's: where a stream states no start (raw streams, APNG), ffmpeg repeats each frame for as long
 * as it lasts at the stream's own rate, so at 10 frames a second and an output rate of 25 two or three times.
 */
const OUTPUT_SECONDS = 100_000;

/** Frames decoded by one ffmpeg process, which starts at `keyframe` (at the start of the file when undefined). */
interface Segment {
  keyframe: number | undefined;
  indices: number[];
}

/**
 * A video file, decoded by ffmpeg. Frames are asked for by their time stamp wherever the container keeps one, so a
 * frame that does not decode is missed and named; counting would return its neighbours instead. In other files the
 * table was made by decoding (see probeVideo), and a frame is its place in the same decode: the stamps ffmpeg invents
 * for them are not those it seeks by.
 *
 * Far-apart frames are reached by seeking to the keyframe before each, in parallel processes; near ones share one.
 * A seek is trusted only if the first frame after it is an intra frame at or before that keyframe. Otherwise (open
 * GOPs, intra refresh, containers without an index) the file is decoded from its start. Either way the frames are the
 * ones a full decode gives, bit for bit.
 */
export async function openVideoFile(path: string, id: string, signal?: AbortSignal): Promise<VideoSource> {
  const table = await probeVideo(path, id, signal);
  return {
    times: table.times,
    fps: table.fps,
    read: (indices, readSignal = signal, fitFrame = asItIs) =>
      decodeFrames(path, id, table, indices, readSignal, fitFrame),
  };
}

/**
 * Decodes frames of a probed video.
 *
 * @param indices ascending, without repeats, below table.stamps.length.
 * @param fitFrame see VideoSource.read; each frame stays at its own size unless given.
 * @throws DataError naming id, path, the frame that does not decode and how many do.
 */
export async function decodeFrames(
  path: string,
  id: string,
  table: VideoTable,
  indices: readonly number[],
  signal?: AbortSignal,
  fitFrame: FitFrame = asItIs,
): Promise<RawFrame[]> {
  const file = resolve(path);
  const name = videoName(id, path);
  const cut = await decodeEnding(signal, (ended) =>
    decodeCuts(file, table, indices, fitFrame, { name, signal: ended }),
  );
  if (cut) return cut;
  const segments = planSegments(table, indices);
  const use = { name, signal };
  const parts = await decodeEnding(signal, (ended) =>
    Promise.all(
      segments.map((segment) => decodeSegment(file, table, segment, fitFrame, { name, signal: ended })),
    ),
  );
  if (parts.every((part) => part.frames !== undefined)) return parts.flatMap((part) => part.frames ?? []);

  const wasSeeking = segments.some((segment) => segment.keyframe !== undefined);
  const whole = wasSeeking
    ? await decodeWhole(file, table, indices, fitFrame, use)
    : parts.find((part) => part.frames === undefined);
  if (whole?.frames) return whole.frames;
  return explainMissing(file, table, indices, whole?.stderr ?? '', use);
}

/** Runs decoders of which the first that fails ends the others: what they decode is not wanted any more. */
async function decodeEnding<T>(
  signal: AbortSignal | undefined,
  decode: (ended: AbortSignal) => Promise<T>,
): Promise<T> {
  const failed = new AbortController();
  return decode(signal ? AbortSignal.any([signal, failed.signal]) : failed.signal).catch((error) => {
    failed.abort();
    throw error;
  });
}

/** Splits the frames over processes so that the fewest pixels are decoded; see PROCESS_COST_PIXELS. */
function planSegments(table: VideoTable, indices: readonly number[]): Segment[] {
  const farFrames = PROCESS_COST_PIXELS / (table.width * table.height);
  const segments: Segment[] = [];
  let next = 0;
  let keyframe: number | undefined;
  for (const index of indices) {
    for (; next < table.keyframes.length && (table.keyframes[next] as number) <= index; next++) {
      keyframe = table.keyframes[next];
    }
    const last = segments.at(-1);
    const previous = last?.indices.at(-1);
    const isNear = previous !== undefined && (keyframe ?? 0) - previous <= farFrames;
    if (last && isNear && last.indices.length < MOST_STAMPS) last.indices.push(index);
    else segments.push({ keyframe: keyframe === 0 ? undefined : keyframe, indices: [index] });
  }
  return segments;
}

/** Frames decoded from the start of the file. */
async function decodeWhole(
  file: string,
  table: VideoTable,
  indices: readonly number[],
  fitFrame: FitFrame,
  use: ToolUse,
): Promise<Decoded> {
  const frames: RawFrame[] = [];
  for (let i = 0; i < indices.length; i += MOST_STAMPS) {
    const segment = { keyframe: undefined, indices: indices.slice(i, i + MOST_STAMPS) };
    const part = await decodeSegment(file, table, segment, fitFrame, use);
    if (!part.frames) return part;
    frames.push(...part.frames);
  }
  return { frames, stderr: '' };
}

async function decodeSegment(
  file: string,
  table: VideoTable,
  segment: Segment,
  fitFrame: FitFrame,
  use: ToolUse,
): Promise<Decoded> {
  const { keyframe, indices } = segment;
  const [numerator, denominator] = table.timeBase;
  let select = anyOf(
    table.stamp,
    indices.map((index) => table.stamps[index] as number),
  );
  const seek: string[] = [];
  if (keyframe !== undefined) {
    const seconds = ((table.stamps[indices[0] as number] as number) * numerator) / denominator;
    const microseconds = Math.ceil(seconds * 1e6);
    seek.push('-seek_timestamp', '1', '-noaccurate_seek', '-ss', `${microseconds}us`);
    // Variable 0 remembers whether the seek landed on an intra frame early enough; if not, nothing is selected.
    const landed = `st(0,if(eq(n,0),eq(pict_type,I)*lte(pts,${table.stamps[keyframe]}),ld(0)))`;
    select = `${landed};(${select})*ld(0)`;
  }
  const input = [...seek, ...inputArgs(file), '-map', `0:${table.stream}`];
  return runDecoder(input, { select, count: indices.length, timeBase: table.timeBase }, fitFrame, use);
}

/** Frames that one decoder gave; undefined where they are not as many as were asked for. */
interface Decoded {
  frames: RawFrame[] | undefined;
  stderr: string;
}

/** Sums of sums: ffmpeg refuses an expression that is nested more than 100 deep, as a plain sum of 101 is. */
function anyOf(stamp: 'pts' | 'n', stamps: readonly number[]): string {
  if (stamps.length === 1) return `eq(${stamp},${stamps[0]})`;
  const half = stamps.length >> 1;
  return `(${anyOf(stamp, stamps.slice(0, half))}+${anyOf(stamp, stamps.slice(half))})`;
}

async function runDecoder(
  input: readonly string[],
  { select, count, timeBase }: { select: string; count: number; timeBase: readonly [number, number] },
  fitFrame: FitFrame,
  use: ToolUse,
): Promise<Decoded> {
  const filter = `settb=${timeBase.join('/')},select='${select}',settb=${OUTPUT_SECONDS},setpts=N`;
  const args = [
    ...['-v', 'error', '-nostdin', '-threads', '1', '-copyts', ...input],
    ...['-filter_threads', '1', '-vf', filter],
    ...['-r', `1/${OUTPUT_SECONDS}`, '-frames:v', String(count)],
    // PPM carries each frame's size, which rotation tags and mid-stream changes make unpredictable.
    ...['-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', 'pipe:1'],
  ];
  const { output, stderr } = await runTool('ffmpeg', args, (out) => readPictures(out, fitFrame), use);
  return { frames: output.length === count ? output : undefined, stderr };
}

/**
 * Decodes frames of an mp4 from what is cut out of it: one process for all of them, which skips what they do not refer to.
 *
 * @returns undefined where they are better decoded from the file itself: no cut can be made, or the decoder complains of it
 */
async function decodeCuts(
  file: string,
  table: VideoTable,
  indices: readonly number[],
  fitFrame: FitFrame,
  use: ToolUse,
): Promise<RawFrame[] | undefined> {
  if (!table.samples) return undefined;
  // A file that is gone is named by the decoder that misses it.
  const handle = await open(file).catch(() => undefined);
  if (!handle) return undefined;
  const most = PROCESS_PIXELS / (table.width * table.height);
  const cuts = await cutFrames(readerOf(handle), table.samples, indices, most).finally(() => handle.close());
  if (!cuts || cuts.some(({ stamps }) => stamps.length > MOST_STAMPS)) return undefined;
  const parts = await Promise.all(
    cuts.map(({ bytes, stamps }) => {
      const what = { select: anyOf('pts', stamps), count: stamps.length, timeBase: table.timeBase };
      return runDecoder(CUT_INPUT, what, fitFrame, { ...use, input: bytes });
    }),
  );
  if (!parts.every(({ frames, stderr }) => frames && stderr === '')) return undefined;
  const decoded = new Map(
    cuts.flatMap((cut, i) => cut.indices.map((index, at) => [index, parts[i]!.frames![at]!])),
  );
  return indices.map((index) => decoded.get(index)!);
}

/** Finds the frame that does not decode, by decoding everything. */
async function explainMissing(
  file: string,
  table: VideoTable,
  indices: readonly number[],
  stderr: string,
  use: ToolUse,
): Promise<never> {
  const { name } = use;
  const decoded = await probeFrames(file, table.stream, use);
  const present = new Set(decoded.frames.map(({ pts }) => pts));
  const missing =
    table.stamp === 'pts' ? indices.find((index) => !present.has(table.stamps[index])) : undefined;
  if (missing !== undefined) {
    throw brokenVideo(name, decoded.frames.length, table.stamps.length, missing, stderr + decoded.stderr);
  }
  throw new DataError(
    `${name}: ffmpeg gave fewer than the ${indices.length} frames asked for (${firstComplaint(stderr)}); did the file change?`,
  );
}
