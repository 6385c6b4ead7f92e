/** What a sweep varies: a grid of recipe keys, named arms and seeds, and the trials that they multiply to. */
import { createHash } from 'node:crypto';
import { UsageError } from '../base/errors.js';
import { parseOverride } from '../config/recipe.js';

/** The values of one recipe key, in the order that they were given in. */
export interface Axis {
  key: string;
  /** Undefined takes the key's default. */
  values: unknown[];
}

/** One combination of the axes' values. */
export type Settings = Record<string, unknown>;

/**
 * Reads `--set` texts of a sweep: `train.beta=0,0.2,0.5` is an axis, `train.epochs=3` one value for all trials. A comma
 * inside brackets, braces or quotes belongs to its value: `model.lora.targets=[q,v],[q,k,v,o]` has two.
 *
 * @throws UsageError for an unknown key, an empty value between commas or a value that is there twice
 */
export function splitOverrides(texts: readonly string[]): { axes: Axis[]; fixed: string[] } {
  const axes: Axis[] = [];
  const fixed: string[] = [];
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(at, 0)).trim();
    const parts = at < 0 ? [text] : splitList(text.slice(at + 1));
    if (parts.length === 1) {
      fixed.push(text);
      continue;
    }
    if (parts.some((part) => part.trim() === ''))
      throw new UsageError(`--set ${name}: an empty value between commas in ${text.slice(at + 1)}`);
    axes.push(axisOf(name, parts));
  }
  return { axes, fixed };
}

function axisOf(name: string, parts: readonly string[]): Axis {
  const overrides = parts.map((part) => parseOverride(`${name}=${part.trim()}`));
  return checkAxis({ key: overrides[0]!.name, values: overrides.map(({ value }) => value) }, '--set');
}

/** @param where what to call the place in messages. @throws UsageError for no value, or one that is there twice */
export function checkAxis(axis: Axis, where: string): Axis {
  const { key, values } = axis;
  if (values.length === 0) throw new UsageError(`${where} ${key}: an empty grid; give at least one value`);
  const texts = values.map((value) => JSON.stringify(value) ?? 'null');
  const twice = texts.find((text, i) => texts.indexOf(text) !== i);
  if (twice !== undefined) throw new UsageError(`${where} ${key}: ${twice} is there twice`);
  return axis;
}

/** Splits at commas outside brackets, braces and quotes. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quote) quote = char === quote ? '' : quote;
    // An apostrophe inside a word quotes nothing.
    else if ((char === '"' || char === "'") && text.slice(start, i).trim() === '') quote = char;
    else if ('[{'.includes(char)) depth++;
    else if (']}'.includes(char)) depth--;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** Every combination of the axes' values; the first axis moves slowest. One empty combination without axes. */
export function combinations(axes: readonly Axis[]): Settings[] {
  return axes.reduce<Settings[]>(
    (all, { key, values }) =>
      all.flatMap((settings) => values.map((value) => ({ ...settings, [key]: value }))),
    [{}],
  );
}

/** `--seeds 3` is 1, 2, 3; `--seeds 7,11` is those two. @throws UsageError */
export function parseSeeds(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  const numbers = parts.map(Number);
  if (parts.some((part) => !/^\d+$/.test(part)))
    throw new UsageError(`--seeds ${text}: expected how many, such as 3, or the seeds, such as 1,2,3`);
  return parts.length > 1 ? numbers : firstSeeds(numbers[0]!);
}

/** The seeds 1 to count. */
export function firstSeeds(count: number): number[] {
  if (!(count >= 1 && count <= 1000)) throw new UsageError(`seeds: expected 1 to 1000, got ${count}`);
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** An override text of a key's value, which {@link parseOverride} reads back; text is quoted. */
export function overrideOf(key: string, value: unknown): string {
  // JSON would write null, which stands for the default.
  if (typeof value === 'number' && !Number.isFinite(value)) return `${key}=.nan`;
  return `${key}=${JSON.stringify(value ?? null)}`;
}

/**
 * The name of a trial and of its folder: `beta-0.2-seed-1`. Values that no file name can hold are shortened, with a hash that
 * tells them apart.
 *
 * @param keys all keys that the sweep varies: two with the same last name are written whole
 */
export function trialId(arm: string | undefined, settings: Settings, keys: readonly string[]): string {
  const lasts = keys.map(lastName);
  const short = (key: string) =>
    lasts.filter((name) => name === lastName(key)).length > 1 ? key : lastName(key);
  const parts = Object.entries(settings).map(([key, value]) => `${short(key)}-${slug(textOf(value))}`);
  return withinLength([...(arm ? [slug(arm)] : []), ...parts].join('-')) || 'trial';
}

/** In bytes of UTF-8: file systems take 255, and names are told apart by a few more. */
const LONGEST_ID = 190;

function withinLength(id: string): string {
  if (Buffer.byteLength(id) <= LONGEST_ID) return id;
  const start = Buffer.from(id)
    .subarray(0, LONGEST_ID - 7)
    .toString();
  return `${start.replace(/\uFFFD+$/, '')}-${shortHash(id)}`;
}

/** Six hexadecimal digits that tell texts apart in names. */
export const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 6);

const lastName = (key: string) => key.split('.').at(-1)!;
const textOf = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'default'));

const LONGEST_SLUG = 32;

function slug(text: string): string {
  const plain = text
    .replace(/[^\p{L}\p{N}.+-]+/gu, '-')
    .replace(/^[-.]+|-+$/g, '')
    .slice(0, LONGEST_SLUG);
  // Only letter case, spaces, commas and brackets may be lost without a mark.
  const same = !text.startsWith('-') && plain.replaceAll('-', '') === text.replace(/[\s,[\]{}"'()-]/g, '');
  if (same && plain !== '') return plain.toLowerCase();
  return [plain.toLowerCase(), shortHash(text)].filter((part) => part !== '').join('-');
}
