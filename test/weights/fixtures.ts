/** Writes small safetensors files. */
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Rng } from '../../src/base/random.js';
import type { Dtype, TensorData } from '../../src/weights/dtypes.js';
import { SafetensorsFile, type WritableTensor } from '../../src/weights/safetensors.js';
import type { TensorSource } from '../../src/weights/source.js';

export const WRITABLE_DTYPES = [
  'F64',
  'F32',
  'F16',
  'BF16',
  'I64',
  'I32',
  'I8',
  'U8',
  'U16',
  'BOOL',
] as const;

/** Random shape of up to four axes, now and then with a size of zero, or a scalar. */
export function randomShape(rng: Rng): number[] {
  const rank = rng.int(5);
  return Array.from({ length: rank }, () => (rng.int(12) === 0 ? 0 : 1 + rng.int(7)));
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Random data of the array type a reader returns for `dtype` with `raw`. */
export function randomData(rng: Rng, dtype: Dtype, length: number): TensorData {
  const fill = <T extends TensorData>(array: T, value: () => number): T => {
    for (let i = 0; i < length; i++) array[i] = value();
    return array;
  };
  switch (dtype) {
    case 'F64':
      return fill(new Float64Array(length), () => rng.normal());
    case 'F32':
      return fill(new Float32Array(length), () => rng.normal());
    case 'F16':
    case 'BF16':
    case 'U16':
      return fill(new Uint16Array(length), () => rng.int(65536));
    case 'I64':
    case 'I32':
      return fill(new Int32Array(length), () => rng.uint32() | 0);
    case 'I8':
      return fill(new Int8Array(length), () => rng.int(256) - 128);
    default:
      return fill(new Uint8Array(length), () => rng.int(dtype === 'BOOL' ? 2 : 256));
  }
}

/** Up to `count` random tensors of all writable types. */
export function randomTensors(rng: Rng, count: number): Map<string, WritableTensor> {
  const tensors = new Map<string, WritableTensor>();
  for (let i = 0; i < count; i++) {
    const dtype = rng.pick(WRITABLE_DTYPES);
    const shape = randomShape(rng);
    const name = rng.pick([
      `layer.${i}.weight`,
      `${i}`,
      `a "quoted" \\ name ${i}`,
      `名前.${i}`,
      `__proto__${i || ''}`,
    ]);
    tensors.set(name, { dtype, shape, data: randomData(rng, dtype, elements(shape)) });
  }
  return tensors;
}

/** Writes a safetensors file byte by byte from a header object or text, independently of the writer under test. */
export async function writeRaw(
  path: string,
  header: unknown,
  data: Uint8Array = new Uint8Array(0),
  claimedLength?: bigint,
): Promise<string> {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, claimedLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  await writeFile(path, bytes);
  return path;
}

/** A source in memory, F32 unless said otherwise, for tests of names and shapes. */
export function memorySource(
  tensors: Record<string, { shape: number[]; data?: TensorData; dtype?: Dtype }>,
): TensorSource {
  const entry = (name: string) => {
    const found = tensors[name];
    if (!found) throw new Error(`no ${name}`);
    return found;
  };
  const info = (name: string) => ({ dtype: entry(name).dtype ?? ('F32' as Dtype), shape: entry(name).shape });
  return {
    path: 'memory',
    metadata: {},
    names: () => Object.keys(tensors),
    has: (name) => Object.hasOwn(tensors, name),
    info,
    fileOf: () => 'memory',
    read: async (name, { buffer } = {}) => {
      const given = entry(name).data ?? new Float32Array(elements(entry(name).shape));
      if (!buffer || !(given instanceof Float32Array)) return { ...info(name), data: given };
      const data = new Float32Array(buffer, 0, given.length);
      data.set(given);
      return { ...info(name), data };
    },
    close: async () => {},
  };
}

/** Opens a file, lends it, closes it. */
export async function withFile<T>(path: string, use: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  const file = await SafetensorsFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** The error of opening a file and reading everything in it. */
export async function failure(path: string): Promise<Error> {
  return withFile(path, async (file) => {
    for (const name of file.names) await file.read(name);
    throw new Error('nothing failed');
  }).catch((error) => error as Error);
}

/** Where the methods of every FileHandle live, for faults to be put in. */
export async function fileHandlePrototype(inFolder: string): Promise<FileHandle> {
  const path = join(inFolder, 'probe');
  await writeFile(path, '');
  const file = await open(path);
  await file.close();
  return Object.getPrototypeOf(file) as FileHandle;
}
