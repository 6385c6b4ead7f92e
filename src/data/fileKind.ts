/** Files of another kind under the name of a text file: archives, pointers, web pages, texts in UTF-16. */

import { isLfsPointer } from '../base/lfsPointer.js';

/** What a file is instead of a text in UTF-8, and what to do about it. */
interface OtherKind {
  is: string;
  todo: string;
}

const UNPACK = 'unpack it and name the file within';
const EXPORT = 'write it as a text file, for example with pandas';

/** The first bytes of a file, in Latin-1. */
const SIGNATURES: readonly [start: string, is: string, todo: string][] = [
  ['\x1f\x8b', 'a gzip archive', UNPACK],
  ['PK\x03\x04', 'a zip archive or a spreadsheet', 'unpack it, or save the sheet as CSV in UTF-8'],
  ['\xfd7zXZ\0', 'an xz archive', UNPACK],
  ['BZh', 'a bzip2 archive', UNPACK],
  ['\x28\xb5\x2f\xfd', 'a zstd archive', UNPACK],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive', UNPACK],
  ['\xd0\xcf\x11\xe0', 'an Excel or Word file', 'save it as CSV in UTF-8'],
  ['PAR1', 'a Parquet file', EXPORT],
  ['ARROW1', 'an Arrow file', EXPORT],
  ['\x80\x04\x95', 'a Python pickle', EXPORT],
  ['\0\x05\x16\x07', "macOS's notes on a file", 'name the file without ._ before its name'],
  ['\xff\xfe', 'UTF-16', 'save the file as UTF-8'],
  ['\xfe\xff', 'UTF-16', 'save the file as UTF-8'],
];

/** Bytes that {@link otherKind} looks at. */
export const KIND_BYTES = 1024;

/**
 * Recognises a file that cannot hold annotations, reasoning or predictions.
 *
 * @returns undefined for a text; whether it is UTF-8 is not checked.
 */
export function otherKind(bytes: Buffer): OtherKind | undefined {
  if (isLfsPointer(bytes)) return { is: 'a Git LFS pointer', todo: 'fetch the file with git lfs pull' };
  const start = bytes.toString('latin1', 0, KIND_BYTES);
  const found = SIGNATURES.find(([signature]) => start.startsWith(signature));
  if (found) return { is: found[1], todo: found[2] };
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml|!--)/i.test(start))
    return { is: 'a web page', todo: 'download the file itself, on GitHub with its Raw button' };
  if (start.includes('\0')) return { is: 'UTF-16 or no text', todo: 'save the file as UTF-8' };
  return undefined;
}
