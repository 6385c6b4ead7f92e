/** The interface of everything that named tensors are read from. */
import { DataError } from '../base/errors.js';
import { type Dtype, isReal, REAL_TYPES } from './dtypes.js';
import { quote } from './header.js';
import type { LoadedTensor, ReadOptions, SafetensorsFile, TensorInfo } from './safetensors.js';

/** Named tensors from any place: one file, shards, another naming scheme, several checkpoints. */
export interface TensorSource {
  /** The path that the user gave, for messages. */
  readonly path: string;
  readonly metadata: Record<string, string>;
  names(): string[];
  has(name: string): boolean;
  /** @throws DataError when there is no such tensor. */
  info(name: string): TensorInfo;
  /** The file that holds the tensor. */
  fileOf(name: string): string;
  /** @throws DataError with path and tensor. */
  read(name: string, options?: ReadOptions): Promise<LoadedTensor>;
  close(): Promise<void>;
}

/** Reads a weight, widened to float32. @throws DataError for other types than F32, F16 and BF16, NaN and infinity. */
export async function readReal(name: string, source: TensorSource): Promise<Float32Array> {
  const { dtype } = source.info(name);
  if (!isReal(dtype)) throw new DataError(refusedType(source.fileOf(name), name, dtype));
  return (await source.read(name, { finite: true })).data as Float32Array;
}

/** The error text for a weight of an unsupported type. */
export function refusedType(file: string, name: string, dtype: Dtype): string {
  return `${file}: tensor ${quote(name)} is ${dtype}, expected ${REAL_TYPES}; save the model in one of these`;
}

/** One open file as a source. */
export function fileSource(file: SafetensorsFile): TensorSource {
  return {
    path: file.path,
    metadata: file.metadata,
    names: () => file.names,
    has: (name) => file.has(name),
    info: (name) => file.info(name),
    fileOf: () => file.path,
    read: (name, options) => file.read(name, options),
    close: () => file.close(),
  };
}

/**
 * Several sources as one, for checkpoints that hold a part each (LAVIS saves the Q-Former alone, the ViT and T5 come
 * from elsewhere). A tensor in more than one is taken from the last.
 */
export function mergeSources(sources: readonly TensorSource[]): TensorSource {
  const path = sources.map((source) => source.path).join(' + ');
  const owner = new Map<string, TensorSource>();
  for (const source of sources) for (const name of source.names()) owner.set(name, source);
  const find = (name: string): TensorSource => {
    const source = owner.get(name);
    if (!source) throw new DataError(`${path}: has no tensor ${quote(name)}`);
    return source;
  };
  return {
    path,
    metadata: Object.assign({}, ...sources.map((source) => source.metadata)),
    names: () => [...owner.keys()],
    has: (name) => owner.has(name),
    info: (name) => find(name).info(name),
    fileOf: (name) => find(name).fileOf(name),
    read: (name, options) => find(name).read(name, options),
    close: async () => {
      for (const source of sources) await source.close();
    },
  };
}
