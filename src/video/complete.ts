/** The length of a video file by its container's own sizes, which detects a truncated file. */
import type { FileHandle } from 'node:fs/promises';

/** Reads up to `length` bytes at an offset; fewer at the end of the file. */
export type ReadAt = (at: number, length: number) => Promise<Buffer>;

export function readerOf(handle: FileHandle): ReadAt {
  return async (at, length) => {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(buffer, 0, length, at);
    return buffer.subarray(0, bytesRead);
  };
}

/**
 * The end of the first piece with pictures that reaches beyond the end of the file.
 *
 * Judged by the sizes of the container's pieces alone: a header's number of frames is often wrong while nothing is
 * missing. Containers without sizes (MPEG streams, raw codec streams, live recordings cut between two pieces) are
 * whole wherever they end.
 *
 * @param size bytes in the file.
 * @returns undefined when no such piece is known.
 */
export async function endBeyondFile(read: ReadAt, size: number): Promise<number | undefined> {
  const walk = walkOf(await read(0, 16));
  return walk && size > 16 ? walk(read, size) : undefined;
}

function walkOf(start: Buffer): typeof endBeyondFile | undefined {
  const text = start.toString('latin1');
  const hex = start.toString('hex');
  if (/^(ftyp|styp|moov|mdat|moof|wide|free|skip|pnot)/.test(text.slice(4))) return mp4End;
  if (text.startsWith('RIFF') && text.startsWith('AVI ', 8)) return aviEnd;
  if (hex.startsWith('1a45dfa3')) return matroskaEnd;
  if (hex.startsWith('3026b2758e66cf11')) return asfEnd;
  if (text.startsWith('FLV')) return flvEnd;
  if (text.startsWith('OggS')) return oggEnd;
  if (text.startsWith('PNG', 1)) return pngEnd;
  return undefined;
}

/** Boxes of a size (32 or 64 bits) and a type; size 0 means up to the end of the file. */
async function mp4End(read: ReadAt, size: number): Promise<number | undefined> {
  for (let at = 0; at + 16 <= size; ) {
    const head = await read(at, 16);
    const short = head.readUInt32BE(0);
    const length = short === 1 ? Number(head.readBigUInt64BE(8)) : short;
    if (length < 8) return undefined;
    const type = head.toString('latin1', 4, 8);
    if (at + length > size) return /^(mdat|moov|moof)$/.test(type) ? at + length : undefined;
    at += length;
  }
  return undefined;
}

/** Chunks of an id and a size; the pictures are in lists of the form `movi`. A recording that broke off has size 0. */
async function aviEnd(read: ReadAt, size: number): Promise<number | undefined> {
  for (let at = 0; at + 12 <= size; ) {
    const head = await read(at, 12);
    const id = head.toString('latin1', 0, 4);
    const length = head.readUInt32LE(4);
    if (id === 'RIFF') {
      at += 12;
      continue;
    }
    if (id === 'LIST' && head.toString('latin1', 8, 12) === 'movi') {
      if (length === 0 || length === 0xffffffff) return undefined;
      if (at + 8 + length > size) return at + 8 + length;
    }
    at += 8 + length + (length % 2);
  }
  return undefined;
}

const SEGMENT = 0x18538067;
/** Cluster, and what holds pictures in a cluster of unknown size: SimpleBlock, BlockGroup. */
const PICTURE_ELEMENTS = new Set([0x1f43b675, 0xa3, 0xa0]);

/** Elements of an id, a size and data. A size of all ones is unknown: such a segment or cluster is walked into. */
async function matroskaEnd(read: ReadAt, size: number): Promise<number | undefined> {
  let segmentEnd = 0;
  let last = 0;
  for (let at = 0; at < size; ) {
    const head = await read(at, 12);
    const idBytes = Math.clz32(head[0] as number) - 23;
    if (idBytes > 4 || head.length < idBytes + 1) break;
    const sizeBytes = Math.clz32(head[idBytes] as number) - 23;
    if (sizeBytes > 8 || head.length < idBytes + sizeBytes) break;
    const id = head.readUIntBE(0, idBytes);
    // The first byte's marker bit is no part of the size.
    const coded = head.subarray(idBytes, idBytes + sizeBytes);
    const length = coded.reduce(
      (value, byte, i) => value * 256 + (i ? byte : byte % 2 ** (8 - sizeBytes)),
      0,
    );
    const ones = 2 ** (7 * sizeBytes) - 1;
    const data = at + idBytes + sizeBytes;
    last = id;
    if (id === SEGMENT) {
      if (length < ones) segmentEnd = data + length;
      at = data;
    } else if (length >= ones) at = data;
    else if (data + length > size) return PICTURE_ELEMENTS.has(id) ? data + length : undefined;
    else at = data + length;
  }
  // Cut between two clusters: after the last one an index would follow.
  return segmentEnd > size && PICTURE_ELEMENTS.has(last) ? segmentEnd : undefined;
}

/** The header object, then the data object with its size (0 while it is being recorded). */
async function asfEnd(read: ReadAt): Promise<number | undefined> {
  const at = Number((await read(0, 24)).readBigUInt64LE(16));
  const head = await read(at, 24);
  return head.length === 24 ? at + Number(head.readBigUInt64LE(16)) : undefined;
}

/** Tags of a type and a 24-bit size, each followed by 4 bytes. */
async function flvEnd(read: ReadAt, size: number): Promise<number | undefined> {
  for (let at = (await read(0, 9)).readUInt32BE(5) + 4; at + 11 <= size; ) {
    const head = await read(at, 4);
    if (![8, 9, 18].includes(head[0] as number)) return undefined;
    const end = at + 11 + head.readUIntBE(1, 3);
    if (end > size) return end;
    at = end + 4;
  }
  return undefined;
}

/** Pages: a header of 27 bytes, the number of pieces last, then the piece sizes, then the pieces. */
async function oggEnd(read: ReadAt, size: number): Promise<number | undefined> {
  for (let at = 0; at < size; ) {
    const head = await read(at, 27 + 255);
    if (head.toString('latin1', 0, 4) !== 'OggS') return undefined;
    const pieces = head[26] ?? 0;
    if (head.length < 27 + pieces) return at + 28 + pieces;
    const end = head.subarray(27, 27 + pieces).reduce((sum, bytes) => sum + bytes, at + 27 + pieces);
    if (end > size) return end;
    at = end;
  }
  return undefined;
}

/** Chunks of a size and a type, up to IEND. */
async function pngEnd(read: ReadAt, size: number): Promise<number | undefined> {
  let at = 8;
  while (at + 12 <= size) {
    const head = await read(at, 8);
    if (head.toString('latin1', 4, 8) === 'IEND') return undefined;
    at += 12 + head.readUInt32BE(0);
  }
  return Math.max(at, size + 12);
}
