/** `reasvqa features`: fills, checks, counts and cleans the store of a recipe's features. */
import { Argument, type Command } from 'commander';
import { DataError, UsageError } from '../base/errors.js';
import {
  configOf,
  type EngineChoice,
  type Io,
  interruptible,
  note,
  print,
  printJson,
  progressOf,
  type RecipeOptions,
  startEngine,
  table,
  withBadVideo,
  withEngine,
  withRecipe,
} from './io.js';

interface ExtractOptions extends RecipeOptions, EngineChoice {
  shard?: string;
  json?: boolean;
}

interface VerifyOptions extends RecipeOptions, EngineChoice {
  all?: boolean;
  remove?: boolean;
  json?: boolean;
}

interface StatsOptions extends RecipeOptions, EngineChoice {
  json?: boolean;
}

interface GcOptions extends RecipeOptions, EngineChoice {
  dryRun?: boolean;
  json?: boolean;
}

export function addFeatures(program: Command, io: Io): void {
  const features = program
    .command('features')
    .summary('store the features of videos ahead of training')
    .description(
      'The store of features that training reads with features.cache: fills it ahead, checks it, counts it, frees space. REASVQA_DECODERS sets how many videos are decoded at once (default: one a core), REASVQA_DECODER_TIMEOUT after how many seconds a silent decoder is stopped (default: 600).',
    );
  addExtract(features, io);
  addVerify(features, io);
  addStats(features, io);
  addGc(features, io);
}

function addExtract(features: Command, io: Io): void {
  withEngine(withBadVideo(withRecipe(features.command('extract'))))
    .summary('compute what training will read')
    .description(
      'Computes and stores the features of every clip that training and evaluation of a recipe read. What is stored already is passed over, so the same command continues after a stop. Several processes may fill one store.',
    )
    .option('--shard <i/n>', 'only part i of n of the videos (default: the Slurm array task, else all)')
    .option('--json', 'print {clips, found, computed, skipped} as JSON (default: off)')
    .action((recipe: string | undefined, options: ExtractOptions) => extract(io, recipe, options));
}

function addVerify(features: Command, io: Io): void {
  withEngine(withBadVideo(withRecipe(features.command('verify'))))
    .summary('read every entry and list damaged and missing ones')
    .description(
      'Reads every entry that a recipe needs, whole: length, key and checksum. The exit code is 3 when one is damaged or missing.',
    )
    .option('--all', "also the store's other entries (default: off)")
    .option('--remove', 'remove damaged entries, so that extract computes them again (default: off)')
    .option('--json', 'print {checked, faults} as JSON (default: off)')
    .action((recipe: string | undefined, options: VerifyOptions) => verify(io, recipe, options));
}

function addStats(features: Command, io: Io): void {
  withEngine(withBadVideo(withRecipe(features.command('stats'))))
    .summary('count entries and bytes, and what of a recipe is there')
    .description(
      'Counts the entries and bytes of the store by vision model, frames and type, and how many of the clips of each split are there.',
    )
    .option('--json', 'print {folder, entries, bytes, leftovers, groups, splits} as JSON (default: off)')
    .action((recipe: string | undefined, options: StatsOptions) => stats(io, recipe, options));
}

function addGc(features: Command, io: Io): void {
  const command = withEngine(withBadVideo(withRecipe(features.command('gc'))));
  command
    .addArgument(new Argument('[recipes...]', 'further recipes that read the same store'))
    .summary('remove what no given recipe needs')
    .description(
      'Removes the entries that none of the given recipes needs, and what killed writers left behind. Only files of the store are touched. Name every recipe that still reads it; --set holds for all of them.',
    )
    .option('--dry-run', 'only tell what would be removed (default: off)')
    .option('--json', 'print {kept, removed, bytes, leftovers, dryRun} as JSON (default: off)')
    .action((recipe: string | undefined, others: string[], options: GcOptions) =>
      gc(io, [recipe, ...others], options),
    );
}

/** The features of a recipe, opened on the engine that was asked for. */
async function open(
  io: Io,
  recipe: string | undefined,
  options: RecipeOptions & EngineChoice,
  complete = false,
) {
  const { config } = await configOf(io, recipe, options);
  const { openRecipeFeatures, storeFolder } = await import('../training/features.js');
  storeFolder(config);
  await startEngine(io, options);
  const features = await openRecipeFeatures(config, { complete });
  for (const line of features.notices.splice(0)) note(io, line);
  return { config, ...features };
}

async function extract(io: Io, recipe: string | undefined, options: ExtractOptions): Promise<void> {
  const { extractFeatures, parseShard, shardOf } = await import('../features/extract.js');
  const shard = parseShard(options.shard, io.env);
  const { config, clips, store, notices, dispose } = await open(io, recipe, options);
  if (shard) note(io, `part ${shard.index + 1} of ${shard.of}`);
  const progress = progressOf(io, 'features', 'clips', shardOf(clips, shard).length);
  const skipBad = config.data.onBadVideo === 'skip';
  const result = await interruptible((signal) =>
    extractFeatures(clips, {
      ...{ shard, skipBad, signal },
      onProgress: (done) => progress.tick(done),
      onNotice: (line) => note(io, line),
    }),
  ).finally(() => {
    progress.done();
    return dispose();
  });
  for (const line of notices) note(io, line);
  for (const line of result.skipped) note(io, `left out: ${line}`);
  if (options.json) return printJson(io, result);
  const { clips: count, found, computed, skipped } = result;
  const rest = skipped.length > 0 ? `, ${skipped.length} left out` : '';
  print(io, `${count} clips: ${computed} computed, ${found} found${rest}; ${store.folder}`);
}

async function verify(io: Io, recipe: string | undefined, options: VerifyOptions): Promise<void> {
  const { verifyStore } = await import('../features/inspect.js');
  const { clips, store, dispose } = await open(io, recipe, options);
  const progress = progressOf(io, 'verify', 'entries');
  const { all = false, remove = false } = options;
  const { checked, faults } = await verifyStore(store, clips, {
    ...{ all, remove },
    onProgress: (done) => progress.tick(done),
  }).finally(() => {
    progress.done();
    return dispose();
  });
  if (options.json) printJson(io, { checked, faults });
  else for (const { kind, id, message } of faults) print(io, `${id}: ${kind}: ${message}`);
  if (faults.length === 0) {
    if (!options.json) print(io, `${checked} entries in ${store.folder} are whole`);
    return;
  }
  const damaged = faults.filter(({ kind }) => kind === 'damaged').length;
  const advice = damaged > 0 && !remove ? '; --remove removes the damaged ones' : '';
  throw new DataError(
    `${store.folder}: of ${checked} entries ${damaged} are damaged and ${faults.length - damaged} missing${advice}; reasvqa features extract computes what is missing`,
  );
}

async function stats(io: Io, recipe: string | undefined, options: StatsOptions): Promise<void> {
  const { listStore, storeGroups } = await import('../features/inspect.js');
  const { formatBytes } = await import('../weights/show.js');
  const { store, splits, dispose } = await open(io, recipe, options);
  await dispose();
  const { entries, leftovers } = await listStore(store.folder);
  const groups = await storeGroups(store, entries);
  const there = new Set(entries.map(({ key }) => key));
  const present = splits.map(({ split, keys }) => ({
    ...{ split, clips: keys.size },
    present: [...keys].filter((key) => there.has(key)).length,
  }));
  const bytes = total(entries);
  if (options.json) {
    const left = { files: leftovers.length, bytes: total(leftovers) };
    return printJson(io, {
      ...{ folder: store.folder, entries: entries.length, bytes, leftovers: left },
      ...{ groups, splits: present },
    });
  }
  print(io, `${store.folder}: ${entries.length} entries, ${formatBytes(bytes)}`);
  if (groups.length > 0) {
    const rows = groups.map((group) => [
      ...[group.encoder.slice(0, 12), group.frames, group.dtype],
      ...[String(group.entries), formatBytes(group.bytes)],
    ]);
    print(io, table([['vision model', 'frames', 'type', 'entries', 'size'], ...rows], [3, 4]));
  }
  for (const { split, clips, present: count } of present)
    print(io, `${split}: ${count} of ${clips} clips are there`);
  if (leftovers.length > 0)
    print(
      io,
      `${leftovers.length} files of stopped writers, ${formatBytes(total(leftovers))}; features gc removes them`,
    );
}

async function gc(io: Io, recipes: (string | undefined)[], options: GcOptions): Promise<void> {
  const { collectGarbage } = await import('../features/inspect.js');
  const { formatBytes } = await import('../weights/show.js');
  const needed = new Set<string>();
  let folder: string | undefined;
  // Every recipe is read before the first file is removed.
  for (const recipe of recipes) {
    const { store, clips, dispose } = await open(io, recipe, options, true);
    await dispose();
    if (folder !== undefined && folder !== store.folder)
      throw new UsageError(`features.folder: the recipes name two stores, ${folder} and ${store.folder}`);
    folder = store.folder;
    for (const { key } of clips) needed.add(key);
  }
  const { dryRun = false } = options;
  const { kept, entries, leftovers } = await collectGarbage(folder!, needed, { dryRun });
  const bytes = total([...entries, ...leftovers]);
  if (options.json)
    return printJson(io, {
      ...{ kept, removed: entries.map(({ path }) => path), bytes },
      ...{ leftovers: leftovers.map(({ path }) => path), dryRun },
    });
  if (dryRun) for (const { path } of [...entries, ...leftovers]) print(io, path);
  print(
    io,
    `${dryRun ? 'would remove' : 'removed'} ${entries.length} entries and ${leftovers.length} files of stopped writers, ${formatBytes(bytes)}; ${kept} entries are needed; ${folder}`,
  );
}

const total = (files: readonly { bytes: number }[]) => files.reduce((sum, { bytes }) => sum + bytes, 0);
