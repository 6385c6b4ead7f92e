/** Writes safetensors files. */
import type { FileHandle } from 'node:fs/promises';
import { DataError } from '../base/errors.js';
import { writeAtomic } from '../base/files.js';
import {
  DTYPE_BYTES,
  type Dtype,
  narrowBf16,
  narrowF16,
  requireLittleEndian,
  type TensorData,
} from './dtypes.js';
import { formatShape, MAX_HEADER_BYTES, quote } from './header.js';

export interface WritableTensor {
  /** The type in the file. F16 and BF16 take their raw bits (Uint16Array) or a Float32Array, which is rounded. */
  dtype: Dtype;
  shape: readonly number[];
  /** The elements, or a function that produces them when their turn comes, so that only one tensor is in memory. */
  data: TensorData | (() => TensorData | Promise<TensorData>);
}

interface WriteOptions {
  /**
   * 'aligned' (default): wide types first, then by name, as the reference implementation writes; every tensor is
   * then aligned in the file. 'name': by name. 'given': in the order of the map.
   */
  order?: 'aligned' | 'name' | 'given';
}

const WRITE_BYTES = 2 ** 26;

/** Array types that hold each file type without conversion. */
const ARRAY_OF: Partial<Record<Dtype, new (length: number) => TensorData>> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  I8: Int8Array,
};

/**
 * Writes a .safetensors file atomically: an earlier file at `path` stays until the new one is complete. The header is
 * padded with spaces so that the data starts at a multiple of 8. Equal input gives equal bytes.
 *
 * @throws DataError when a tensor's data does not fit its dtype and shape, or the file cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, WritableTensor>,
  metadata: Record<string, string> = {},
  options: WriteOptions = {},
): Promise<void> {
  requireLittleEndian();
  const sorted = sortTensors(path, tensors, options.order ?? 'aligned');
  const header = encodeHeader(path, sorted, metadata);
  await writeAtomic(path, async (file) => {
    await writeAll(file, header);
    for (const [name, tensor] of sorted) await writeTensor(`${path}: tensor ${quote(name)}`, file, tensor);
  });
}

function sortTensors(
  path: string,
  tensors: ReadonlyMap<string, WritableTensor>,
  order: 'aligned' | 'name' | 'given',
): [string, WritableTensor][] {
  const entries = [...tensors];
  for (const [name, { dtype, shape }] of entries) {
    if (name === '__metadata__') throw new DataError(`${path}: a tensor cannot be named __metadata__`);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw new DataError(`${path}: tensor ${quote(name)} has an impossible shape ${formatShape(shape)}`);
    }
    if (!ARRAY_OF[dtype] && dtype !== 'I64') {
      throw new DataError(`${path}: tensor ${quote(name)}: ${dtype} cannot be written`);
    }
  }
  if (order === 'given') return entries;
  const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return entries.sort(([nameA, a], [nameB, b]) => {
    const width = order === 'aligned' ? DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] : 0;
    return width || byName(a.dtype, b.dtype) * (order === 'aligned' ? 1 : 0) || byName(nameA, nameB);
  });
}

/** The 8-byte length and the JSON, padded so that the data after it starts at a multiple of 8. */
function encodeHeader(
  path: string,
  tensors: [string, WritableTensor][],
  metadata: Record<string, string>,
): Uint8Array {
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(['__metadata__', metadata]);
  let offset = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const end = offset + elements(shape) * DTYPE_BYTES[dtype];
    entries.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Built by hand: an object would move names that look like integers to the front.
  const json = `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new DataError(
      `${path}: a header of ${length} bytes is more than safetensors allows; use fewer tensors`,
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

async function writeTensor(place: string, file: FileHandle, tensor: WritableTensor): Promise<void> {
  const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
  const length = elements(tensor.shape);
  if (data.length !== length) {
    throw new DataError(`${place}: ${data.length} elements given for shape ${formatShape(tensor.shape)}`);
  }
  const { dtype } = tensor;
  if ((dtype === 'BF16' || dtype === 'F16') && data instanceof Float32Array) {
    const narrow = dtype === 'BF16' ? narrowBf16 : narrowF16;
    await writeConverted(file, data, (part) => {
      const out = new Uint16Array(part.length);
      narrow(part, out);
      return out;
    });
  } else if (dtype === 'I64' && data instanceof Int32Array) {
    await writeConverted(file, data, (part) => BigInt64Array.from(part, BigInt));
  } else if (ARRAY_OF[dtype] && data instanceof ARRAY_OF[dtype]) {
    await writeAll(file, bytesOf(data));
  } else {
    throw new DataError(`${place}: cannot write a ${data.constructor.name} as ${dtype}`);
  }
}

/** Converts and writes piece by piece, so that the converted copy is never whole in memory. */
async function writeConverted<T extends Float32Array | Int32Array>(
  file: FileHandle,
  data: T,
  convert: (part: T) => ArrayBufferView,
): Promise<void> {
  const step = 2 ** 20;
  for (let start = 0; start < data.length; start += step) {
    await writeAll(file, bytesOf(convert(data.subarray(start, start + step) as T)));
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, WRITE_BYTES));
    done += bytesWritten;
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
