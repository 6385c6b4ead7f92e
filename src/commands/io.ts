/** What the commands share: streams, options and their parsers, the engine, and the resolved recipe. */
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../base/errors.js';
import { createProgress, type Progress } from '../base/progress.js';
import { visible } from '../base/values.js';
import type { EngineInfo, EngineName, EngineOptions } from '../engine/engine.js';

/** The streams, folder and environment of a command; tests pass their own. */
export interface Io {
  /** Results only. */
  stdout: Writer;
  /** Progress, warnings and errors. */
  stderr: Writer;
  /** Folder that relative paths of the command line are relative to. */
  cwd: string;
  env: NodeJS.ProcessEnv;
}

interface Writer {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** The process's own streams. */
export function processIo(): Io {
  guardOutput(process.stdout, process.stderr, () => {
    process.once('exit', () => {
      process.exitCode ||= EXIT.data;
    });
  });
  return { stdout: process.stdout, stderr: process.stderr, cwd: process.cwd(), env: process.env };
}

/**
 * Keeps the work going when an output stream fails. A reader that went away (`| head`) has read enough. A result lost
 * otherwise (a full disk) is reported on stderr, and `fail` is called. Lost progress is ignored.
 */
export function guardOutput(stdout: Writable, stderr: Writable, fail: () => void): void {
  stderr.on('error', () => {});
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    stderr.write(`reasvqa: the output could not be written (${error.message})\n`);
    fail();
  });
}

/** Writes one line of result. What no terminal should get is escaped ({@link visible}), in JSON as JSON does. */
export function print(io: Io, line: string): void {
  io.stdout.write(`${visible(line)}\n`);
}

/** Writes a result for machines: one JSON document. */
export function printJson(io: Io, value: unknown): void {
  print(io, JSON.stringify(value, null, 2));
}

/** Writes one line for the person watching, {@link visible} as {@link print} does. */
export function note(io: Io, line: string): void {
  io.stderr.write(`${visible(line)}\n`);
}

/** Columns padded to their widest cell; `right` names those that hold numbers. */
export function table(given: readonly (readonly string[])[], right: readonly number[] = []): string {
  const rows = given.map((row) => row.map((cell) => visible(cell.replace(/[\t\n\r]+/g, ' '))));
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  const pad = (cell: string, i: number) =>
    right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Progress on the command's standard error; see src/base/progress.ts. */
export function progressOf(io: Io, label: string, unit: string, total?: number): Progress {
  return createProgress({
    label,
    unit,
    stream: io.stderr,
    env: io.env,
    ...(total === undefined ? {} : { total }),
  });
}

/** Absolute path of a path given on the command line. */
export function fromCwd(io: Io, path: string): string {
  return resolve(io.cwd, path);
}

/** Option parser: a whole number of at least `least`. */
export function integer(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text.trim()) || value < least)
      throw new InvalidArgumentError(`Expected a whole number, at least ${least}.`);
    return value;
  };
}

/** Option parser: a number from `least` to `most`. */
export function number(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`);
    return value;
  };
}

/** Adds the recipe argument and `--set`, for commands that read a recipe. */
export function withRecipe(command: Command): Command {
  return withSettings(
    command.argument(
      '[recipe]',
      'recipe file, your own or one of bench/; without one give the keys with --set',
    ),
  );
}

/** Adds `--set`. */
export function withSettings(command: Command): Command {
  return command.addOption(
    new Option('-s, --set <key=value>', 'set a recipe key, for example train.beta=0.5; may be repeated')
      .argParser((text: string, earlier: string[]) => [...earlier, text])
      .default([], 'none'),
  );
}

/** `--on-bad-video`, the short form of `--set data.onBadVideo=...`. */
export function withBadVideo(command: Command): Command {
  return command.option(
    '--on-bad-video <error|skip>',
    'stop at a missing or broken video, or leave its samples out (default: data.onBadVideo of the recipe)',
  );
}

/** Option parser: bytes of a text such as 24GiB, 500MB or 1073741824. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$/i.exec(text);
  const power = match ? 'KMGT'.indexOf(match[2]!.toUpperCase()) + 1 : 0;
  if (!match || (match[2] === '' && match[3] !== '')) {
    throw new InvalidArgumentError('expected a size such as 24GiB, 500MB or a number of bytes');
  }
  return Math.floor(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}

/** `--engine`, `--threads`, `--device` and `--gpu-memory`, for commands that compute. */
export function withEngine(command: Command): Command {
  return command
    .option('--engine <name>', 'auto, native-cpu, native-cuda, tensorflow, wasm or cpu', 'auto')
    .option(
      '--threads <n>',
      'threads of native-cpu and tensorflow (default: REASVQA_THREADS, else all cores)',
      integer(1),
    )
    .option('--device <n>', 'GPU of native-cuda, from 0 (default: REASVQA_GPU, else 0)', integer(0))
    .option('--gpu-memory <size>', 'most GPU memory of native-cuda, such as 24GiB (default: all)', bytes);
}

/** Options of {@link withEngine}. */
export interface EngineChoice {
  engine: string;
  threads?: number;
  device?: number;
  gpuMemory?: number;
}

/** What {@link selectEngine} takes of the options. */
export function engineOptions({ threads, device, gpuMemory }: EngineChoice): EngineOptions {
  return {
    ...(threads !== undefined && { threads }),
    ...(device !== undefined && { device }),
    ...(gpuMemory !== undefined && { gpuMemory }),
  };
}

/** Starts the engine that was asked for and says which one runs, with the reason if a better one was passed over. */
export async function startEngine(io: Io, choice: EngineChoice): Promise<EngineInfo> {
  const { selectEngine } = await import('../engine/engine.js');
  const info = await selectEngine(choice.engine as EngineName, engineOptions(choice));
  note(io, `engine: ${info.description}`);
  if (info.reason) note(io, `warning: ${info.reason}`);
  return info;
}

/** Options of {@link withRecipe} and {@link withBadVideo}. */
export interface RecipeOptions {
  set: string[];
  onBadVideo?: string;
}

/** The configuration a command was given; settings without effect are named on stderr. */
export async function configOf(io: Io, recipe: string | undefined, options: RecipeOptions) {
  const { resolveConfig } = await import('../config/load.js');
  const overrides = [...options.set];
  if (options.onBadVideo !== undefined) overrides.push(`data.onBadVideo=${options.onBadVideo}`);
  const resolved = await resolveConfig({ ...(recipe ? { recipe } : {}), overrides, cwd: io.cwd });
  for (const warning of resolved.warnings) note(io, `reasvqa: ${warning}`);
  return resolved;
}

/**
 * Runs work that SIGINT or SIGTERM stops through a signal. A second SIGINT ends the process at once; SIGTERM may come more
 * than once, since schedulers send it to a job's script, which passes it on, and to each process of the job.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  let interrupts = 0;
  // It stays where a first signal is handled: who ends decoders with the process asks whether anyone else listens.
  const interrupt = () => {
    if (++interrupts === 1) return stop();
    process.off('SIGINT', interrupt);
    process.kill(process.pid, 'SIGINT');
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', stop);
  }
}
