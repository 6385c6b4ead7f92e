/** A reader of TensorBoard event files that shares no code with the writer: bitwise CRC, generic protobuf fields. */
export interface DecodedEvent {
  wallTime: number;
  step: number;
  version: string | undefined;
  scalars: Record<string, number>;
}

export function decodeEvents(file: Buffer): DecodedEvent[] {
  const events: DecodedEvent[] = [];
  let at = 0;
  while (at < file.length) {
    const length = file.readUInt32LE(at) + file.readUInt32LE(at + 4) * 2 ** 32;
    checkCrc(file.subarray(at, at + 8), file.readUInt32LE(at + 8));
    const data = file.subarray(at + 12, at + 12 + length);
    checkCrc(data, file.readUInt32LE(at + 12 + length));
    events.push(decodeEvent(data));
    at += 16 + length;
  }
  return events;
}

function decodeEvent(data: Buffer): DecodedEvent {
  const event: DecodedEvent = { wallTime: 0, step: 0, version: undefined, scalars: {} };
  for (const { field, value } of fields(data)) {
    if (field === 1) event.wallTime = (value as Buffer).readDoubleLE();
    else if (field === 2) event.step = Number(value);
    else if (field === 3) event.version = (value as Buffer).toString();
    else if (field === 5) {
      for (const item of fields(value as Buffer)) {
        const parts = fields(item.value as Buffer);
        const tag = parts.find((part) => part.field === 1)?.value as Buffer;
        const simple = parts.find((part) => part.field === 2)?.value as Buffer;
        event.scalars[tag.toString()] = simple.readFloatLE();
      }
    }
  }
  return event;
}

function fields(data: Buffer): { field: number; value: bigint | Buffer }[] {
  const found: { field: number; value: bigint | Buffer }[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = data.readUInt8(at++);
      value |= BigInt(byte & 127) << shift;
      shift += 7n;
      if ((byte & 128) === 0) return value;
    }
  };
  while (at < data.length) {
    const key = Number(varint());
    const wire = key & 7;
    if (wire === 0) {
      found.push({ field: key >> 3, value: varint() });
      continue;
    }
    const size = wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
    found.push({ field: key >> 3, value: data.subarray(at, at + size) });
    at += size;
  }
  return found;
}

function checkCrc(data: Buffer, masked: number): void {
  let crc = 0xffffffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  const expected = (((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn;
  if (BigInt(masked) !== expected) throw new Error(`CRC ${masked} should be ${expected}`);
}
