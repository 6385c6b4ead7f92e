/** Frames as images in data URLs. */
import sharp, { type Sharp } from 'sharp';

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
}

/**
 * Every frame as a data URL, the form OpenAI-compatible servers take.
 *
 * @throws RangeError when `data` has not exactly n * height * width * 3 bytes.
 */
export async function framesToUrls(frames: TeacherFrames, options: ImageOptions = {}): Promise<string[]> {
  const { maxSide, quality } = options;
  if (quality === undefined) return (await framesToPng(frames, maxSide)).map(pngDataUrl);
  const images = await encoded(frames, maxSide, (image) => image.jpeg({ quality }));
  return images.map((image) => `data:image/jpeg;base64,${image.toString('base64')}`);
}

/**
 * PNG bytes of every frame. Lossless, so the teacher sees the decoded pixels.
 *
 * @throws RangeError as {@link framesToUrls}.
 */
export async function framesToPng(frames: TeacherFrames, maxSide?: number): Promise<Buffer[]> {
  return encoded(frames, maxSide, (image) => image.png());
}

async function encoded(
  frames: TeacherFrames,
  maxSide: number | undefined,
  as: (image: Sharp) => Sharp,
): Promise<Buffer[]> {
  const { data, n, height, width } = frames;
  const size = height * width * 3;
  if (data.length !== n * size) {
    throw new RangeError(`frames hold ${data.length} bytes, expected ${n} x ${height} x ${width} x 3`);
  }
  const images: Buffer[] = [];
  for (let i = 0; i < n; i++) {
    let image = sharp(data.subarray(i * size, (i + 1) * size), { raw: { width, height, channels: 3 } });
    if (maxSide !== undefined && Math.max(width, height) > maxSide) {
      image = image.resize({ width: maxSide, height: maxSide, fit: 'inside' });
    }
    images.push(await as(image).toBuffer());
  }
  return images;
}

/** `data:image/png;base64,...`, the form OpenAI-compatible servers and browsers take. */
export function pngDataUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64')}`;
}
