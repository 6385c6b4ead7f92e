/** Recipe files and `--set` overrides as text. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parse,
  parseDocument,
} from 'yaml';
import { messageOf, UsageError } from '../base/errors.js';
import { isRecord, shortened } from '../base/values.js';
import { configKey, sectionKeys, suggestKey } from './keys.js';

/** A recipe as written, on top of the one it extends: its values, and the place of each key. */
export interface Recipe {
  /** The path as the user gave it, for messages. */
  file: string;
  values: Record<string, unknown>;
  /** Folder of the file that sets a key, which relative paths start from. */
  folderOf(path: readonly (string | number)[]): string;
  /**
   * `recipe.yaml:5:3` of a key, or of the nearest section above it that is written. For an element of a list the
   * element's own place.
   */
  locate(path: readonly (string | number)[]): string;
}

/** The key that names another recipe, whose values hold unless this one sets them. */
const EXTENDS = 'extends';

/**
 * Reads a recipe and those it extends. Sections are merged key by key, lists are replaced; null restores a key's
 * default, as `--set key=null` does.
 *
 * @param file what to call it in messages; @param path where it is.
 * @throws UsageError when one cannot be read, is not YAML or not a map, or when they extend each other in a circle.
 */
export async function readRecipe(path: string, file = path): Promise<Recipe> {
  return readChain(path, file, []);
}

async function readChain(path: string, file: string, above: readonly string[]): Promise<Recipe> {
  const written = parseRecipe(await readText(path, file), file, dirname(path));
  const { [EXTENDS]: parent, ...values } = written.values;
  if (parent === undefined) return written;
  const place = written.locate([EXTENDS]);
  if (typeof parent !== 'string' || parent === '')
    throw new UsageError(`${place} extends: expected the path of a recipe, got ${shown(parent)}`);
  const parentPath = resolve(dirname(path), parent);
  const chain = [...above, path];
  if (chain.includes(parentPath))
    throw new UsageError(`${place} extends: ${parent} extends this recipe itself`);
  const inherited = await readChain(parentPath, join(dirname(file), parent), chain).catch((error) => {
    if (!(error instanceof UsageError) || !error.message.endsWith(': no such recipe')) throw error;
    throw new UsageError(`${place} extends: ${error.message}`, { cause: error });
  });
  return overlay({ ...written, values }, inherited);
}

/** The values of `over`, and below them those of `under`. */
function overlay(over: Recipe, under: Recipe): Recipe {
  const ownerOf = (path: readonly (string | number)[]) => (isWritten(over.values, path) ? over : under);
  return {
    file: over.file,
    values: mergeValues(under.values, over.values),
    folderOf: (path) => ownerOf(path).folderOf(path),
    locate: (path) => ownerOf(path).locate(path),
  };
}

function mergeValues(
  under: Record<string, unknown>,
  over: Record<string, unknown>,
  section = '',
): Record<string, unknown> {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const name = section ? `${section}.${key}` : key;
    const below = merged[key];
    if (value === null && !sectionKeys(name)) delete merged[key];
    else if (isRecord(value) && isRecord(below)) merged[key] = mergeValues(below, value, name);
    else if (value !== null) merged[key] = value;
  }
  return merged;
}

/** Whether the values have every name of a path; elements of a list belong to the list. */
function isWritten(values: unknown, path: readonly (string | number)[]): boolean {
  let value = values;
  for (const step of path) {
    if (typeof step === 'number') return true;
    if (!isRecord(value) || !Object.hasOwn(value, step)) return false;
    value = value[step];
  }
  return value !== null;
}

async function readText(path: string, file: string): Promise<string> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const known = { ENOENT: 'no such recipe', EISDIR: 'is a folder; give a recipe file' }[code ?? ''];
    throw new UsageError(`${file}: ${known ?? `cannot be read (${messageOf(error)})`}`, {
      cause: error,
    });
  }
  return text;
}

/** One recipe as its text has it, without those it extends. */
function parseRecipe(text: string, file: string, folder: string): Recipe {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const problem = document.errors[0];
  if (problem) throw new UsageError(`${place(problem.pos[0])}: ${oneLine(problem.message)}`);
  const values = toValues(document, file);
  if (values === null || values === undefined)
    return { file, values: {}, folderOf: () => folder, locate: () => file };
  if (typeof values !== 'object' || Array.isArray(values))
    throw new UsageError(
      `${place(document.contents?.range?.[0] ?? 0)}: expected sections such as data: and train:, got ${shown(values)}`,
    );
  return {
    file,
    values: values as Record<string, unknown>,
    folderOf: () => folder,
    locate: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? file : place(offset);
    },
  };
}

/** One `--set key=value`. */
export interface Override {
  name: string;
  /** Undefined restores the default (`key=null`). */
  value: unknown;
}

/**
 * Reads `train.beta=0.5`. The value is YAML, except that keys that hold text or a path take it unchanged unless it is
 * quoted (so `video.template=Frame {i}: ` needs no further quoting).
 *
 * @throws UsageError for a missing `=`, an unknown key, a section, or a value that is not YAML.
 */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`--set ${text}: expected key=value, for example train.beta=0.5`);
  const name = text.slice(0, at).trim();
  const raw = text.slice(at + 1);
  const key = configKey(name);
  if (!key) throw new UsageError(unknownOverride(name));
  if (raw.trim() === 'null') return { name, value: undefined };
  if (key.kind !== 'other' && !/^\s*["']/.test(raw)) return { name, value: raw };
  try {
    return { name, value: parse(raw) };
  } catch (error) {
    throw new UsageError(`--set ${name}: ${oneLine(messageOf(error))} in the value ${JSON.stringify(raw)}`);
  }
}

function unknownOverride(name: string): string {
  const children = sectionKeys(name);
  if (children) return `--set ${name}: a section; set one of its keys: ${children.join(', ')}`;
  const parts = name.split('.');
  const last = parts.pop()!;
  const section = parts.join('.');
  if (sectionKeys(section)) return `--set ${name}: ${unknownKey(section, last)}`;
  return `--set ${name}: ${unknownKey('', name.split('.')[0]!)}`;
}

/** `unknown key (did you mean beta?)`, or the keys there are. */
export function unknownKey(section: string, wrong: string): string {
  const suggestion = suggestKey(section, wrong);
  if (suggestion) return `unknown key (did you mean ${suggestion}?)`;
  return `unknown key (expected ${(sectionKeys(section) ?? []).join(', ')})`;
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return shortened(text, 60);
}

function toValues(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new UsageError(`${file}: ${oneLine(messageOf(error))}`, { cause: error });
  }
}

const oneLine = (text: string) => text.split('\n')[0]!.trim().replace(/:$/, '');

/** Offset of the key a path names, as far as the path is written. */
function offsetOf(document: Document, path: readonly (string | number)[]): number | undefined {
  let node: Node | null | undefined = document.contents;
  let offset: number | undefined;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (!pair) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node) && typeof step === 'number') {
      const item = node.items[step] as Node | undefined;
      if (!item) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}
