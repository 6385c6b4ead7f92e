/** Event files against an independent reader. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import {
  crc32c,
  maskedCrc32c,
  readRecords,
  scalarRecord,
  versionRecord,
} from '../../../src/training/run/tensorboard.js';
import { decodeEvents } from './eventReader.js';

describe('CRC-32C', () => {
  it.each([
    ['', 0],
    ['123456789', 0xe3069283],
    ['The quick brown fox jumps over the lazy dog', 0x22620404],
  ])('of %j', (text, crc) => {
    expect(crc32c(Buffer.from(text))).toBe(crc);
  });

  it('of 32 zeros and 32 ones (RFC 3720, B.4)', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  });

  it('is masked as TFRecord does it', () => {
    // crc32c::Value("foo") and its mask, from tensorflow/core/lib/hash/crc32c_test.cc: masking twice differs.
    const crc = crc32c(Buffer.from('foo'));
    const masked = maskedCrc32c(Buffer.from('foo'));
    expect(masked).not.toBe(crc);
    const rotated = (masked - 0xa282ead8) >>> 0;
    expect(((rotated >>> 17) | (rotated << 15)) >>> 0).toBe(crc);
  });
});

it('is read back by an independent reader, value for value', () => {
  const rng = new Rng('events');
  const expected: unknown[] = [{ wallTime: 1.5, step: 0, version: 'brain.Event:2', scalars: {} }];
  const pieces = [versionRecord(1.5)];
  for (let i = 0; i < 200; i++) {
    const step = rng.pick([0, 1, 127, 128, 300, 2 ** 31, 2 ** 40 + 7]);
    const scalars: Record<string, number> = {};
    for (let k = rng.int(4); k >= 0; k--) {
      scalars[rng.pick(['loss', 'val/accuracy', 'größe 🐶', 'x'.repeat(200)])] = rng.pick([
        0,
        -1.5,
        rng.normal(),
        1e30,
        Number.NaN,
        Number.POSITIVE_INFINITY,
      ]);
    }
    const wallTime = 1.7e9 + rng.float();
    pieces.push(scalarRecord(wallTime, step, scalars));
    const rounded = Object.fromEntries(
      Object.entries(scalars).map(([tag, value]) => [tag, Math.fround(value)]),
    );
    expected.push({ wallTime, step, version: undefined, scalars: rounded });
  }
  expect(decodeEvents(Buffer.concat(pieces))).toEqual(expected);
});

it('finds whole records and their steps in a file cut anywhere', () => {
  const pieces = [versionRecord(1), scalarRecord(2, 5, { a: 1 }), scalarRecord(3, 300, { b: 2, c: 3 })];
  const file = Buffer.concat(pieces);
  const ends = [pieces[0]!.length, pieces[0]!.length + pieces[1]!.length, file.length];
  for (let size = 0; size <= file.length; size++) {
    const found = [...readRecords(file.subarray(0, size))];
    expect(found.map((record) => record.end)).toEqual(ends.filter((end) => end <= size));
    expect(found.map((record) => record.step)).toEqual([0, 5, 300].slice(0, found.length));
  }
});

it('stops before a damaged record', () => {
  const good = scalarRecord(2, 5, { a: 1 });
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.concat([good, good]);
    bad[good.length + at]! ^= 0x10;
    expect([...readRecords(bad)], `byte ${at}`).toHaveLength(1);
  }
});
