/** Checks of a JPEG's bytes before they are decoded: whether the file is whole, and faults that can be mended. */

interface JpegBytes {
  /** Whether the picture's end marker is there. Decoders take a tail of zeros, as of a broken download, for grey. */
  whole: boolean;
  /**
   * A copy without what makes libjpeg warn of a picture that decodes whole: bytes between segments, a scan parameter
   * that a sequential JPEG has no use for, an unknown revision of JFIF, an unknown colour code of Adobe.
   */
  mended(): Buffer;
}

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP14 = 0xee;

/**
 * Walks through the segments of a JPEG.
 *
 * @returns undefined for another format.
 */
export function readJpeg(bytes: Buffer): JpegBytes | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== SOI) return undefined;
  const pieces = [bytes.subarray(0, 2)];
  const mended = () => Buffer.concat(pieces);
  const header: Header = { sequential: true, adobe: undefined };
  for (let at = markerFrom(bytes, 2); at >= 0; ) {
    const marker = bytes[at + 1] as number;
    if (marker === EOI) {
      pieces.push(bytes.subarray(at));
      return { whole: true, mended };
    }
    const end = segmentEnd(bytes, at, marker);
    if (end > bytes.length) break;
    if (!standsAlone(marker)) {
      const segment = Buffer.from(bytes.subarray(at, end));
      mendSegment(segment, marker, header);
      pieces.push(segment);
    }
    at = markerFrom(bytes, end, marker === SOS);
    if (marker === SOS && at >= 0) pieces.push(bytes.subarray(end, at));
  }
  return { whole: false, mended };
}

/** State from earlier segments that later ones need. */
interface Header {
  sequential: boolean;
  adobe: Buffer | undefined;
}

/**
 * The place of the next marker: 0xff and a byte that is neither 0 (a 0xff of the data) nor another 0xff (filling).
 *
 * @param inScan restart markers belong to the data of a scan.
 */
function markerFrom(bytes: Buffer, from: number, inScan = false): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) at++;
    else if (marker === 0 || (inScan && isRestart(marker))) at += 2;
    else return at;
  }
  return -1;
}

function segmentEnd(bytes: Buffer, at: number, marker: number): number {
  if (standsAlone(marker)) return at + 2;
  return at + 4 <= bytes.length ? at + 2 + bytes.readUInt16BE(at + 2) : Number.POSITIVE_INFINITY;
}

/** Markers without a segment; between segments they have no meaning. */
function standsAlone(marker: number): boolean {
  return isRestart(marker) || marker === SOI || marker === 0x01;
}

function isRestart(marker: number): boolean {
  return marker >= 0xd0 && marker <= 0xd7;
}

function mendSegment(segment: Buffer, marker: number, header: Header): void {
  const text = segment.toString('latin1', 4, 9);
  if (marker === SOS && header.sequential && segment.length >= 8) {
    // First and last coefficient and the bits' positions, which differ in progressive scans only.
    segment.set([0, 63, 0], segment.length - 3);
  } else if (marker === APP0 && text === 'JFIF\0' && segment.length > 9) segment[9] = 1;
  else if (marker === APP14 && text === 'Adobe' && segment.length > 15) header.adobe = segment;
  else if (isFrameHeader(marker) && segment.length > 9) {
    header.sequential = marker <= 0xc1 || marker === 0xc9;
    mendAdobe(header.adobe, segment[9] as number);
  }
}

function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Gives an unknown colour code the one that libjpeg takes for it: YCbCr (1) for three components, YCCK (2) for four. */
function mendAdobe(adobe: Buffer | undefined, components: number): void {
  if (!adobe || adobe[15] === 0) return;
  if (components === 3) adobe[15] = 1;
  if (components === 4) adobe[15] = 2;
}
