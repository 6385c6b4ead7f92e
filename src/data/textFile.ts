/** Reads text files: their encoding, and their lines for messages. */
import { readFile } from 'node:fs/promises';
import { DataError, messageOf } from '../base/errors.js';
import { otherKind } from './fileKind.js';

/**
 * Reads a UTF-8 file, without its byte order mark.
 *
 * @throws DataError when the file cannot be read, is of another kind (an archive, a web page, a Git LFS pointer) or is
 *   not UTF-8 (with the line of the first bad byte).
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
  const other = otherKind(bytes);
  if (other) throw new DataError(`${path}:1: text: expected UTF-8, got ${other.is} (${other.todo})`);
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
