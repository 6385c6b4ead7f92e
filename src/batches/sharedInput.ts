/** The tensors of one batch, for several students that are given it in turn. */
import type { StudentInput } from '../model/student.js';
import { type BatchBuilder, disposeVisual, type HostBatch } from './batch.js';

/** Features that one student has computed serve all that see alike; a student with a sight of its own gets its own. */
export class SharedInput {
  private common: StudentInput | undefined;

  constructor(private readonly batch: Pick<HostBatch, 'clips' | 'prompts'>) {}

  /** Hands the student's input to `work`, which must not free it. */
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
    try {
      return work(own);
    } finally {
      disposeVisual(own);
    }
  }

  dispose(): void {
    if (this.common) disposeVisual(this.common);
    this.common = undefined;
  }
}
