import { readFile } from 'node:fs/promises';
import { DataError, messageOf } from '../errors.js';

/**
 * Reads a UTF-8 file, without its byte order mark.
 *
 * @throws DataError when the file cannot be read or is not UTF-8 (with the line of the first bad byte).
 */
export async function readTextFile(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DataError(missing ? `${path}: no such file` : `${path}: cannot be read (${messageOf(error)})`, {
      cause: error,
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const line = firstInvalidLine(bytes);
    throw new DataError(
      `${path}:${line}: text: expected UTF-8, got bytes that are not (save the file as UTF-8)`,
      {
        cause: error,
      },
    );
  }
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
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** The non-blank lines of a text with their 1-based numbers; LF or CRLF. */
export function* numberedLines(text: string): Generator<{ line: number; text: string }> {
  let line = 0;
  for (const raw of text.split('\n')) {
    line++;
    const content = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (content.trim() !== '') yield { line, text: content };
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
    const position = /position (\d+)/.exec(message)?.[1];
    // V8 gives no position when the text ends too early: then the place is its end.
    const line = lineAt(text, position === undefined ? text.trimEnd().length : Number(position));
    throw new JsonSyntaxError(
      message
        .replaceAll(/\s+/g, ' ')
        .replace(/ in JSON at position.*| \(line.*|, ".*/, '')
        .slice(0, 120),
      line,
    );
  }
}

export class JsonSyntaxError extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message);
  }
}
