/** Turns frames into the vision model's input, and draws training crops. */
import type { Rng } from '../base/random.js';
import type { Frames } from './frames.js';
import { CLIP_MEAN, CLIP_STD } from './normalisation.js';
import { type CropBox, resizeFrame } from './resize.js';

/** Part of every feature-store key: raise it when the pixels of {@link toPixelValues} change. */
export const PREPROCESS_VERSION = 1;

interface PreprocessOptions {
  /** Side of the square the model takes, in pixels. */
  imageSize: number;
  mean?: readonly number[];
  std?: readonly number[];
}

/**
 * Turns frames into the model's input: squash to imageSize x imageSize (bicubic, aspect not kept, as SeViLA and LAVIS
 * do), scale to [0, 1], normalise by channel. Frames that already have the size are not resampled.
 *
 * @returns f32 (n, 3, imageSize, imageSize), channels in the order R, G, B.
 */
export async function toPixelValues(frames: Frames, options: PreprocessOptions): Promise<Float32Array> {
  const { imageSize, mean = CLIP_MEAN, std = CLIP_STD } = options;
  const { n, width, height, data } = frames;
  const size = { width: imageSize, height: imageSize };
  const plane = imageSize * imageSize;
  const bytes = width * height * 3;
  const tables = levelTables(mean, std);
  // Every value is written below; zeros before would be a pass over memory that was never touched.
  const pixels = new Float32Array(Buffer.allocUnsafeSlow(n * 3 * plane * 4).buffer);
  const resized = new Map<number, Promise<Uint8Array>>();
  await Promise.all(
    Array.from({ length: n }, async (_, i) => {
      // A repeated frame is resized once.
      const index = frames.indices[i] as number;
      let picture = resized.get(index);
      if (!picture) {
        const frame = { width, height, data: data.subarray(i * bytes, (i + 1) * bytes) };
        picture = resizeFrame(frame, size).then((part) => part.data);
        resized.set(index, picture);
      }
      writePlanes(await picture, tables, pixels.subarray(i * 3 * plane, (i + 1) * 3 * plane));
    }),
  );
  return pixels;
}

/** The normalised value of each of the 256 levels, per channel. */
function levelTables(mean: readonly number[], std: readonly number[]): Float32Array[] {
  return [0, 1, 2].map((c) =>
    Float32Array.from(
      { length: 256 },
      (_, level) => (level / 255 - (mean[c] as number)) / (std[c] as number),
    ),
  );
}

/** In one pass over the pixels: three, one a channel, take four times as long. */
function writePlanes(rgb: Uint8Array, tables: Float32Array[], out: Float32Array): void {
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  const plane = rgb.length / 3;
  for (let p = 0, at = 0; p < plane; p++, at += 3) {
    out[p] = red[rgb[at] as number] as number;
    out[plane + p] = green[rgb[at + 1] as number] as number;
    out[2 * plane + p] = blue[rgb[at + 2] as number] as number;
  }
}

/**
 * Picks the training crop of a clip, one for all its frames: torchvision's RandomResizedCrop with SeViLA's settings
 * for training, area 0.5 to 1 and aspect 3/4 to 4/3 of the squashed imageSize x imageSize picture, no flip.
 * The box is in fractions, so it is cut from the frame at its own size and resampled once, not twice.
 */
export function randomResizedCrop(
  rng: Rng,
  imageSize: number,
  scale: readonly [number, number] = [0.5, 1],
): CropBox {
  const area = imageSize * imageSize;
  const logRatio = Math.log(4 / 3);
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * (scale[0] + (scale[1] - scale[0]) * rng.float());
    const ratio = Math.exp(logRatio * (2 * rng.float() - 1));
    const width = Math.round(Math.sqrt(target * ratio));
    const height = Math.round(Math.sqrt(target / ratio));
    if (width < 1 || height < 1 || width > imageSize || height > imageSize) continue;
    const top = rng.int(imageSize - height + 1);
    const left = rng.int(imageSize - width + 1);
    return {
      left: left / imageSize,
      top: top / imageSize,
      width: width / imageSize,
      height: height / imageSize,
    };
  }
  return { left: 0, top: 0, width: 1, height: 1 };
}
