/** The boxes of an ISO base media file (ISO/IEC 14496-12): a size, a type, and data or further boxes. */

/** One box; `bytes` is all of it, `data` what follows its header. */
export interface Box {
  type: string;
  bytes: Buffer;
  data: Buffer;
}

/** The boxes that lie one after the other in `bytes`; undefined unless they fill it exactly. */
export function boxesIn(bytes: Buffer): Box[] | undefined {
  const boxes: Box[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const size = bytes.readUInt32BE(at);
    if (size < 8 || at + size > bytes.length) return undefined;
    const type = bytes.toString('latin1', at + 4, at + 8);
    boxes.push({ type, bytes: bytes.subarray(at, at + size), data: bytes.subarray(at + 8, at + size) });
    at += size;
  }
  return at === bytes.length ? boxes : undefined;
}

/** The only box at the end of a path of types; undefined where there is none, or one of several at any step. */
export function boxAt(within: Box, ...path: string[]): Box | undefined {
  let box: Box | undefined = within;
  for (const type of path) {
    const found: Box[] = box ? (boxesIn(box.data)?.filter((each) => each.type === type) ?? []) : [];
    box = found.length === 1 ? found[0] : undefined;
  }
  return box;
}

/** A box of these parts. */
export function makeBox(type: string, ...parts: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 8),
    0,
  );
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, ...parts]);
}

/** A box of a version and flags of 0, then 32-bit numbers. */
export function makeTable(type: string, numbers: readonly number[]): Buffer {
  const data = Buffer.alloc(4 + 4 * numbers.length);
  numbers.forEach((number, i) => {
    data.writeUInt32BE(number, 4 + 4 * i);
  });
  return makeBox(type, data);
}

/**
 * The rows of a table box: a version and flags, a count, then rows of `fields` 32-bit numbers.
 *
 * @returns undefined when the box is not as long as its count says
 */
export function rowsOf(box: Box | undefined, fields: number): Uint32Array | undefined {
  const count = box && box.data.length >= 8 ? box.data.readUInt32BE(4) : undefined;
  if (!box || count === undefined || box.data.length !== 8 + 4 * fields * count) return undefined;
  const copy = Buffer.from(box.data.subarray(8)).swap32();
  return new Uint32Array(copy.buffer.slice(copy.byteOffset, copy.byteOffset + copy.length));
}
