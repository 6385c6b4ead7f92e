/**
 * Where clips come from: one interface behind frames decoded for every use and stored features. A batch is loaded into
 * host memory ahead of its step, and becomes tensors inside it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../base/errors.js';
import type { Rng } from '../base/random.js';
import type { Sample } from '../data/sample.js';
import type { Student, Visual } from '../model/student.js';
import {
  type ClipReader,
  type ClipRequest,
  type ClipSettings,
  readClip,
  readClipTimes,
} from '../video/clip.js';
import { PREPROCESS_VERSION } from '../video/preprocess.js';
import { sampleFrames } from '../video/sample.js';
import { narrowBf16, widenBf16 } from '../weights/dtypes.js';
import type { FeatureStore, Features, FeatureType } from './store.js';
import { identityOf, keyOf, readStored, type StoredReader, type StoredRequest } from './stored.js';

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
  /** When the frames of a clip are shown that evaluation looks at, in seconds since the video's first frame. */
  times?(sample: Sample): Promise<number[]>;
}

type Seeing = Pick<Student, 'preprocessing' | 'features' | 'featureShape'>;

/** Frames decoded for every use; clips are pixels (frames, 3, image, image). */
export class LiveFrames implements FeatureSource {
  /**
   * @param paths file or folder of each video, by the sample's `video`
   * @param keepPixels hand pixels on, for a vision model that learns; otherwise they become features outside the tape
   * @param reader decodes: in this thread unless another is given
   */
  constructor(
    private readonly student: Seeing,
    private readonly paths: ReadonlyMap<string, string>,
    readonly settings: ClipSettings,
    private readonly keepPixels: boolean,
    private readonly reader: ClipReader = readClip,
  ) {}

  async load(sample: Sample, rng?: Rng, signal?: AbortSignal): Promise<Float32Array> {
    return this.read(sample, { draw: rng?.label }, signal);
  }

  /** Pixels of the frames that the settings and `how` name, (n, 3, image, image). */
  async read(
    sample: Sample,
    how: Partial<Pick<ClipRequest, 'frames' | 'draw' | 'pad'>>,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    return this.reader({ ...this.requestOf(sample), ...how }, signal);
  }

  times(sample: Sample): Promise<number[]> {
    return readClipTimes(this.requestOf(sample));
  }

  private requestOf(sample: Sample): ClipRequest {
    const { id, start, end, look } = sample;
    const { imageSize, mean, std } = this.student.preprocessing;
    const clip = { path: this.pathOf(sample), id, start, end, perSecond: look?.perSecond };
    return { ...clip, ...this.settings, imageSize, mean, std };
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
    const pixels = concatenate(clips);
    return tf.tensor4d(pixels, [pixels.length / (3 * imageSize ** 2), 3, imageSize, imageSize]);
  }
}

/** Clips cached in memory beside the store: a small data set is read from disk once, a large one does not fit. */
const MEMORY_BYTES = 2 ** 30;

/** The vision model that features come from. */
export interface Encoder {
  /** Hash of its frozen weights. */
  visionHash: string;
  /** Makes it ready to compute: its weights may not have been read yet. */
  ready?: () => Promise<void>;
}

/** How features are stored, beside what {@link ClipSettings} say of the clips. */
export interface StoreSettings {
  dtype: FeatureType;
  /** Frames kept of a clip that training draws its frames from (sampling random). */
  frames: number;
}

/** How often a clip is read again because its video was replaced meanwhile. */
const ATTEMPTS = 3;

/**
 * Features of the frozen vision model, stored on disk; clips are (frames, ...featureShape). A missing clip is computed
 * and stored.
 *
 * Uniform frames are stored as they are. Where training draws frames at random, more of them are stored, the middles of
 * `stored.frames` segments, and every use draws one of each of the clip's segments, as decoding would. Evaluation reads
 * uniform frames, an entry of its own.
 */
export class StoredFeatures implements FeatureSource {
  private readonly memory = new Map<string, Features>();
  private readonly pending = new Map<string, Promise<Features>>();
  private memoryBytes = 0;
  /** Computed once a video, since a folder of frames costs one stat a file and many clips share a video. */
  private readonly identities = new Map<string, string>();

  /**
   * @param live decodes missing clips; its settings say what a clip is
   * @param reader reads what is stored: in this thread unless another is given
   */
  constructor(
    private readonly student: Seeing,
    private readonly live: LiveFrames,
    readonly store: FeatureStore,
    private readonly encoder: Encoder,
    private readonly stored: StoreSettings = { dtype: 'f32', frames: 32 },
    private readonly reader: StoredReader = readStored,
  ) {}

  async load(sample: Sample, rng?: Rng, signal?: AbortSignal): Promise<Float32Array> {
    // What a student calls for is hardly ever called for again.
    if (sample.look?.kept === false)
      return widened((await this.see(await this.live.read(sample, {}, signal))).data);
    const drawn = rng && this.drawsFrames ? rng : undefined;
    const features = await this.clip(sample, drawn !== undefined, signal);
    return drawn ? this.draw(features, drawn) : widened(features.data);
  }

  times(sample: Sample): Promise<number[]> {
    return this.live.times(sample);
  }

  visual(clips: readonly Float32Array[]): Visual {
    const { frames } = this.live.settings;
    const [tokens, width] = this.student.featureShape;
    return { features: tf.tensor3d(concatenate(clips), [clips.length * frames, tokens, width]) };
  }

  private get drawsFrames(): boolean {
    return this.live.settings.sampling === 'random';
  }

  /**
   * The key of a clip as it lies in its folder now (uniform sampling derives the frames from it), so a hit opens no
   * video.
   *
   * @param training as training reads it, or as evaluation does
   * @throws DataError for a video that is not there
   */
  async key(sample: Sample, training: boolean): Promise<string> {
    const request = this.request(sample, training && this.drawsFrames);
    const identity = request.identity ?? (await identityOf(request));
    this.identities.set(memoOf(request), identity);
    return keyOf(request, identity);
  }

  /** Bytes that a clip takes, at most: it may have fewer frames than are kept to draw from. */
  bytesOf(training: boolean): number {
    const frames = training && this.drawsFrames ? this.kept : this.live.settings.frames;
    const [tokens, width] = this.student.featureShape;
    return frames * tokens * width * (this.stored.dtype === 'bf16' ? 2 : 4);
  }

  /**
   * Stores a clip unless it is there already.
   *
   * @returns whether it had to be computed
   * @throws DataError for a video that cannot be read, StoreError for a store that cannot be written
   */
  async fill(sample: Sample, training: boolean, signal?: AbortSignal): Promise<boolean> {
    if (await this.store.has(await this.key(sample, training))) return false;
    await this.compute(sample, training && this.drawsFrames, signal);
    return true;
  }

  /** From memory, from the store, or computed and put there. Whoever asks for a clip in the making waits for that one. */
  private async clip(sample: Sample, choice: boolean, signal?: AbortSignal): Promise<Features> {
    const name = `${choice}|${sample.video}|${partOf(sample)}`;
    const known = this.memory.get(name);
    if (known) return known;
    const other = this.pending.get(name);
    if (other) {
      // What fails there names another sample, or was cancelled by another signal.
      const features = await other.catch(() => undefined);
      signal?.throwIfAborted();
      return features ?? this.clip(sample, choice, signal);
    }
    const own = this.storedOrComputed(sample, choice, signal);
    this.pending.set(name, own);
    try {
      const features = await own;
      this.remember(name, features);
      return features;
    } finally {
      this.pending.delete(name);
    }
  }

  private async storedOrComputed(sample: Sample, choice: boolean, signal?: AbortSignal): Promise<Features> {
    const request = this.request(sample, choice);
    const { identity, features, fault } = await this.reader(request, signal);
    this.identities.set(memoOf(request), identity);
    if (fault !== undefined) this.store.onWarning(fault);
    return features ?? this.compute(sample, choice, signal);
  }

  private remember(name: string, features: Features): void {
    if (this.memoryBytes + features.data.byteLength > MEMORY_BYTES) return;
    this.memory.set(name, features);
    this.memoryBytes += features.data.byteLength;
  }

  /** What is asked of the store about a clip. */
  private request(sample: Sample, choice: boolean): StoredRequest {
    const { frames, fps } = this.live.settings;
    const { id, video } = sample;
    const about = { folder: this.store.folder, id, video, path: this.live.pathOf(sample) };
    return {
      ...about,
      identity: this.identities.get(memoOf(about)),
      part: `|${partOf(sample)}${fps === undefined ? '' : `|${fps}`}`,
      features: {
        visionHash: this.encoder.visionHash,
        frames: [choice ? this.kept : frames],
        choice,
        ends: this.live.settings.sampling === 'ends',
        imageSize: this.student.preprocessing.imageSize,
        preprocessVersion: PREPROCESS_VERSION,
        dtype: this.stored.dtype,
      },
    };
  }

  /** Frames kept to draw from; fewer than a clip has would repeat one. */
  private get kept(): number {
    return Math.max(this.stored.frames, this.live.settings.frames);
  }

  /** Computes a clip and stores it under the version of the video that was read, whole. */
  private async compute(sample: Sample, choice: boolean, signal?: AbortSignal): Promise<Features> {
    const { frames } = this.live.settings;
    const request = this.request(sample, choice);
    for (let attempt = 1; ; attempt++) {
      const before = await identityOf(request);
      const pixels = await this.live.read(sample, choice ? { frames: this.kept, pad: false } : {}, signal);
      if ((await identityOf(request)) === before) {
        this.identities.set(memoOf(request), before);
        const features = await this.see(pixels);
        const about = {
          encoder: this.encoder.visionHash,
          frames: choice ? `${this.kept} to draw from` : String(frames),
        };
        await this.store.put(keyOf(request, before), features, about);
        return features;
      }
      if (attempt === ATTEMPTS)
        throw new DataError(
          `${sample.id}: ${request.path}: the video changes while it is read; wait until it is copied`,
        );
    }
  }

  private async see(pixels: Float32Array): Promise<Features> {
    await this.encoder.ready?.();
    const features = this.live.visual([pixels]).features!;
    const values = (await features.data()) as Float32Array;
    const { shape } = features;
    features.dispose();
    return { data: this.stored.dtype === 'bf16' ? narrowed(values) : values, shape };
  }

  /** One frame of each segment of the clip, of those that are stored. */
  private draw({ data, shape }: Features, rng: Rng): Float32Array {
    const frameCount = shape[0]!;
    const size = data.length / frameCount;
    const picks = sampleFrames({ frameCount, lo: 0, hi: frameCount }, this.live.settings.frames, rng);
    return concatenate(picks.map((pick) => widened(data.subarray(pick * size, (pick + 1) * size))));
  }
}

/** Which part of its video a sample's clip is; of a plain clip as keys had it before there were others. */
const partOf = ({ start, end, look }: Sample) =>
  `${start ?? ''}|${end ?? ''}${look?.perSecond ? `|${look.perSecond}/s` : ''}`;

/** Two names may lead to one file, and the name is part of the identity. */
const memoOf = ({ video, path }: Pick<StoredRequest, 'video' | 'path'>) => `${video}\0${path}`;

function widened(data: Float32Array | Uint16Array): Float32Array {
  if (data instanceof Float32Array) return data;
  const values = new Float32Array(data.length);
  widenBf16(data, values);
  return values;
}

function narrowed(values: Float32Array): Uint16Array {
  const bits = new Uint16Array(values.length);
  narrowBf16(values, bits);
  return bits;
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
