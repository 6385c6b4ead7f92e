/** Frames as the images that a client sends. */
import sharp from 'sharp';
import type { Frames } from '../../src/video/frames.js';

export function encodeFrames(
  { data, n, height, width }: Frames,
  as: 'png' | 'jpeg' = 'png',
): Promise<Buffer[]> {
  const bytes = height * width * 3;
  return Promise.all(
    Array.from({ length: n }, (_, i) => {
      const image = sharp(data.subarray(i * bytes, (i + 1) * bytes), { raw: { width, height, channels: 3 } });
      return (as === 'png' ? image.png() : image.jpeg({ quality: 80 })).toBuffer();
    }),
  );
}
