/**
 * Between checkpoint folders and models: loading whatever layout a public file has, saving what was trained.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { bf16OfBits, takesBf16Bits } from '../ops/bf16.js';
import { canonicalSource } from '../weights/canonical.js';
import {
  type Comparison,
  compareCheckpoint,
  type ExpectedTensors,
  faultsOf,
  requireComplete,
} from '../weights/comparison.js';
import { type Blip2Config, loadBlip2Config } from '../weights/config.js';
import { HEAD_TABLE, type OwnTable, ownTables } from '../weights/ownTables.js';
import { type WritableTensor, writeSafetensors } from '../weights/safetensors.js';
import { type Checkpoint, openCheckpoint } from '../weights/sharded.js';
import { readReal, type TensorSource } from '../weights/source.js';
import type { Parameter } from './module.js';
import { ReasVqa } from './reasvqa.js';

export interface LoadedModel {
  model: ReasVqa;
  config: Blip2Config;
  comparison: Comparison;
}

/**
 * Builds the model of a checkpoint folder and reads its weights, tensor by tensor.
 *
 * @param folder has config.json and model.safetensors (or shards), in any layout that weights/names.ts knows.
 * @param onProgress called with the bytes read so far and in all.
 * @param bf16 picks the parameters to keep as bf16 (src/model/precision.ts); each is converted as soon as it is read, so
 *   that at most one is on the device in float32.
 * @throws DataError naming the tensor that is missing, of another shape, truncated or not finite.
 */
export async function loadModel(
  folder: string,
  onProgress?: (bytes: number, total: number) => void,
  bf16?: (model: ReasVqa) => ReadonlySet<Parameter>,
): Promise<LoadedModel> {
  const config = await loadBlip2Config(folder);
  const files = await openCheckpoint(folder);
  const model = new ReasVqa(config);
  try {
    const source = canonicalSource(files);
    const comparison = await compare(model, source, files);
    requireComplete(comparison, folder);
    await readParameters([...model.parameters()], source, onProgress, bf16?.(model));
    await readParameters(
      comparison.own.map((name) => addTable(model, name)),
      source,
    );
    return { model, config, comparison };
  } catch (error) {
    model.dispose();
    throw error;
  } finally {
    await files.close();
  }
}

/**
 * What an open checkpoint holds beside what a config.json asks for. Reads headers, and T5's tables where there are
 * several.
 *
 * @throws DataError when two of its tensors mean the same one.
 */
export function compareWithConfig(files: Checkpoint, config: Blip2Config): Promise<Comparison> {
  return compare(new ReasVqa(config), canonicalSource(files), files);
}

async function compare(model: ReasVqa, source: TensorSource, { unread }: Checkpoint): Promise<Comparison> {
  const layout: ExpectedTensors = new Map([...model.parameters()].map(({ name, shape }) => [name, shape]));
  const comparison = compareCheckpoint(layout, source);
  const own = faultsOf(comparison) === undefined ? await ownTables(source, layout) : [];
  return { ...comparison, own, unread };
}

function addTable({ languageModel }: ReasVqa, name: OwnTable): Parameter {
  return name === HEAD_TABLE ? languageModel.addHead() : languageModel.addDecoderEmbedding();
}

/** Reads the given parameters from a source that has them all. @throws DataError for a value that is not finite. */
export async function readParameters(
  parameters: readonly Parameter[],
  source: TensorSource,
  onProgress?: (bytes: number, total: number) => void,
  bf16?: ReadonlySet<Parameter>,
): Promise<void> {
  const total = parameters.reduce((sum, p) => sum + 4 * p.size, 0);
  const asBits = (p: Parameter) => bf16?.has(p) && takesBf16Bits() && source.info(p.name).dtype === 'BF16';
  const largest = parameters.reduce((most, p) => (asBits(p) ? Math.max(most, 2 * p.size) : most), 0);
  // While one tensor goes to the device the next is read; bits into two buffers by turns, since fresh pages cost more
  // than reading.
  const buffers = [new ArrayBuffer(largest), new ArrayBuffer(largest)];
  const start = (i: number): Promise<() => void> | undefined => {
    const parameter = parameters[i];
    if (parameter === undefined) return undefined;
    if (asBits(parameter)) return readBits(parameter, source, buffers[i % 2]!);
    return readFloat32(parameter, source, bf16?.has(parameter) ?? false);
  };
  let bytes = 0;
  let next = start(0);
  try {
    for (const [i, parameter] of parameters.entries()) {
      const set = await next!;
      next = start(i + 1);
      set();
      bytes += 4 * parameter.size;
      onProgress?.(bytes, total);
    }
  } finally {
    // After an error the file is closed, which no read may outlive.
    await next?.catch(() => undefined);
  }
}

/** Reads a parameter and returns what gives it the values, rounded to bf16 where it is kept so. */
async function readFloat32(parameter: Parameter, source: TensorSource, asBf16: boolean): Promise<() => void> {
  const data = await readReal(parameter.name, source);
  return () => {
    const value = tf.tensor(data, parameter.shape, 'float32');
    if (asBf16) parameter.setBf16(value);
    else parameter.set(value);
  };
}

/** Half the bytes of a file in bf16 go to a device that takes them, and no float32 copy is ever there. */
async function readBits(
  parameter: Parameter,
  source: TensorSource,
  buffer: ArrayBuffer,
): Promise<() => void> {
  const { data } = await source.read(parameter.name, { finite: true, raw: true, buffer });
  return () => parameter.set(bf16OfBits(data as Uint16Array, parameter.shape));
}

/** The parameters as float32 tensors to write, each read from the engine when its turn comes. */
export function writableParameters(parameters: Iterable<Parameter>): Map<string, WritableTensor> {
  const tensors = new Map<string, WritableTensor>();
  for (const parameter of parameters)
    tensors.set(parameter.name, {
      dtype: 'F32',
      shape: parameter.shape,
      data: async () => (await parameter.value.data()) as Float32Array,
    });
  return tensors;
}

/** Keys that hold real numbers. */
const REAL_KEY = /("\w*(?:_eps|_epsilon|_factor|_range|_rate|_prob|dropout)": -?\d+)(?=,?\n)/g;

/** JSON in which real numbers look like it (1.0, not 1): transformers 5 refuses a whole number where one is due. */
function configText(config: Blip2Config): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(REAL_KEY, '$1.0');
}

/** Writes config.json and model.safetensors, a folder that {@link loadModel} and transformers read. */
export async function saveModel(
  model: ReasVqa,
  folder: string,
  metadata: Record<string, string> = {},
  dtype: 'F32' | 'BF16' | 'F16' = 'F32',
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), configText(model.config));
  const tensors = writableParameters(model.parameters());
  for (const tensor of tensors.values()) tensor.dtype = dtype;
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt', ...metadata });
}
