/**
 * A student put together from a recipe: base model, adapter, tokenizer, what of it learns, and the start tokens of
 * its two tasks.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import { DataError, UsageError } from '../errors.js';
import { FeatureStore } from '../features/store.js';
import { type AttachedAdapter, addAdapter, loadAdapter } from '../model/adapter.js';
import { loadModel } from '../model/load.js';
import type { Parameter } from '../model/module.js';
import { initialiseMissing } from '../model/module.js';
import { bf16Parameters, usePrecision } from '../model/precision.js';
import type { ReasVqa } from '../model/reasvqa.js';
import { selectTrainable, trainsVision } from '../model/trainable.js';
import { Rng } from '../random.js';
import { Tokenizer } from '../text/tokenizer.js';
import { noticesOf } from '../weights/comparison.js';
import { loadBlip2Config } from '../weights/config.js';
import { BatchBuilder } from './batches.js';
import type { Dataset } from './dataset.js';
import { VisualInputs } from './visual.js';

export interface Student {
  model: ReasVqa;
  tokenizer: Tokenizer;
  adapter: AttachedAdapter | undefined;
  /** What learns, in model order. */
  trainable: Parameter[];
  /** The vision model itself learns, so its features cannot be computed outside the tape. */
  learnsVision: boolean;
  /** Hash of the frozen vision weights, when their features are kept (features.cache). */
  visionHash: string | undefined;
  /** Decoder start tokens. */
  answerStartId: number;
  reasoningStartId: number;
  /** What the user should know about its checkpoint. */
  notices: string[];
}

/**
 * Loads a recipe's base model and tokenizer and adds its adapter: the one named, or a fresh one drawn with the seed.
 *
 * @throws DataError for weights, UsageError for kept features of a vision model that learns, EngineError for a precision
 *   that the engine in use lacks.
 */
export async function openStudent(
  config: Config,
  onProgress?: (bytes: number, total: number) => void,
): Promise<Student> {
  const { precision, train } = config.model;
  usePrecision(precision, 'model.precision');
  await requireFolder(config.model.base);
  // Another model is named as such, before its tokenizer is found to be another.
  await loadBlip2Config(config.model.base);
  const tokenizer = await Tokenizer.load(config.model.tokenizer);
  const bf16 = precision === 'bf16' ? (model: ReasVqa) => bf16Parameters(model, train) : undefined;
  const { model, comparison } = await loadModel(config.model.base, onProgress, bf16);
  try {
    const adapter = await attachAdapter(model, config);
    const trainable = selectTrainable(model, train);
    const learnsVision = trainsVision(trainable);
    if (learnsVision && config.features.cache)
      throw new UsageError(
        `features.cache: needs a frozen vision model, but ${config.model.adapter ?? 'model.train'} makes it learn; set features.cache=false`,
      );
    return {
      model,
      tokenizer,
      adapter,
      trainable,
      learnsVision,
      visionHash: config.features.cache ? await visionHash(model) : undefined,
      notices: noticesOf(comparison, config.model.base),
      ...startTokens(config, tokenizer, model),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function requireFolder(base: string): Promise<void> {
  const found = await stat(base).catch(() => undefined);
  if (!found?.isDirectory())
    throw new DataError(
      `${base}: no such folder of weights; fetch a published model with reasvqa weights fetch and name its folder with --set model.base=FOLDER`,
    );
}

async function attachAdapter(
  model: ReasVqa,
  { model: settings, train }: Config,
): Promise<AttachedAdapter | undefined> {
  if (settings.adapter) return loadAdapter(model, settings.adapter);
  if (!settings.train.includes('lora')) return undefined;
  const { r, alpha, dropout, targets } = settings.lora;
  const adapter = addAdapter(model, {
    r,
    alpha,
    dropout,
    targetModules: targets,
    rankPattern: {},
    alphaPattern: {},
    useRslora: false,
    baseModel: settings.base,
  });
  initialiseMissing(model, new Rng(`${train.seed}/lora`));
  return adapter;
}

/** T5's spare tokens that start the decoder when text.decoderCue is task. */
const CUES = ['<extra_id_0>', '<extra_id_1>'] as const;

function startTokens(config: Config, tokenizer: Tokenizer, model: ReasVqa) {
  const { decoder_start_token_id: start } = model.config.text_config;
  if (config.text.decoderCue === 'none') return { answerStartId: start, reasoningStartId: start };
  const [answer, reasoning] = CUES.map((cue) => {
    const ids = tokenizer.encode(cue, { addEos: false });
    if (ids.length !== 1)
      throw new UsageError(`text.decoderCue: task needs a tokenizer with ${CUES.join(' and ')}; use none`);
    return ids[0]!;
  });
  return { answerStartId: answer!, reasoningStartId: reasoning! };
}

/**
 * The features of the frozen vision model are kept under this hash of its configuration, which has heads and epsilons
 * that no weight's shape shows, and its weights; reading them all back takes a while.
 */
async function visionHash(model: ReasVqa): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(model.config.vision_config));
  for (const parameter of [...model.vision.parameters()]) {
    if (parameter.name.includes('.post_layernorm.')) continue;
    const values = await parameter.value.data();
    hash.update(`${parameter.name}:${parameter.shape.join('x')};`);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

/** What turns a split's samples into batches for this student. */
export function openBuilder(
  student: Student,
  config: Config,
  dataset: Dataset,
  runFolder: string,
  onWarning: (line: string) => void,
): BatchBuilder {
  const { visionHash } = student;
  const folder = config.features.folder ?? join(runFolder, 'features');
  const cache =
    visionHash === undefined ? undefined : { store: new FeatureStore(folder, onWarning), visionHash };
  const { frames, sampling, crop } = config.video;
  const visual = new VisualInputs(
    student.model,
    dataset.paths,
    { frames, sampling, crop, fps: config.data.fps },
    cache,
  );
  return new BatchBuilder(config, student.tokenizer, visual);
}
