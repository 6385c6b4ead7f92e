/** Text files of other kinds, and places of JSON errors. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import {
  JsonSyntaxError,
  numberedLines,
  parseJson,
  readTextFile,
  repeatedKey,
  streamSource,
  textOf,
} from '../../src/data/textFile.js';

describe('a file of another kind', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reasvqa-text-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const csv = 'video,question\n1,why\n';
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 7\n`;
  const bigEndian = Buffer.from(`\ufeff${csv}`, 'utf16le').swap16();
  test.each<[string, Uint8Array | string, string]>([
    ['a Git LFS pointer', pointer, 'a Git LFS pointer (fetch the file with git lfs pull)'],
    ['gzip', gzipSync(csv), 'a gzip archive (unpack it'],
    [
      'zip',
      Buffer.from('PK\x03\x04\x14\0\0\0', 'latin1'),
      'a zip archive or a spreadsheet (unpack it, or save',
    ],
    ['bzip2', Buffer.from('BZh91AY&SY\x9d', 'latin1'), 'a bzip2 archive'],
    ['Parquet', Buffer.from('PAR1\x15\x04', 'latin1'), 'a Parquet file (write it as a text file'],
    [
      "macOS's notes",
      Buffer.from('\0\x05\x16\x07\0\x02\0\0Mac OS X', 'latin1'),
      "macOS's notes on a file (name the file without",
    ],
    ['UTF-16 with its mark', Buffer.from(`\ufeff${csv}`, 'utf16le'), 'UTF-16 (save the file as UTF-8)'],
    ['UTF-16, big-endian', bigEndian, 'UTF-16 (save the file as UTF-8)'],
    ['UTF-16 without a mark', Buffer.from(csv, 'utf16le'), 'UTF-16 or no text (save the file as UTF-8)'],
    ['a web page', '<!DOCTYPE html>\n<html lang="en">', 'a web page (download the file itself'],
    ['a web page after blank lines', '\ufeff\n\n  <html><head>', 'a web page (download the file itself'],
    ["a store's refusal", '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'a web page'],
  ])('%s is named in one line that says what to do', async (_, content, got) => {
    const file = join(folder, 'val.csv');
    await writeFile(file, content);
    const error = await readTextFile(file).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(`${file}:1: text: expected UTF-8, got ${got.split(' (')[0]}`);
    expect(error.message).toContain(got);
    expect(error.message).not.toContain('\n');
  });

  test.each([csv, `\ufeff${csv}`, '', '[]', '<b> is a tag,question\n', 'version,https\n', 'PKU,BZ\n'])(
    'a text is none: %j',
    async (text) => {
      const file = join(folder, 'text.csv');
      await writeFile(file, text);
      expect(await readTextFile(file)).toBe(text.replace('\ufeff', ''));
    },
  );

  test.skipIf(process.platform === 'win32')('that never ends is named by its beginning', async () => {
    await expect(readTextFile('/dev/zero')).rejects.toThrow('/dev/zero:1: text: expected UTF-8, got UTF-16');
  });
});

describe('a text that comes in pieces', () => {
  const piecesOf = (bytes: Buffer, size: number) =>
    streamSource(
      'x',
      Readable.from(
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        ),
      ),
    );
  const long = `\ufeffä€😀,\ufeff\n${'why does the 犬 run 🐕\n'.repeat(60)}`;
  test.each([1, 2, 3, 5, 1000, 1023, 1024, 1025, 10_000])('of %i bytes is the same text', async (size) => {
    expect(await textOf(await piecesOf(Buffer.from(long), size))).toBe(long.slice(1));
    expect(await textOf(await piecesOf(Buffer.from('\ufeffa'), size))).toBe('a');
    await expect(piecesOf(gzipSync(long), size)).rejects.toThrow(
      'x:1: text: expected UTF-8, got a gzip archive',
    );
  });

  test.each([1, 2, 7, 1024, 10_000])('of %i bytes has a bad byte named by its line', async (size) => {
    for (const bad of [[0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x90]]) {
      const bytes = Buffer.concat([Buffer.from(long), Buffer.from(bad), Buffer.from('\nend\n')]);
      await expect(piecesOf(bytes, size)).rejects.toThrow(
        'x:62: text: expected UTF-8, got bytes that are not',
      );
      const cut = Buffer.concat([Buffer.from(long), Buffer.from(bad)]);
      await expect(piecesOf(cut, size)).rejects.toThrow('x:62: text: expected UTF-8');
    }
  });
});

test('lines end in LF, CRLF or CR', () => {
  expect([...numberedLines('a\nb\r\n\r\nc\rd\r\re')]).toEqual([
    { line: 1, text: 'a' },
    { line: 2, text: 'b' },
    { line: 4, text: 'c' },
    { line: 5, text: 'd' },
    { line: 7, text: 'e' },
  ]);
});

test.each([
  ['{"a": NaN}', "Unexpected token 'N' (NaN is no JSON: write null)"],
  ['{"a": 1, "b": -Infinity, "c": 3}', '(Infinity is no JSON: write null)'],
  ['{"a": "x",\n"b": None,\n"c": 1, "d": "a long text"}', '(None is no JSON: write null)'],
  ['{"a": "a long text before", "b": True}', '(True is no JSON: write true)'],
])('what Python writes and JSON does not have is named: %j', (text, message) => {
  expect(syntaxError(text).message).toContain(message);
});

describe('the line of a JSON syntax error', () => {
  const before = '{"a": 1,\n"b": 2,\n';
  const after = ',\n"z": NaN,\n"y": NaN\n}\n';
  test.each([
    ['NaN', 'Unexpected token'],
    ['Infinity', 'Unexpected token'],
    ['tru', 'Unexpected token'],
    ['[1, 2,]', 'Unexpected token'],
    ['{"d": }', 'Unexpected token'],
    ["'x'", 'Unexpected token'],
    ['01', 'Unexpected number'],
    ['"\\x"', 'Bad escaped character'],
    ['1 2', "Expected ',' or '}'"],
  ])('is that of %s', (bad, message) => {
    const error = syntaxError(`${before}"c": ${bad}${after}`);
    expect(error.line).toBe(3);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('is not valid JSON');
  });

  test.each([
    ['NaN', 1],
    ['\n\nNaN', 3],
    ['\n{"x": NaN,\n "y": 1, "z": 1, "w": 1}', 2],
    ['{"x": 1,\n "y": 1, "z": 1,\n "w": NaN}', 3],
    ['{"x": 1,\n "y": ', 2],
  ])('is right at either end of a text: %j', (text, line) => {
    expect(syntaxError(text).line).toBe(line);
  });
});

describe('a key that an object has twice', () => {
  test.each([
    ['{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 2}, "a", "a"]}', undefined],
    ['{"a": "\\"a\\": 1", "b": "{\\"b\\":"}', undefined],
    ['{"a": 1,\n"b": 2,\n"a": 3}', { key: 'a', line: 3 }],
    ['{"x": {"a": 1,\n"\\u0061": 2}}', { key: 'a', line: 2 }],
    ['[{"a": 1}, {"b" : 1, "b"\n: 2}]', { key: 'b', line: 1 }],
  ])('%s', (text, expected) => {
    expect(repeatedKey(text)).toEqual(expected);
  });

  test('is found behind a long text', () => {
    const text = JSON.stringify({ long: 'a"\\'.repeat(1_000_000) });
    expect(repeatedKey(`${text.slice(0, -1)}, "long": 1}`)).toEqual({ key: 'long', line: 1 });
  });
});

function syntaxError(text: string): JsonSyntaxError {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
  }
  throw new Error('no syntax error');
}
