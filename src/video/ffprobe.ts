/** ffprobe's view of a video file: its stream, its packets, and the frames a decoder shows. */
import { inputArgs, runTool } from './process.js';

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

interface ProbeOutput {
  format?: { format_name?: string };
  streams?: {
    index?: number;
    codec_name?: string;
    width?: number;
    height?: number;
    has_b_frames?: number;
    field_order?: string;
    time_base?: string;
    avg_frame_rate?: string;
    r_frame_rate?: string;
    nb_frames?: string;
  }[];
  packets?: { stream_index?: number; pts?: number; pos?: string; size?: string; flags?: string }[];
  frames?: {
    stream_index?: number;
    best_effort_timestamp?: number;
    pkt_pos?: string;
    key_frame?: number;
  }[];
}

const STREAM_FIELDS =
  'index,codec_name,width,height,has_b_frames,field_order,time_base,avg_frame_rate,r_frame_rate,nb_frames';

/**
 * Lists the packets of the stream with the largest picture (the first of equals), which is the one ffmpeg chooses.
 *
 * @returns no stream when the file holds no video, or cannot be read at all.
 */
export async function probePackets(
  file: string,
  signal?: AbortSignal,
): Promise<{ readable: boolean; stream: ProbedStream | undefined; packets: Packet[]; stderr: string }> {
  const entries = `format=format_name:stream=${STREAM_FIELDS}:packet=stream_index,pts,pos,size,flags`;
  const { readable, json, stderr } = await ffprobe(file, 'V', entries, signal);
  const stream = largestStream(json);
  const packets = (json.packets ?? [])
    .filter((packet) => packet.stream_index === stream?.index)
    .map(({ pts, pos, size, flags = '' }) => ({
      pts,
      pos: pos === undefined ? undefined : Number(pos),
      size: Number(size ?? 0),
      key: flags.startsWith('K'),
      discarded: flags.includes('D'),
      corrupt: flags.includes('C'),
    }));
  return { readable, stream, packets, stderr };
}

/** Lists the frames of a full decode, in the order they are shown. */
export async function probeFrames(
  file: string,
  stream: number,
  signal?: AbortSignal,
): Promise<{ frames: ShownFrame[]; stderr: string }> {
  const entries = 'frame=stream_index,best_effort_timestamp,pkt_pos,key_frame';
  const { json, stderr } = await ffprobe(file, String(stream), entries, signal);
  const frames = (json.frames ?? [])
    // Frames of other kinds (side data alone) have no stream.
    .filter((frame) => frame.stream_index === stream)
    .map(({ best_effort_timestamp: pts, pkt_pos: pos, key_frame }) => ({
      pts,
      pos: pos === undefined ? undefined : Number(pos),
      key: key_frame === 1,
    }));
  return { frames, stderr };
}

async function ffprobe(file: string, select: string, entries: string, signal?: AbortSignal) {
  const args = [
    ...['-v', 'error', '-threads', '1', '-select_streams', select],
    ...['-show_entries', entries, '-of', 'json=c=1'],
    ...inputArgs(file),
  ];
  const { status, stdout, stderr } = await runTool('ffprobe', args, signal);
  const json = status === 0 ? (JSON.parse(stdout.toString('utf8')) as ProbeOutput) : {};
  return { readable: status === 0, json, stderr };
}

function largestStream({ streams = [], format }: ProbeOutput): ProbedStream | undefined {
  const pixels = (stream: { width?: number; height?: number }) => (stream.width ?? 0) * (stream.height ?? 0);
  const best = streams.reduce((a, b) => (pixels(b) > pixels(a) ? b : a), streams[0] ?? {});
  if (!best.width || !best.height || !best.time_base || best.index === undefined) return undefined;
  return {
    index: best.index,
    codec: best.codec_name ?? 'unknown',
    width: best.width,
    height: best.height,
    timeBase: fraction(best.time_base),
    fps: statedRate(best),
    statedFrames: best.nb_frames === undefined ? undefined : Number(best.nb_frames),
    reorders: (best.has_b_frames ?? 0) > 0,
    interlaced: !['progressive', 'unknown', undefined].includes(best.field_order),
    formats: format?.format_name?.split(',') ?? [],
  };
}

/** The average rate the file states, as decord returns it to SeViLA. */
function statedRate(stream: { avg_frame_rate?: string; r_frame_rate?: string }): number | undefined {
  for (const text of [stream.avg_frame_rate, stream.r_frame_rate]) {
    const [numerator, denominator] = fraction(text ?? '0/0');
    if (numerator > 0 && denominator > 0) return numerator / denominator;
  }
  return undefined;
}

function fraction(text: string): [number, number] {
  const [numerator = '0', denominator = '1'] = text.split('/');
  return [Number(numerator), Number(denominator)];
}
