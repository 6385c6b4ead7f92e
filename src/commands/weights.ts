import type { Command } from 'commander';
import { fromCwd, type Io, interruptible, note, Progress, print, printJson, table } from './io.js';

export function addWeights(program: Command, io: Io): Command {
  const weights = program
    .command('weights')
    .summary('look at, check and fetch checkpoints')
    .description('Checkpoints: what is in one, and public ones to download.');

  weights
    .command('show')
    .summary('list the tensors of a checkpoint')
    .description(
      'Lists the tensors of a safetensors file, an index of shards, or a folder; reads headers only.',
    )
    .argument('<path>', 'file, model.safetensors.index.json, or folder')
    .option('--json', 'print everything as JSON (default: off)')
    .action(async (path: string, options: { json?: boolean }) => {
      const { formatBytes, weightsShow } = await import('../weights/show.js');
      const summary = await weightsShow(fromCwd(io, path));
      if (options.json) return printJson(io, summary);
      const rows = summary.rows.map(({ name, dtype, shape, bytes }) => [
        name,
        dtype,
        `(${shape.join(', ')})`,
        formatBytes(bytes),
      ]);
      print(io, table(rows, [3]));
      const { tensors, parameters, bytes } = summary.totals;
      print(io, `${tensors} tensors, ${parameters.toLocaleString('en')} values, ${formatBytes(bytes)}`);
    });

  weights
    .command('fetch')
    .summary('download a public checkpoint')
    .description(
      'Downloads a checkpoint named in weights/*.json; without a name lists them. An interrupted download continues. HF_ENDPOINT names a mirror, HF_TOKEN a key.',
    )
    .argument('[name]', 'name in the list')
    .option('--out <folder>', 'folder to write (default: weights/<name> in the current folder)')
    .action((name: string | undefined, options: { out?: string }) => fetchWeights(io, name, options.out));
  return weights;
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
  const progress = new Progress(io);
  const paths = await interruptible((signal) =>
    fetchManifest(manifest, folder, {
      signal,
      onProgress: (file, done, total) =>
        progress.show(
          `${file}: ${formatBytes(done)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`,
          done === total,
        ),
    }),
  ).finally(() => progress.end());
  for (const path of paths) print(io, path);
}
