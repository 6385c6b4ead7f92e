/** The lists of `weights show`. */
import { DTYPE_BYTES, type Dtype } from './dtypes.js';
import type { TensorSource } from './source.js';

interface TensorRow {
  name: string;
  dtype: Dtype;
  shape: number[];
  bytes: number;
  /** The file that holds it: one of several for a sharded checkpoint. */
  file: string;
}

export interface WeightsSummary {
  path: string;
  /** By name, numbers inside names in numeric order. */
  rows: TensorRow[];
  totals: {
    tensors: number;
    parameters: number;
    bytes: number;
    byDtype: { dtype: Dtype; tensors: number; parameters: number; bytes: number }[];
  };
  metadata: Record<string, string>;
}

/** The tensors of an open checkpoint, from its headers. */
export function summaryOf(source: TensorSource): WeightsSummary {
  const rows = source.names().map((name): TensorRow => {
    const { dtype, shape } = source.info(name);
    return { name, dtype, shape, bytes: elements(shape) * DTYPE_BYTES[dtype], file: source.fileOf(name) };
  });
  const { compare } = new Intl.Collator('en', { numeric: true });
  rows.sort((a, b) => compare(a.name, b.name));
  return { path: source.path, rows, totals: totalsOf(rows), metadata: source.metadata };
}

function totalsOf(rows: TensorRow[]): WeightsSummary['totals'] {
  const byDtype = new Map<Dtype, { tensors: number; parameters: number; bytes: number }>();
  for (const { dtype, shape, bytes } of rows) {
    const total = byDtype.get(dtype) ?? { tensors: 0, parameters: 0, bytes: 0 };
    total.tensors += 1;
    total.parameters += elements(shape);
    total.bytes += bytes;
    byDtype.set(dtype, total);
  }
  const list = [...byDtype].map(([dtype, total]) => ({ dtype, ...total }));
  const sum = (key: 'tensors' | 'parameters' | 'bytes') => list.reduce((total, item) => total + item[key], 0);
  return { tensors: sum('tensors'), parameters: sum('parameters'), bytes: sum('bytes'), byDtype: list };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A size for people, in decimal units as disks and download pages use: 15.8 GB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return `${bytes} B`;
  return `${value.toFixed(value < 99.95 ? 1 : 0)} ${units[unit]}`;
}
