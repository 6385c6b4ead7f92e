/** The metrics of a run: metrics.jsonl, and a TensorBoard event file beside it. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DataError, messageOf } from '../../base/errors.js';
import { readRecords, scalarRecord, versionRecord } from './tensorboard.js';

/** One line of metrics.jsonl: the step, the values, and the names of values that were not finite. */
export interface MetricsLine {
  step: number;
  /** Names whose value is null because it was "NaN", "Infinity" or "-Infinity". */
  nonFinite?: Record<string, string>;
  [name: string]: number | null | Record<string, string> | undefined;
}

/**
 * The numbers of a run: `metrics.jsonl`, one object a line, is the truth; a TensorBoard event file beside it holds
 * the same scalars. Opening a folder that has both continues them; a last line or record that a kill cut off is
 * dropped. Lines go to the operating system at once, so a killed process loses none; {@link MetricsLog.flush}
 * makes them survive a power cut.
 */
export class MetricsLog {
  private readonly lines: Target;
  private readonly events: Target;

  /**
   * @param folder the run folder, created when missing; the one above it is there.
   * @param now seconds since 1970, for the event file.
   * @throws DataError when the folder cannot be written or a whole line of an existing file is not JSON.
   */
  constructor(
    folder: string,
    private readonly now: () => number = () => Date.now() / 1000,
  ) {
    if (!existsSync(folder)) guarded(folder, () => mkdirSync(folder));
    this.lines = new Target(join(folder, 'metrics.jsonl'), keepLines);
    this.events = new Target(join(folder, eventFile(folder, now)), keepRecords);
    if (this.events.size === 0) this.events.append(versionRecord(now()));
  }

  /**
   * Records the values of a step. Several calls for one step are several lines.
   *
   * @throws DataError when the disk is full; RangeError for a step that is not a whole number.
   */
  scalar(step: number, values: Record<string, number>): void {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new RangeError(`metrics step ${step} is not a whole number`);
    }
    const line: MetricsLine = { step };
    const nonFinite: Record<string, string> = {};
    for (const [name, value] of Object.entries(values)) {
      line[name] = Number.isFinite(value) ? value : null;
      if (!Number.isFinite(value)) nonFinite[name] = String(value);
    }
    if (Object.keys(nonFinite).length > 0) line.nonFinite = nonFinite;
    this.lines.append(Buffer.from(`${JSON.stringify(line)}\n`));
    this.events.append(scalarRecord(this.now(), step, values));
  }

  /** Makes everything so far durable. */
  flush(): void {
    this.lines.sync();
    this.events.sync();
  }

  /** Removes what was recorded after `step`: the steps that a resumed run is about to repeat. */
  truncateAfter(step: number): void {
    this.lines.keep(step);
    this.events.keep(step);
  }

  close(): void {
    this.flush();
    this.lines.close();
    this.events.close();
  }
}

/**
 * The lines of a run's metrics.jsonl, without a last line that was cut off; none when there is no file.
 *
 * @throws DataError naming `file:line` for a line that is not a JSON object with a step.
 */
export function readMetrics(folder: string): MetricsLine[] {
  const path = join(folder, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const found: MetricsLine[] = [];
  for (const { line } of parseLines(readFileSync(path), path)) found.push(line);
  return found;
}

/**
 * When each line of {@link readMetrics} was written, in seconds since 1970, from the event file: but for the speed of the
 * input (inputLog.ts) the lines hold nothing that two equal runs differ in.
 *
 * @returns undefined where the two files do not tell the same, as after an event file was removed.
 */
export function readWallTimes(folder: string, lines: readonly MetricsLine[]): number[] | undefined {
  const name = existsSync(folder) ? eventFiles(folder).at(-1) : undefined;
  if (name === undefined) return undefined;
  const path = join(folder, name);
  // The first record names the format.
  const records = [...readRecords(guarded(path, () => readFileSync(path)))].slice(1, lines.length + 1);
  const same = records.length === lines.length && records.every(({ step }, i) => step === lines[i]!.step);
  return same ? records.map(({ time }) => time) : undefined;
}

/** The pieces of a file's content up to `step`, in order. */
type Keep = (content: Buffer, path: string, step: number) => Buffer[];

/** An append-only file that can be truncated by step. */
class Target {
  size: number;
  private file: number;

  constructor(
    private readonly path: string,
    private readonly pieces: Keep,
  ) {
    this.file = guarded(path, () => openSync(path, 'a+'));
    this.size = 0;
    this.keep(Number.POSITIVE_INFINITY);
  }

  append(data: Buffer): void {
    guarded(this.path, () => {
      try {
        for (let done = 0; done < data.length; ) done += writeSync(this.file, data, done);
      } catch (error) {
        ftruncateSync(this.file, this.size);
        throw error;
      }
    });
    this.size += data.length;
  }

  sync(): void {
    guarded(this.path, () => fsyncSync(this.file));
  }

  /** Keeps the records up to `step`. The file is replaced as a whole, and only when a record is removed. */
  keep(step: number): void {
    const content = guarded(this.path, () => readFileSync(this.path));
    const kept = Buffer.concat(this.pieces(content, this.path, step));
    this.size = kept.length;
    if (kept.length === content.length) return;
    const temporary = `${this.path}.tmp-${process.pid}`;
    guarded(this.path, () => {
      const file = openSync(temporary, 'w');
      for (let done = 0; done < kept.length; ) done += writeSync(file, kept, done);
      fsyncSync(file);
      closeSync(file);
      renameSync(temporary, this.path);
      closeSync(this.file);
      this.file = openSync(this.path, 'a+');
    });
  }

  close(): void {
    closeSync(this.file);
  }
}

const keepLines: Keep = (content, path, step) => {
  const kept: Buffer[] = [];
  for (const { line, start, end } of parseLines(content, path)) {
    if (line.step <= step) kept.push(content.subarray(start, end));
  }
  return kept;
};

const keepRecords: Keep = (content, _, step) => {
  const kept: Buffer[] = [];
  for (const record of readRecords(content)) {
    if (record.step <= step) kept.push(content.subarray(record.start, record.end));
  }
  return kept;
};

function* parseLines(
  content: Buffer,
  path: string,
): Generator<{ line: MetricsLine; start: number; end: number }> {
  let number = 0;
  for (let start = 0; ; ) {
    const newline = content.indexOf(10, start);
    if (newline < 0) return;
    number++;
    const text = content.toString('utf8', start, newline);
    let line: MetricsLine | undefined;
    try {
      line = JSON.parse(text);
    } catch {
      // Reported below with its place.
    }
    if (typeof line !== 'object' || line === null || !Number.isInteger(line.step)) {
      throw new DataError(
        `${path}:${number}: expected a JSON object with a whole "step", found ${text.slice(0, 60)}; remove the line`,
      );
    }
    yield { line, start, end: newline + 1 };
    start = newline + 1;
  }
}

/** The folder's event file, or the name of a new one as TensorBoard's own writers form it. */
function eventFile(folder: string, now: () => number): string {
  const host = hostname().replace(/[^\w-]/g, '_') || 'host';
  return (
    eventFiles(folder).at(-1) ?? `events.out.tfevents.${String(Math.floor(now())).padStart(10, '0')}.${host}`
  );
}

function eventFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith('events.out.tfevents.') && !name.includes('.tmp-'))
    .sort();
}

function guarded<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: could not be read or written (${messageOf(error)})`, { cause: error });
  }
}
