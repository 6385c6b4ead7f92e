/** The header of a safetensors file, parsed and checked. */
import { DataError, messageOf } from '../base/errors.js';
import { isRecord, shortened } from '../base/values.js';
import { DTYPE_BYTES, type Dtype, isDtype } from './dtypes.js';

/** Place of a tensor; begin and end are byte offsets into the file. */
export interface TensorEntry {
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, TensorEntry>;
  metadata: Record<string, string>;
}

/** The limit of the reference implementation: a longer header is an attack or a broken file. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * The length of the JSON header, from the first 8 bytes of a file of `fileBytes` bytes.
 *
 * @throws DataError when it does not fit the file, so that nothing is allocated for it.
 */
export function headerLength(path: string, prefix: Uint8Array, fileBytes: number): number {
  if (fileBytes < 8 || prefix.length < 8) {
    throw new DataError(`${path}: ${fileBytes} bytes is too short for a safetensors file; download it again`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(fileBytes - 8)) {
    throw new DataError(
      `${path}: not a safetensors file, or truncated: its header claims ${length} bytes but only ${fileBytes - 8} follow`,
    );
  }
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new DataError(`${path}: header of ${length} bytes; safetensors allows at most ${MAX_HEADER_BYTES}`);
  }
  return Number(length);
}

/**
 * Parses and checks a header against the size of its file: every tensor's bytes are dtype x shape, and the tensors
 * cover the data without gaps or overlaps (the safetensors format, "byte buffer needs to be entirely indexed").
 *
 * @param json the header's bytes, without the 8-byte length.
 * @throws DataError with path and tensor.
 */
export function parseHeader(path: string, json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const root = parseJson(path, json);
  const dataStart = 8 + json.length;
  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(root)) {
    if (name === '__metadata__') metadata = parseMetadata(path, value);
    else tensors.set(name, parseEntry(`${path}: tensor ${quote(name)}`, value, dataStart));
  }
  checkCoverage(path, tensors, dataStart, fileBytes);
  return { tensors, metadata };
}

function parseJson(path: string, json: Uint8Array): Record<string, unknown> {
  let root: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    root = JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `${path}: not a safetensors file: its header is not JSON (${oneLine(messageOf(error))})`,
    );
  }
  if (!isRecord(root)) {
    throw new DataError(`${path}: not a safetensors file: its header is not a JSON object`);
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) {
    throw new DataError(`${path}: the header names ${quote(duplicate)} twice; the file is corrupt`);
  }
  return root;
}

/** The first key that occurs twice in one object of a valid JSON text; JSON.parse would keep the last silently. */
function duplicateKey(text: string): string | undefined {
  const scopes: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') scopes.push(new Set());
    else if (char === '[') scopes.push(undefined);
    else if (char === '}' || char === ']') scopes.pop();
    else if (char === '"') {
      const end = stringEnd(text, i);
      const scope = scopes.at(-1);
      if (scope && /^[ \t\r\n]*:/.test(text.slice(end, end + 64))) {
        const key = JSON.parse(text.slice(i, end)) as string;
        if (scope.has(key)) return key;
        scope.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** The index after the closing quote of the JSON string that starts at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}

function parseMetadata(path: string, value: unknown): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((item) => typeof item !== 'string')) {
    throw new DataError(`${path}: __metadata__ must be an object of texts; the file is corrupt`);
  }
  return value as Record<string, string>;
}

function parseEntry(place: string, value: unknown, dataStart: number): TensorEntry {
  if (!isRecord(value))
    throw new DataError(`${place}: expected an object with dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) {
    throw new DataError(
      `${place}: unknown dtype ${quote(dtype)}; known are ${Object.keys(DTYPE_BYTES).join(', ')}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new DataError(`${place}: shape ${quote(shape)} must be a list of sizes from 0 to 2^53`);
  }
  const [begin, end] = parseOffsets(place, offsets);
  const bytes = byteLength(shape, dtype);
  if (bytes !== end - begin) {
    throw new DataError(
      `${place}: ${dtype} ${formatShape(shape)} needs ${bytes ?? 'more than 2^53'} bytes but its data_offsets give ${end - begin}; the file is corrupt`,
    );
  }
  return { dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

function parseOffsets(place: string, value: unknown): [number, number] {
  const [begin, end] = Array.isArray(value) && value.length === 2 ? value : [];
  if (!isSize(begin) || !isSize(end) || begin > end) {
    throw new DataError(`${place}: data_offsets ${quote(value)} must be [begin, end] with begin <= end`);
  }
  return [begin, end];
}

/** Tensors must tile the data exactly; a tensor past the end of the file means the file was cut short. */
function checkCoverage(
  path: string,
  tensors: Map<string, TensorEntry>,
  dataStart: number,
  fileBytes: number,
): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = dataStart;
  let previous = 'the header';
  for (const [name, entry] of sorted) {
    const place = `${path}: tensor ${quote(name)}`;
    if (entry.end > fileBytes) {
      throw new DataError(
        `${place} ends at byte ${entry.end} but the file has ${fileBytes}: it is truncated; download or copy it again`,
      );
    }
    if (entry.begin < position) throw new DataError(`${place} overlaps ${previous}; the file is corrupt`);
    if (entry.begin > position) {
      throw new DataError(`${place}: ${entry.begin - position} unnamed bytes before it; the file is corrupt`);
    }
    position = entry.end;
    previous = `tensor ${quote(name)}`;
  }
  if (position !== fileBytes) {
    throw new DataError(`${path}: ${fileBytes - position} bytes after the last tensor; the file is corrupt`);
  }
}

/** Bytes of a tensor, or undefined when they exceed the exact range of a number. */
function byteLength(shape: number[], dtype: Dtype): number | undefined {
  if (shape.includes(0)) return 0;
  let bytes = DTYPE_BYTES[dtype] as number;
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

/** A shape as printed in tables and messages: [2048, 768], or [] for a scalar. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** A value as JSON for a message, cut to one short line. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return shortened(text, 120);
}

function oneLine(text: string): string {
  const line = text.replace(/[^\x20-\x7e]+/g, ' ');
  return shortened(line, 120);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
