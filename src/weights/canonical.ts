/** Presents a checkpoint under canonical tensor names, whatever layout it was published in. */
import { DataError } from '../base/errors.js';
import type { TensorData } from './dtypes.js';
import { formatShape, quote } from './header.js';
import { meaningOf, type NameOptions } from './names.js';
import { DECODER_TABLE } from './ownTables.js';
import type { LoadedTensor, ReadOptions, TensorInfo } from './safetensors.js';
import type { TensorSource } from './source.js';

/** A source under canonical names, with a report of the tensors left out. */
export interface CanonicalSource extends TensorSource {
  readonly report: {
    /** Tensors of the file that the model does not use, with the reason. */
    ignored: { name: string; reason: string }[];
    /** Tensors whose names mean nothing to us; they keep their name in `names()`. */
    unknown: string[];
    /** Tensors read under another name than the file's: from -> canonical. */
    renamed: Map<string, string>;
  };
}

/** Origin of a canonical tensor: one tensor, or the two halves of a qkv bias. */
type Origin = { tensor: string } | { q: string; v: string };

/**
 * Presents canonical Hugging Face names whatever the layout of `source` (see names.ts). A split query and value bias
 * becomes qkv.bias = [q_bias, 0, v_bias]: the ViT has no key bias.
 *
 * @throws DataError when two tensors mean the same one, or half of a split bias is missing.
 */
export function canonicalSource(source: TensorSource, options: NameOptions = {}): CanonicalSource {
  const plan = planNames(source, options);
  const originOf = (name: string): Origin => {
    const origin = plan.origins.get(name);
    if (!origin) throw new DataError(`${source.path}: has no tensor ${quote(name)}`);
    return origin;
  };
  return {
    path: source.path,
    metadata: source.metadata,
    report: plan.report,
    names: () => [...plan.origins.keys()],
    has: (name) => plan.origins.has(name),
    fileOf: (name) => {
      const origin = originOf(name);
      return source.fileOf('tensor' in origin ? origin.tensor : origin.q);
    },
    info: (name) => {
      const origin = originOf(name);
      return 'tensor' in origin ? source.info(origin.tensor) : fusedInfo(source, origin);
    },
    read: async (name, readOptions) => {
      const origin = originOf(name);
      if ('tensor' in origin) return source.read(origin.tensor, readOptions);
      return readFused(source, origin, readOptions);
    },
    close: () => source.close(),
  };
}

interface NamePlan {
  origins: Map<string, Origin>;
  report: CanonicalSource['report'];
}

function planNames(source: TensorSource, options: NameOptions): NamePlan {
  const origins = new Map<string, Origin>();
  const report: CanonicalSource['report'] = { ignored: [], unknown: [], renamed: new Map() };
  const halves = new Map<string, { q?: string; v?: string }>();
  const copies: { name: string; canonical: string; own: string }[] = [];
  const add = (canonical: string, origin: Origin, from: string) => {
    const other = origins.get(canonical);
    if (other) {
      const first = 'tensor' in other ? other.tensor : other.q;
      throw new DataError(`${source.path}: ${quote(first)} and ${quote(from)} both mean ${quote(canonical)}`);
    }
    origins.set(canonical, origin);
    if (from !== canonical) report.renamed.set(from, canonical);
  };
  for (const name of source.names()) {
    const meaning = meaningOf(name, options);
    if (meaning.kind === 'tensor') add(meaning.name, { tensor: name }, name);
    else if (meaning.kind === 'ignored') report.ignored.push({ name, reason: meaning.reason });
    else if (meaning.kind === 'embedding-copy')
      copies.push({ name, canonical: meaning.name, own: meaning.own });
    else if (meaning.kind === 'qkv-bias') {
      halves.set(meaning.name, { ...halves.get(meaning.name), [meaning.part]: name });
    } else {
      report.unknown.push(name);
      add(name, { tensor: name }, name);
    }
  }
  for (const [canonical, { q, v }] of halves) {
    if (q === undefined || v === undefined) {
      throw new DataError(`${source.path}: ${quote(q ?? v)} lacks its ${q === undefined ? 'q' : 'v'}_bias`);
    }
    add(canonical, { q, v }, q);
    report.renamed.set(v, canonical);
  }
  for (const { name, canonical, own } of copies) {
    if (!origins.has(canonical)) add(canonical, { tensor: name }, name);
    // The encoder's text is embedded by BLIP-2, through the shared table.
    else if (own === DECODER_TABLE) add(own, { tensor: name }, name);
    else report.ignored.push({ name, reason: `a copy of ${canonical}` });
  }
  return { origins, report };
}

/** The info of [q_bias, 0, v_bias]. */
function fusedInfo(source: TensorSource, { q, v }: { q: string; v: string }): TensorInfo {
  const a = source.info(q);
  const b = source.info(v);
  if (a.shape.length !== 1 || b.shape.length !== 1 || a.shape[0] !== b.shape[0] || a.dtype !== b.dtype) {
    throw new DataError(
      `${source.path}: ${quote(q)} ${a.dtype} ${formatShape(a.shape)} and ${quote(v)} ${b.dtype} ${formatShape(b.shape)} must be vectors of one length and type`,
    );
  }
  return { dtype: a.dtype, shape: [a.shape[0]! * 3] };
}

async function readFused(
  source: TensorSource,
  origin: { q: string; v: string },
  given?: ReadOptions,
): Promise<LoadedTensor> {
  const info = fusedInfo(source, origin);
  // Both are needed at once, so neither goes into the caller's buffer.
  const { buffer: _, ...options } = given ?? {};
  const q = await source.read(origin.q, options);
  const v = await source.read(origin.v, options);
  const length = q.data.length;
  const data = new (q.data.constructor as new (length: number) => TensorData)(length * 3);
  data.set(q.data, 0);
  data.set(v.data, length * 2);
  return { ...info, data };
}
