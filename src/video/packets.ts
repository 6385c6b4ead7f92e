/** Tells, without decoding, whether the packets of a video file are the frames a decoder shows. */
import type { ReadAt } from './complete.js';
import type { Packet, ProbedStream } from './ffprobe.js';

/** Containers that keep a time stamp and a place for every packet. */
const STAMPED = ['mov', 'matroska', 'flv'];

/** Codecs in which every packet is one shown picture, with the exceptions that are checked below. */
const CODECS = ['h264', 'hevc', 'vp9', 'av1'];

/** Frames closer than this are hidden ones that a muxer gave a stamp of their own. */
const CLOSEST_SECONDS = 0.001;

/**
 * Whether every packet that is not marked as hidden is shown, at its time stamp, whoever decodes the file.
 *
 * False when it is not certain; decoding the file once tells then. What makes it uncertain:
 * a container without time stamps of its own; two frames at one time; half pictures in packets of their own;
 * B frames whose stamps are in decoding order; a stream cut inside an open group of pictures, or at a picture that is
 * no full restart (its leading pictures, or those until it recovers, are not shown); the same in the middle, where
 * HEVC says that one stream ends and another begins, or an edit list of several parts jumps.
 */
export async function packetsAreFrames(
  read: ReadAt,
  stream: ProbedStream,
  packets: readonly Packet[],
): Promise<boolean> {
  const first = packets[0];
  const visible = packets.filter(({ discarded }) => !discarded);
  if (
    !STAMPED.some((format) => stream.formats.includes(format)) ||
    !CODECS.includes(stream.codec) ||
    stream.interlaced ||
    !first?.key ||
    isSpliced(packets) ||
    packets.some(({ corrupt, size }) => corrupt || size === 0) ||
    !wellApart(visible, stream.timeBase) ||
    (stream.reorders && visible.every(({ pts }, i) => i === 0 || before(visible[i - 1]?.pts, pts)))
  ) {
    return false;
  }
  if (stream.codec !== 'h264' && stream.codec !== 'hevc') return true;
  if (visible.some(({ pts }) => before(pts, first.pts))) return false;
  const picture = (await unitTypes(read, first, stream.codec))?.find(isPicture[stream.codec]);
  if (stream.codec === 'h264') return picture === H264_IDR;
  return picture !== undefined && picture >= HEVC_FIRST_IRAP && !(await hasSplice(read, packets));
}

/** Whether an edit list hides packets between shown ones: its parts are decoded as one stream, which they are not. */
export function isSpliced(packets: readonly Packet[]): boolean {
  const hidden = (packet: Packet) => packet.discarded;
  const from = packets.findIndex((packet) => !hidden(packet));
  const to = packets.findLastIndex((packet) => !hidden(packet));
  return packets.slice(from, to).some(hidden);
}

const before = (a: number | undefined, b: number | undefined) => (a ?? Number.NaN) < (b ?? Number.NaN);

function wellApart(visible: readonly Packet[], [numerator, denominator]: readonly [number, number]): boolean {
  const stamps = Float64Array.from(visible, ({ pts }) => pts ?? Number.NaN).sort();
  const closest = (CLOSEST_SECONDS * denominator) / numerator;
  return (
    stamps.every((stamp, i) => i === 0 || stamp - (stamps[i - 1] as number) > closest) && stamps.length > 0
  );
}

/** Types of NAL units, ITU-T H.264 table 7-1 and H.265 table 7-1. */
const H264_IDR = 5;
const HEVC_FIRST_IRAP = 16;
const HEVC_LAST_BLA = 18;
const HEVC_END = [36, 37];
const isPicture = {
  h264: (type: number) => type >= 1 && type <= H264_IDR,
  hevc: (type: number) => type < 32,
};

/** Whether an HEVC stream has a restart in its middle with pictures that belong before it: those are not shown. */
async function hasSplice(read: ReadAt, packets: readonly Packet[]): Promise<boolean> {
  let restart = 0;
  for (let i = 1; i < packets.length; i++) {
    if (packets[i]?.key) restart = i;
    const leads = restart > 0 && restart === i - 1 && before(packets[i]?.pts, packets[restart]?.pts);
    if (!leads) continue;
    const own = await unitTypes(read, packets[restart] as Packet, 'hevc');
    const previous = await unitTypes(read, packets[restart - 1] as Packet, 'hevc');
    if (!own || !previous) return true;
    if (own.some((type) => type >= HEVC_FIRST_IRAP && type <= HEVC_LAST_BLA)) return true;
    if ([...own, ...previous].some((type) => HEVC_END.includes(type))) return true;
  }
  return false;
}

/** The packet's data begin at most this much after its place in the file: matroska and flv put a header before. */
const LONGEST_HEADER = 64;

/**
 * Types of the NAL units in a packet: each follows its length in 4 bytes, and they fill the packet exactly, which also
 * tells where in matroska and flv the data begin.
 *
 * @returns undefined when the packet is not laid out so.
 */
async function unitTypes(
  read: ReadAt,
  { pos, size }: Packet,
  codec: 'h264' | 'hevc',
): Promise<number[] | undefined> {
  if (pos === undefined) return undefined;
  const head = await read(pos, LONGEST_HEADER + 4);
  for (let header = 0; header + 4 <= head.length; header++) {
    if (head.readUInt32BE(header) > size - 4) continue;
    const start = pos + header;
    const types: number[] = [];
    let at = 0;
    while (at + 5 <= size) {
      const unit = await read(start + at, 5);
      if (unit.length < 5) break;
      const byte = unit[4] as number;
      types.push(codec === 'h264' ? byte & 31 : (byte >> 1) & 63);
      at += 4 + unit.readUInt32BE(0);
    }
    if (at === size) return types;
  }
  return undefined;
}
