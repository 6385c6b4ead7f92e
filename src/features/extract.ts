/** Fills a feature store ahead of training: clips are decoded in parallel while the vision model computes. */
import { availableParallelism } from 'node:os';
import pLimit from 'p-limit';
import { DataError, Interrupted, MissingToolError, messageOf, UsageError } from '../base/errors.js';
import { Rng } from '../base/random.js';
import type { Sample } from '../data/sample.js';
import { type Need, shortOfRoom, withNeed } from './room.js';
import type { StoredFeatures } from './source.js';

/** One entry of a store that a recipe reads. */
export interface NeededClip {
  key: string;
  /** The first sample that reads it. */
  sample: Sample;
  /** Read by training, which may draw its frames, or by evaluation. */
  training: boolean;
  source: StoredFeatures;
}

/** One of `of` parts of the work, from 0. */
export interface Shard {
  index: number;
  of: number;
}

export interface ExtractOptions {
  shard?: Shard | undefined;
  /** Leave clips of broken videos out (data.onBadVideo: skip). */
  skipBad: boolean;
  signal?: AbortSignal | undefined;
  /** Called after every clip with the number of those in the store. */
  onProgress?: (done: number) => void;
  /** Called with a line when what is missing takes more than is free. */
  onNotice?: (line: string) => void;
}

export interface Extracted {
  /** Clips of this shard. */
  clips: number;
  /** Of them, those that were in the store, or that another process stored meanwhile. */
  found: number;
  computed: number;
  /** Reasons, one a clip that was left out. */
  skipped: string[];
}

/** Clips being decoded or waiting for the vision model, beyond one a core. */
const AHEAD = 2;

/**
 * Computes and stores the clips that a store lacks. Entries appear whole or not at all, so the same command continues after
 * any stop, and nothing that is stored is computed again.
 *
 * Several processes may fill one store. Shards divide the videos, so two of them never meet. Without shards each process
 * takes the videos in an order of its own and looks again before each clip, so two meet by chance alone, on a clip that
 * both are computing; then both write the same bytes. No lock has to be cleaned up after a kill, on any file system.
 *
 * @throws DataError for a video that cannot be read, StoreError for a store that cannot be written, Interrupted
 */
export async function extractFeatures(
  needed: readonly NeededClip[],
  { shard, skipBad, signal, onProgress = () => undefined, onNotice = () => undefined }: ExtractOptions,
): Promise<Extracted> {
  const own = shardOf(needed, shard);
  const result: Extracted = { clips: own.length, found: 0, computed: 0, skipped: [] };
  const missing = new Set<NeededClip>();
  for (const clip of own) {
    if (await clip.source.store.has(clip.key)) result.found++;
    else missing.add(clip);
  }
  const need = needOf(missing);
  const short = need && (await shortOfRoom(need));
  if (short !== undefined) onNotice(short);
  const tell = () => onProgress(result.found + result.computed + result.skipped.length);
  tell();
  const failed = new AbortController();
  const ended = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const limit = pLimit(availableParallelism() + AHEAD);
  const work = ownOrder([...missing]).map((clip) =>
    limit(async () => {
      if (ended.aborted) return;
      try {
        if (await clip.source.fill(clip.sample, clip.training, ended)) result.computed++;
        else result.found++;
        missing.delete(clip);
      } catch (error) {
        if (ended.aborted) return;
        if (!skipBad || !(error instanceof DataError) || error instanceof MissingToolError) {
          failed.abort();
          throw error;
        }
        result.skipped.push(messageOf(error));
        missing.delete(clip);
      }
      tell();
    }),
  );
  // All of them end before this does: an entry that is being written becomes whole.
  const outcomes = await Promise.allSettled(work);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) {
    const left = needOf(missing);
    throw left ? await withNeed(failure.reason, left) : failure.reason;
  }
  if (signal?.aborted)
    throw new Interrupted(
      `stopped with ${result.found + result.computed} of ${own.length} clips in the store; run the same command again to continue`,
    );
  return result;
}

/** What clips take in their store; undefined for none. */
function needOf(missing: ReadonlySet<NeededClip>): Need | undefined {
  const [first] = missing;
  if (!first) return undefined;
  const bytes = [...missing].reduce((sum, { source, training }) => sum + source.bytesOf(training), 0);
  return { folder: first.source.store.folder, clips: missing.size, bytes };
}

/** The clips of one part. A video's clips stay together, since its table of frames is read once. */
export function shardOf(needed: readonly NeededClip[], shard: Shard | undefined): NeededClip[] {
  if (!shard) return [...needed];
  const videos = new Map<string, number>();
  for (const { sample } of needed) if (!videos.has(sample.video)) videos.set(sample.video, videos.size);
  return needed.filter(({ sample }) => videos.get(sample.video)! % shard.of === shard.index);
}

/** The clips video by video, the videos in an order of this process alone. */
function ownOrder(clips: readonly NeededClip[]): NeededClip[] {
  const videos = new Map<string, NeededClip[]>();
  for (const clip of clips) {
    const { video } = clip.sample;
    videos.set(video, [...(videos.get(video) ?? []), clip]);
  }
  return new Rng(`${process.pid}-${Date.now()}`).shuffle([...videos.values()]).flat();
}

/**
 * The part that was asked for: `--shard 2/8`, else that of a Slurm array task, else none.
 *
 * @throws UsageError for a text that is no part, or an array whose numbers are not evenly spaced
 */
export function parseShard(text: string | undefined, env: NodeJS.ProcessEnv): Shard | undefined {
  if (text !== undefined) {
    const [, n, of] = /^(\d+)\/(\d+)$/.exec(text.trim()) ?? [];
    const shard = { index: Number(n) - 1, of: Number(of) };
    if (!(shard.index >= 0 && shard.index < shard.of))
      throw new UsageError(`--shard ${text}: expected i/n with i from 1 to n, for example 2/8`);
    return shard;
  }
  const [task, count, first, last, step] = ['ID', 'COUNT', 'MIN', 'MAX', 'STEP'].map((name) =>
    wholeNumber(env[`SLURM_ARRAY_TASK_${name}`]),
  );
  if (task === undefined || count === undefined || count < 2) return undefined;
  const stride = step || 1;
  if (first !== undefined && last !== undefined && last - first !== (count - 1) * stride)
    throw new UsageError(
      `SLURM_ARRAY_TASK_ID=${task}: the array's numbers are not evenly spaced, so they name no parts; give --shard i/n`,
    );
  return { index: Math.floor((task - (first ?? 0)) / stride) % count, of: count };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
