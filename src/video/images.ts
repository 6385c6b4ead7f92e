/** Folders of images and animated GIF and WebP files as videos. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Metadata, type SharpOptions } from 'sharp';
import { DataError, messageOf } from '../base/errors.js';
import { isLfsPointer } from '../base/lfsPointer.js';
import { sortFrameNames } from './frameNames.js';
import { readJpeg } from './jpeg.js';
import { asItIs, type RawFrame, type VideoSource, videoName } from './source.js';

/** The pages of an animation to decode; a still image needs none. */
type Pages = Pick<SharpOptions, 'page' | 'pages'>;

/** Pixels of an animation decoded at once; longer ones are read in pieces. */
const MAX_PIXELS_AT_ONCE = 2 ** 26;

/**
 * A folder of images as a video, one image a frame, in the order their names tell (frameNames.ts).
 *
 * @param fps frames a second at which the images were taken, when known; clips in seconds need it.
 * @throws DataError when the folder holds no image.
 */
export async function openImageFolder(path: string, id: string, fps?: number): Promise<VideoSource> {
  const names = sortFrameNames(await readdir(path));
  if (names.length === 0) {
    throw new DataError(`${videoName(id, path)}: no images in the folder; expected png, jpg or webp frames`);
  }
  const rate = fps ?? 1;
  return {
    fps,
    times: Float64Array.from(names, (_, i) => i / rate),
    read: (indices, signal, fitFrame = asItIs) =>
      Promise.all(
        indices.map(async (index) => {
          signal?.throwIfAborted();
          const file = join(path, names[index] as string);
          const name = videoName(id, file);
          const [frame] = await decodeImage(await readBytes(file, name), name, {});
          return fitFrame(frame as RawFrame);
        }),
      ),
  };
}

/**
 * An animated GIF or WebP as a video. Frames are full pictures (what a viewer sees), times come from the delays.
 *
 * @throws DataError when the file is not an image or is cut short.
 */
export async function openAnimation(path: string, id: string): Promise<VideoSource> {
  const name = videoName(id, path);
  const bytes = await readBytes(path, name);
  const { pages, width, pageHeight, delay } = await describe(bytes, name);
  if (isCutGif(bytes))
    throw new DataError(`${name}: truncated GIF: the file ends inside the animation; fetch the file again`);
  const times = new Float64Array(pages);
  for (let i = 1; i < pages; i++) times[i] = (times[i - 1] as number) + (delay[i - 1] as number) / 1000;
  const duration = (times[pages - 1] as number) + (delay[pages - 1] as number) / 1000;
  const perRead = Math.max(1, Math.floor(MAX_PIXELS_AT_ONCE / (width * pageHeight)));
  return {
    fps: duration > 0 ? pages / duration : undefined,
    times,
    read: async (indices, signal, fitFrame = asItIs) => {
      const frames: RawFrame[] = [];
      for (let i = 0; i < indices.length; ) {
        signal?.throwIfAborted();
        const first = indices[i] as number;
        const group = indices.slice(i).filter((index) => index < first + perRead);
        const count = (group.at(-1) as number) - first + 1;
        const run = await decodeImage(bytes, name, { page: first, pages: count });
        if (run.length !== count) {
          throw new DataError(
            `${name}: broken animation: ${run.length} of frames ${first} to ${first + count - 1} decode`,
          );
        }
        // Copies, so that one kept frame does not keep the whole run in memory.
        for (const index of group) {
          const frame = run[index - first] as RawFrame;
          frames.push(await fitFrame({ ...frame, data: frame.data.slice() }));
        }
        i += group.length;
      }
      return frames;
    },
  };
}

async function readBytes(path: string, name: string): Promise<Buffer> {
  const bytes = await readRegular(path).catch((error) => {
    throw new DataError(`${name}: cannot be read (${oneLine(error)})`, { cause: error });
  });
  if (bytes.length === 0) throw new DataError(`${name}: the file is empty; fetch it again`);
  if (isLfsPointer(bytes))
    throw new DataError(`${name}: a Git LFS pointer, not the picture; fetch it with git lfs pull`);
  return bytes;
}

/** A pipe without a writer would keep whoever opens it waiting for ever, and a device has no end. */
async function readRegular(path: string): Promise<Buffer> {
  if (!(await stat(path)).isFile()) throw new Error('not a file');
  return readFile(path);
}

async function describe(bytes: Buffer, name: string) {
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes).metadata();
  } catch (error) {
    throw new DataError(`${name}: cannot be read as an image (${oneLine(error)})`, { cause: error });
  }
  const { width, height, pages = 1 } = metadata;
  // Viewers show frames without a delay for 100 ms.
  const delay = Array.from({ length: pages }, (_, i) => metadata.delay?.[i] || 100);
  return { pages, width, pageHeight: metadata.pageHeight ?? height, delay };
}

/** Whether a GIF lacks the block that ends it; libvips reads such a file as one with fewer frames. */
function isCutGif(bytes: Buffer): boolean {
  if (bytes.toString('latin1', 0, 3) !== 'GIF') return false;
  const paletteBytes = (flags = 0) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + paletteBytes(bytes[10]);
  while (at < bytes.length && bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) at += 2;
    else if (bytes[at] === 0x2c) at += 11 + paletteBytes(bytes[at + 9]);
    // An extension's or a picture's data: pieces behind their lengths, up to an empty one.
    for (let length = bytes[at]; length; length = bytes[at]) at += length + 1;
    at++;
  }
  return at >= bytes.length;
}

/** Decodes an image, or a run of an animation's pages, to 8-bit RGB; transparency becomes black. */
async function decodeImage(bytes: Buffer, name: string, pages: Pages): Promise<RawFrame[]> {
  const jpeg = readJpeg(bytes);
  if (jpeg && !jpeg.whole)
    throw new DataError(`${name}: truncated JPEG: its end marker is missing; fetch the file again`);
  try {
    return await decode(bytes, pages).catch((error) => {
      if (!jpeg) throw error;
      return decodeMended(jpeg.mended(), pages);
    });
  } catch (error) {
    throw new DataError(`${name}: image cannot be decoded, it may be truncated (${oneLine(error)})`, {
      cause: error,
    });
  }
}

/** A mended JPEG may still hold stray bytes behind the data of a scan, which is whole then, and nothing else amiss. */
async function decodeMended(jpeg: Buffer, pages: Pages): Promise<RawFrame[]> {
  try {
    return await decode(jpeg, pages);
  } catch (error) {
    if (!/extraneous bytes before marker/.test(oneLine(error))) throw error;
    return decode(jpeg, { ...pages, failOn: 'truncated' });
  }
}

async function decode(bytes: Buffer, options: Pages & Pick<SharpOptions, 'failOn'>): Promise<RawFrame[]> {
  const image = sharp(bytes, { failOn: 'warning', ...options });
  const { data, info } = await image
    .autoOrient()
    .toColourspace('srgb')
    .flatten({ background: '#000' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const height = info.pageHeight ?? info.height;
  const rgb = info.channels === 3 ? data : expandGrey(data, info.channels);
  const count = info.height / height;
  const size = info.width * height * 3;
  return Array.from({ length: count }, (_, i) => ({
    width: info.width,
    height,
    data: rgb.subarray(i * size, (i + 1) * size),
  }));
}

function expandGrey(data: Buffer, channels: number): Buffer {
  const pixels = data.length / channels;
  const rgb = Buffer.alloc(pixels * 3);
  for (let i = 0; i < pixels; i++) rgb.fill(data[i * channels] as number, i * 3, i * 3 + 3);
  return rgb;
}

function oneLine(error: unknown): string {
  return messageOf(error).trim().split('\n')[0] ?? '';
}
