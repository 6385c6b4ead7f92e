/**
 * Errors meant for the person at the keyboard.
 *
 * Every message is one line that names what failed, where (file:line, sample id, tensor), what was expected
 * and what to do. The exit code is a contract with schedulers (see README, "Exit codes").
 */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  data: 3,
  engine: 4,
  interrupted: 75,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export class ReasVqaError extends Error {
  constructor(
    message: string,
    readonly exitCode: ExitCode,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Wrong option, unknown recipe key, contradictory settings. Exit code 2. */
export class UsageError extends ReasVqaError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, EXIT.usage, options);
  }
}

/** Data or weights that are missing, truncated or malformed. Exit code 3. */
export class DataError extends ReasVqaError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, EXIT.data, options);
  }
}

/**
 * A program that is not installed. No sample is at fault, so `data.onBadVideo: skip` leaves none out for it. Exit code
 * 3.
 */
export class MissingToolError extends DataError {}

/** An engine or device that cannot be used. Exit code 4. */
export class EngineError extends ReasVqaError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, EXIT.engine, options);
  }
}

/** True for errors of native code about its device (out of memory, a kernel's fault); they end with exit code 4. */
export function isDeviceError(error: unknown): error is Error {
  return error instanceof Error && /^REASVQA_/.test(String((error as { code?: unknown }).code));
}

/** Stopped by a signal after a checkpoint was saved; the same command continues. Exit code 75. */
export class Interrupted extends ReasVqaError {
  constructor(message: string) {
    super(message, EXIT.interrupted);
  }
}

/** Ends work that may be continued. @throws Interrupted when the signal has fired; `what` begins its message */
export function stopIfAborted(signal: AbortSignal, what: string): void {
  if (signal.aborted) throw new Interrupted(`${what}: interrupted; run the same command again to continue`);
}

/** The one-line text of an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error and what caused it, outermost first; `fetch` hides the reason three levels down. */
export function causesOf(error: unknown): Error[] {
  const list: Error[] = [];
  let cause: unknown = error;
  while (cause instanceof Error && list.length < 8) {
    list.push(cause);
    cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause;
  }
  return list;
}
