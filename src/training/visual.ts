import * as tf from '@tensorflow/tfjs-core';
import type { Sample } from '../data/sample.js';
import { DataError } from '../errors.js';
import { type FeatureStore, featureKey, videoIdentity } from '../features/store.js';
import type { Blip2 } from '../model/blip2/blip2.js';
import type { Rng } from '../random.js';
import { clipOf, readFrames } from '../video/frames.js';
import { PREPROCESS_VERSION, randomResizedCrop, toPixelValues } from '../video/preprocess.js';

export interface VisualSettings {
  /** Frames per clip. */
  frames: number;
  sampling: 'random' | 'uniform';
  crop: 'none' | 'random-resized';
  /** Rate of folders of frames. */
  fps?: number | undefined;
}

/** Kept features, and the hash of the frozen weights they come from. */
export interface FeatureCache {
  store: FeatureStore;
  visionHash: string;
}

/** Clips kept in memory besides the store: a small data set is then read once, a large one does not fit. */
const MEMORY_BYTES = 2 ** 30;

/**
 * Turns samples into what the model sees of their videos: pixels, or the kept features of the frozen vision model.
 */
export class VisualInputs {
  private readonly memory = new Map<string, Float32Array>();
  private memoryBytes = 0;
  private readonly identities = new Map<string, Promise<string>>();

  constructor(
    private readonly model: Blip2,
    private readonly paths: ReadonlyMap<string, string>,
    readonly settings: VisualSettings,
    private readonly cache?: FeatureCache,
  ) {}

  /** Whether {@link load} returns features rather than pixels. */
  get givesFeatures(): boolean {
    return this.cache !== undefined;
  }

  /**
   * One clip, row major: pixels (frames, 3, image, image), or features (frames, tokens, hidden) with a cache.
   *
   * @param rng draws frames and crop in training; absent in evaluation, which is always uniform and whole.
   */
  async load(sample: Sample, rng?: Rng): Promise<Float32Array> {
    if (!this.cache) return (await this.pixels(sample, rng)).data;
    const clip = `${sample.video}|${sample.start ?? ''}|${sample.end ?? ''}`;
    const known = this.memory.get(clip);
    if (known) return known;
    const features = await this.features(sample, this.cache);
    if (this.memoryBytes + features.byteLength <= MEMORY_BYTES) {
      this.memory.set(clip, features);
      this.memoryBytes += features.byteLength;
    }
    return features;
  }

  private async pixels(sample: Sample, rng?: Rng): Promise<{ data: Float32Array; indices: number[] }> {
    const path = this.pathOf(sample);
    const { frames: count, sampling, crop, fps } = this.settings;
    const imageSize = this.model.config.vision_config.image_size;
    const random =
      rng && sampling === 'random' ? { mode: 'random' as const, rng } : { mode: 'uniform' as const };
    const cropped = rng !== undefined && crop === 'random-resized';
    const frames = await readFrames({
      path,
      id: sample.id,
      count,
      ...random,
      ...clipOf(sample, fps),
      // A crop is cut from the frame at its own size, so that the picture is resampled once.
      ...(cropped ? {} : { size: { width: imageSize, height: imageSize } }),
    });
    const box = cropped ? { crop: randomResizedCrop(rng, imageSize) } : {};
    return { data: await toPixelValues(frames, { imageSize, ...box }), indices: frames.indices };
  }

  private pathOf(sample: Sample): string {
    const path = this.paths.get(sample.video);
    if (path === undefined) throw new DataError(`${sample.id}: video ${sample.video} was not found`);
    return path;
  }

  /**
   * From the store, or computed and put there. The key is the clip (uniform sampling makes the indices follow from
   * it), so that a hit opens no video.
   */
  private async features(sample: Sample, { store, visionHash }: FeatureCache): Promise<Float32Array> {
    const { fps } = this.settings;
    const rate = fps === undefined ? '' : `|${fps}`;
    const video = await this.identityOf(sample);
    const { image_size: imageSize } = this.model.config.vision_config;
    const key = featureKey({
      visionHash,
      video: `${video}|${sample.start ?? ''}|${sample.end ?? ''}${rate}`,
      indices: [this.settings.frames],
      imageSize,
      preprocessVersion: PREPROCESS_VERSION,
    });
    const stored = await store.get(key);
    if (stored?.data instanceof Float32Array) return stored.data;
    const { data } = await this.pixels(sample);
    const { values, shape } = this.computeFeatures(data);
    await store.put(key, { data: values, shape });
    return values;
  }

  /** Found once a video: of a folder of frames it takes a look at every file, and many clips come from one. */
  private identityOf(sample: Sample): Promise<string> {
    const path = this.pathOf(sample);
    const known = this.identities.get(path) ?? videoIdentity(sample.video, path);
    this.identities.set(path, known);
    return known;
  }

  private computeFeatures(pixels: Float32Array): { values: Float32Array; shape: number[] } {
    const features = tf.tidy(() => this.model.visionFeatures(this.pixelTensor(pixels, 1)));
    const result = { values: features.dataSync() as Float32Array, shape: features.shape };
    features.dispose();
    return result;
  }

  private pixelTensor(pixels: Float32Array, videos: number): tf.Tensor4D {
    const { image_size: size } = this.model.config.vision_config;
    return tf.tensor4d(pixels, [videos * this.settings.frames, 3, size, size]);
  }

  /**
   * Clips of a batch as the model's input, (videos * frames, ...); the caller disposes it.
   *
   * @param keepPixels hand pixels on, for a vision model that learns; otherwise they become features here, outside
   *   the gradient tape.
   */
  tensors(
    clips: readonly Float32Array[],
    keepPixels: boolean,
  ): { features: tf.Tensor3D } | { pixels: tf.Tensor4D } {
    const joined = concatenate(clips);
    if (this.givesFeatures) {
      const { hidden_size: width, image_size: image, patch_size: patch } = this.model.config.vision_config;
      const tokens = Math.floor(image / patch) ** 2 + 1;
      return { features: tf.tensor3d(joined, [clips.length * this.settings.frames, tokens, width]) };
    }
    if (keepPixels) return { pixels: this.pixelTensor(joined, clips.length) };
    return { features: tf.tidy(() => this.model.visionFeatures(this.pixelTensor(joined, clips.length))) };
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
