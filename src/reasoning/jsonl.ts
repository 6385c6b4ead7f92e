/** JSON lines read in bounded memory and appended durably. */
import { type FileHandle, open } from 'node:fs/promises';
import { DataError, messageOf } from '../base/errors.js';
import { unwritten } from '../base/unwritten.js';
import { isRecord } from '../base/values.js';

/** One object of a JSON-lines file. */
interface JsonLine {
  value: Record<string, unknown>;
  /** 1-based line number. */
  line: number;
  /** Byte offset just after the line's newline. */
  end: number;
}

interface ReadJsonLinesOptions {
  /**
   * Called instead of an error when the last line has no newline, because the writing process was killed; the file can
   * be truncated at `start`, the byte offset of that line.
   */
  onTorn?: (start: number, line: number, bytes: Buffer) => void;
  /** Called instead of an error for a line that is no JSON object; the line is passed over. */
  onBad?: (message: string) => void;
}

/** A line of text that a model wrote is never so long; another file is not read into memory. */
const LONGEST_LINE = 64 * 2 ** 20;

/**
 * The objects of a JSON-lines file, one at a time, in bounded memory. Empty lines are passed over.
 *
 * @throws DataError naming `file:line` for a line that is not a JSON object, not UTF-8 or longer than 64 MiB, and for a
 *   missing file.
 */
export async function* readJsonLines(
  path: string,
  options: ReadJsonLinesOptions = {},
): AsyncGenerator<JsonLine> {
  let line = 0;
  let end = 0;
  for await (const { bytes, terminated } of readLines(path)) {
    line++;
    const start = end;
    end += bytes.length + (terminated ? 1 : 0);
    if (!terminated && options.onTorn) {
      options.onTorn(start, line, bytes);
      return;
    }
    const value = objectIn(bytes, path, line, options);
    if (value) yield { value, line, end };
  }
}

/**
 * The objects of a file of texts, where a last line that was cut off in its middle is left out and `onTorn` told; one that is
 * whole but for its newline counts.
 *
 * @throws DataError as {@link readJsonLines}
 */
export async function* wholeLines(
  path: string,
  onTorn: (notice: string) => void = () => {},
): AsyncGenerator<Pick<JsonLine, 'value' | 'line'>> {
  let last: { line: number; bytes: Buffer } | undefined;
  const keep = (_: number, line: number, bytes: Buffer) => {
    last = { line, bytes };
  };
  for await (const { value, line } of readJsonLines(path, { onTorn: keep })) yield { value, line };
  if (!last) return;
  const { line, bytes } = last;
  const value = wholeObject(bytes);
  if (value) yield { value, line };
  else if (bytes.toString().trim() !== '')
    onTorn(`${path}:${line}: the last line is cut off and left out; is the file still being written?`);
}

function wholeObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function objectIn(bytes: Buffer, path: string, line: number, { onBad }: ReadJsonLinesOptions) {
  try {
    const text = decode(bytes, path, line);
    return text.trim() === '' ? undefined : parse(text, path, line);
  } catch (error) {
    if (!onBad) throw error;
    onBad(messageOf(error));
    return undefined;
  }
}

/** Raw lines without their newline. */
async function* readLines(path: string): AsyncGenerator<{ bytes: Buffer; terminated: boolean }> {
  const unreadable = (error: unknown) => {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing ? 'no such file' : `cannot be read (${messageOf(error)})`;
    return new DataError(`${path}: ${reason}`, { cause: error });
  };
  const file = await open(path, 'r').catch((error) => {
    throw unreadable(error);
  });
  try {
    let pending: Buffer[] = [];
    let length = 0;
    for await (const piece of file.createReadStream({
      autoClose: false,
      highWaterMark: 1 << 20,
    }) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, from)) {
        pending.push(piece.subarray(from, at));
        yield { bytes: Buffer.concat(pending), terminated: true };
        pending = [];
        length = 0;
        from = at + 1;
      }
      if (from < piece.length) pending.push(piece.subarray(from));
      length += piece.length - from;
      if (length > LONGEST_LINE) throw new Error('a line is longer than 64 MiB; expected JSON lines');
    }
    if (pending.length > 0) yield { bytes: Buffer.concat(pending), terminated: false };
  } catch (error) {
    throw unreadable(error);
  } finally {
    await file.close();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer, path: string, line: number): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new DataError(`${path}:${line}: not UTF-8 text; the file is damaged or of another kind`, {
      cause: error,
    });
  }
}

function parse(text: string, path: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `${path}:${line}: not JSON (${messageOf(error)}); expected one JSON object a line, remove or repair the line`,
      { cause: error },
    );
  }
  if (!isRecord(value)) {
    const found = Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`;
    throw new DataError(`${path}:${line}: expected a JSON object, found ${found}`);
  }
  return value;
}

/** The part of a FileHandle that {@link JsonAppender} writes through. */
type AppendTarget = Pick<FileHandle, 'stat' | 'write' | 'datasync' | 'truncate' | 'close'>;

/**
 * Appends JSON lines so that a line is on the disk when its promise resolves. Lines that arrive while a write is under
 * way go out together with one fsync. When a write fails (a full disk) the file is truncated to its last whole line and
 * every later call fails too. A call also fails when another process has changed or replaced the file; that process's
 * lines stay.
 */
export class JsonAppender {
  private queue: string[] = [];
  private turn: Promise<void> = Promise.resolve();
  private failure: DataError | undefined;

  /** @param size bytes of `file` so far; writing starts there. */
  constructor(
    private readonly file: AppendTarget,
    private readonly path: string,
    private size: number,
  ) {}

  /** Opens or creates `path`, truncated to `size` bytes. */
  static async open(path: string, size: number): Promise<JsonAppender> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, size > 0 ? 'r+' : 'w');
      await file.truncate(size);
      return new JsonAppender(file, path, size);
    } catch (error) {
      await file?.close();
      throw new DataError(`${path}: ${unwritten(path, error)}`, { cause: error });
    }
  }

  append(value: object): Promise<void> {
    this.queue.push(`${JSON.stringify(value)}\n`);
    this.turn = this.turn.then(() => this.drain());
    return this.turn;
  }

  async close(): Promise<void> {
    await this.turn.catch(() => {});
    await this.file.close();
  }

  private async drain(): Promise<void> {
    if (this.failure) throw this.failure;
    if (this.queue.length === 0) return;
    const bytes = Buffer.from(this.queue.join(''));
    this.queue = [];
    await this.checkAlone();
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.size + done);
        done += bytesWritten;
      }
      await this.file.datasync();
      this.size += bytes.length;
    } catch (error) {
      this.failure = new DataError(
        `${this.path}: ${unwritten(this.path, error, 'could not be appended to')}; the lines before are whole, and the same command continues`,
        { cause: error },
      );
      await this.file.truncate(this.size).catch(() => {});
      throw this.failure;
    }
  }
  /** A second run on the same file would overwrite lines of the first. */
  private async checkAlone(): Promise<void> {
    const { size, nlink } = await this.file.stat();
    if (size === this.size && nlink > 0) return;
    const found = nlink > 0 ? `${size} bytes where this run left ${this.size}` : 'another file in its place';
    this.failure = new DataError(
      `${this.path}: found ${found}: another process writes to it; stop one of the two, then run the same command again`,
    );
    throw this.failure;
  }
}
