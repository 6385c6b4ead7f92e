/** The feature store: features of the frozen vision model on disk, one file a clip, by cache key. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { EXIT, messageOf, ReasVqaError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { sortFrameNames } from '../video/frameNames.js';
import { SafetensorsFile, writeSafetensors } from '../weights/safetensors.js';

/** Everything that frozen features depend on, hence all that the cache key is made of. */
export interface FeatureKeyParts {
  /** Hash of the frozen vision weights. */
  visionHash: string;
  /** Which file the frames come from; see {@link videoIdentity}. */
  video: string;
  /** Which frames: their indices, or their number alone where they are taken uniformly from the clip. */
  frames: readonly number[];
  /** The frames are a choice that training draws from: those there are, the last one never repeated. */
  choice?: boolean;
  /** They go evenly from the clip's first frame to its last, instead of being the middles of equal segments. */
  ends?: boolean;
  imageSize: number;
  /** PREPROCESS_VERSION of video/preprocess.ts. */
  preprocessVersion: number;
  /** How values are stored; f32 unless given. */
  dtype?: FeatureType;
}

/** How features lie on disk: bf16 takes half the bytes and keeps 8 bits of each value's 24. */
export type FeatureType = 'f32' | 'bf16';

/** A store that cannot be written to (a full disk): no sample is at fault, so data.onBadVideo skip leaves none out. */
export class StoreError extends ReasVqaError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, EXIT.data, options);
  }
}

/** A feature tensor: f32, or bf16 as its bits. */
export interface Features {
  data: Float32Array | Uint16Array;
  shape: number[];
}

const TENSOR = 'features';

/** Raised when the layout of the files changes; older files are then computed again. */
const FORMAT = '1';

/** The key under which features are stored: 64 hexadecimal digits. */
export function featureKey(parts: FeatureKeyParts): string {
  const { visionHash, video, frames, choice, ends, imageSize, preprocessVersion, dtype = 'f32' } = parts;
  // What is not the default comes last, so that a default added later leaves earlier stores valid.
  const others = [
    ...(choice ? ['choice'] : []),
    ...(ends ? ['ends'] : []),
    ...(dtype === 'f32' ? [] : [dtype]),
  ];
  const key = [FORMAT, visionHash, video, [...frames], imageSize, preprocessVersion, ...others];
  return createHash('sha256').update(JSON.stringify(key)).digest('hex');
}

/**
 * Tells one version of a video file from another without reading it: name below the data root, size and time of last
 * change. A folder of images has those of every file in it, in the order of the frames, since the folder's own time
 * stays when a file is overwritten.
 *
 * @param name path below the data root, so that a moved data root keeps its features.
 */
export async function videoIdentity(name: string, path: string): Promise<string> {
  const info = await stat(path);
  if (!info.isDirectory()) return `${name}:${version(info)}`;
  const images = sortFrameNames(await readdir(path));
  const parts = images.map(async (image) => `${image}:${version(await stat(join(path, image)))}`);
  return `${name}:${(await Promise.all(parts)).join()}`;
}

function version({ size, mtimeMs }: { size: number; mtimeMs: number }): string {
  return `${size}:${Math.round(mtimeMs)}`;
}

/**
 * Features of frozen layers on disk, one `.safetensors` file a clip, so that any Python tool opens them. A file is
 * written beside its place and renamed, so a file that exists is whole. Reading still checks lengths, key and CRC-32; a
 * damaged file is reported and counts as absent, so the caller computes the features again and `put` replaces it.
 *
 * Several processes may share a store: the same key always holds the same bytes.
 */
export class FeatureStore {
  /**
   * @param folder created when the first features are put.
   * @param onWarning called with one line about each damaged file.
   */
  constructor(
    readonly folder: string,
    readonly onWarning: (message: string) => void = () => undefined,
  ) {}

  /** Path of a key's features; 256 subfolders keep listings short. */
  path(key: string): string {
    return join(this.folder, key.slice(0, 2), `${key}.safetensors`);
  }

  async has(key: string): Promise<boolean> {
    return stat(this.path(key)).then(
      () => true,
      () => false,
    );
  }

  /** The features of a key, or undefined when they are absent or were damaged. */
  async get(key: string): Promise<Features | undefined> {
    if (!(await this.has(key))) return undefined;
    try {
      return await readFeatures(this.path(key), key);
    } catch (error) {
      this.onWarning(`${messageOf(error)}; the features are computed again`);
      return undefined;
    }
  }

  /** What is wrong with a key's entry, read whole: undefined when nothing is. */
  async faultOf(key: string): Promise<string | undefined> {
    if (!(await this.has(key))) return `${this.path(key)}: missing`;
    return readFeatures(this.path(key), key).then(() => undefined, messageOf);
  }

  /**
   * Stores features, replacing earlier ones of the key.
   *
   * @param about what `features stats` tells of the entry; it has no part in reading it.
   * @throws StoreError when they cannot be written (a full disk); nothing partial stays behind.
   */
  async put(key: string, features: Features, about: EntryFacts = {}): Promise<void> {
    const { data, shape } = features;
    const path = this.path(key);
    const dtype = data instanceof Uint16Array ? 'BF16' : 'F32';
    const metadata = { ...about, format: FORMAT, key, crc32: String(checksum(data)) };
    try {
      await makeFolder(dirname(path));
      await writeSafetensors(path, new Map([[TENSOR, { dtype, shape, data }]]), metadata);
    } catch (error) {
      throw new StoreError(`${path}: features could not be stored (${messageOf(error)})`, { cause: error });
    }
  }

  /** What an entry's header says; undefined for one that cannot be read. */
  async describe(key: string): Promise<EntryFacts | undefined> {
    const file = await SafetensorsFile.open(this.path(key)).catch(() => undefined);
    if (!file) return undefined;
    try {
      const { encoder, frames } = file.metadata;
      const dtype = file.has(TENSOR) ? file.info(TENSOR).dtype.toLowerCase() : undefined;
      return { ...(encoder && { encoder }), ...(frames && { frames }), ...(dtype && { dtype }) };
    } finally {
      await file.close();
    }
  }
}

/** What an entry says about itself. */
export interface EntryFacts {
  /** Hash of the vision weights. */
  encoder?: string;
  /** `4` uniform frames, or `32 to draw from`. */
  frames?: string;
  dtype?: string;
}

async function readFeatures(path: string, key: string): Promise<Features> {
  const file = await SafetensorsFile.open(path);
  try {
    const { metadata } = file;
    if (metadata.format !== FORMAT || metadata.key !== key || !file.has(TENSOR)) {
      throw new Error(`${path}: not the features of this key`);
    }
    const { data, shape, dtype } = await file.read(TENSOR, { raw: true });
    if (!(data instanceof Float32Array || (data instanceof Uint16Array && dtype === 'BF16'))) {
      throw new Error(`${path}: tensor "${TENSOR}": expected F32 or BF16, got ${dtype}`);
    }
    if (metadata.crc32 !== String(checksum(data)))
      throw new Error(`${path}: the data does not match its checksum`);
    return { data, shape };
  } finally {
    await file.close();
  }
}

function checksum(data: Float32Array | Uint16Array): number {
  return crc32(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
