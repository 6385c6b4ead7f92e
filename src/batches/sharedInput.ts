/** The tensors of one batch, for several students that are given it in turn. */
import type { StudentInput } from '../model/student.js';
import { type BatchBuilder, disposeVisual, type HostBatch } from './batch.js';

/** Features that one student has computed serve all that see alike; a student with a sight of its own gets its own. */
export class SharedInput {
  private common: StudentInput | undefined;

  constructor(private readonly batch: Pick<HostBatch, 'clips' | 'prompts'>) {}

  /** Hands the student's input to `work`, which must not free it; a promise has it until it settles. */
  use<T>(
    { ownSight = false }: { ownSight?: boolean },
    builder: BatchBuilder,
    work: (input: StudentInput) => T,
  ): T {
    if (!ownSight) {
      this.common ??= builder.input(this.batch);
      return work(this.common);
    }
    const own = builder.input(this.batch);
    let result: T | undefined;
    try {
      result = work(own);
      if (result instanceof Promise) return result.finally(() => disposeVisual(own)) as T;
      return result;
    } finally {
      if (!(result instanceof Promise)) disposeVisual(own);
    }
  }

  dispose(): void {
    if (this.common) disposeVisual(this.common);
    this.common = undefined;
  }
}
