/** ffprobe's view of a video file: its stream, its packets, and the frames a decoder shows. */
import { inputArgs, linesOf, runTool, type ToolUse } from './process.js';

/** A video stream as ffprobe describes it, and its container. */
export interface ProbedStream {
  index: number;
  codec: string;
  width: number;
  height: number;
  /** Unit of pts in seconds, as the fraction the file states. */
  timeBase: readonly [number, number];
  /** Average frames a second the file states. */
  fps: number | undefined;
  /** Number of frames in the header; it may be wrong, and ignores edit lists. */
  statedFrames: number | undefined;
  /** Pictures the decoder holds back to put others before them. */
  reorders: boolean;
  /** Whether a packet may hold half a picture. */
  interlaced: boolean;
  /** Names of the container, as ffmpeg calls it: `mov,mp4,m4a,3gp,3g2,mj2`, `matroska,webm`, `h264`. */
  formats: readonly string[];
}

/** One coded picture (or field, or hidden picture) in the order of the file. */
export interface Packet {
  pts: number | undefined;
  /** Place in the file: of the data in an mp4, of the header before them elsewhere. */
  pos: number | undefined;
  size: number;
  key: boolean;
  /** Decoded but not shown, as the edit list of a cut mp4 asks for. */
  discarded: boolean;
  /** The container says that the data are damaged or cut short. */
  corrupt: boolean;
}

/** One picture as the decoder shows it. */
export interface ShownFrame {
  pts: number | undefined;
  /** `pos` of its packet. */
  pos: number | undefined;
  key: boolean;
}

const STREAM_FIELDS =
  'index,codec_name,width,height,has_b_frames,field_order,time_base,avg_frame_rate,r_frame_rate,nb_frames';

/** The fields of one section (stream, packet, frame, format) that ffprobe knows. */
type Fields = ReadonlyMap<string, string>;

/**
 * Lists the packets of the stream with the largest picture (the first of equals), which is the one ffmpeg chooses.
 *
 * @returns no stream when the file holds no video, or cannot be read at all.
 */
export async function probePackets(
  file: string,
  use: ToolUse,
): Promise<{ readable: boolean; stream: ProbedStream | undefined; packets: Packet[]; stderr: string }> {
  const entries = `format=format_name:stream=${STREAM_FIELDS}:packet=stream_index,pts,pos,size,flags`;
  const streams: Fields[] = [];
  const formats: string[] = [];
  const found = new Map<number, Packet[]>();
  const { readable, stderr } = await ffprobe(file, 'V', entries, use, (section, fields) => {
    if (section === 'stream') streams.push(fields);
    else if (section === 'format') formats.push(...(fields.get('format_name')?.split(',') ?? []));
    else if (section === 'packet') {
      const index = numberOf(fields, 'stream_index') ?? -1;
      if (!found.has(index)) found.set(index, []);
      found.get(index)?.push(packetOf(fields));
    }
  });
  const stream = readable ? largestStream(streams, formats) : undefined;
  return { readable, stream, packets: (stream && found.get(stream.index)) ?? [], stderr };
}

function packetOf(fields: Fields): Packet {
  const flags = fields.get('flags') ?? '';
  return {
    pts: numberOf(fields, 'pts'),
    pos: numberOf(fields, 'pos'),
    size: numberOf(fields, 'size') ?? 0,
    key: flags.startsWith('K'),
    discarded: flags.includes('D'),
    corrupt: flags.includes('C'),
  };
}

/** Lists the frames of a full decode, in the order they are shown. */
export async function probeFrames(
  file: string,
  stream: number,
  use: ToolUse,
): Promise<{ frames: ShownFrame[]; stderr: string }> {
  const entries = 'frame=stream_index,best_effort_timestamp,pkt_pos,key_frame';
  const frames: ShownFrame[] = [];
  const { readable, stderr } = await ffprobe(file, String(stream), entries, use, (section, fields) => {
    // Frames of other kinds (side data alone) have no stream.
    if (section === 'frame' && numberOf(fields, 'stream_index') === stream)
      frames.push({
        pts: numberOf(fields, 'best_effort_timestamp'),
        pos: numberOf(fields, 'pkt_pos'),
        key: numberOf(fields, 'key_frame') === 1,
      });
  });
  return { frames: readable ? frames : [], stderr };
}

/** Runs ffprobe and hands on each section as it comes: ten hours of video are a million packets. */
async function ffprobe(
  file: string,
  select: string,
  entries: string,
  use: ToolUse,
  take: (section: string, fields: Fields) => void,
): Promise<{ readable: boolean; stderr: string }> {
  const args = [
    ...['-v', 'error', '-threads', '1', '-select_streams', select],
    ...['-show_entries', entries, '-of', 'compact'],
    ...inputArgs(file),
  ];
  const read = async (stdout: AsyncIterable<Buffer>) => {
    for await (const line of linesOf(stdout)) {
      const [section = '', ...pairs] = line.trimEnd().split('|');
      const fields = new Map<string, string>();
      for (const pair of pairs) {
        const at = pair.indexOf('=');
        const name = pair.slice(0, at);
        // Side data follow a section's own fields on its line.
        if (at > 0 && !fields.has(name)) fields.set(name, pair.slice(at + 1));
      }
      take(section, fields);
    }
  };
  const { status, stderr } = await runTool('ffprobe', args, read, use);
  return { readable: status === 0, stderr };
}

/** A field's number; undefined where ffprobe has none (N/A). */
function numberOf(fields: Fields, name: string): number | undefined {
  const value = Number(fields.get(name) ?? 'N/A');
  return Number.isNaN(value) ? undefined : value;
}

function largestStream(streams: readonly Fields[], formats: readonly string[]): ProbedStream | undefined {
  const pixels = (stream: Fields) => (numberOf(stream, 'width') ?? 0) * (numberOf(stream, 'height') ?? 0);
  const best = streams.reduce((a, b) => (pixels(b) > pixels(a) ? b : a), streams[0] ?? new Map());
  const [index, width, height] = ['index', 'width', 'height'].map((name) => numberOf(best, name));
  const timeBase = best.get('time_base');
  if (!width || !height || !timeBase || index === undefined) return undefined;
  return {
    ...{ index, width, height },
    codec: best.get('codec_name') ?? 'unknown',
    timeBase: fraction(timeBase),
    fps: statedRate(best),
    statedFrames: numberOf(best, 'nb_frames'),
    reorders: (numberOf(best, 'has_b_frames') ?? 0) > 0,
    interlaced: !['progressive', 'unknown', undefined].includes(best.get('field_order')),
    formats,
  };
}

/** The average rate the file states, as decord returns it to SeViLA. */
function statedRate(stream: Fields): number | undefined {
  for (const name of ['avg_frame_rate', 'r_frame_rate']) {
    const [numerator, denominator] = fraction(stream.get(name) ?? '0/0');
    if (numerator > 0 && denominator > 0) return numerator / denominator;
  }
  return undefined;
}

function fraction(text: string): [number, number] {
  const [numerator = '0', denominator = '1'] = text.split('/');
  return [Number(numerator), Number(denominator)];
}
