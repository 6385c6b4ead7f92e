/** tfjs's note on the backend of each dataId, stored in our records. */
import { engine } from '@tensorflow/tfjs-core';
import { NativeData } from './backend.js';

/**
 * tfjs keeps the backend of every dataId in a WeakMap. An entry costs 0.3 us (a hash for a fresh object, and the
 * collector follows such entries one by one): a tenth of a tiny operation, a fifth of a long gradient tape. The records
 * of our backends have room for the note; other dataIds stay in the WeakMap.
 *
 * Touches `engine().state.tensorInfo` of tfjs 4.22.0 (see also src/ops/tape.ts); test/engine/tensorInfo.test.ts fails
 * when an upgrade changes it.
 */
export class TensorInfoMap {
  /** @param others the map of tfjs, with what it holds so far */
  constructor(private readonly others: WeakMap<object, object>) {}

  has(dataId: object): boolean {
    return this.holds(dataId) || this.others.has(dataId);
  }

  get(dataId: object): object | undefined {
    return this.holds(dataId) ? dataId.note : this.others.get(dataId);
  }

  set(dataId: object, info: object): this {
    if (dataId instanceof NativeData) {
      dataId.note = info;
      dataId.noteOf = this;
    } else {
      this.others.set(dataId, info);
    }
    return this;
  }

  delete(dataId: object): boolean {
    if (!this.holds(dataId)) return this.others.delete(dataId);
    dataId.note = undefined;
    dataId.noteOf = undefined;
    return true;
  }

  private holds(dataId: object): dataId is NativeData {
    return dataId instanceof NativeData && dataId.noteOf === this;
  }
}

/** Replaces tfjs's map by the one above, once for each state of the engine (tf.engine().reset() makes a new one). */
export function keepInfoOnRecords(): void {
  const { state } = engine() as unknown as { state: { tensorInfo: WeakMap<object, object> | TensorInfoMap } };
  if (state.tensorInfo instanceof WeakMap) state.tensorInfo = new TensorInfoMap(state.tensorInfo);
}
