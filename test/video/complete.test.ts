/** Truncated video files, by container. */
import { expect, test } from 'vitest';
import { endBeyondFile } from '../../src/video/complete.js';

const u32 = (value: number) =>
  Buffer.from([value >>> 24, value >>> 16, value >>> 8, value].map((b) => b & 255));
const u32le = (value: number) => Buffer.from(u32(value)).reverse();
const u64le = (value: number) => Buffer.concat([u32le(value), Buffer.alloc(4)]);
const text = (value: string) => Buffer.from(value, 'latin1');
const hex = (value: string) => Buffer.from(value, 'hex');
const join = (...parts: Buffer[]) => Buffer.concat(parts);
const zeros = (length: number) => Buffer.alloc(length);

const box = (type: string, data: Buffer) => join(u32(data.length + 8), text(type), data);
const wideBox = (type: string, data: Buffer) => join(u32(1), text(type), u32(0), u32(data.length + 16), data);
const chunk = (id: string, data: Buffer) => join(text(id), u32le(data.length), data, zeros(data.length % 2));
const element = (id: string, data: Buffer) => join(hex(id), hex('01000000'), u32(data.length), data);
const UNKNOWN = hex('01ffffffffffffff');
const tag = (type: number, length: number) =>
  join(Buffer.from([type]), u32(length).subarray(1), zeros(7 + length), u32(11 + length));
const page = (...sizes: number[]) =>
  join(
    text('OggS'),
    zeros(22),
    Buffer.from([sizes.length, ...sizes]),
    zeros(sizes.reduce((a, b) => a + b, 0)),
  );
const pngChunk = (type: string, length: number) => join(u32(length), text(type), zeros(length + 4));

/** Whole files in small, and where what may be lost begins: an index, or nothing. */
const FILES: Record<string, { bytes: Buffer; pictures: number; from: number }> = {};
const add = (name: string, before: Buffer, pictures: Buffer, after: Buffer = zeros(0)) => {
  FILES[name] = {
    bytes: join(before, pictures, after),
    from: before.length,
    pictures: before.length + pictures.length,
  };
};
const ftyp = box('ftyp', text('isom0000'));
add('mp4', ftyp, box('mdat', zeros(100)), box('free', zeros(20)));
add('mp4 with a 64-bit size', ftyp, wideBox('mdat', zeros(100)));
add(
  'mp4 in fragments',
  join(ftyp, box('moov', zeros(30)), box('moof', zeros(9)), box('mdat', zeros(40))),
  box('mdat', zeros(50)),
);
const hdrl = chunk('LIST', join(text('hdrl'), zeros(57)));
add(
  'AVI',
  join(text('RIFF'), u32le(500), text('AVI '), hdrl),
  chunk('LIST', join(text('movi'), zeros(80))),
  chunk('idx1', zeros(32)),
);
add(
  'AVI in two pieces',
  join(
    text('RIFF'),
    u32le(178),
    text('AVI '),
    hdrl,
    chunk('LIST', join(text('movi'), zeros(80))),
    text('RIFF'),
    u32le(92),
    text('AVIX'),
  ),
  chunk('LIST', join(text('movi'), zeros(80))),
);
const ebml = element('1a45dfa3', zeros(10));
const cluster = element('1f43b675', zeros(60));
const cues = element('1c53bb6b', zeros(30));
add(
  'matroska',
  join(ebml, hex('18538067'), hex('01000000'), u32(2 * cluster.length + cues.length), cluster),
  cluster,
  cues,
);
const liveBlock = join(hex('a3'), hex('c0'), zeros(64));
add(
  'matroska of unknown sizes',
  join(ebml, hex('18538067'), UNKNOWN, hex('1f43b675'), UNKNOWN, liveBlock),
  liveBlock,
);
const asfHeader = join(hex('3026b2758e66cf11a6d900aa0062ce6c'), u64le(40), zeros(16));
add('ASF', asfHeader, join(hex('3626b2758e66cf11a6d900aa0062ce6c'), u64le(124), zeros(100)), zeros(30));
add('FLV', join(text('FLV'), hex('0105'), u32(9), u32(0), tag(18, 20)), tag(9, 90));
add('Ogg', page(30), page(40, 50));
add(
  'PNG',
  join(hex('89504e470d0a1a0a'), pngChunk('IHDR', 13)),
  join(pngChunk('fdAT', 60), pngChunk('IEND', 0)),
);

const endOf = (bytes: Buffer) =>
  endBeyondFile(async (at, length) => bytes.subarray(at, at + length), bytes.length);

test.each(Object.keys(FILES))(
  '%s: cut anywhere in its pictures it should reach further; whole it ends',
  async (name) => {
    const { bytes, from, pictures } = FILES[name] as { bytes: Buffer; pictures: number; from: number };
    expect((await endOf(bytes)) ?? 0).toBeLessThanOrEqual(bytes.length);
    expect((await endOf(join(bytes, zeros(40)))) ?? 0).toBeLessThanOrEqual(bytes.length + 40);
    // The last bytes of an FLV are no part of its last tag, those of a PNG say that it ended.
    const last = name === 'FLV' ? pictures - 4 : pictures;
    for (let length = from + 24; length < last; length++) {
      expect(await endOf(bytes.subarray(0, length)), `cut at ${length} of ${bytes.length}`).toBeGreaterThan(
        length,
      );
    }
    // What comes after the pictures may be lost.
    for (let length = pictures + 12; length < bytes.length; length++) {
      expect((await endOf(bytes.subarray(0, length))) ?? 0, `cut at ${length}`).toBeLessThanOrEqual(length);
    }
  },
);

test('containers without sizes, other files and empty ones are whole wherever they end', async () => {
  for (const bytes of [
    zeros(0),
    zeros(500),
    text('FLV'),
    text('RIFF1234WAVEfmt '),
    Buffer.alloc(400, 0x47),
  ]) {
    expect(await endOf(bytes)).toBeUndefined();
  }
  // A size of 0 is one that was not known: up to the end of the file, or of a recording that broke off.
  expect(await endOf(join(ftyp, u32(0), text('mdat'), zeros(40)))).toBeUndefined();
  const open = join(text('RIFF'), u32le(0), text('AVI '), text('LIST'), u32le(0), text('movi'), zeros(90));
  expect(await endOf(open)).toBeUndefined();
});
