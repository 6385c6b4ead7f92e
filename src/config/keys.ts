/** The keys of a recipe as a list: names, types, defaults, descriptions, and the nearest key to a misspelt one. */
import { z } from 'zod';
import { nearest } from '../base/nearest.js';
import { configSchema } from './schema.js';

/** One leaf of the schema. */
interface ConfigKey {
  /** Dotted name, for example `train.beta`. */
  name: string;
  /** The values it takes, for a person: `number`, `letter | generate`, `list of ...`. */
  type: string;
  kind: 'text' | 'path' | 'pathOrId' | 'other';
  required: boolean;
  /** Undefined when the key is absent by default or computed (the description says how). */
  default: unknown;
  description: string;
}

type Leaf = z.core.$ZodType;

/** All keys, in schema order. */
export const CONFIG_KEYS: readonly ConfigKey[] = [...leaves(configSchema, [])];

const byName = new Map(CONFIG_KEYS.map((key) => [key.name, key]));
const sections = new Map<string, string[]>([['', []]]);
for (const { name } of CONFIG_KEYS) {
  const parts = name.split('.');
  for (let i = 0; i < parts.length; i++) {
    const section = parts.slice(0, i).join('.');
    const children = sections.get(section) ?? [];
    if (!children.includes(parts[i]!)) children.push(parts[i]!);
    sections.set(section, children);
  }
}

export function configKey(name: string): ConfigKey | undefined {
  return byName.get(name);
}

/** Names directly under a section (`''` is the top), or undefined when there is no such section. */
export function sectionKeys(section: string): readonly string[] | undefined {
  return sections.get(section);
}

/**
 * The key a misspelt one most likely meant: the nearest name of the same section, else a key of that very name in
 * another section, given in full. Undefined when nothing is near.
 */
export function suggestKey(section: string, wrong: string): string | undefined {
  const near = nearest(wrong, sections.get(section) ?? []);
  if (near) return near;
  return CONFIG_KEYS.map((key) => key.name).find((name) => name.split('.').at(-1) === wrong);
}

/** A Markdown table of all keys, for keys.md. */
export function keysTable(): string {
  const rows = CONFIG_KEYS.map((key) => {
    const fallback = key.required
      ? 'required'
      : key.default === undefined
        ? ''
        : code(JSON.stringify(key.default));
    return `| ${code(key.name)} | ${cell(key.type)} | ${cell(fallback)} | ${cell(key.description)} |`;
  });
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

const code = (text: string) => `\`${text}\``;
const cell = (text: string) => text.replaceAll('|', '\\|');

function* leaves(schema: Leaf, path: string[]): Generator<ConfigKey> {
  const { inner, fallback, optional } = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    for (const [name, child] of Object.entries(inner.shape)) yield* leaves(child as Leaf, [...path, name]);
    return;
  }
  const { kind, values, details } = metaOf(inner);
  const description = metaOf(schema).description ?? '';
  yield {
    name: path.join('.'),
    // Names of datasets and of trainable groups may be registered after this.
    get type() {
      return typeName(inner);
    },
    kind: inner instanceof z.ZodString && !values ? (kind ?? 'text') : 'other',
    required: fallback === undefined && !optional,
    default: fallback,
    get description() {
      return details ? `${description} ${details()}` : description;
    },
  };
}

function metaOf(schema: Leaf): z.GlobalMeta {
  return (schema instanceof z.ZodType ? schema.meta() : undefined) ?? {};
}

/** Takes off `default`, `prefault` and `optional`. */
function unwrap(schema: Leaf): { inner: Leaf; fallback: unknown; optional: boolean } {
  let inner = schema;
  let fallback: unknown;
  let optional = false;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      fallback = inner.def.defaultValue;
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodOptional) {
      optional = true;
      inner = inner.def.innerType;
    } else return { inner, fallback, optional };
  }
}

function typeName(schema: Leaf): string {
  const { kind, values } = metaOf(schema);
  if (values) return values().join(' | ');
  if (schema instanceof z.ZodEnum) return schema.options.join(' | ');
  if (schema instanceof z.ZodArray) return `list of ${typeName(schema.def.element)}`;
  if (schema instanceof z.ZodBoolean) return 'true | false';
  if (schema instanceof z.ZodLiteral) return [...schema.values].join(' | ');
  if (schema instanceof z.ZodUnion) return schema.options.map((each) => typeName(each)).join(' | ');
  if (schema instanceof z.ZodNumber) return `${schema.isInt ? 'integer' : 'number'}${range(schema)}`;
  if (kind === 'path') return 'path';
  if (kind === 'pathOrId') return 'path or Hugging Face id';
  return 'text';
}

/** ` in [0, 1)` and the like; an integer's own safe range is not worth saying. */
function range(schema: z.ZodNumber): string {
  let low: [string, number] | undefined;
  let high: [string, number] | undefined;
  for (const check of schema.def.checks ?? []) {
    const def = check._zod.def as { check: string; value?: number; inclusive?: boolean };
    if (def.check === 'greater_than') low = [def.inclusive ? '[' : '(', def.value!];
    if (def.check === 'less_than') high = [def.inclusive ? ']' : ')', def.value!];
  }
  if (low && high) return ` in ${low[0]}${low[1]}, ${high[1]}${high[0]}`;
  if (low) return `, ${low[0] === '[' ? 'at least' : 'above'} ${low[1]}`;
  return '';
}
