/**
 * The backend of TensorFlow.js behind `native-cpu` and `native-cuda`: TypeScript keeps dataIds, reference counts and aliases, native code keeps
 * memory (the contract is in the class comment of KernelBackend in tfjs-core; see also fallback.ts).
 *
 * A dataId that this backend makes *is* its record (NativeData), so that the common look-up is a property read. A
 * dataId that comes from another backend is an object of theirs; its record is in `foreign`, whose get() has the
 * engine move the data here.
 */
import {
  type BackendTimingInfo,
  type BackendValues,
  backend_util,
  DataStorage,
  type DataType,
  engine,
  KernelBackend,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { EngineError } from '../../base/errors.js';
import { type BufferId, BYTES, DTYPE, type NativeDevice, type NumericDtype } from './addon.js';
import { fusedCalls, type TensorCalls } from './calls.js';
import { sizeOf } from './strides.js';

export const BACKEND_NAME = 'native-cpu';
export const CUDA_BACKEND_NAME = 'native-cuda';

/**
 * Number of new records after which the survivors are registered with a FinalizationRegistry. Most are disposed before,
 * and registering costs 0.23 us each, a tenth of a tiny operation.
 */
const YOUNG = 1024;

/** The data behind one dataId. */
export class NativeData {
  refCount = 1;
  /** The buffer, or -1 when the data is not numeric or was released. */
  id: BufferId = -1;
  /** Encoded strings. */
  strings: Uint8Array[] | undefined;
  /** The two parts of a complex64 tensor, each with a dataId of its own. */
  parts: { real: TensorInfo; imag: TensorInfo } | undefined;
  alive = true;
  /** Whether the device stores this float32 tensor as bf16. */
  bf16 = false;
  /** Whether it is in the backend's FinalizationRegistry. */
  watched = false;
  /** tfjs's note on this dataId, and the map that holds it (tensorInfo.ts). */
  note: object | undefined;
  noteOf: object | undefined;

  constructor(
    readonly dtype: DataType,
    readonly size: number,
  ) {}
}

export class NativeBackend extends KernelBackend {
  private readonly foreign = new DataStorage<NativeData>(this, engine());
  private live = 0;
  private disposed = false;
  /** The newest records with a buffer, alive or not. */
  private young: NativeData[] = [];
  /** Frees the buffer of an older tensor that was dropped without dispose(). */
  private readonly leaks = new FinalizationRegistry<BufferId>((id) => {
    if (this.disposed) return;
    this.live--;
    this.device.release(id, true);
  });

  /** The device's fused calls. */
  readonly calls: TensorCalls;

  constructor(readonly device: NativeDevice) {
    super();
    this.calls = fusedCalls(device, (x: TensorInfo) => this.bufferOf(x));
  }

  override numDataIds(): number {
    return this.live;
  }

  override write(values: BackendValues | null, shape: number[], dtype: DataType): object {
    const data = new NativeData(dtype, sizeOf(shape));
    this.live++;
    try {
      this.fill(data, values);
    } catch (error) {
      this.live--;
      throw error;
    }
    return data;
  }

  private fill(data: NativeData, values: BackendValues | null): void {
    if (data.dtype === 'string') {
      data.strings = values as Uint8Array[];
      return;
    }
    if (data.dtype === 'complex64') {
      data.parts = this.split(data, values as Float32Array);
      return;
    }
    const dtype = data.dtype as NumericDtype;
    this.hold(data, this.device.allocate(data.size * BYTES[dtype]));
    if (!values || data.size === 0) return;
    const given = typed(values, dtype, data.size);
    // One value is passed as a number: a fresh typed array costs native code 0.2 us.
    if (data.size === 1) this.device.fill(DTYPE[dtype], data.id, 1, given[0]!);
    else this.device.write(data.id, given);
  }

  /** Gives a record its buffer, and registers the survivors among the newest records when they are many. */
  private hold(data: NativeData, id: BufferId): void {
    data.id = id;
    if (this.young.push(data) < YOUNG) return;
    for (const survivor of this.young)
      if (survivor.id >= 0) {
        survivor.watched = true;
        this.leaks.register(survivor, survivor.id, survivor);
      }
    this.young = [];
  }

  private split(data: NativeData, values: Float32Array): { real: TensorInfo; imag: TensorInfo } {
    const { real, imag } = backend_util.splitRealAndImagArrays(values);
    const shape = [data.size];
    return {
      real: { dataId: this.write(real, shape, 'float32'), shape, dtype: 'float32' },
      imag: { dataId: this.write(imag, shape, 'float32'), shape, dtype: 'float32' },
    };
  }

  /** A tensor of this backend with undefined contents. */
  output(shape: number[], dtype: NumericDtype): TensorInfo {
    const size = sizeOf(shape);
    return this.holding(this.device.allocate(size * BYTES[dtype]), shape, dtype, size);
  }

  /** An activation with undefined contents, stored as bf16 where the device can, else as float32. */
  outputBf16(shape: number[]): TensorInfo {
    if (!this.device.bf16Activations) return this.output(shape, 'float32');
    return this.holdingBf16(this.device.allocateBf16(sizeOf(shape)), shape);
  }

  private halfProductsOn = false;

  /** For src/ops/bf16.ts. */
  halfProducts(on: boolean): boolean {
    const before = this.halfProductsOn;
    if (on !== before) this.device.halfProducts?.(on);
    this.halfProductsOn = on;
    return before;
  }

  /** For src/ops/bf16.ts. */
  isBf16(dataId: object): boolean {
    return dataId instanceof NativeData && dataId.bf16;
  }

  /** A tensor over a fresh buffer, which it takes over. */
  private holding(id: BufferId, shape: number[], dtype: NumericDtype, size: number): TensorInfo {
    const data = new NativeData(dtype, size);
    this.hold(data, id);
    this.live++;
    return { dataId: data, shape, dtype };
  }

  private holdingBf16(id: BufferId, shape: number[]): TensorInfo {
    const info = this.holding(id, shape, 'float32', sizeOf(shape));
    (info.dataId as NativeData).bf16 = true;
    return info;
  }

  /**
   * A float32 tensor of x's values that the device stores as bf16 (rounded to nearest, ties to even): half the memory,
   * for weights that only matrix products read. Reading it gives float32.
   */
  asBf16(x: TensorInfo): TensorInfo {
    if (x.dtype !== 'float32') throw new EngineError(`bf16 storage is for float32, not ${x.dtype}`);
    const id = this.device.castStorage(this.bufferOf(x), sizeOf(x.shape));
    return this.holdingBf16(id, x.shape);
  }

  /** As {@link asBf16}, of values that are bf16 already, given by their bits. */
  bf16OfBits(bits: Uint16Array, shape: number[]): TensorInfo {
    const size = sizeOf(shape);
    if (bits.length !== size) throw new EngineError(`${bits.length} values for a tensor of ${size} elements`);
    const id = this.device.allocateBf16(size);
    const tensor = this.holdingBf16(id, shape);
    this.device.write(id, bits);
    return tensor;
  }

  makeTensorInfo(shape: number[], dtype: DataType, values?: BackendValues): TensorInfo {
    return { dataId: this.write(values ?? null, shape, dtype), shape, dtype };
  }

  /** A complex64 tensor of two float32 tensors, whose references it takes over. */
  makeComplex(shape: number[], real: TensorInfo, imag: TensorInfo): TensorInfo {
    const data = new NativeData('complex64', sizeOf(shape));
    data.parts = { real, imag };
    this.live++;
    return { dataId: data, shape, dtype: 'complex64' };
  }

  /** Another tensor over the same data. */
  alias(x: TensorInfo, shape: number[]): TensorInfo {
    this.dataOf(x.dataId).refCount++;
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** The record behind a dataId; data of another backend is moved here first. */
  dataOf(dataId: object): NativeData {
    if (dataId instanceof NativeData && dataId.alive) return dataId;
    return this.foreign.get(dataId);
  }

  /** The buffer of a numeric tensor. */
  bufferOf(x: TensorInfo): BufferId {
    const dataId = x.dataId;
    if (dataId instanceof NativeData && dataId.id >= 0) return dataId.id;
    const { id } = this.dataOf(dataId);
    if (id < 0) throw new EngineError(`a ${x.dtype} tensor of shape [${x.shape}] has no native buffer`);
    return id;
  }

  private own(dataId: object): NativeData | undefined {
    if (dataId instanceof NativeData && dataId.alive) return dataId;
    return this.foreign.has(dataId) ? this.foreign.get(dataId) : undefined;
  }

  override async read(dataId: object): Promise<BackendValues> {
    return this.readSync(dataId);
  }

  override readSync(dataId: object): BackendValues {
    const data = this.dataOf(dataId);
    if (data.strings) return data.strings;
    if (data.parts) {
      const real = this.readSync(data.parts.real.dataId) as Float32Array;
      const imag = this.readSync(data.parts.imag.dataId) as Float32Array;
      return backend_util.mergeRealAndImagArrays(real, imag);
    }
    const values = util.getArrayFromDType(data.dtype as NumericDtype, data.size) as Float32Array;
    if (data.size > 0) this.device.read(data.id, values);
    return values;
  }

  override disposeData(dataId: object, force = false): boolean {
    const data = this.own(dataId);
    if (!data) return true;
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    data.alive = false;
    this.live--;
    if (data !== dataId) this.foreign.delete(dataId);
    if (data.id >= 0) {
      if (data.watched) this.leaks.unregister(data);
      this.device.release(data.id);
      data.id = -1;
    }
    if (data.parts) {
      this.disposeData(data.parts.real.dataId, true);
      this.disposeData(data.parts.imag.dataId, true);
    }
    return true;
  }

  /** Drops a tensor that a kernel made for itself. */
  disposeIntermediateTensorInfo(x: TensorInfo): void {
    this.disposeData(x.dataId);
  }

  override incRef(dataId: object): void {
    this.dataOf(dataId).refCount++;
  }

  override refCount(dataId: object): number {
    return this.own(dataId)?.refCount ?? 0;
  }

  override move(
    dataId: object,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const data = new NativeData(dtype, sizeOf(shape));
    data.refCount = refCount;
    this.live++;
    this.fill(data, values);
    this.foreign.set(dataId, data);
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(f: () => void): Promise<BackendTimingInfo> {
    this.device.synchronize();
    const start = performance.now();
    f();
    this.device.synchronize();
    return { kernelMs: performance.now() - start };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  /** Frees all buffers; the addon and its threads stay, for the next instance. */
  override dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.young = [];
    this.device.clear();
  }
}

/** The values as the typed array of the dtype, copied only when they are something else. */
function typed(
  values: BackendValues,
  dtype: NumericDtype,
  size: number,
): Float32Array | Int32Array | Uint8Array {
  const Wanted = dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array;
  const given = values as Float32Array;
  if (given.length !== size) {
    throw new EngineError(`${given.length} values for a tensor of ${size} elements`);
  }
  return given instanceof Wanted ? given : Wanted.from(given as ArrayLike<number>);
}
