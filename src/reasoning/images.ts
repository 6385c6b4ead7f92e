/** Frames as PNG images in data URLs. */
import sharp from 'sharp';

/** Decoded frames as the video module returns them: RGB bytes of shape (n, height, width, 3). */
export interface TeacherFrames {
  data: Uint8Array;
  n: number;
  height: number;
  width: number;
  /** Frame numbers in the video, when known. */
  indices?: ArrayLike<number>;
}

/**
 * PNG bytes of every frame. Lossless, so the teacher sees the decoded pixels.
 *
 * @param maxSide the longer side is scaled down to this many pixels; frames that are smaller stay as they are.
 * @throws RangeError when `data` has not exactly n * height * width * 3 bytes.
 */
export async function framesToPng(frames: TeacherFrames, maxSide?: number): Promise<Buffer[]> {
  const { data, n, height, width } = frames;
  const size = height * width * 3;
  if (data.length !== n * size) {
    throw new RangeError(`frames hold ${data.length} bytes, expected ${n} x ${height} x ${width} x 3`);
  }
  const pngs: Buffer[] = [];
  for (let i = 0; i < n; i++) {
    let image = sharp(data.subarray(i * size, (i + 1) * size), { raw: { width, height, channels: 3 } });
    if (maxSide !== undefined && Math.max(width, height) > maxSide) {
      image = image.resize({ width: maxSide, height: maxSide, fit: 'inside' });
    }
    pngs.push(await image.png().toBuffer());
  }
  return pngs;
}

/** `data:image/png;base64,...`, the form OpenAI-compatible servers and browsers take. */
export function pngDataUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64')}`;
}
