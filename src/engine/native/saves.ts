/** Saving tensors for backward without records on the tape. */
import { engine, type KernelBackend, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';

/** The part of tfjs 4.22.0's engine that {@link saveOffTape} changes. */
interface EngineInternals {
  state: {
    gradientDepth: number;
    tensorInfo: { get(dataId: object): { backend: KernelBackend } | undefined };
  };
  clone(x: Tensor): Tensor;
  makeTensorFromTensorInfo(info: TensorInfo, backend: KernelBackend): Tensor;
}

/**
 * tfjs clones every tensor saved for backward and records the clone on the tape, for gradients of gradients. Two thirds
 * of a tape of sums and products are such clones, and 15 % of its time (40 % where the garbage collector has no core of
 * its own). The outermost gradient does not need them: there a clone is made without a record and without a kernel
 * call.
 *
 * engine().clone is called for saving only (tf.clone is another function); test/engine/saves.test.ts fails when an upgrade
 * changes that.
 */
export function saveOffTape(): void {
  const internals = engine() as unknown as EngineInternals;
  if (Object.hasOwn(internals, 'clone')) return;
  const { clone } = internals;
  internals.clone = (x) => {
    const holder = internals.state.tensorInfo.get(x.dataId)?.backend;
    if (internals.state.gradientDepth > 1 || holder === undefined) return clone.call(internals, x);
    holder.incRef(x.dataId);
    return internals.makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype }, holder);
  };
}
