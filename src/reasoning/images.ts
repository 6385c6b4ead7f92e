/** Frames as images in data URLs. */
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../base/errors.js';

/** Decoded frames as the video module returns them: RGB bytes of shape (n, height, width, 3). */
export interface TeacherFrames {
  data: Uint8Array;
  n: number;
  height: number;
  width: number;
  /** Frame numbers in the video, when known. */
  indices?: ArrayLike<number>;
}

export interface ImageOptions {
  /** The longer side is scaled down to this many pixels; frames that are smaller stay as they are. */
  maxSide?: number | undefined;
  /** Quality of JPEG from 1 to 100; PNG, which loses nothing, by default. */
  quality?: number | undefined;
  /** Most bytes of all images together; what one request can hold by default. */
  most?: number | undefined;
  /** Stops between two frames. */
  signal?: AbortSignal | undefined;
}

/** Bytes of images in one request. As base64 they make 4/3 of it, and no text of Node's is longer than 536,870,888. */
const MOST_BYTES = 2 ** 28;

/**
 * Every frame as a data URL, the form OpenAI-compatible servers take.
 *
 * @throws RangeError when `data` has not exactly n * height * width * 3 bytes; DataError when the images take more than
 *   256 MiB; the signal's reason when aborted.
 */
export async function framesToUrls(frames: TeacherFrames, options: ImageOptions = {}): Promise<string[]> {
  const { quality } = options;
  if (quality === undefined) return (await framesToPng(frames, options)).map(pngDataUrl);
  const images = await encoded(frames, options, (image) => image.jpeg({ quality }));
  return images.map((image) => `data:image/jpeg;base64,${image.toString('base64')}`);
}

/**
 * PNG bytes of every frame. Lossless, so the teacher sees the decoded pixels.
 *
 * @throws as {@link framesToUrls}.
 */
export async function framesToPng(frames: TeacherFrames, options: ImageOptions = {}): Promise<Buffer[]> {
  return encoded(frames, options, (image) => image.png());
}

async function encoded(
  { data, n, height, width }: TeacherFrames,
  { maxSide, most = MOST_BYTES, signal }: ImageOptions,
  as: (image: Sharp) => Sharp,
): Promise<Buffer[]> {
  const size = height * width * 3;
  if (data.length !== n * size) {
    throw new RangeError(`frames hold ${data.length} bytes, expected ${n} x ${height} x ${width} x 3`);
  }
  const images: Buffer[] = [];
  let bytes = 0;
  for (let i = 0; i < n; i++) {
    signal?.throwIfAborted();
    let image = sharp(data.subarray(i * size, (i + 1) * size), { raw: { width, height, channels: 3 } });
    if (maxSide !== undefined && Math.max(width, height) > maxSide) {
      image = image.resize({ width: maxSide, height: maxSide, fit: 'inside' });
    }
    const file = await as(image).toBuffer();
    images.push(file);
    bytes += file.length;
    if (bytes > most)
      throw new DataError(
        `the first ${i + 1} of ${n} images take ${(bytes / 2 ** 20).toFixed(0)} MiB, more than one request can hold; use fewer --frames, --max-side or --image-quality`,
      );
  }
  return images;
}

/** `data:image/png;base64,...`, the form OpenAI-compatible servers and browsers take. */
export function pngDataUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64')}`;
}
