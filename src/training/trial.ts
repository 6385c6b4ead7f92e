/**
 * Base and trial. The base is opened once: frozen weights and tokenizer. Any number of trials are attached to it: a
 * student with its own trainable parameters. A trial computes the same bits as one with a base of its own.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, UsageError } from '../base/errors.js';
import { Rng } from '../base/random.js';
import { BatchBuilder } from '../batches/batch.js';
import type { Split } from '../batches/split.js';
import { writesReasoningFirst, writesTags } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { RememberedHash } from '../features/encoders.js';
import { LiveFrames, StoredFeatures } from '../features/source.js';
import { FeatureStore } from '../features/store.js';
import type { StoredReader } from '../features/stored.js';
import { type AttachedAdapter, addAdapter, loadAdapter } from '../model/adapter.js';
import { initialiseMissing, type Parameter } from '../model/layers/module.js';
import { attach, openBase as openWeights, type Parts, type Base as Weights } from '../model/load.js';
import { readStudentConfig } from '../model/registry.js';
import type { Architecture, Student } from '../model/student.js';
import { selectTrainable, trainsVision } from '../model/trainable.js';
import { Tokenizer } from '../text/tokenizer.js';
import { requireVocabulary } from '../text/vocabulary.js';
import type { ClipReader } from '../video/clip.js';
import { noticesOf } from '../weights/comparison.js';
import { fetchAdvice } from '../weights/manifest.js';
import { cueTokens } from './cues.js';
import { objectiveOf } from './objectives/index.js';
import type { Objective } from './objectives/objective.js';
import { adapterFolder } from './run/adapter.js';

/** The shared part of trials. */
export interface Base {
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  /** Notices for the user about its checkpoint. */
  readonly notices: string[];
  /** Hash of the frozen vision weights, part of the features' cache key; computed once. */
  visionHash(): Promise<string>;
  dispose(): void;
}

/** A student with its trainable parameters and its objective. */
export interface Trial {
  student: Student;
  tokenizer: Tokenizer;
  adapter: AttachedAdapter | undefined;
  /** Trainable parameters, in model order. */
  trainable: Parameter[];
  /** The vision model itself learns, so its features cannot be computed outside the tape. */
  learnsVision: boolean;
  /** It sees with weights of its own, learned or an adapter's, so it shares no features with other trials. */
  ownSight: boolean;
  /** Hash of the frozen vision weights, when their features are stored (features.cache). */
  visionHash: string | undefined;
  objective: Objective;
  /** Tokens that start the decoder on either task, when text.decoderCue is task. */
  cues: { answer: number; reasoning: number } | undefined;
  /** It is taught to write its reasoning and then the answer in one text. */
  reasonsFirst: boolean;
  /** That text has its parts in tags (src/text/tags.ts). */
  tagged: boolean;
  /** Reads the vision weights, where they were left for later; before the student computes features. */
  see(): Promise<void>;
  /** Frees the trial's own tensors; the base stays. */
  dispose(): void;
}

/**
 * When the vision weights are read: at once; `needed`, when the first clip is met whose features are not stored, provided
 * the store knows the checkpoint's hash; or `alone`, without the language model and again when needed, for storing
 * features.
 */
export type Sight = 'now' | 'needed' | 'alone';

/**
 * Opens the shared part of the recipes: the frozen weights of their base model and its tokenizer.
 *
 * @param configs of the trials to come; they name one base model, tokenizer and precision.
 * @throws DataError for weights, EngineError for a precision that the engine in use lacks
 */
export async function openBase(
  configs: readonly Config[],
  onProgress?: (bytes: number, total: number) => void,
  sight: Sight = 'now',
): Promise<Base> {
  const { base, tokenizer: tokenizerAt, precision } = sharedModel(configs);
  await requireFolder(base);
  // Another model is refused by name before its tokenizer is.
  const { kind } = await readStudentConfig(base);
  const tokenizer = await Tokenizer.load(tokenizerAt);
  const trained = [...new Set(configs.flatMap((config) => groupsOf(config, kind)))];
  const cached = configs.every(({ features }) => features.cache);
  const known = cached ? await RememberedHash.open(configs[0]!.features.folder, base, precision) : undefined;
  const parts = partsOf(sight, known?.value !== undefined);
  const check = (student: Student) => requireVocabulary(tokenizer, student, base);
  const weights = await openWeights(base, { precision, trained, onProgress, check, parts });
  const notices = noticesOf(weights.comparison, base);
  let hash: Promise<string> | undefined;
  const visionHash = () => {
    hash ??= known?.value ? Promise.resolve(known.value) : hashOfVision(weights.student);
    return hash.then(async (value) => {
      await known?.remember(value);
      return value;
    });
  };
  return { weights, tokenizer, notices, visionHash, dispose: () => weights.student.dispose() };
}

/** @param known the hash of the vision weights is, without reading them */
function partsOf(sight: Sight, known: boolean): Parts {
  if (sight === 'alone') return known ? 'nothing' : 'vision';
  return sight === 'needed' && known ? 'language' : 'all';
}

/** Groups that a recipe trains; a recipe that was resolved before its base was there may leave them to the base. */
function groupsOf({ model }: Config, kind: Architecture): readonly string[] {
  return model.train ?? kind.defaultGroups;
}

function sharedModel(configs: readonly Config[]): Config['model'] {
  const [first, ...others] = configs.map(({ model }) => model);
  for (const other of others)
    for (const key of ['base', 'tokenizer', 'precision'] as const)
      if (other[key] !== first![key])
        throw new UsageError(
          `model.${key}: trials on one base need one value, got ${first![key]} and ${other[key]}`,
        );
  return first!;
}

async function requireFolder(base: string): Promise<void> {
  const found = await stat(base).catch(() => undefined);
  if (!found?.isDirectory())
    throw new DataError(
      `${base}: no such folder of weights; ${await fetchAdvice(base)}, or name a folder with --set model.base=FOLDER`,
    );
}

/**
 * Attaches one trial: its own copy of the trainable parameters, and its adapter, the named one or a fresh one drawn
 * with the seed.
 *
 * @throws UsageError for stored features of a vision model that learns, or a group that this model does not have
 */
export async function attachTrial(base: Base, config: Config): Promise<Trial> {
  const { weights, tokenizer } = base;
  const groups = groupsOf(config, weights.kind);
  requireGroups(weights.student, groups);
  const student = await attach(weights, groups);
  try {
    const adapter = await attachAdapter(weights, student, config, groups);
    if (!seesLikeBase(base, student)) await weights.see(student);
    const trainable = selectTrainable(student, groups);
    const learnsVision = trainsVision(student, trainable);
    if (learnsVision && config.features.cache)
      throw new UsageError(
        `features.cache: needs a frozen vision model, but ${config.model.adapter ?? 'model.train'} makes it learn; set features.cache=false`,
      );
    const cues = cueTokens(config, tokenizer);
    const objective = objectiveOf({ config, tokenizer, cues });
    return {
      student,
      tokenizer,
      adapter,
      trainable,
      learnsVision,
      ownSight: learnsVision || !seesLikeBase(base, student),
      visionHash: config.features.cache ? await visionHashOf(base, student) : undefined,
      objective,
      cues,
      reasonsFirst: writesReasoningFirst(config),
      tagged: writesTags(config),
      see: () => weights.see(student),
      dispose: () => {
        objective.dispose?.();
        student.dispose();
      },
    };
  } catch (error) {
    student.dispose();
    throw error;
  }
}

function requireGroups({ kind }: Student, groups: readonly string[]): void {
  const known = [...kind.groups, 'lora', 'all'];
  const unknown = groups.find((group) => !known.includes(group));
  if (unknown !== undefined)
    throw new UsageError(`model.train: ${kind.title} has no ${unknown}; it has ${known.join(', ')}`);
}

/** A trial with a base of its own, which it frees. */
export async function openTrial(
  config: Config,
  sight: Sight = 'now',
): Promise<Trial & { notices: string[] }> {
  const base = await openBase([config], undefined, sight);
  try {
    const trial = await attachTrial(base, config);
    const dispose = () => {
      trial.dispose();
      base.dispose();
    };
    return { ...trial, notices: base.notices, dispose };
  } catch (error) {
    base.dispose();
    throw error;
  }
}

async function attachAdapter(
  weights: Weights,
  student: Student,
  { model: settings, train }: Config,
  groups: readonly string[],
): Promise<AttachedAdapter | undefined> {
  if (settings.adapter) return loadAdapter(student, await adapterFolder(settings.adapter));
  if (!groups.includes('lora')) return undefined;
  const { r, alpha, dropout, targets } = settings.lora;
  const adapter = addAdapter(student, {
    r,
    alpha,
    dropout,
    targetModules: targets,
    rankPattern: {},
    alphaPattern: {},
    useRslora: false,
    baseModel: settings.base,
  });
  initialiseMissing(student.module, new Rng(`${train.seed}/lora`), (name) => weights.leaves(name));
  return adapter;
}

/**
 * The base's hash where the trial's vision weights are all the base's; else the trial's own, since its adapter may
 * reach the vision model.
 */
function visionHashOf(base: Base, student: Student): Promise<string> {
  return seesLikeBase(base, student) ? base.visionHash() : hashOfVision(student);
}

function seesLikeBase({ weights }: Base, student: Student): boolean {
  const shared = new Set(
    weights.student
      .featureParameters()
      .filter(({ loaded, name }) => loaded || weights.leaves(name))
      .map(({ name }) => name),
  );
  return student.featureParameters().every(({ name }) => shared.has(name));
}

/** Hash of the vision model's weights, and of its settings, which no weight's shape shows. */
async function hashOfVision(student: Student): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(student.visionSettings));
  // The same weights compute other features in bf16.
  if (student.precision !== 'f32') hash.update(student.precision);
  for (const parameter of student.featureParameters()) {
    const values = await parameter.value.data();
    hash.update(`${parameter.name}:${parameter.shape.join('x')};`);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

/** The frames of a recipe's clips. */
export function liveFrames(
  student: Student,
  paths: Split['paths'],
  { video: { frames, sampling, crop }, data: { fps } }: Config,
  { keepPixels = false, clips }: { keepPixels?: boolean; clips?: ClipReader | undefined } = {},
): LiveFrames {
  return new LiveFrames(student, paths, { frames, sampling, crop, fps }, keepPixels, clips);
}

/** Options of a batch builder. */
export interface BuilderOptions {
  /** Run folder, which holds the features unless features.folder names another. */
  runFolder: string;
  onWarning: (line: string) => void;
  /** Encode the objective's targets of each sample. */
  training: boolean;
  /** Reads the videos; the caller's thread does unless given. */
  clips?: ClipReader;
  /** Reads stored features; the caller's thread does unless given. */
  stored?: StoredReader;
}

/** Makes the batch builder of a split for this trial's student. */
export function openBuilder(
  { student, tokenizer, objective, visionHash, learnsVision, see }: Trial,
  config: Config,
  split: Pick<Split, 'paths'>,
  { runFolder, onWarning, training, clips, stored }: BuilderOptions,
): BatchBuilder {
  // Evaluation needs no gradient to pixels.
  const live = liveFrames(student, split.paths, config, { keepPixels: training && learnsVision, clips });
  const folder = config.features.folder ?? join(runFolder, 'features');
  const store = new FeatureStore(folder, onWarning);
  const source =
    visionHash === undefined
      ? live
      : new StoredFeatures(student, live, store, { visionHash, ready: see }, config.features, stored);
  const teach = (samples: readonly Sample[]) => objective.encode(samples);
  return new BatchBuilder(config, tokenizer, source, training ? teach : undefined);
}
