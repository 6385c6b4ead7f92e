/** JPEGs with harmless faults, and truncated ones. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type JpegOptions } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { readFrames } from '../../src/video/frames.js';

const [WIDTH, HEIGHT] = [64, 48];
const SOS = 0xda;

let folder: string;
let frames: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-jpeg-'));
  frames = join(folder, 'frames');
  await mkdir(frames);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function jpeg(options: JpegOptions = {}, channels: 1 | 3 = 3): Promise<Buffer> {
  const rng = new Rng('picture');
  const data = Buffer.from(Uint8Array.from({ length: WIDTH * HEIGHT * channels }, () => rng.int(256)));
  const image = sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels } });
  return (channels === 1 ? image.toColourspace('b-w') : image).jpeg(options).toBuffer();
}

/** The pixels that reading the file as a frame gives. */
async function read(bytes: Buffer): Promise<Buffer> {
  await writeFile(join(frames, '1.jpg'), bytes);
  const { data } = await readFrames({ path: frames, id: 'j', count: 1, mode: 'uniform' });
  return Buffer.from(data);
}

async function failure(bytes: Buffer): Promise<string> {
  const error = await read(bytes).then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toContain(`j: ${join(frames, '1.jpg')}: `);
  return error.message;
}

/** Where markers of a kind stand; only for files without thumbnails. */
function markers(bytes: Buffer, marker: number): number[] {
  const found: number[] = [];
  const pair = Buffer.from([0xff, marker]);
  for (let at = bytes.indexOf(pair); at >= 0; at = bytes.indexOf(pair, at + 1)) found.push(at);
  return found;
}

function inserted(bytes: Buffer, at: number, ...pieces: (Buffer | number[])[]): Buffer {
  return Buffer.concat([bytes.subarray(0, at), ...pieces.map((p) => Buffer.from(p)), bytes.subarray(at)]);
}

function segment(marker: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xff, marker, 0, data.length + 2]), data]);
}

const jfif = (major: number) =>
  segment(0xe0, Buffer.from([...Buffer.from('JFIF\0'), major, 1, 0, 0, 1, 0, 1, 0, 0]));
const adobe = (code: number) =>
  segment(0xee, Buffer.from([...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, code]));

/** Every scan header with another last coefficient, which a sequential JPEG does not use. */
function wrongScan(bytes: Buffer): Buffer {
  const wrong = Buffer.from(bytes);
  for (const at of markers(bytes, SOS)) wrong[at + wrong.readUInt16BE(at + 2)] = 0;
  return wrong;
}

describe('a JPEG that decodes whole, though libjpeg warns of it', () => {
  const scanOf = (bytes: Buffer) => markers(bytes, SOS)[0] as number;
  const cases: [string, (clean: Buffer) => Buffer][] = [
    ['a wrong scan parameter', wrongScan],
    ['stray bytes before the scan', (clean) => inserted(clean, scanOf(clean), [1, 2, 3])],
    ['stray bytes after the first marker', (clean) => inserted(clean, 2, [0, 0])],
    ['a stray 0xff 0x00', (clean) => inserted(clean, scanOf(clean), [0xff, 0])],
    ['a stray restart marker', (clean) => inserted(clean, scanOf(clean), [0xff, 0xd0])],
    ['an unknown revision of JFIF', (clean) => inserted(clean, 2, jfif(7))],
    ['an unknown colour code of Adobe', (clean) => inserted(clean, 2, adobe(7))],
    ['several at once', (clean) => inserted(inserted(wrongScan(clean), scanOf(clean), [9]), 2, jfif(3))],
    ['stray bytes before the end', (clean) => inserted(clean, clean.length - 2, [5, 6])],
    ['bytes after the end', (clean) => Buffer.concat([clean, Buffer.alloc(99, 7)])],
    ['another JPEG after the end', (clean) => Buffer.concat([clean, clean])],
  ];
  test.each(cases)('%s', async (_, change) => {
    const clean = await jpeg();
    expect((await read(change(clean))).equals(await read(clean))).toBe(true);
  });

  test('in grey', async () => {
    const clean = await jpeg({}, 1);
    expect((await read(wrongScan(clean))).equals(await read(clean))).toBe(true);
  });

  test('progressive, with stray bytes before the marker of every scan', async () => {
    const clean = await jpeg({ progressive: true });
    const scans = markers(clean, SOS);
    expect(scans.length).toBeGreaterThan(3);
    for (const at of [...scans, ...markers(clean, 0xc4)])
      expect((await read(inserted(clean, at, [1, 2, 3]))).equals(await read(clean)), `at ${at}`).toBe(true);
  });

  test('a scan parameter of a progressive file is left alone', async () => {
    const clean = await jpeg({ progressive: true });
    const pixels = await read(clean);
    expect((await read(inserted(clean, 2, jfif(7)))).equals(pixels)).toBe(true);
  });
});

describe('a JPEG that is cut or damaged stays refused', () => {
  test.each([
    ['baseline', {}],
    ['progressive', { progressive: true }],
  ])('%s, wherever it is cut, whatever follows', async (_, options) => {
    const clean = await jpeg(options);
    for (const bytes of [clean, wrongScan(clean)])
      for (const share of [0.02, 0.3, 0.5, 0.9]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * share));
        for (const tail of [[], Array(500).fill(0), Array(500).fill(255)])
          expect(await failure(inserted(cut, cut.length, tail))).toMatch(/truncated/);
      }
    expect(await failure(clean.subarray(0, -2))).toMatch(/its end marker is missing; fetch the file again/);
  });

  test('cut and ended, with and without a wrong scan parameter', async () => {
    const clean = await jpeg();
    for (const bytes of [clean, wrongScan(clean)]) {
      const cut = Buffer.concat([bytes.subarray(0, bytes.length >> 1), Buffer.from([0xff, 0xd9])]);
      expect(await failure(cut)).toMatch(/premature end of data segment/);
    }
  });

  test('a marker amid the picture, with and without a wrong scan parameter', async () => {
    const clean = await jpeg();
    for (const damaged of [Buffer.from(clean), wrongScan(clean)]) {
      damaged.set([0xff, 0xd5], damaged.length >> 1);
      expect(await failure(damaged)).toMatch(/premature end of data segment/);
    }
  });
});
