/** Reads safetensors files, one tensor's bytes at a time. */
import { type FileHandle, open } from 'node:fs/promises';
import { DataError, messageOf } from '../base/errors.js';
import {
  DTYPE_BYTES,
  type Dtype,
  requireLittleEndian,
  type TensorData,
  widenBf16,
  widenF16,
} from './dtypes.js';
import { requireFinite } from './finite.js';
import { headerLength, parseHeader, quote, type SafetensorsHeader, type TensorEntry } from './header.js';
import { refuseLfsPointer } from './notWeights.js';

export { type WritableTensor, writeSafetensors } from './safetensorsWriter.js';

export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
}

/** A tensor in memory; `dtype` is the type in the file, `data` its elements in row-major order. */
export interface LoadedTensor extends TensorInfo {
  data: TensorData;
}

export interface ReadOptions {
  /** F16 and BF16 as their bits in a Uint16Array instead of widened to Float32Array. */
  raw?: boolean;
  /** Refuse NaN and infinity: a DataError names the tensor and the first index. */
  finite?: boolean;
  /**
   * Buffer for the elements, used if it is large enough; the result is then valid until the next read into it. One
   * buffer for many tensors is three times faster than fresh memory for each, whose pages the system must first clear.
   */
  buffer?: ArrayBuffer;
}

/** One read call may not exceed 2 GiB on Linux, and Node refuses more: stay well below. */
const MAX_READ_BYTES = 2 ** 30;

/** Types that are converted are read piece by piece, so that a tensor is never in memory twice. */
const CONVERT_BYTES = 2 ** 22;

/**
 * A .safetensors file, open for reading. Opening reads and checks the header only; `read` fetches one tensor's byte
 * range into a buffer of exactly its size, so a 10 GB file costs no more memory than its largest tensor.
 */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly header: SafetensorsHeader,
  ) {}

  /** @throws DataError when the file is missing, truncated, not safetensors or a Git LFS pointer. */
  static async open(path: string): Promise<SafetensorsFile> {
    requireLittleEndian();
    const file = await openForReading(path);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new DataError(`${path}: not a file; expected a .safetensors file`);
      const prefix = new Uint8Array(Math.min(128, stat.size));
      await readRange(path, file, prefix, 0);
      refuseLfsPointer(path, prefix);
      const json = new Uint8Array(headerLength(path, prefix, stat.size));
      await readRange(path, file, json, 8);
      return new SafetensorsFile(path, file, parseHeader(path, json, stat.size));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Tensor names in the order of the header. */
  get names(): string[] {
    return [...this.header.tensors.keys()];
  }

  get metadata(): Record<string, string> {
    return this.header.metadata;
  }

  has(name: string): boolean {
    return this.header.tensors.has(name);
  }

  /** @throws DataError when the file has no such tensor. */
  info(name: string): TensorInfo {
    const { dtype, shape } = this.entry(name);
    return { dtype, shape: [...shape] };
  }

  /**
   * Reads one tensor. F32 and F64 keep their type; F16 and BF16 become Float32Array (exact) unless `raw`; I32 and
   * I16 become Int32Array; I64, U32 and U64 Int32Array, checked for range; I8 Int8Array; U16 Uint16Array; U8 and
   * BOOL Uint8Array. Eight-bit floats are refused.
   *
   * @throws DataError with path and tensor: missing, unreadable, out of range, or not finite.
   */
  async read(name: string, options: ReadOptions = {}): Promise<LoadedTensor> {
    const entry = this.entry(name);
    const data = await this.readData(name, entry, options);
    const tensor = { dtype: entry.dtype, shape: [...entry.shape], data };
    if (options.finite) requireFinite(`${this.path}: tensor ${quote(name)}`, tensor);
    return tensor;
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private entry(name: string): TensorEntry {
    const entry = this.header.tensors.get(name);
    if (!entry) throw new DataError(`${this.path}: has no tensor ${quote(name)}`);
    return entry;
  }

  private async readData(name: string, entry: TensorEntry, options: ReadOptions): Promise<TensorData> {
    switch (entry.dtype) {
      case 'F32':
        return this.fill(allocate(Float32Array, entry, options.buffer), entry);
      case 'F64':
        return this.fill(allocate(Float64Array, entry, options.buffer), entry);
      case 'I32':
        return this.fill(allocate(Int32Array, entry, options.buffer), entry);
      case 'U8':
      case 'BOOL':
        return this.fill(allocate(Uint8Array, entry, options.buffer), entry);
      case 'I8':
        return this.fill(allocate(Int8Array, entry, options.buffer), entry);
      case 'U16':
        return this.fill(allocate(Uint16Array, entry, options.buffer), entry);
      case 'F16':
      case 'BF16':
        if (options.raw) return this.fill(allocate(Uint16Array, entry, options.buffer), entry);
        return this.widen(entry, allocate(Float32Array, entry, options.buffer));
      case 'I16':
      case 'U32':
      case 'I64':
      case 'U64':
        return this.toInt32(name, entry, allocate(Int32Array, entry, options.buffer));
      default:
        throw new DataError(
          `${this.path}: tensor ${quote(name)} is ${entry.dtype}, which cannot be read; convert it to BF16 or F32`,
        );
    }
  }

  private async fill<T extends TensorData>(target: T, entry: TensorEntry): Promise<T> {
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    await readRange(this.path, this.file, bytes, entry.begin);
    return target;
  }

  private async widen(entry: TensorEntry, target: Float32Array): Promise<Float32Array> {
    const { length } = target;
    const widen = entry.dtype === 'F16' ? widenF16 : widenBf16;
    const scratch = new Uint16Array(Math.min(length, CONVERT_BYTES / 2));
    for (let start = 0; start < length; start += scratch.length) {
      const part = scratch.subarray(0, Math.min(scratch.length, length - start));
      await this.fillPart(part, entry.begin + start * 2);
      widen(part, target.subarray(start, start + part.length));
    }
    return target;
  }

  private async toInt32(name: string, entry: TensorEntry, target: Int32Array): Promise<Int32Array> {
    const { length } = target;
    const size = DTYPE_BYTES[entry.dtype];
    const scratch = integerScratch(entry.dtype, Math.min(length, CONVERT_BYTES / size));
    for (let start = 0; start < length; start += scratch.length) {
      const part = scratch.subarray(0, Math.min(scratch.length, length - start));
      await this.fillPart(part, entry.begin + start * size);
      for (let i = 0; i < part.length; i++) {
        const value = part[i]!;
        if (value > 2147483647 || value < -2147483648) {
          throw new DataError(
            `${this.path}: tensor ${quote(name)}[${start + i}] is ${value}, outside the range of 32-bit integers`,
          );
        }
        target[start + i] = Number(value);
      }
    }
    return target;
  }

  private async fillPart(part: ArrayBufferView, position: number): Promise<void> {
    await readRange(
      this.path,
      this.file,
      new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
      position,
    );
  }
}

/** The elements of an entry, in `buffer` if it is large enough. */
function allocate<T extends TensorData>(
  type: {
    new (length: number): T;
    new (buffer: ArrayBuffer, offset: number, length: number): T;
    BYTES_PER_ELEMENT: number;
  },
  entry: TensorEntry,
  buffer: ArrayBuffer | undefined,
): T {
  const length = (entry.end - entry.begin) / DTYPE_BYTES[entry.dtype];
  if (buffer && buffer.byteLength >= length * type.BYTES_PER_ELEMENT) return new type(buffer, 0, length);
  return new type(length);
}

function integerScratch(
  dtype: Dtype,
  length: number,
): Int16Array | Uint32Array | BigInt64Array | BigUint64Array {
  switch (dtype) {
    case 'I16':
      return new Int16Array(length);
    case 'U32':
      return new Uint32Array(length);
    case 'U64':
      return new BigUint64Array(length);
    default:
      return new BigInt64Array(length);
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new DataError(`${path}: no such file; expected a .safetensors file`);
    throw new DataError(`${path}: cannot be opened (${messageOf(error)})`, { cause: error });
  }
}

/** Fills `target` from `position`, in as many reads as it takes. */
async function readRange(
  path: string,
  file: FileHandle,
  target: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const want = Math.min(target.length - done, MAX_READ_BYTES);
    const { bytesRead } = await readOnce(path, file, target, done, want, position + done);
    if (bytesRead === 0) {
      throw new DataError(
        `${path}: ended at byte ${position + done} while being read; is it still being written?`,
      );
    }
    done += bytesRead;
  }
}

async function readOnce(
  path: string,
  file: FileHandle,
  target: Uint8Array,
  offset: number,
  length: number,
  position: number,
): Promise<{ bytesRead: number }> {
  try {
    return await file.read(target, offset, length, position);
  } catch (error) {
    throw new DataError(`${path}: cannot be read at byte ${position} (${messageOf(error)})`, {
      cause: error,
    });
  }
}
