/** The command line of a trial's own process, and what the end of such a process means. */
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { EXIT, ReasVqaError, UsageError } from '../base/errors.js';
import type { EngineChoice } from './executor.js';

/** This package's command, as the start of a command line: `node .../reasvqa.mjs`. */
export function ownCommand(): string[] {
  return [process.execPath, fileURLToPath(new URL('../../tools/reasvqa.mjs', import.meta.url))];
}

/** The engine's options as they are given on a command line. */
export function engineArguments({ engine, threads, device, gpuMemory }: EngineChoice): string[] {
  const given = (name: string, value: number | undefined) =>
    value === undefined ? [] : [name, String(value)];
  return [
    ...['--engine', engine],
    ...given('--threads', threads),
    ...given('--device', device),
    ...given('--gpu-memory', gpuMemory),
  ];
}

/** A word of a POSIX shell. @throws UsageError for a line break, which logs and job files cannot hold in a path */
export function shellWord(text: string): string {
  requireOneLine(text);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** @throws UsageError for a line break or a zero byte */
export function requireOneLine(text: string): void {
  if (/[\n\r\0]/.test(text))
    throw new UsageError(
      `${JSON.stringify(text)}: a line break in a path or option cannot go into a job file; rename the folder`,
    );
}

/** What a shell reports for a process that a signal ended: 128 and its number. */
const SIGNALLED = 128;

/** How a process ended: its exit code, or the signal that killed it. */
export interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The end of a process from the status that a shell gives (137 is SIGKILL). */
export function endOfStatus(status: number): End {
  const names = Object.entries(constants.signals) as [NodeJS.Signals, number][];
  const signal = names.find(([, number]) => number === status - SIGNALLED)?.[0] ?? null;
  return { code: signal ? null : status, signal };
}

/**
 * Why a trial failed whose process ended without recording a reason itself.
 *
 * @param log where its output is
 */
export function failureOfEnd({ code, signal }: End, log: string): ReasVqaError {
  const reasons: Partial<Record<NodeJS.Signals, string>> = {
    SIGKILL:
      'was killed (SIGKILL), which is what the system does when memory runs out; give it more memory, or lower train.batch',
    SIGTERM: 'was told to stop (SIGTERM) before it could save a checkpoint',
  };
  const reason = signal
    ? (reasons[signal] ?? `was ended by ${signal}`)
    : `ended with exit code ${code} and without a reason`;
  return new ReasVqaError(`the process ${reason}; its output: ${log}`, EXIT.unexpected);
}
