/** What runs the trials of a plan: in this process, in one a device, or through a scheduler. */
import type { PlannedTrial, Sweep } from './folder.js';

/** How the engine of a trial's process is chosen; the options of the command line. */
export interface EngineChoice {
  engine: string;
  threads?: number;
  device?: number;
  gpuMemory?: number;
}

export interface Execution {
  sweep: Sweep;
  /** Not done yet and not taken from elsewhere, in the order of the plan. */
  trials: PlannedTrial[];
  engine: EngineChoice;
  signal: AbortSignal;
  /** Told one line of progress or notice at a time. */
  say: (line: string) => void;
}

/**
 * Tries every trial. A failure is recorded ({@link recordFailure}) and does not stop the others.
 *
 * @throws Interrupted when the signal fired: what was trained so far is in checkpoints
 */
export type Executor = (execution: Execution) => Promise<void>;
