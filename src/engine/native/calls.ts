/**
 * Fused calls by name: fills the fields that a device's function reads into `numbers`, from operands, attributes and
 * results. The addon says where each field lies; the table of src/ops/kernels.ts lists the parts of a call. Both are
 * compared when a device is first used.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { EngineError } from '../../base/errors.js';
import {
  type AttrsOf,
  KERNELS,
  type KernelName,
  type OperandsOf,
  type ResultNames,
} from '../../ops/kernels.js';
import type { BufferId, Field, NativeDevice } from './addon.js';
import { type Entries, type FusedName, PARTS } from './entries.js';

/** The id of an operand or a result that is left out. */
const NONE: BufferId = -1;

/** Puts the fields of one call in place; the device's function of that name comes next. */
type Fill<Entry, T> = (
  inputs: OperandsOf<Entry, T>,
  attrs: AttrsOf<Entry>,
  results: { [Name in ResultNames<Entry>]?: T | undefined },
) => void;
export type Fills<T> = { [Name in FusedName]: Fill<Entries[Name], T> };

/** A tensor of a call, where only its buffer is known. */
export interface Operand {
  id: BufferId;
  shape: readonly number[];
}
interface Shaped {
  readonly shape: readonly number[];
}
type Named = Readonly<Record<string, unknown>>;
type Tensors<T> = Readonly<Record<string, T | undefined>>;

/** Most axes of a tensor of tfjs, and of an operand in `numbers`. */
const MAX_AXES = 6;

/**
 * The fused calls of a device: `calls.gelu({ x }, { form: 'erf' }, { y })` runs it; those that the device lacks are absent.
 *
 * @param idOf the buffer of a tensor
 * @throws EngineError when the addon's fields are not those of the table
 */
export function fusedCalls<T extends Shaped>(device: NativeDevice, idOf: (tensor: T) => BufferId): Fills<T> {
  const calls: Record<string, unknown> = {};
  for (const [name, fields] of Object.entries(device.layouts)) {
    compare(name as FusedName, fields);
    calls[name] = filler(name, fields, device.numbers, idOf);
  }
  return calls as unknown as Fills<T>;
}

function entryOf(name: FusedName): { inputs: string[]; optional: string[]; attrs: object; results: object } {
  const kernelName = `Reas${name[0]!.toUpperCase()}${name.slice(1)}`;
  return (name in PARTS ? PARTS[name as keyof typeof PARTS] : KERNELS[kernelName as KernelName]) as never;
}

/** Every operand and result of the table is a field, and no field is unknown to it. */
function compare(name: FusedName, fields: readonly Field[]): void {
  const entry = entryOf(name);
  if (!entry) throw mismatch(`${name} is no kernel of src/ops/kernels.ts`);
  const results = Object.keys(entry.results);
  const tensors = [...entry.inputs, ...entry.optional, ...results];
  for (const { name: field, kind } of fields) {
    const known = isTensor(kind) ? tensors : Object.keys(entry.attrs);
    if (!known.includes(field.split('.')[0]!)) throw mismatch(`${name} reads ${field}, which no call has`);
  }
  const missing = tensors.filter((tensor) => !fields.some((field) => field.name === tensor));
  if (missing.length > 0) throw mismatch(`${name} does not read ${missing.join(', ')}`);
}

const mismatch = (what: string): EngineError =>
  new EngineError(
    `the native addon was built from other sources: ${what}; build it with: node tools/build-addon.mjs --force`,
  );

const isTensor = (kind: string): boolean => kind === 'operand' || kind === 'optional';

/**
 * A function that puts the fields of a call in place, written out field by field: a loop over their names took 0.15 us more, a
 * tenth of a small operation. The names come from our own addon.
 */
function filler<T extends Shaped>(
  call: string,
  fields: readonly Field[],
  numbers: Float64Array,
  idOf: (tensor: T) => BufferId,
): (inputs: Tensors<T>, attrs: Named, results: Tensors<T>) => void {
  const results = Object.keys(entryOf(call as FusedName).results);
  const lines = fields.map(({ name, kind, at }, i) => {
    if (isTensor(kind)) return `tensor(${at}, ${results.includes(name) ? 'results' : 'inputs'}.${name});`;
    if (kind === 'number') return `number(${at}, attrs.${name}, '${name}');`;
    return `number(${at}, choices[${i}][attrs.${name}] ?? -1, '${name}');`;
  });
  const choices = fields.map(({ kind }) => numbered(kind));
  const tensor = (at: number, given: T | undefined): void => {
    if (given === undefined) {
      numbers[at] = NONE;
      return;
    }
    const { shape } = given;
    if (shape.length > MAX_AXES) throw new Error(`${call}: a tensor of ${shape.length} axes, at most six`);
    numbers[at] = idOf(given);
    numbers[at + 1] = shape.length;
    for (let axis = 0; axis < shape.length; axis++) numbers[at + 2 + axis] = shape[axis]!;
  };
  const number = (at: number, value: number | boolean | undefined, name: string): void => {
    if (value === undefined) throw new Error(`${call}: ${name} is missing`);
    numbers[at] = value as number;
  };
  const body = `return (inputs, attrs, results) => { ${lines.join(' ')} };`;
  return new Function('tensor', 'number', 'choices', body)(tensor, number, choices);
}

/** `name, name` to the number of each name. */
export function numbered(list: string): Record<string, number> {
  return Object.fromEntries(list.split(', ').map((name, index) => [name, index]));
}

/** The same for TensorInfo, whose buffers a backend knows. */
export type TensorCalls = Fills<TensorInfo>;
