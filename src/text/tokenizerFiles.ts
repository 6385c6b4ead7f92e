/** Finds the files of a tokenizer, downloads and checks them. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../base/errors.js';
import { readJson } from '../weights/config.js';
import { fetchFile, hubUrl, NotOnServer } from '../weights/fetch.js';

export interface TokenizerLoadOptions {
  /** Never touch the network: a Hugging Face id must be in the cache. Also set by HF_HUB_OFFLINE=1. */
  offline?: boolean;
  /** Where downloaded tokenizers are kept. Default: `reasvqa/tokenizers` in the user's cache folder. */
  cacheFolder?: string;
  revision?: string;
}

export interface TokenizerFiles {
  /** What the user named, for messages. */
  origin: string;
  tokenizer: TokenizerJson;
  config: Record<string, unknown>;
}

/** The part of tokenizer.json that is read here. */
interface TokenizerJson {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: UnigramModel | BpeModel;
  pre_tokenizer: unknown;
  decoder: unknown;
  [key: string]: unknown;
}

interface UnigramModel {
  type: 'Unigram';
  vocab: [string, number][];
  unk_id: number;
}

/** Merges as "a b" (older files) or as pairs. */
export interface BpeModel {
  type: 'BPE';
  vocab: Record<string, number>;
  merges: (string | [string, string])[];
}

const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/**
 * Finds tokenizer.json (and tokenizer_config.json beside it, if any) for a folder, a file, or a Hugging Face id.
 *
 * @throws DataError naming what was looked for, and what to do when offline.
 */
export async function findTokenizerFiles(
  pathOrId: string,
  options: TokenizerLoadOptions = {},
): Promise<TokenizerFiles> {
  const found = await stat(pathOrId).catch(() => undefined);
  if (found) {
    const path = found.isDirectory() ? join(pathOrId, 'tokenizer.json') : pathOrId;
    return readLocal(path);
  }
  if (HUB_ID.test(pathOrId)) return readHub(pathOrId, options);
  throw new DataError(
    `${pathOrId}: no such file or folder; expected a tokenizer.json, a folder with one, or a Hugging Face id such as org/name`,
  );
}

async function readLocal(path: string): Promise<TokenizerFiles> {
  const spm = /\.(model|spm)$/.test(basename(path));
  if (spm) {
    throw new DataError(`${path}: a SentencePiece model; give the tokenizer.json made from it instead`);
  }
  if (!existsSync(path)) {
    throw new DataError(
      `${path}: no such file; save it with tokenizer.save_pretrained() or take it from the model's repository`,
    );
  }
  const tokenizer = checkTokenizer(path, await readJson(path));
  const configPath = join(dirname(path), 'tokenizer_config.json');
  const config = existsSync(configPath) ? await readJson(configPath) : undefined;
  return { origin: path, tokenizer, config: asObject(config) };
}

/** Reads a tokenizer from the cache, downloading it first where it is not there. */
async function readHub(id: string, options: TokenizerLoadOptions): Promise<TokenizerFiles> {
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const revision = options.revision ?? 'main';
  const folder = join(cache, id, ...(revision === 'main' ? [] : [revision]));
  const path = join(folder, 'tokenizer.json');
  if (!(await stat(path).catch(() => undefined))) {
    if (options.offline ?? /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? '')) {
      throw new DataError(
        `${id}: its tokenizer is not in ${cache} and downloading is off; download it once, or give a local tokenizer.json`,
      );
    }
    await download(id, revision, folder);
  }
  return { ...(await readLocal(path)), origin: id };
}

/** tokenizer.json comes last: once it is there, the optional tokenizer_config.json has been asked for. */
async function download(id: string, revision: string, folder: string): Promise<void> {
  const get = (file: string) =>
    fetchFile(hubUrl(id, revision, file), join(folder, file), { attempts: 3, backoffMs: 500 });
  try {
    await get('tokenizer_config.json').catch((error) => {
      if (!(error instanceof NotOnServer)) throw error;
    });
    await get('tokenizer.json');
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${id}: its tokenizer could not be downloaded; ${error.message}`, { cause: error });
  }
}

function defaultCacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'reasvqa', 'tokenizers');
}

function checkTokenizer(origin: string, json: unknown): TokenizerJson {
  const root = asObject(json);
  const model = asObject(root.model);
  if (model.type === 'BPE') checkBpe(origin, model, root);
  else checkUnigram(origin, model);
  if (!Array.isArray(root.added_tokens)) throw new DataError(`${origin}: added_tokens must be a list`);
  return root as unknown as TokenizerJson;
}

function checkUnigram(origin: string, { type, vocab }: Record<string, unknown>): void {
  if (type !== 'Unigram' || !Array.isArray(vocab) || vocab.length === 0) {
    throw new DataError(
      `${origin}: not a SentencePiece Unigram tokenizer, nor a byte-level BPE: model.type is ${JSON.stringify(type)}, expected "Unigram" or "BPE" with a vocabulary`,
    );
  }
  const badPiece = vocab.findIndex(
    (piece) => !Array.isArray(piece) || typeof piece[0] !== 'string' || typeof piece[1] !== 'number',
  );
  if (badPiece >= 0) throw new DataError(`${origin}: model.vocab[${badPiece}] must be [piece, score]`);
}

/** Of the BPEs only the byte-level one is read: every text has tokens there. */
function checkBpe(origin: string, { vocab, merges }: Record<string, unknown>, root: object): void {
  const pieces = Object.values(asObject(vocab));
  if (pieces.length === 0 || pieces.some((id) => !Number.isInteger(id)))
    throw new DataError(`${origin}: model.vocab must give each piece its id`);
  const isMerge = (merge: unknown) =>
    typeof merge === 'string'
      ? merge.split(' ').length === 2
      : Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === 'string');
  const bad = Array.isArray(merges) ? merges.findIndex((merge) => !isMerge(merge)) : 0;
  if (bad >= 0) throw new DataError(`${origin}: model.merges[${bad}] must be "a b" or a pair of texts`);
  if (!JSON.stringify((root as { pre_tokenizer?: unknown }).pre_tokenizer ?? null).includes('"ByteLevel"'))
    throw new DataError(`${origin}: not a byte-level BPE: pre_tokenizer has no ByteLevel`);
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
