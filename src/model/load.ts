/** Between checkpoint folders and models: loads every layout that public files have, and saves. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { makeFolder } from '../base/files.js';
import { bf16OfBits, takesBf16Bits } from '../ops/bf16.js';
import {
  type Comparison,
  compareCheckpoint,
  type ExpectedTensors,
  faultsOf,
  requireComplete,
} from '../weights/comparison.js';
import { ownTables } from '../weights/ownTables.js';
import { type WritableTensor, writeSafetensors } from '../weights/safetensors.js';
import { type Checkpoint, openCheckpoint } from '../weights/sharded.js';
import { readReal, type TensorSource } from '../weights/source.js';
import type { Precision } from './context.js';
import type { StudentKind } from './kind.js';
import type { Parameter } from './layers/module.js';
import { bf16Parameters, requirePrecision } from './precision.js';
import { readStudentConfig } from './registry.js';
import type { Student, StudentConfig } from './student.js';
import { isTrained } from './trainable.js';

/** Options for loading a checkpoint folder. */
export interface LoadOptions {
  /** Storage of frozen weights; f32 unless given. */
  precision?: Precision | undefined;
  /** Groups that will be trained, hence stay float32; none unless given. */
  groups?: readonly string[] | undefined;
  /** Called with the bytes read so far and in all. */
  onProgress?: ((bytes: number, total: number) => void) | undefined;
  /** Called with the student before gigabytes are read into it; what it throws ends the loading. */
  check?: ((student: Student) => void) | undefined;
}

export interface LoadedStudent {
  student: Student;
  comparison: Comparison;
}

/**
 * Makes the student of a checkpoint folder and reads its weights, tensor by tensor.
 *
 * @param folder has config.json and model.safetensors (or shards), in any layout that its architecture was published in.
 * @throws DataError naming the tensor that is missing, of another shape, truncated or not finite; EngineError for a
 *   precision that the engine in use lacks.
 */
export async function loadStudent(folder: string, options: LoadOptions = {}): Promise<LoadedStudent> {
  const base = await openBase(folder, { ...options, trained: [] });
  return { student: base.student, comparison: base.comparison };
}

/** The frozen weights of a checkpoint, which any number of students share. */
export interface Base {
  readonly folder: string;
  readonly kind: StudentKind;
  /** Has values for the parameters that no attached student trains; {@link attach} reads the others. */
  readonly student: Student;
  readonly comparison: Comparison;
  /** Reads the vision weights, where they were left for later, into the base and a student attached to it. */
  see(student?: Student): Promise<void>;
  /** Whether a weight is the vision model's and was left for later. */
  leaves(name: string): boolean;
}

/**
 * Which weights are read at once. `language` leaves the vision model's to {@link Base.see}, for runs whose features are
 * stored; `vision` reads those alone, for storing features; `nothing` leaves even them for later.
 */
export type Parts = 'all' | 'language' | 'vision' | 'nothing';

/** @param trained groups that at least one student trains: their weights are not shared. */
export async function openBase(
  folder: string,
  options: LoadOptions & { trained: readonly string[]; parts?: Parts | undefined },
): Promise<Base> {
  const { precision = 'f32', trained, groups = trained, onProgress, check, parts = 'all' } = options;
  requirePrecision(precision, 'model.precision');
  const { kind, config } = await readStudentConfig(folder);
  const files = await openCheckpoint(folder);
  const student = await kind.create(config, precision);
  try {
    check?.(student);
    const comparison = await compare(kind, student, files);
    requireComplete(comparison, folder);
    student.addOptional(comparison.own);
    const shared = [...student.module.parameters()].filter(({ name }) => !isTrained(kind, name, trained));
    const seeing = new Set(student.featureParameters());
    const now = shared.filter((p) => parts === 'all' || parts === (seeing.has(p) ? 'vision' : 'language'));
    const stored = storedInBf16(student, groups);
    await readParameters(now, kind.canonical(files), onProgress, stored);
    const later = shared.filter((p) => seeing.has(p) && !p.loaded);
    const names = new Set(later.map(({ name }) => name));
    const see = laterSight(folder, kind, later, stored);
    return { folder, kind, student, comparison, see, leaves: (name) => names.has(name) };
  } catch (error) {
    student.dispose();
    throw error;
  } finally {
    await files.close();
  }
}

/** Reads parameters at the first need of them, and shares them with each student that asks. */
function laterSight(
  folder: string,
  kind: StudentKind,
  later: readonly Parameter[],
  stored: ReadonlySet<Parameter> | undefined,
): Base['see'] {
  const byName = new Map(later.map((parameter) => [parameter.name, parameter]));
  const read = async () => {
    const files = await openCheckpoint(folder);
    try {
      await readParameters(later, kind.canonical(files), undefined, stored);
    } finally {
      await files.close();
    }
  };
  let reading: Promise<void> | undefined;
  return async (student) => {
    if (later.length === 0) return;
    reading ??= read();
    await reading;
    for (const parameter of student?.featureParameters() ?? []) {
      const known = byName.get(parameter.name);
      if (known && !parameter.loaded) parameter.share(known);
    }
  };
}

/**
 * A new student on shared frozen weights; the weights that the base lacks are read from the checkpoint, but for those
 * that {@link Base.see} reads.
 *
 * @param groups that this student trains. Its bits equal those of a student loaded alone with the same groups.
 */
export async function attach(base: Base, groups: readonly string[]): Promise<Student> {
  const { folder, kind, comparison } = base;
  const { config, precision } = base.student;
  const student = await kind.create(config, precision);
  try {
    student.addOptional(comparison.own);
    const known = new Map([...base.student.module.parameters()].map((p) => [p.name, p]));
    const own: Parameter[] = [];
    for (const parameter of student.module.parameters()) {
      const other = known.get(parameter.name)!;
      if (other.loaded) parameter.share(other);
      else if (!base.leaves(parameter.name)) own.push(parameter);
    }
    const files = await openCheckpoint(folder);
    try {
      await readParameters(own, kind.canonical(files), undefined, storedInBf16(student, groups));
    } finally {
      await files.close();
    }
    return student;
  } catch (error) {
    student.dispose();
    throw error;
  }
}

function storedInBf16(student: Student, groups: readonly string[]): ReadonlySet<Parameter> | undefined {
  return student.precision === 'bf16' ? bf16Parameters(student, groups) : undefined;
}

/**
 * Compares an open checkpoint with the tensors that a config.json asks for. Reads headers, and the embedding tables
 * where there are several.
 *
 * @throws DataError when two of its tensors mean the same one.
 */
export async function compareWithConfig(
  files: Checkpoint,
  kind: StudentKind,
  config: StudentConfig,
): Promise<Comparison> {
  return compare(kind, await kind.create(config, 'f32'), files);
}

async function compare(kind: StudentKind, { module }: Student, files: Checkpoint): Promise<Comparison> {
  const layout: ExpectedTensors = new Map([...module.parameters()].map(({ name, shape }) => [name, shape]));
  const source = kind.canonical(files);
  const shared = kind.sharedTable;
  const comparison = compareCheckpoint(layout, source, shared);
  const isWhole = faultsOf(comparison) === undefined;
  const own = shared && isWhole ? await ownTables(source, layout, shared) : [];
  return { ...comparison, own, unread: files.unread };
}

/** Reads the given parameters from a source that has them all. @throws DataError for a value that is not finite. */
export async function readParameters(
  parameters: readonly Parameter[],
  source: TensorSource,
  onProgress?: (bytes: number, total: number) => void,
  bf16?: ReadonlySet<Parameter>,
): Promise<void> {
  const total = parameters.reduce((sum, p) => sum + 4 * p.size, 0);
  const asBits = (p: Parameter) => bf16?.has(p) && takesBf16Bits() && source.info(p.name).dtype === 'BF16';
  const largest = parameters.reduce((most, p) => (asBits(p) ? Math.max(most, 2 * p.size) : most), 0);
  // While one tensor goes to the device the next is read. bf16 bits are read into two buffers in turn, since fresh
  // pages cost more than reading.
  const buffers = [new ArrayBuffer(largest), new ArrayBuffer(largest)];
  const start = (i: number): Promise<() => void> | undefined => {
    const parameter = parameters[i];
    if (parameter === undefined) return undefined;
    if (asBits(parameter)) return readBits(parameter, source, buffers[i % 2]!);
    return readFloat32(parameter, source, bf16?.has(parameter) ?? false);
  };
  let bytes = 0;
  let next = start(0);
  try {
    for (const [i, parameter] of parameters.entries()) {
      const set = await next!;
      next = start(i + 1);
      set();
      bytes += 4 * parameter.size;
      onProgress?.(bytes, total);
    }
  } finally {
    // After an error the file is closed, so a pending read must end first.
    await next?.catch(() => undefined);
  }
}

/** Reads a parameter and returns a function that sets its values, rounded to bf16 where it is stored in bf16. */
async function readFloat32(parameter: Parameter, source: TensorSource, asBf16: boolean): Promise<() => void> {
  const data = await readReal(parameter.name, source);
  return () => {
    const value = tf.tensor(data, parameter.shape, 'float32');
    if (asBf16) parameter.setBf16(value);
    else parameter.set(value);
  };
}

/** Hands bf16 bits to a device that takes them: half the bytes, and no float32 copy. */
async function readBits(
  parameter: Parameter,
  source: TensorSource,
  buffer: ArrayBuffer,
): Promise<() => void> {
  const { data } = await source.read(parameter.name, { finite: true, raw: true, buffer });
  return () => parameter.set(bf16OfBits(data as Uint16Array, parameter.shape));
}

/** The parameters as float32 tensors to write, each read from the engine when its turn comes. */
export function writableParameters(parameters: Iterable<Parameter>): Map<string, WritableTensor> {
  const tensors = new Map<string, WritableTensor>();
  for (const parameter of parameters)
    tensors.set(parameter.name, {
      dtype: 'F32',
      shape: parameter.shape,
      data: async () => (await parameter.value.data()) as Float32Array,
    });
  return tensors;
}

/** Keys that hold real numbers. */
const REAL_KEY = /("\w*(?:_eps|_epsilon|_factor|_range|_rate|_prob|dropout)": -?\d+)(?=,?\n)/g;

/** JSON with a decimal point in real numbers (1.0, not 1): transformers 5 refuses a whole number for a real setting. */
function configText(config: object): string {
  return `${JSON.stringify(config, null, 2)}\n`.replace(REAL_KEY, '$1.0');
}

/** Writes config.json and model.safetensors, a folder that {@link loadStudent} and transformers read. */
export async function saveStudent(
  { module, config }: Pick<Student, 'module' | 'config'>,
  folder: string,
  metadata: Record<string, string> = {},
  dtype: 'F32' | 'BF16' | 'F16' = 'F32',
): Promise<void> {
  await makeFolder(folder);
  await writeFile(join(folder, 'config.json'), configText(config));
  const tensors = writableParameters(module.parameters());
  for (const tensor of tensors.values()) tensor.dtype = dtype;
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt', ...metadata });
}
