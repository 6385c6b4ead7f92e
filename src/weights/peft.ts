/** LoRA adapters in PEFT's layout, read and written. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, messageOf } from '../base/errors.js';
import { makeFolder, writeFileAtomic } from '../base/files.js';
import { namesIn } from './checkpointFiles.js';
import { readJson } from './config.js';
import { formatShape, quote } from './header.js';
import {
  contradicts,
  type LoraConfig,
  loraConfigJson,
  loraScaling,
  parseLoraConfig,
  type WrappedClasses,
} from './loraConfig.js';
import { refusePickle, refusePickles } from './notWeights.js';
import { SafetensorsFile, writeSafetensors } from './safetensors.js';
import type { WritableTensor } from './safetensorsWriter.js';
import { fileSource, readReal } from './source.js';

export { type LoraConfig, loraScaling, selectsExactly, selectTargets } from './loraConfig.js';

/** One adapted Linear layer: y += scaling * B (A x). */
export interface LoraModule {
  /** (r, in), row-major. */
  a: Float32Array;
  /** (out, r), row-major. */
  b: Float32Array;
  r: number;
  inFeatures: number;
  outFeatures: number;
  scaling: number;
}

/** The model that the adapter's paths start from: the language model alone ('t5' of BLIP-2), or the whole ('blip2'). */
export type AdapterBase = 't5' | 'blip2';

/** Path of a model's language model, and a test for adapter paths that start there. */
interface LanguageModelPaths {
  /** With a dot at its end. */
  prefix: string;
  startsAt(path: string): boolean;
  /** Our path of a module of the whole model; the path as it is unless given. */
  canonical?(path: string): string | undefined;
}

const T5_PATHS: LanguageModelPaths = {
  prefix: 'language_model.',
  startsAt: (path) => /^(encoder|decoder|lm_head)(\.|$)/.test(path),
};

export interface Adapter {
  config: LoraConfig;
  base: AdapterBase;
  /** Path of the language model, with a dot; `language_model.` unless given. */
  prefix?: string;
  /** What PEFT wraps; BLIP-2 and its T5 unless given. */
  classes?: WrappedClasses | undefined;
  /** By canonical module path, `language_model.encoder.block.0.layer.0.SelfAttention.q`. */
  modules: Map<string, LoraModule>;
}

const CONFIG_FILE = 'adapter_config.json';
const WEIGHTS_FILE = 'adapter_model.safetensors';
const KEY_PREFIX = 'base_model.model.';

/** `<path>.lora_A.weight`, or with the adapter's name before `weight`, as older files have it. */
const KEY = /^base_model\.model\.(.+)\.lora_(A|B)(?:\.[^.]+)?\.weight$/;

/**
 * Reads a LoRA adapter in PEFT's layout from a folder with adapter_config.json and adapter_model.safetensors.
 * Accepts paths relative to T5 and to the whole BLIP-2 model.
 *
 * @throws DataError with file and tensor: unsupported options, half a pair, shapes that disagree with the rank,
 *   modules that target_modules does not name, NaN.
 */
export async function readAdapter(folder: string, language = T5_PATHS): Promise<Adapter> {
  await requireReadable(folder);
  const configPath = join(folder, CONFIG_FILE);
  const config = parseLoraConfig(await readJson(configPath), configPath);
  const file = await SafetensorsFile.open(join(folder, WEIGHTS_FILE));
  try {
    const pairs = pairTensors(file);
    const base = baseOf(file.path, pairs.keys(), language);
    const modules = new Map<string, LoraModule>();
    for (const [path, pair] of pairs) {
      if (contradicts(config, path)) {
        throw new DataError(
          `${file.path}: adapts ${quote(path)}, which target_modules ${quote(config.targetModules)} of ${CONFIG_FILE} does not name`,
        );
      }
      const name = base === 't5' ? language.prefix + path : (language.canonical?.(path) ?? path);
      if (modules.has(name))
        throw new DataError(
          `${file.path}: two of its modules mean ${quote(name)}, ${quote(path)} the second`,
        );
      modules.set(name, await readModule(file, path, pair, config));
    }
    return { config, base, modules };
  } finally {
    await file.close();
  }
}

/** PEFT before 0.7 wrote adapter_model.bin. @throws DataError for a path that is no folder, or that holds a pickle only. */
async function requireReadable(folder: string): Promise<void> {
  const otherwise = 'save the adapter again with PEFT 0.7 or newer';
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    refusePickle(folder, otherwise);
    const fault = found ? 'not a folder' : 'no such folder';
    throw new DataError(`${folder}: ${fault}; expected one with ${CONFIG_FILE} and ${WEIGHTS_FILE}`);
  }
  const names = await namesIn(folder);
  if (!names.includes(WEIGHTS_FILE)) refusePickles(folder, names, otherwise);
}

/** Tensor names of both halves, by module path as the file has it. */
function pairTensors(file: SafetensorsFile): Map<string, { A: string; B: string }> {
  const found = new Map<string, { A?: string; B?: string }>();
  for (const name of file.names) {
    const match = KEY.exec(name);
    if (!match) {
      throw new DataError(
        `${file.path}: tensor ${quote(name)} is not a LoRA weight of a Linear layer; only plain LoRA is supported`,
      );
    }
    const [, path, half] = match as unknown as [string, string, 'A' | 'B'];
    const pair = found.get(path) ?? {};
    if (pair[half] !== undefined) {
      throw new DataError(`${file.path}: ${quote(pair[half])} and ${quote(name)} are the same weight`);
    }
    found.set(path, { ...pair, [half]: name });
  }
  if (found.size === 0) throw new DataError(`${file.path}: holds no LoRA weights`);
  const pairs = new Map<string, { A: string; B: string }>();
  for (const [path, { A, B }] of found) {
    if (A === undefined || B === undefined) {
      throw new DataError(
        `${file.path}: ${quote(A ?? B)} has no lora_${A === undefined ? 'A' : 'B'} beside it`,
      );
    }
    pairs.set(path, { A, B });
  }
  return pairs;
}

function baseOf(path: string, modulePaths: Iterable<string>, language: LanguageModelPaths): AdapterBase {
  const bases = new Set<AdapterBase>();
  for (const name of modulePaths) bases.add(language.startsAt(name) ? 't5' : 'blip2');
  if (bases.size > 1)
    throw new DataError(`${path}: some paths start at the language model and some at the whole model`);
  return bases.has('t5') ? 't5' : 'blip2';
}

async function readModule(
  file: SafetensorsFile,
  path: string,
  pair: { A: string; B: string },
  config: LoraConfig,
): Promise<LoraModule> {
  const { r, scaling } = loraScaling(config, path);
  const [rankA, inFeatures] = matrixShape(file, pair.A);
  const [outFeatures, rankB] = matrixShape(file, pair.B);
  if (rankA !== r || rankB !== r) {
    throw new DataError(
      `${file.path}: ${quote(path)} has lora_A (${rankA}, ${inFeatures}) and lora_B (${outFeatures}, ${rankB}), but ${CONFIG_FILE} gives it rank ${r}`,
    );
  }
  const a = await readReal(pair.A, fileSource(file));
  const b = await readReal(pair.B, fileSource(file));
  return { a, b, r, inFeatures, outFeatures, scaling };
}

function matrixShape(file: SafetensorsFile, name: string): [number, number] {
  const { shape } = file.info(name);
  if (shape.length !== 2) {
    throw new DataError(
      `${file.path}: tensor ${quote(name)} has shape ${formatShape(shape)}, expected a matrix`,
    );
  }
  return [shape[0]!, shape[1]!];
}

/**
 * Writes an adapter so that PEFT loads it: adapter_model.safetensors first, then adapter_config.json, each atomically.
 *
 * @throws DataError when a module lies outside the base, disagrees with its rank or shape, or the folder is not
 *   writable.
 */
export async function writeAdapter(folder: string, adapter: Adapter): Promise<void> {
  await makeFolder(folder).catch((error) => {
    throw new DataError(`${folder}: cannot be created (${messageOf(error)})`, { cause: error });
  });
  const tensors = new Map<string, WritableTensor>();
  for (const [canonical, module] of adapter.modules) {
    const path = relativePath(canonical, adapter);
    checkModule(`${folder}: adapter of ${quote(canonical)}`, module, path, adapter.config);
    const { a, b, r, inFeatures, outFeatures } = module;
    tensors.set(`${KEY_PREFIX}${path}.lora_A.weight`, { dtype: 'F32', shape: [r, inFeatures], data: a });
    tensors.set(`${KEY_PREFIX}${path}.lora_B.weight`, { dtype: 'F32', shape: [outFeatures, r], data: b });
  }
  await writeSafetensors(join(folder, WEIGHTS_FILE), tensors, { format: 'pt' });
  const json = loraConfigJson(adapter.config, wrappedBy(adapter));
  await writeFileAtomic(join(folder, CONFIG_FILE), `${JSON.stringify(json, null, 2)}\n`);
}

const BLIP2_CLASSES: WrappedClasses = {
  whole: {
    name: 'Blip2ForConditionalGeneration',
    library: 'transformers.models.blip_2.modeling_blip_2',
  },
  language: { name: 'T5ForConditionalGeneration', library: 'transformers.models.t5.modeling_t5' },
};

/** The class that an adapter wraps; other language models than T5 are no sequence-to-sequence models. */
function wrappedBy({ base, prefix = T5_PATHS.prefix, classes }: Adapter) {
  const { whole, language } = classes ?? BLIP2_CLASSES;
  return base === 't5' && (classes || prefix === T5_PATHS.prefix) ? language : whole;
}

function relativePath(canonical: string, { base, prefix = T5_PATHS.prefix }: Adapter): string {
  if (base === 'blip2') return canonical;
  if (canonical.startsWith(prefix)) return canonical.slice(prefix.length);
  throw new DataError(
    `${quote(canonical)} is not part of the language model: write the adapter with base 'blip2'`,
  );
}

/** Refuses an adapter that PEFT would refuse to load, while the weights are still in memory. */
function checkModule(place: string, module: LoraModule, path: string, config: LoraConfig): void {
  const { r } = loraScaling(config, path);
  if (r !== module.r) throw new DataError(`${place}: rank ${module.r}, but the configuration gives ${r}`);
  if (contradicts(config, path)) {
    throw new DataError(`${place}: not among target_modules ${quote(config.targetModules)}`);
  }
}
