/** Reads text files, whole or piece by piece: their encoding, and their lines for messages. */
import { constants } from 'node:buffer';
import { open, stat } from 'node:fs/promises';
import { DataError, messageOf } from '../base/errors.js';
import { KIND_BYTES, otherKind } from './fileKind.js';

/** A text that is read piece by piece, as often as wanted. */
export interface TextSource {
  /** Its name in messages. */
  readonly file: string;
  /**
   * The text from its beginning, without byte order mark.
   *
   * @throws DataError as {@link readTextFile}
   */
  pieces(): AsyncIterable<string>;
}

/** Bytes read at a time. */
const PIECE = 2 ** 18;

/** Characters of a line; a longer one is no question. */
export const LONGEST_LINE = 2 ** 24;

/** Characters kept of a line that is longer, for messages. */
const KEPT = 2 ** 12;

/** The text of a file. What cannot be read twice (a pipe) is kept in memory. */
export async function textSource(path: string): Promise<TextSource> {
  const source = { file: path, pieces: () => decoded(path, bytesOf(path)) };
  const found = await stat(path).catch(() => undefined);
  return found && !found.isFile() && !found.isDirectory() ? sourceOf(path, await textOf(source)) : source;
}

/** The text of a stream, which is kept in memory. @throws DataError as {@link readTextFile} */
export async function streamSource(file: string, stream: AsyncIterable<Buffer>): Promise<TextSource> {
  return sourceOf(file, await textOf({ file, pieces: () => decoded(file, stream) }));
}

/** A text in memory as a source. */
export function sourceOf(file: string, text: string): TextSource {
  return {
    file,
    async *pieces() {
      yield text;
    },
  };
}

/**
 * All of a text.
 *
 * @throws DataError when it is longer than a string can be (512 MiB).
 */
export async function textOf(source: TextSource): Promise<string> {
  const pieces: string[] = [];
  let length = 0;
  for await (const piece of source.pieces()) {
    pieces.push(piece);
    length += piece.length;
    if (length > constants.MAX_STRING_LENGTH) throw tooLarge(source.file);
  }
  return pieces.join('');
}

/** The bytes of a file; each piece is valid until the next is asked for. */
async function* bytesOf(path: string): AsyncGenerator<Buffer> {
  const unreadable = (error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'no such file' : `cannot be read (${messageOf(error)})`;
    throw new DataError(`${path}: ${reason}`, { cause: error });
  };
  const file = await open(path).catch(unreadable);
  try {
    const buffer = Buffer.allocUnsafe(PIECE);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, PIECE, null).catch(unreadable);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** The text of bytes that come in pieces of any size. */
async function* decoded(path: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let begun = false;
  let line = 1;
  const decode = (bytes: Buffer) => {
    if (!begun) refuseOtherKind(path, bytes);
    try {
      const text = decoder.decode(bytes);
      return begun ? text : text.replace(/^\ufeff/, '');
    } catch (error) {
      throw notUtf8(path, line + firstInvalidLine(bytes) - 1, error);
    } finally {
      begun = true;
      line += lineFeeds(bytes);
    }
  };
  // Bytes that wait: of an unfinished character, or too few to tell what the file is.
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const end = !begun && bytes.length < KIND_BYTES ? 0 : wholeCharacters(bytes);
    if (end > 0) yield decode(bytes.subarray(0, end));
    rest = Buffer.from(bytes.subarray(end));
  }
  if (rest.length > 0) yield decode(rest);
}

/** Bytes up to the last character that is complete; an invalid end counts as complete. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
    if (length > 0) return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function lineFeeds(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

/**
 * Reads a UTF-8 file, without its byte order mark.
 *
 * @throws DataError when the file cannot be read, is of another kind (an archive, a web page, a Git LFS pointer), is not
 *   UTF-8 (with the line of the first bad byte) or is larger than a string can be.
 */
export async function readTextFile(path: string): Promise<string> {
  return textOf(await textSource(path));
}

function tooLarge(path: string): DataError {
  return new DataError(
    `${path}: larger than the ${constants.MAX_STRING_LENGTH} bytes that a file of this form may have; split it, or write it as csv or JSON lines, which are read row by row`,
  );
}

function refuseOtherKind(path: string, bytes: Buffer): void {
  const other = otherKind(bytes);
  if (other) throw new DataError(`${path}:1: text: expected UTF-8, got ${other.is} (${other.todo})`);
}

function notUtf8(path: string, line: number, cause: unknown): DataError {
  return new DataError(
    `${path}:${line}: text: expected UTF-8, got bytes that are not (save the file as UTF-8)`,
    { cause },
  );
}

function firstInvalidLine(bytes: Buffer): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    if (newline < 0) return line;
    start = end + 1;
  }
}

/** The 1-based line of character `offset`. */
function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** The non-blank lines of a text with their 1-based numbers; they end in LF, CRLF or CR. */
export function* numberedLines(text: string): Generator<{ line: number; text: string }> {
  let line = 0;
  for (const content of text.split(/\r\n|\n|\r/)) {
    line++;
    if (content.trim() !== '') yield { line, text: content };
  }
}

/** A line of a {@link TextSource}. */
export interface Line {
  /** 1-based. */
  line: number;
  /** Its first characters when it is too long. */
  text: string;
  /** Longer than {@link LONGEST_LINE}. */
  tooLong?: true;
}

/** The lines of a source, blank ones included, in groups as they are read; `ends` says what ends a line. */
export async function* linesOf(source: TextSource, ends: 'LF' | 'any'): AsyncGenerator<Line[]> {
  const end = ends === 'LF' ? '\n' : /\r\n|\n|\r/;
  const last = new LastLine();
  let line = 1;
  let held = '';
  for await (const piece of source.pieces()) {
    let text = held + piece;
    // A CR at the end of a piece may be half of a CRLF.
    held = ends === 'any' && text.endsWith('\r') ? '\r' : '';
    if (held) text = text.slice(0, -1);
    const parts = text.split(end);
    const begun = parts.pop()!;
    yield parts.map((part) => last.finish(part, line++));
    last.add(begun);
  }
  if (last.started) yield [last.finish('', line)];
}

/** The line whose end has not been read. */
class LastLine {
  private parts: string[] = [];
  private length = 0;

  get started(): boolean {
    return this.length > 0;
  }

  add(part: string): void {
    if (part === '') return;
    this.length += part.length;
    this.parts.push(part);
    if (this.length > LONGEST_LINE) this.parts = [this.parts.join('').slice(0, KEPT)];
  }

  finish(part: string, line: number): Line {
    this.add(part);
    const tooLong = this.length > LONGEST_LINE;
    const text = this.parts.length === 1 ? this.parts[0]! : this.parts.join('');
    this.parts = [];
    this.length = 0;
    return tooLong ? { line, text, tooLong } : { line, text };
  }
}

/**
 * Parses JSON; a syntax error is reported with its line.
 *
 * @throws JsonSyntaxError
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = messageOf(error);
    // V8 names no place when the text ends too early; the place is then the end.
    const offset = errorOffset(message, text) ?? text.trimEnd().length;
    const short = message
      .replaceAll(/\s+/g, ' ')
      .replace(/ in JSON at position.*| \(line.*|, (?:\.\.\.)?".*/, '')
      .slice(0, 120);
    throw new JsonSyntaxError(short + noJson(text, offset), lineAt(text, offset));
  }
}

/** The word at a syntax error, when it is one that Python writes and JSON does not have. */
function noJson(text: string, offset: number): string {
  const [before] = /\w*$/.exec(text.slice(Math.max(0, offset - 9), offset)) as RegExpExecArray;
  const [behind] = /^\w*/.exec(text.slice(offset, offset + 9)) as RegExpExecArray;
  const word = before + behind;
  if (!['NaN', 'Infinity', 'None', 'True', 'False'].includes(word)) return '';
  const instead = word === 'True' || word === 'False' ? word.toLowerCase() : 'null';
  return ` (${word} is no JSON: write ${instead})`;
}

/** Whether a JSON value is given: pandas and Hugging Face's datasets write a missing value as null. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/**
 * Where V8 found a syntax error. It says `... in JSON at position 17`, or quotes the bad character and up to ten
 * characters on either side: `Unexpected token 'N', ..."ediction": NaN, "answ"... is not valid JSON`.
 */
function errorOffset(message: string, text: string): number | undefined {
  const position = /position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  const quoted = /^Unexpected token '(.+?)', (\.\.\.)?"(.*)"(\.\.\.)? is not valid JSON$/s.exec(message);
  if (!quoted) return undefined;
  const [, token = '', cutBefore, context = '', cutAfter] = quoted;
  if (cutBefore) return text.indexOf(context) + 10;
  return cutAfter ? context.length - 10 : context.lastIndexOf(token);
}

/** The first key that an object of a JSON text has twice; JSON.parse would silently keep the last. */
export function repeatedKey(json: string): { key: string; line: number } | undefined {
  const open: Set<string>[] = [];
  for (const token of json.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\]]/g)) {
    const [char, text, colon] = token;
    if (char === '{' || char === '[') open.push(new Set());
    else if (char === '}' || char === ']') open.pop();
    else if (colon) {
      const key = JSON.parse(text!) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return { key, line: lineAt(json, token.index) };
      keys.add(key);
    }
  }
  return undefined;
}

export class JsonSyntaxError extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message);
  }
}
