/**
 * Where clips come from: one interface behind frames decoded for every use and stored features. A batch is loaded into
 * host memory ahead of its step, and becomes tensors inside it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../base/errors.js';
import type { Rng } from '../base/random.js';
import type { Sample } from '../data/sample.js';
import type { Student, Visual } from '../model/student.js';
import { type ClipReader, type ClipSettings, readClip } from '../video/clip.js';
import { PREPROCESS_VERSION } from '../video/preprocess.js';
import { type FeatureStore, featureKey, videoIdentity } from './store.js';

export type { ClipSettings } from '../video/clip.js';

export interface FeatureSource {
  /**
   * One clip, row major.
   *
   * @param rng draws frames and crop in training; absent in evaluation, which is always uniform and whole. Nothing has been
   *   drawn from it before.
   * @param signal the clip is not wanted any more; the promise may then reject with its reason
   * @throws DataError for a video that cannot be read
   */
  load(sample: Sample, rng?: Rng, signal?: AbortSignal): Promise<Float32Array>;
  /** Clips of a batch as tensors; the caller disposes them. */
  visual(clips: readonly Float32Array[]): Visual;
}

type Seeing = Pick<Student, 'preprocessing' | 'features' | 'featureShape'>;

/** Frames decoded for every use; clips are pixels (frames, 3, image, image). */
export class LiveFrames implements FeatureSource {
  /**
   * @param paths file or folder of each video, by the sample's `video`
   * @param keepPixels hand pixels on, for a vision model that learns; otherwise they become features outside the tape
   * @param read decodes: in this thread unless another reader is given
   */
  constructor(
    private readonly student: Seeing,
    private readonly paths: ReadonlyMap<string, string>,
    readonly settings: ClipSettings,
    private readonly keepPixels: boolean,
    private readonly read: ClipReader = readClip,
  ) {}

  async load(sample: Sample, rng?: Rng, signal?: AbortSignal): Promise<Float32Array> {
    const { id, start, end } = sample;
    const { imageSize, mean, std } = this.student.preprocessing;
    const clip = { path: this.pathOf(sample), id, start, end, draw: rng?.label };
    return this.read({ ...clip, ...this.settings, imageSize, mean, std }, signal);
  }

  pathOf(sample: Sample): string {
    const path = this.paths.get(sample.video);
    if (path === undefined) throw new DataError(`${sample.id}: video ${sample.video} was not found`);
    return path;
  }

  visual(clips: readonly Float32Array[]): Visual {
    const pixels = () => this.pixelTensor(clips);
    if (this.keepPixels) return { pixels: pixels() };
    return { features: tf.tidy(() => this.student.features(pixels())) };
  }

  private pixelTensor(clips: readonly Float32Array[]): tf.Tensor4D {
    const { imageSize } = this.student.preprocessing;
    return tf.tensor4d(concatenate(clips), [clips.length * this.settings.frames, 3, imageSize, imageSize]);
  }
}

/** Clips cached in memory beside the store: a small data set is read from disk once, a large one does not fit. */
const MEMORY_BYTES = 2 ** 30;

/**
 * Features of the frozen vision model, stored on disk; clips are (frames, ...featureShape). A missing clip is computed
 * and stored.
 */
export class StoredFeatures implements FeatureSource {
  private readonly memory = new Map<string, Float32Array>();
  private memoryBytes = 0;
  private readonly identities = new Map<string, Promise<string>>();

  /**
   * @param live decodes missing clips, uniformly sampled and uncropped
   * @param visionHash hash of the frozen weights that the features come from
   */
  constructor(
    private readonly student: Seeing,
    private readonly live: LiveFrames,
    private readonly store: FeatureStore,
    private readonly visionHash: string,
  ) {}

  async load(sample: Sample, _?: Rng, signal?: AbortSignal): Promise<Float32Array> {
    const clip = `${sample.video}|${sample.start ?? ''}|${sample.end ?? ''}`;
    const known = this.memory.get(clip);
    if (known) return known;
    const features = await this.stored(sample, signal);
    if (this.memoryBytes + features.byteLength <= MEMORY_BYTES) {
      this.memory.set(clip, features);
      this.memoryBytes += features.byteLength;
    }
    return features;
  }

  visual(clips: readonly Float32Array[]): Visual {
    const { frames } = this.live.settings;
    const [tokens, width] = this.student.featureShape;
    return { features: tf.tensor3d(concatenate(clips), [clips.length * frames, tokens, width]) };
  }

  /**
   * A clip's features, from the store or computed and put there. The cache key is the clip (uniform sampling derives
   * the indices from it), so a hit opens no video.
   */
  private async stored(sample: Sample, signal?: AbortSignal): Promise<Float32Array> {
    const { frames, fps } = this.live.settings;
    const rate = fps === undefined ? '' : `|${fps}`;
    const video = await this.identityOf(sample);
    const key = featureKey({
      visionHash: this.visionHash,
      video: `${video}|${sample.start ?? ''}|${sample.end ?? ''}${rate}`,
      frames: [frames],
      imageSize: this.student.preprocessing.imageSize,
      preprocessVersion: PREPROCESS_VERSION,
    });
    const stored = await this.store.get(key);
    if (stored?.data instanceof Float32Array) return stored.data;
    const { features } = this.live.visual([await this.live.load(sample, undefined, signal)]);
    const values = features!.dataSync() as Float32Array;
    const { shape } = features!;
    features!.dispose();
    await this.store.put(key, { data: values, shape });
    return values;
  }

  /** Computed once a video, since a folder of frames costs one stat a file and many clips share a video. */
  private identityOf(sample: Sample): Promise<string> {
    const path = this.live.pathOf(sample);
    const known = this.identities.get(path) ?? videoIdentity(sample.video, path);
    this.identities.set(path, known);
    return known;
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
