/** Decodes frames of a video file with ffmpeg. */
import { resolve } from 'node:path';
import { DataError } from '../base/errors.js';
import { probeFrames } from './ffprobe.js';
import { brokenVideo, probeVideo, type VideoTable } from './probe.js';
import { firstComplaint, inputArgs, runTool, type ToolUse } from './process.js';
import { asItIs, type FitFrame, type RawFrame, type VideoSource, videoName } from './source.js';

/**
 * Pixels decoded in the time that a further ffmpeg process takes to start: 60 to 80 ms, at 600 million pixels a second
 * of H.264 on one core. Frames with fewer pixels between them share a process.
 */
const PROCESS_COST_PIXELS = 40e6;

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
  const segments = planSegments(table, indices);
  // The first that fails ends the others: what they decode is not wanted any more.
  const failed = new AbortController();
  const ended = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const use = { name: videoName(id, path), signal };
  const parts = await Promise.all(
    segments.map((segment) => decodeSegment(file, table, segment, fitFrame, { ...use, signal: ended })),
  ).catch((error) => {
    failed.abort();
    throw error;
  });
  if (parts.every((part) => part.frames !== undefined)) return parts.flatMap((part) => part.frames ?? []);

  const wasSeeking = segments.some((segment) => segment.keyframe !== undefined);
  const whole = wasSeeking
    ? await decodeSegment(file, table, { keyframe: undefined, indices: [...indices] }, fitFrame, use)
    : parts.find((part) => part.frames === undefined);
  if (whole?.frames) return whole.frames;
  return explainMissing(file, table, indices, whole?.stderr ?? '', use);
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
    if (last && previous !== undefined && (keyframe ?? 0) - previous <= farFrames) last.indices.push(index);
    else segments.push({ keyframe: keyframe === 0 ? undefined : keyframe, indices: [index] });
  }
  return segments;
}

async function decodeSegment(
  file: string,
  table: VideoTable,
  segment: Segment,
  fitFrame: FitFrame,
  use: ToolUse,
): Promise<{ frames: RawFrame[] | undefined; stderr: string }> {
  const { keyframe, indices } = segment;
  const [numerator, denominator] = table.timeBase;
  const wanted = indices.map((index) => `eq(${table.stamp},${table.stamps[index]})`).join('+');
  let select = wanted;
  const seek: string[] = [];
  if (keyframe !== undefined) {
    const seconds = ((table.stamps[indices[0] as number] as number) * numerator) / denominator;
    const microseconds = Math.ceil(seconds * 1e6);
    seek.push('-seek_timestamp', '1', '-noaccurate_seek', '-ss', `${microseconds}us`);
    // Variable 0 remembers whether the seek landed on an intra frame early enough; if not, nothing is selected.
    const landed = `st(0,if(eq(n,0),eq(pict_type,I)*lte(pts,${table.stamps[keyframe]}),ld(0)))`;
    select = `${landed};(${wanted})*ld(0)`;
  }
  const filter = `settb=${numerator}/${denominator},select='${select}',settb=${OUTPUT_SECONDS},setpts=N`;
  const args = [
    ...['-v', 'error', '-nostdin', '-threads', '1', '-copyts', ...seek, ...inputArgs(file)],
    ...['-map', `0:${table.stream}`, '-filter_threads', '1', '-vf', filter],
    ...['-r', `1/${OUTPUT_SECONDS}`, '-frames:v', String(indices.length)],
    // PPM carries each frame's size, which rotation tags and mid-stream changes make unpredictable.
    ...['-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', 'pipe:1'],
  ];
  const read = async (stdout: AsyncIterable<Buffer>) => {
    const frames: RawFrame[] = [];
    const spare: Buffer[] = [];
    // The next frame is read while this one is fitted, and no more: all of them can be larger than memory.
    let fitting: Promise<unknown> = Promise.resolve();
    for await (const frame of ppmFrames(stdout, spare)) {
      await fitting;
      const at = frames.push(frame) - 1;
      fitting = Promise.resolve(fitFrame(frame)).then((fitted) => {
        frames[at] = fitted;
        if (fitted.data.buffer !== frame.data.buffer) spare.push(frame.data);
      });
      fitting.catch(() => undefined);
    }
    await fitting;
    return frames;
  };
  const { output: frames, stderr } = await runTool('ffmpeg', args, read, use);
  return { frames: frames.length === indices.length ? frames : undefined, stderr };
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

/** More than any picture has (16K: 398 MB): such a header is no picture's. */
const MAX_FRAME_BYTES = 2 ** 30;

/** A frame as it came. */
type OwnFrame = RawFrame & { data: Buffer };

/**
 * Splits a stream of binary PPM images (`P6\n<width> <height>\n255\n<rgb>`) as it comes; an incomplete last one is left
 * out, and whatever is no image ends it.
 *
 * @param spare memory of frames that are not needed any more; that of a frame's size becomes the next one's, since new
 *   memory costs more than what is copied into it
 */
async function* ppmFrames(stdout: AsyncIterable<Buffer>, spare: Buffer[]): AsyncGenerator<OwnFrame> {
  let head: Buffer = Buffer.alloc(0);
  let frame: OwnFrame | undefined;
  let filled = 0;
  for await (const chunk of stdout) {
    for (let rest = chunk; rest.length > 0; ) {
      if (!frame) {
        head = Buffer.concat([head, rest]);
        const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(head.toString('latin1', 0, 40));
        if (!header && head.length < 40) break;
        const [width, height] = [Number(header?.[1]), Number(header?.[2])];
        const bytes = width * height * 3;
        if (!header || !(bytes > 0 && bytes <= MAX_FRAME_BYTES)) return;
        const known = spare.pop();
        const data = known?.length === bytes ? known : Buffer.allocUnsafeSlow(bytes);
        frame = { width, height, data };
        filled = 0;
        rest = head.subarray(header[0].length);
        head = Buffer.alloc(0);
      }
      const taken = rest.copy(frame.data, filled);
      filled += taken;
      rest = rest.subarray(taken);
      if (filled < frame.data.length) continue;
      yield frame;
      frame = undefined;
    }
  }
}
