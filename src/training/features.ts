/** The stored features that a recipe's runs read: which clips, of which vision model, in which store. */
import { DataError, MissingToolError, messageOf, UsageError } from '../base/errors.js';
import { isFile } from '../base/files.js';
import { openClipThreads } from '../batches/clipThreads.js';
import { readSplit, type Split } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import type { NeededClip } from '../features/extract.js';
import { type Encoder, StoredFeatures } from '../features/source.js';
import { FeatureStore } from '../features/store.js';
import type { Student } from '../model/student.js';
import { liveFrames, openBase, openTrial } from './trial.js';

/** A recipe's store. Dispose of it. */
export interface RecipeFeatures {
  store: FeatureStore;
  /** Every entry that training and evaluation read, once, in the order of train, val and test. */
  clips: NeededClip[];
  /** Number of distinct clips of each split that the recipe has. */
  splits: { split: string; keys: ReadonlySet<string> }[];
  notices: string[];
  dispose(): Promise<void>;
}

const SPLITS = ['train', 'val', 'test'] as const;

/**
 * Finds what a recipe reads. The vision weights are read only when a clip has to be computed, or where the store does not
 * know their hash yet; the language model is read only where an adapter may change what is seen.
 *
 * @param complete refuse a recipe whose test split is missing, before anything is removed that it may need
 * @throws UsageError for a recipe that stores no features, DataError for data or weights that cannot be used
 */
export async function openRecipeFeatures(
  config: Config,
  { complete = false }: { complete?: boolean } = {},
): Promise<RecipeFeatures> {
  const folder = storeFolder(config);
  const notices: string[] = [];
  const splits: { split: (typeof SPLITS)[number]; read: Split }[] = [];
  for (const split of SPLITS) {
    const file = config.data[split];
    // Training does without the test split, which may not be here yet.
    if (file && split === 'test' && !complete && !(await isFile(file)))
      notices.push(`${file}: not there; the clips of the test split are passed over`);
    else if (file) splits.push({ split, read: await readSplit(config, file, split === 'train') });
  }
  if (splits.length === 0)
    throw new UsageError('data.train, data.val, data.test: all missing; the recipe reads no clips');
  notices.push(...splits.flatMap(({ read }) => read.notices));
  const warn = (line: string) => notices.push(line);
  const store = new FeatureStore(folder, warn);
  // The vision model blocks this thread while it computes.
  const threads = openClipThreads(config.data.workers);
  const vision = await openVision(config);
  const dispose = async () => {
    await threads.end();
    vision.dispose();
  };
  try {
    notices.push(...vision.notices);
    const clips = new Map<string, NeededClip>();
    const found = [];
    for (const { split, read } of splits) {
      const live = liveFrames(vision.student, read.paths, config, { clips: threads.read });
      const source = new StoredFeatures(vision.student, live, store, vision.encoder, config.features);
      const needed = await neededClips(source, read, split === 'train', config, warn);
      for (const clip of needed) if (!clips.has(clip.key)) clips.set(clip.key, clip);
      found.push({ split, keys: new Set(needed.map(({ key }) => key)) });
    }
    return { store, clips: [...clips.values()], splits: found, notices, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** @throws UsageError when the recipe has no store that outlives a run */
export function storeFolder({ features }: Config): string {
  if (!features.cache)
    throw new UsageError(
      'features.cache: false, so training would not read stored features; set features.cache=true (it needs video.crop=none)',
    );
  if (features.folder === undefined)
    throw new UsageError(
      'features.folder: missing; name a folder that extraction and training share, for example --set features.folder=features',
    );
  return features.folder;
}

async function openVision(
  config: Config,
): Promise<{ student: Student; encoder: Encoder; notices: string[]; dispose: () => void }> {
  if (config.model.adapter) {
    const { student, visionHash, see, notices, dispose } = await openTrial(config, 'needed');
    return { student, encoder: { visionHash: visionHash!, ready: see }, notices, dispose };
  }
  const base = await openBase([config], undefined, 'alone');
  const encoder = { visionHash: await base.visionHash(), ready: () => base.weights.see() };
  return { student: base.weights.student, encoder, notices: base.notices, dispose: base.dispose };
}

async function neededClips(
  source: StoredFeatures,
  { samples }: Split,
  training: boolean,
  { data }: Config,
  warn: (line: string) => void,
): Promise<NeededClip[]> {
  const clips = new Map<string, NeededClip>();
  for (const sample of samples) {
    try {
      const key = await source.key(sample, training);
      if (!clips.has(key)) clips.set(key, { key, sample, training, source });
    } catch (error) {
      const skips = data.onBadVideo === 'skip' && error instanceof DataError;
      if (!skips || error instanceof MissingToolError) throw error;
      warn(`left out: ${messageOf(error)}`);
    }
  }
  return [...clips.values()];
}
