/** Videos whose frames are known by their grey, and a vision model that tells which of them it was shown. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import type { Sample } from '../../src/data/sample.js';
import type { NeededClip } from '../../src/features/extract.js';
import type { StoredFeatures } from '../../src/features/source.js';
import type { Student } from '../../src/model/student.js';

export type Seeing = Pick<Student, 'preprocessing' | 'features' | 'featureShape'>;

/** Sees the mean of each channel; `onSee` is told that of the first frame, in [0, 1]. */
export function seeingStudent(onSee: (grey: () => number) => void): Seeing {
  return {
    preprocessing: { imageSize: 4, mean: [0, 0, 0], std: [1, 1, 1] },
    featureShape: [1, 3],
    features: (pixels: tf.Tensor4D) => {
      onSee(() => pixels.dataSync()[0]!);
      return tf.expandDims(tf.mean(pixels, [2, 3]), 1) as tf.Tensor3D;
    },
  };
}

/** A folder of 4x4 pictures, one of each grey level, 0 to 255. */
export async function makeFrames(folder: string, greys: readonly number[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [i, grey] of greys.entries()) {
    const background = { r: grey, g: grey, b: grey };
    const image = sharp({ create: { width: 4, height: 4, channels: 3, background } });
    await image.png().toFile(join(folder, `${i}.png`));
  }
}

export const sampleOf = (video: string, id = `${video}_q`): Sample => ({
  ...{ id, dataset: 'jsonl', video, question: '', options: [], type: '' },
});

/** What training (or evaluation) reads of videos. */
export async function neededOf(
  source: StoredFeatures,
  names: readonly string[],
  training = true,
): Promise<NeededClip[]> {
  const clip = async (video: string) => ({
    key: await source.key(sampleOf(video), training),
    sample: sampleOf(video),
    training,
    source,
  });
  return Promise.all(names.map(clip));
}
