/**
 * Natural-language inference: whether one text entails or contradicts another, by an ONNX model of the usual kind
 * (a sequence classifier over pairs with the labels entailment, neutral and contradiction), run by @xenova/transformers.
 */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError, MissingToolError, messageOf, UsageError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { readJson } from '../weights/config.js';
import { fetchFile, hubUrl, NotOnServer } from '../weights/fetch.js';

export interface Pair {
  premise: string;
  hypothesis: string;
}

/** Probabilities that the premise entails or contradicts the hypothesis. */
export interface Relation {
  entails: number;
  contradicts: number;
}

/** Relations of pairs, in order. */
export type Nli = (pairs: readonly Pair[]) => Promise<Relation[]>;

/** Pairs that go through a model at once. */
const BATCH = 32;
/** Relations that are remembered; the oldest are forgotten first. */
const REMEMBERED = 100_000;

/** Asks `nli` in batches and never twice about the same pair that is remembered. */
export function remembering(nli: Nli, batch = BATCH): Nli {
  const known = new Map<string, Relation>();
  const keyOf = ({ premise, hypothesis }: Pair) => JSON.stringify([premise, hypothesis]);
  return async (pairs) => {
    const found = new Map<string, Relation>();
    const missing = new Map<string, Pair>();
    for (const pair of pairs) {
      const key = keyOf(pair);
      const relation = known.get(key);
      if (relation) found.set(key, relation);
      else missing.set(key, pair);
    }
    // Pairs of like length waste least on padding.
    const asked = [...missing].sort(([a], [b]) => a.length - b.length);
    for (let i = 0; i < asked.length; i += batch) {
      const some = asked.slice(i, i + batch);
      const relations = await nli(some.map(([, pair]) => pair));
      some.forEach(([key], j) => {
        found.set(key, relations[j]!);
        known.set(key, relations[j]!);
      });
    }
    for (const key of known.keys()) {
      if (known.size <= REMEMBERED) break;
      known.delete(key);
    }
    return pairs.map((pair) => found.get(keyOf(pair))!);
  };
}

/** Files of a model; the first weights that are there are taken. */
const FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
const WEIGHTS = ['onnx/model_quantized.onnx', 'onnx/model.onnx'];
const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/**
 * Opens a model from its folder or a Hugging Face id, which is downloaded once.
 *
 * @param pathOrId folder with config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx or
 *   onnx/model_quantized.onnx
 * @throws DataError naming the file that is missing or wrong; MissingToolError where the package is not installed
 */
export async function openNli(pathOrId: string): Promise<Nli> {
  const folder = await folderOf(pathOrId);
  const labels = labelsOf(join(folder, 'config.json'), await readJson(join(folder, 'config.json')));
  const quantized = await isThere(join(folder, WEIGHTS[0]!));
  const { AutoModelForSequenceClassification, AutoTokenizer, env } = await loadPackage();
  env.localModelPath = dirname(folder);
  env.allowRemoteModels = false;
  const id = basename(folder);
  const opened = { quantized, local_files_only: true };
  const [tokenizer, model] = await Promise.all([
    AutoTokenizer.from_pretrained(id, opened),
    AutoModelForSequenceClassification.from_pretrained(id, opened),
  ]).catch((error) => {
    throw new DataError(`${folder}: no model that can be opened (${messageOf(error)})`, { cause: error });
  });
  const logitsOf = async (pairs: readonly Pair[]) => {
    const inputs = tokenizer(
      pairs.map(({ premise }) => premise),
      { text_pair: pairs.map(({ hypothesis }) => hypothesis), padding: true, truncation: true },
    );
    return (await model(inputs)).logits;
  };
  return async (pairs) => {
    const logits = await logitsOf(pairs).catch((error) => {
      throw new DataError(`${folder}: the model cannot take pairs of texts (${messageOf(error)})`, {
        cause: error,
      });
    });
    const [rows, columns] = logits.dims as [number, number];
    if (rows !== pairs.length || columns !== labels.count)
      throw new DataError(
        `${folder}: the model gives [${logits.dims}] for ${pairs.length} pairs and ${labels.count} labels of config.json`,
      );
    return pairs.map((_, i) => relationOf(logits.data.subarray(i * columns, (i + 1) * columns), labels));
  };
}

interface Labels {
  count: number;
  entailment: number;
  contradiction: number;
}

function labelsOf(place: string, config: unknown): Labels {
  const id2label = isRecord(config) && isRecord(config.id2label) ? config.id2label : {};
  const names = Object.entries(id2label).map(
    ([id, name]) => [Number(id), String(name).toLowerCase()] as const,
  );
  const of = (start: string) => names.find(([, name]) => name.startsWith(start))?.[0];
  const entailment = of('entail');
  const contradiction = of('contradict');
  if (entailment === undefined || contradiction === undefined)
    throw new DataError(
      `${place}: id2label: expected the labels entailment and contradiction, found ${JSON.stringify(names.map(([, name]) => name))}; it is no model of natural-language inference`,
    );
  return { count: names.length, entailment, contradiction };
}

function relationOf(logits: Float32Array, { entailment, contradiction }: Labels): Relation {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return { entails: powers[entailment]! / total, contradicts: powers[contradiction]! / total };
}

async function folderOf(pathOrId: string): Promise<string> {
  if ((await stat(pathOrId).catch(() => undefined))?.isDirectory()) {
    const folder = resolve(pathOrId);
    for (const file of FILES)
      if (!(await isThere(join(folder, file)))) throw new DataError(`${join(folder, file)}: no such file`);
    if (!(await isThere(join(folder, WEIGHTS[0]!))) && !(await isThere(join(folder, WEIGHTS[1]!))))
      throw new DataError(`${folder}: expected ${WEIGHTS.join(' or ')}`);
    return folder;
  }
  if (HUB_ID.test(pathOrId)) return downloaded(pathOrId);
  throw new UsageError(
    `${pathOrId}: no such folder; expected one with an ONNX model, or a Hugging Face id such as org/name`,
  );
}

/** The folder of a model of the hub, downloaded where it is not in the user's cache. */
async function downloaded(id: string): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'reasvqa', 'models');
  const folder = join(cache, id);
  const weights = await Promise.all(WEIGHTS.map((file) => isThere(join(folder, file))));
  if (weights.some(Boolean)) return folder;
  if (/^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? ''))
    throw new DataError(
      `${id}: not in ${cache} and downloading is off; download it once, or give its folder`,
    );
  const get = (file: string) =>
    fetchFile(hubUrl(id, 'main', file), join(folder, file), { attempts: 3, backoffMs: 500 });
  try {
    // The weights come last: once they are there, so is the rest.
    for (const file of FILES) await get(file);
    await get(WEIGHTS[0]!).catch((error) => {
      if (!(error instanceof NotOnServer)) throw error;
      return get(WEIGHTS[1]!);
    });
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${id}: the model could not be downloaded; ${error.message}`, { cause: error });
  }
  return folder;
}

const isThere = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined;

/** The part of the package that is used; loading it takes a quarter of a second and 100 MB. */
async function loadPackage(): Promise<TransformersPackage> {
  try {
    return (await import('@xenova/transformers')) as unknown as TransformersPackage;
  } catch (error) {
    throw new MissingToolError(
      `the policy entailment needs the package @xenova/transformers, which cannot be loaded (${messageOf(error).split('\n')[0]}); run npm install @xenova/transformers@2.17.2`,
      { cause: error },
    );
  }
}

interface TransformersPackage {
  env: { localModelPath: string; allowRemoteModels: boolean };
  AutoTokenizer: {
    from_pretrained(
      id: string,
      options: object,
    ): Promise<(texts: string[], options: object) => Record<string, unknown>>;
  };
  AutoModelForSequenceClassification: {
    from_pretrained(
      id: string,
      options: object,
    ): Promise<
      (inputs: Record<string, unknown>) => Promise<{ logits: { dims: number[]; data: Float32Array } }>
    >;
  };
}
