/** `reasvqa data`: annotations and videos. */
import type { Command } from 'commander';
import { addDataBuild } from './dataBuild.js';
import { addDataCheck } from './dataCheck.js';
import { addDataConvert } from './dataConvert.js';
import { addDataFetch } from './dataFetch.js';
import { addDataMix } from './dataMix.js';
import { addDataStats } from './dataStats.js';
import { fromCwd, type Io, print } from './io.js';

export function addData(program: Command, io: Io): void {
  const data = program
    .command('data')
    .summary('fetch, check, count, convert and mix annotations, find subsets, build films')
    .description('Annotations and videos: of a recipe, or of files given directly.');
  addDataFetch(data, io);
  addDataCheck(data, io);
  addDataStats(data, io);
  addDataConvert(data, io);
  addDataMix(data, io);
  addDataBuild(data, io);
  data
    .command('atp-hard')
    .summary('find the rows of the ATP-hard subset')
    .description(
      'Finds the questions of the second file in the first, by video, question and options, and writes their 0-based row numbers: what `reasvqa score --subset` and `reasvqa table 6` read.',
    )
    .argument('<val>', "NExT-QA's val.csv")
    .argument('<atp-hard>', "the subset's rows as csv, such as videocon's nextqa-atphard.csv")
    .requiredOption('--out <file>', 'file of row numbers to write (required)')
    .action((val: string, subset: string, options: { out: string }) => atpHard(io, val, subset, options));
}

async function atpHard(io: Io, val: string, subset: string, { out }: { out: string }): Promise<void> {
  const { rowNumbers } = await import('../data/atpHard.js');
  const { refuseInput, writeFileAtomic } = await import('../base/files.js');
  const inputs = [fromCwd(io, val), fromCwd(io, subset)] as const;
  await refuseInput(fromCwd(io, out), inputs);
  const rows = await rowNumbers(...inputs);
  await writeFileAtomic(fromCwd(io, out), rows.map((row) => `${row}\n`).join(''));
  print(io, `${rows.length} rows in ${out}`);
}
