/** `reasvqa data fetch`: the published annotation files of a dataset, from their home. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import type { Published } from '../data/published.js';
import { fromCwd, type Io, interruptible, note, print, progressOf, table } from './io.js';

interface Options {
  out?: string;
  acceptLicence?: boolean;
  mirror?: string;
}

export function addDataFetch(data: Command, io: Io): void {
  data
    .command('fetch')
    .summary('download published annotation files')
    .description(
      'Downloads the annotation files of a dataset from their home, and says where its videos are; without a name lists the datasets. Sizes and hashes are checked where they are fixed. An interrupted download continues. No file that is there is replaced.',
    )
    .argument('[name]', 'name in the list')
    .option('--out <folder>', 'folder to write (default: data/<name> in the current folder)')
    .option('--accept-licence', 'accept the licence that is shown (default: asked for on a terminal)')
    .option(
      '--mirror <url>',
      'server that has a folder for each host of the files (default: REASVQA_DATA_MIRROR, else the hosts)',
    )
    .action((name: string | undefined, options: Options) => fetchData(io, name, options));
}

async function fetchData(io: Io, name: string | undefined, options: Options): Promise<void> {
  const { fetchPublished, publishedDataset, publishedDatasets } = await import('../data/published.js');
  if (name === undefined) {
    const rows = publishedDatasets().map(({ name, page, files }) => [
      name,
      page,
      files.map(({ path }) => path).join(', '),
    ]);
    print(io, table(rows));
    return;
  }
  const published = publishedDataset(name);
  await acceptLicence(io, published, options);
  const folder = fromCwd(io, options.out ?? `data/${name}`);
  const progress = progressOf(io, 'fetch', 'bytes');
  const files = await interruptible((signal) =>
    fetchPublished(published, folder, {
      signal,
      mirror: options.mirror ?? io.env.REASVQA_DATA_MIRROR,
      onProgress: (file, done, total) =>
        progress.tick(done, total === undefined ? file : `${file}, of ${total} bytes`),
    }),
  ).finally(() => progress.done());
  for (const { path, fetched } of files) print(io, fetched ? path : `${path} (was there)`);
  note(io, `${published.title}: ${published.videos}`);
}

/** @throws UsageError unless the licence is accepted by the option or, on a terminal, by an answer */
async function acceptLicence(io: Io, { title, page, licence }: Published, options: Options): Promise<void> {
  note(io, `${title}, ${page}\nlicence: ${licence}`);
  if (options.acceptLicence) return;
  const terminal = process.stdin.isTTY && io.stderr.isTTY;
  if (terminal && (await agrees())) return;
  throw new UsageError(
    terminal
      ? 'the licence was not accepted; nothing was downloaded'
      : `nothing was downloaded; give --accept-licence to accept the licence of ${title}`,
  );
}

async function agrees(): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question('accept it and download? [y/N] ')).trim());
  } finally {
    lines.close();
  }
}
