/**
 * The records of a TensorBoard event file: TFRecord framing around `Event` protocol buffers that hold scalars.
 *
 * A record is length (uint64, little endian), masked CRC-32C of those 8 bytes, the data, and its masked CRC-32C
 * (tensorflow/core/lib/io/record_writer.cc). An Event has wall_time = 1 (double), step = 2 (int64) and either
 * file_version = 3 (string) or summary = 5; a Summary repeats value = 1, each with tag = 1 (string) and
 * simple_value = 2 (float) (tensorflow/core/util/event.proto, framework/summary.proto).
 */

/** The first record every event file must have. */
export function versionRecord(wallTime: number): Buffer {
  return record(Buffer.concat([double(1, wallTime), bytes(3, Buffer.from('brain.Event:2'))]));
}

/**
 * One record with the scalars of a step.
 *
 * @param wallTime seconds since 1970.
 * @param step a whole number below 2^53.
 * @param scalars stored as float32; values that are not finite are kept as they are, TensorBoard shows them.
 */
export function scalarRecord(wallTime: number, step: number, scalars: Record<string, number>): Buffer {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])),
  );
  return record(Buffer.concat([double(1, wallTime), varint(2, step), bytes(5, Buffer.concat(values))]));
}

/** A record's bytes in its file, its step, and when it was written, in seconds since 1970 (NaN when it does not say). */
export interface EventRecord {
  start: number;
  end: number;
  step: number;
  time: number;
}

/**
 * The whole records of an event file; without a partial record at the end, which a killed process leaves.
 */
export function* readRecords(file: Uint8Array): Generator<EventRecord> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let start = 0; start + 16 <= file.length; ) {
    const length = Number(view.getBigUint64(start, true));
    const end = start + 12 + length + 4;
    if (view.getUint32(start + 8, true) !== maskedCrc32c(file.subarray(start, start + 8))) return;
    if (end > file.length) return;
    const data = file.subarray(start + 12, end - 4);
    if (view.getUint32(end - 4, true) !== maskedCrc32c(data)) return;
    yield { start, end, step: stepOf(data), time: timeOf(data) };
    start = end;
  }
}

/** The wall time of an Event, which writers put first. */
function timeOf(event: Uint8Array): number {
  const view = new DataView(event.buffer, event.byteOffset, event.byteLength);
  return event[0] === 0x09 && event.length >= 9 ? view.getFloat64(1, true) : Number.NaN;
}

/** The step field of an Event; 0, the protocol buffer default, when it has none. */
function stepOf(event: Uint8Array): number {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; at < event.length; scale *= 128) {
      const byte = event[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < event.length) {
    const key = next();
    if (key === 0x10) return next();
    const wire = key & 7;
    if (wire === 0) next();
    else if (wire === 1) at += 8;
    else if (wire === 2) at += next();
    else if (wire === 5) at += 4;
    else return 0;
  }
  return 0;
}

function record(data: Buffer): Buffer {
  const out = Buffer.alloc(12 + data.length + 4);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(maskedCrc32c(out.subarray(0, 8)), 8);
  data.copy(out, 12);
  out.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return out;
}

function tag(field: number, wire: number): Buffer {
  return Buffer.from([(field << 3) | wire]);
}

function varint(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, 0), varintBytes(value)]);
}

function varintBytes(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
  return Buffer.from(out);
}

function bytes(field: number, data: Buffer): Buffer {
  return Buffer.concat([tag(field, 2), varintBytes(data.length), data]);
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(9);
  tag(field, 1).copy(out);
  out.writeDoubleLE(value, 1);
  return out;
}

function float(field: number, value: number): Buffer {
  const out = Buffer.alloc(5);
  tag(field, 5).copy(out);
  out.writeFloatLE(value, 1);
  return out;
}

/** CRC-32C (Castagnoli), reflected polynomial 0x82f63b78. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord's mask keeps a CRC from being computed over data that holds CRCs. */
export function maskedCrc32c(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});
