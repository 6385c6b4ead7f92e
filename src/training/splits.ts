/** The splits that a run reads, and which runs read alike. */
import { readSplit, type Split } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import { identity } from './run/folder.js';

export interface Splits {
  train: Split;
  val: Split | undefined;
}

export async function readSplits(config: Config): Promise<Splits> {
  const { train, val } = config.data;
  return {
    train: await readSplit(config, train!, true),
    val: val ? await readSplit(config, val, false) : undefined,
  };
}

/** {@link readSplits} for many runs: files are read, and samples kept, once for all that read alike. */
export function sharedSplits(): (config: Config) => Promise<Splits> {
  const known = new Map<string, Promise<Splits>>();
  return (config) => {
    const { mode, stlTarget, reasoningSet, reasoningFraction, looks, seed } = config.train;
    // What selects reasoning (src/batches/split.ts), makes turns, and says whether videos are measured (taskSamples.ts).
    const { prompts } = config.text;
    const looking = [looks, config.train.rl.looks, config.eval.looks, config.video.lookFps];
    const selection = [mode, stlTarget, reasoningSet, reasoningFraction, seed, looking];
    const key = JSON.stringify([config.data, prompts, ...selection]);
    const splits = known.get(key) ?? readSplits(config);
    known.set(key, splits);
    return splits;
  };
}

/**
 * What runs of one cohort have in common: the samples in their order, and everything that turns them into clips and prompts.
 * What is learned from them, and how, is each run's own.
 */
export function cohortKey(config: Config, splits: Splits): string {
  const { data, video, text, model, train, eval: evaluation, features } = config;
  const { reasoning: _, workers: _workers, ahead: _ahead, ...common } = data;
  const { base, tokenizer, precision, adapter } = model;
  const { seed, batch, accumulate, dropLast, lengthBuckets } = train;
  // What a filter leaves depends on the student: such a run reads its own samples.
  const filtered = train.mode === 'rl' && train.rl.filter !== 'none' ? identity(config) : null;
  const ids = (split: Split | undefined) => split?.samples.map(({ id }) => id);
  return JSON.stringify([
    ...[common, video, text, { base, tokenizer, precision, adapter }, { seed, batch, accumulate, dropLast }],
    ...[{ batch: evaluation.batch }, features, ids(splits.train), ids(splits.val)],
    // Length buckets order samples by their reasoning too (src/batches/lengths.ts).
    lengthBuckets && splits.train.samples.map(({ reasoning }) => reasoning ?? null),
    filtered,
  ]);
}
