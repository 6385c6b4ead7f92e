/** `reasvqa weights`: looks at, fetches and checks checkpoints. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { DataError, UsageError } from '../base/errors.js';
import type { Comparison } from '../weights/comparison.js';
import type { Checkpoint } from '../weights/sharded.js';
import type { WeightsSummary } from '../weights/show.js';
import {
  type EngineChoice,
  fromCwd,
  type Io,
  interruptible,
  note,
  print,
  printJson,
  progressOf,
  startEngine,
  table,
  withEngine,
} from './io.js';

export function addWeights(program: Command, io: Io): void {
  const weights = program
    .command('weights')
    .summary('look at, check and fetch checkpoints')
    .description('Checkpoints: what is in one, and public ones to download.');

  weights
    .command('show')
    .summary('list the tensors of a checkpoint')
    .description(
      'Lists the tensors of a safetensors file, an index of shards, or a folder, from their headers. A folder is compared with its config.json: exit code 3 when that is of another model, or when tensors are missing or have other shapes or types. In a folder model.safetensors comes before model.safetensors.index.json, and that before shards without an index, which must all be there.',
    )
    .argument('<path>', 'file, model.safetensors.index.json, or folder')
    .option('--json', 'print everything as JSON (default: off)')
    .action((path: string, options: { json?: boolean }) => show(io, fromCwd(io, path), options));

  weights
    .command('fetch')
    .summary('download a public checkpoint')
    .description(
      'Downloads a checkpoint named in weights/*.json; without a name lists them. An interrupted download continues. HF_ENDPOINT names a mirror, HF_TOKEN a key, https_proxy a proxy.',
    )
    .argument('[name]', 'name in the list')
    .option('--out <folder>', 'folder to write (default: weights/<name> in the current folder)')
    .action((name: string | undefined, options: { out?: string }) => fetchWeights(io, name, options.out));

  withEngine(weights.command('check'))
    .summary('compare this implementation with PyTorch on a reference folder')
    .description(
      'Computes what reference.safetensors of the folder holds (forward pass, losses, gradients, greedy decoding, AdamW) and prints the largest error of every tensor relative to its largest magnitude. Exit code 0 only if all are inside the tolerance.',
    )
    .argument('<folder>', 'folder with a checkpoint, an adapter and reference.safetensors')
    .option('--precision <f32|bf16>', 'precision of frozen weights; bf16 needs an engine that has it', 'f32')
    .option('--json', 'print {engine, rows, ok} as JSON (default: off)')
    .action((folder: string, options: CheckOptions) => check(io, folder, options));
}

async function show(io: Io, path: string, options: { json?: boolean }): Promise<void> {
  const { summaryOf } = await import('../weights/show.js');
  const { openCheckpoint } = await import('../weights/sharded.js');
  const checkpoint = await openCheckpoint(path);
  try {
    const summary = summaryOf(checkpoint);
    for (const name of checkpoint.unread) note(io, `${name}: not read, model.safetensors comes first`);
    const { comparison, fault } = await comparisonOf(io, path, checkpoint);
    if (options.json) printJson(io, { ...summary, comparison: comparison ?? null });
    else await printSummary(io, summary, comparison);
    if (fault !== undefined) throw new DataError(fault);
    if (comparison && !options.json) print(io, 'has every tensor that config.json asks for');
  } finally {
    await checkpoint.close();
  }
}

async function printSummary(io: Io, summary: WeightsSummary, comparison?: Comparison): Promise<void> {
  const { formatBytes } = await import('../weights/show.js');
  const { formatComparison } = await import('../weights/comparison.js');
  const rows = summary.rows.map(({ name, dtype, shape, bytes }) => [
    name,
    dtype,
    `(${shape.join(', ')})`,
    formatBytes(bytes),
  ]);
  print(io, table(rows, [3]));
  const { tensors, parameters, bytes } = summary.totals;
  print(io, `${tensors} tensors, ${parameters.toLocaleString('en')} values, ${formatBytes(bytes)}`);
  if (comparison) for (const line of formatComparison(comparison)) print(io, line);
}

/**
 * Compares a folder's checkpoint with its config.json; `fault` says why it cannot be loaded. A single file is not
 * compared, nor a folder without config.json, which is noted on stderr.
 */
async function comparisonOf(
  io: Io,
  path: string,
  checkpoint: Checkpoint,
): Promise<{ comparison?: Comparison; fault?: string }> {
  if (!(await stat(path)).isDirectory()) return {};
  const file = join(path, 'config.json');
  if (!(await stat(file).catch(() => undefined))?.isFile()) {
    note(
      io,
      `${path}: no config.json in this folder, so the tensors are not compared with what a model needs`,
    );
    return {};
  }
  const { readStudentConfig } = await import('../model/registry.js');
  const { faultsOf } = await import('../weights/comparison.js');
  const found = await readStudentConfig(file).catch((error) => {
    if (!(error instanceof DataError)) throw error;
    return error;
  });
  if (found instanceof DataError) return { fault: found.message };
  const { compareWithConfig } = await import('../model/load.js');
  const comparison = await compareWithConfig(checkpoint, found.kind, found.config);
  const faults = faultsOf(comparison);
  if (faults === undefined) return { comparison };
  return { comparison, fault: `${path}: tensors that its config.json asks for: ${faults}` };
}

interface CheckOptions extends EngineChoice {
  precision: string;
  json?: boolean;
}

async function check(io: Io, folder: string, options: CheckOptions): Promise<void> {
  const { weightsCheck } = await import('../parity/check.js');
  const { precision } = options;
  if (precision !== 'f32' && precision !== 'bf16')
    throw new UsageError(`--precision ${precision}: expected f32 or bf16`);
  const engine = await startEngine(io, options);
  const { rows, ok } = await weightsCheck(fromCwd(io, folder), precision);
  if (options.json) printJson(io, { engine, rows, ok });
  else {
    const lines = rows.map(({ name, error, tolerance, ok }) => [
      name,
      error.toExponential(2),
      tolerance.toExponential(0),
      ok ? 'ok' : 'FAILED',
    ]);
    print(io, table([['tensor', 'error', 'tolerance', 'verdict'], ...lines], [1, 2]));
  }
  const failed = rows.filter((row) => !row.ok).length;
  if (!ok) throw new DataError(`${failed} of ${rows.length} tensors of ${folder} are outside the tolerance`);
  if (!options.json) print(io, `all ${rows.length} inside the tolerance`);
}

async function fetchWeights(io: Io, name: string | undefined, out: string | undefined): Promise<void> {
  const { fetchManifest, listManifests, loadManifest } = await import('../weights/manifest.js');
  const { formatBytes } = await import('../weights/show.js');
  if (name === undefined) {
    const manifests = await listManifests();
    print(
      io,
      table(
        manifests.map((m) => [m.name, formatBytes(m.approximateBytes), m.licence, m.description]),
        [1],
      ),
    );
    return;
  }
  const manifest = await loadManifest(name);
  const folder = fromCwd(io, out ?? `weights/${name}`);
  note(
    io,
    `${manifest.repository}, about ${formatBytes(manifest.approximateBytes)}, licence ${manifest.licence}`,
  );
  const progress = progressOf(io, 'fetch', 'bytes', manifest.approximateBytes);
  const paths = await interruptible((signal) =>
    fetchManifest(manifest, folder, {
      signal,
      onProgress: (file, done, total) =>
        progress.tick(
          done,
          `${file}: ${formatBytes(done)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`,
        ),
    }),
  ).finally(() => progress.done());
  for (const path of paths) print(io, path);
}
