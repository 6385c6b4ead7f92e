/** What the commands of `reasvqa data` read: the splits of a recipe, or annotation files given directly. */
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import { type FileSettings, fileSettings } from '../config/defaults.js';
import { datasetNames, datasetOf } from '../data/datasets/index.js';
import { configOf, fromCwd, type Io, type RecipeOptions, withSettings } from './io.js';
import { SPLITS } from './samples.js';

/** Options of {@link withFiles}. */
export interface FilesOptions extends RecipeOptions {
  dataset?: string;
  videos?: string;
}

export interface DataFiles {
  dataset: string;
  /** `split` is that of a recipe. */
  files: { split?: (typeof SPLITS)[number]; file: string }[];
  config: FileSettings;
  /** Of a recipe. */
  tokenizer?: string;
  /** Whether the folder of the videos was given. */
  videosKnown: boolean;
}

/** Adds a recipe or files, `--dataset` and `--set`. */
export function withFiles(command: Command): Command {
  return withSettings(
    command
      .argument(
        '[recipe-or-files...]',
        'a recipe, your own or one of bench/; with --dataset annotation files',
      )
      .option(
        '--dataset <name>',
        `read the arguments as annotation files of ${datasetNames().join(', ')} (default: they are a recipe)`,
      ),
  );
}

/**
 * @throws UsageError for files without --dataset, several recipes, a recipe without annotations, and another dataset
 */
export async function dataFilesOf(
  io: Io,
  args: readonly string[],
  options: FilesOptions,
): Promise<DataFiles> {
  const { dataset } = options;
  return dataset === undefined ? ofRecipe(io, args, options) : ofFiles(io, dataset, args, options);
}

async function ofRecipe(io: Io, args: readonly string[], options: FilesOptions): Promise<DataFiles> {
  const file = args.find((arg) => /\.(csv|tsv|json|jsonl)$/i.test(arg));
  if (file !== undefined || args.length > 1)
    throw new UsageError(
      `${file ?? args[1]}: annotation files need --dataset, one of ${datasetNames().join(', ')}; without it one recipe is read`,
    );
  const set = options.videos === undefined ? [] : [`data.videos=${options.videos}`];
  const { config } = await configOf(io, args[0], { ...options, set: [...options.set, ...set] });
  const { data } = config;
  const files = SPLITS.flatMap((split) => (data[split] ? [{ split, file: data[split] }] : []));
  if (files.length === 0)
    throw new UsageError(
      'data.train, data.val, data.test: all missing; the recipe has no annotations to check',
    );
  return { dataset: data.dataset, files, config, videosKnown: true, tokenizer: config.model.tokenizer };
}

async function ofFiles(
  io: Io,
  dataset: string,
  args: readonly string[],
  options: FilesOptions,
): Promise<DataFiles> {
  datasetOf(dataset);
  if (args.length === 0) throw new UsageError(`--dataset ${dataset}: name at least one annotation file`);
  const { videos, set, onBadVideo } = options;
  const files = args.map((file) => ({ file: fromCwd(io, file) }));
  if (videos === undefined && set.length === 0 && onBadVideo === undefined)
    return { dataset, files, config: fileSettings(dataset, io.cwd), videosKnown: false };
  const all = [`data.dataset=${dataset}`, `data.videos=${videos ?? '.'}`, ...set];
  const { config } = await configOf(io, undefined, { ...options, set: all });
  const videosKnown = videos !== undefined || set.some((text) => text.startsWith('data.videos='));
  return { dataset, files, config, videosKnown };
}
