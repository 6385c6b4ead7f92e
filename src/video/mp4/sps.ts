/** What an H.264 sequence parameter set says of its pictures (ITU-T H.264, 7.3.2.1.1 and E.1.1). */

/** The pictures of a stream. */
export interface Sps {
  /** Shown size in pixels. */
  width: number;
  height: number;
  /** Whether every picture is a whole frame. */
  progressive: boolean;
  /** Whether pictures may be shown in another order than they are decoded in. */
  reorders: boolean;
}

/** Profiles whose parameter sets describe chroma, bit depth and scaling (7.3.2.1.1). */
const HIGH_PROFILES = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
const BASELINE = 66;
/** aspect_ratio_idc whose ratio follows in 32 bits. */
const EXTENDED_RATIO = 255;
const MAX_SCALING_LISTS = 12;

/**
 * Reads a parameter set.
 *
 * @param unit the NAL unit with its header byte
 * @returns undefined where it is damaged or no sequence parameter set
 */
export function readSps(unit: Uint8Array): Sps | undefined {
  if (((unit[0] ?? 0) & 31) !== 7) return undefined;
  const bits = new Bits(withoutEscapes(unit.subarray(1)));
  const sps = parse(bits);
  return bits.overrun || sps.width <= 0 || sps.height <= 0 ? undefined : sps;
}

function parse(bits: Bits): Sps {
  const profile = bits.take(8);
  bits.take(16);
  bits.unsigned();
  const chroma = HIGH_PROFILES.includes(profile) ? highProfile(bits) : 1;
  bits.unsigned();
  const orderType = pictureOrder(bits);
  bits.unsigned();
  bits.take(1);
  const columns = bits.unsigned() + 1;
  const rows = bits.unsigned() + 1;
  const progressive = bits.flag();
  if (!progressive) bits.take(1);
  bits.take(1);
  const crop = bits.flag() ? Array.from({ length: 4 }, () => bits.unsigned()) : [0, 0, 0, 0];
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = (chroma === 1 ? 2 : 1) * (progressive ? 1 : 2);
  const held = bits.flag() ? reorderedFrames(bits) : undefined;
  return {
    width: columns * 16 - (left + right) * unitX,
    height: rows * (progressive ? 16 : 32) - (top + bottom) * unitY,
    progressive,
    // Baseline knows no B pictures; order type 2 is the order of decoding.
    reorders: orderType !== 2 && (held === undefined ? profile !== BASELINE : held > 0),
  };
}

/** @returns chroma_format_idc */
function highProfile(bits: Bits): number {
  const chroma = bits.unsigned();
  if (chroma === 3) bits.take(1);
  bits.unsigned();
  bits.unsigned();
  bits.take(1);
  const lists = bits.flag() ? (chroma === 3 ? MAX_SCALING_LISTS : 8) : 0;
  for (let i = 0; i < lists; i++) {
    if (bits.flag()) scaling(bits, i < 6 ? 16 : 64);
  }
  return chroma;
}

function scaling(bits: Bits, size: number): void {
  let next = 8;
  for (let i = 0, last = 8; i < size && next !== 0; i++) {
    next = (last + bits.signed() + 256) % 256;
    if (next !== 0) last = next;
  }
}

/** @returns pic_order_cnt_type */
function pictureOrder(bits: Bits): number {
  const type = bits.unsigned();
  if (type === 0) bits.unsigned();
  if (type === 1) {
    bits.take(1);
    bits.signed();
    bits.signed();
    for (let left = Math.min(255, bits.unsigned()); left > 0; left--) bits.signed();
  }
  return type;
}

/** Reads the usability information up to max_num_reorder_frames; undefined where it does not say. */
function reorderedFrames(bits: Bits): number | undefined {
  if (bits.flag() && bits.take(8) === EXTENDED_RATIO) bits.take(32);
  if (bits.flag()) bits.take(1);
  if (bits.flag()) {
    bits.take(4);
    if (bits.flag()) bits.take(24);
  }
  if (bits.flag()) {
    bits.unsigned();
    bits.unsigned();
  }
  if (bits.flag()) bits.take(65);
  const buffers = [bufferModel(bits), bufferModel(bits)];
  if (buffers.includes(true)) bits.take(1);
  bits.take(1);
  if (!bits.flag()) return undefined;
  bits.take(1);
  for (let i = 0; i < 4; i++) bits.unsigned();
  return bits.unsigned();
}

/** @returns whether there is one (E.1.2) */
function bufferModel(bits: Bits): boolean {
  if (!bits.flag()) return false;
  const count = Math.min(32, bits.unsigned() + 1);
  bits.take(8);
  for (let i = 0; i < count; i++) {
    bits.unsigned();
    bits.unsigned();
    bits.take(1);
  }
  bits.take(20);
  return true;
}

/** The bytes of a unit without those that keep a start code from appearing in it (7.4.1). */
function withoutEscapes(unit: Uint8Array): Uint8Array {
  return unit.filter((byte, i) => !(byte === 3 && i >= 2 && unit[i - 1] === 0 && unit[i - 2] === 0));
}

/** Reads numbers of any number of bits; zeros after the end. */
class Bits {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get overrun(): boolean {
    return this.at > this.bytes.length * 8;
  }

  take(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.at++) {
      value = value * 2 + (((this.bytes[this.at >> 3] ?? 0) >> (7 - (this.at & 7))) & 1);
    }
    return value;
  }

  flag(): boolean {
    return this.take(1) === 1;
  }

  /** Exp-Golomb code (9.1). */
  unsigned(): number {
    let zeros = 0;
    while (zeros < 32 && this.take(1) === 0) zeros++;
    return 2 ** zeros - 1 + this.take(zeros);
  }

  signed(): number {
    const code = this.unsigned();
    return code % 2 ? (code + 1) / 2 : -code / 2;
  }
}
