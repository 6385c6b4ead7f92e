/** `reasvqa data convert`: annotations of one form in another. */
import type { Command } from 'commander';
import { datasetNames, datasetRecords } from '../data/datasets/index.js';
import { fromCwd, type Io, note, print, printJson } from './io.js';

interface Options {
  from: string;
  to: string;
  form?: string;
  out: string;
  allowLoss?: boolean;
  json?: boolean;
}

export function addDataConvert(data: Command, io: Io): void {
  const forms = datasetRecords()
    .flatMap(({ name, write = [] }) =>
      write.length > 1 ? [`${name}: ${write.map(({ form }) => form).join(' or ')}`] : [],
    )
    .join('; ');
  data
    .command('convert')
    .summary('write annotations in another form')
    .description(
      'Reads annotation files of one dataset and writes them as one file of another, for example NExT-QA as JSON lines. Nothing is written when a row is bad, or when the new form cannot hold something; columns that no sample comes from are named.',
    )
    .argument('<files...>', 'annotation files; several become one')
    .requiredOption('--from <name>', `dataset of the files, one of ${datasetNames().join(', ')} (required)`)
    .requiredOption('--to <name>', 'dataset whose form is written, one of the same (required)')
    .option('--form <name>', `form to write, where there are several (default: the first; ${forms})`)
    .requiredOption('--out <file>', 'file to write (required)')
    .option('--allow-loss', 'leave out what the new form cannot hold (default: that is an error)')
    .option('--json', 'print {form, samples, lost, leftOut, unread} as JSON (default: off)')
    .action((files: string[], options: Options) => convert(io, files, options));
}

async function convert(io: Io, files: readonly string[], options: Options): Promise<void> {
  const { convertAnnotations, describeLoss } = await import('../data/convert.js');
  const { from, to, form, allowLoss = false } = options;
  const out = fromCwd(io, options.out);
  const paths = files.map((file) => fromCwd(io, file));
  const request = { from, files: paths, to, out, allowLoss, ...(form === undefined ? {} : { form }) };
  const result = await convertAnnotations(request);
  const unread = Object.entries(result.unread).map(([name, count]) => `${name} (${count})`);
  if (unread.length > 0) note(io, `not part of a sample, so not written: ${unread.join(', ')}`);
  const loss = describeLoss(result);
  if (loss !== '') note(io, `warning: left out: ${loss}`);
  if (options.json) printJson(io, result);
  else print(io, `${result.samples} samples in ${options.out}, ${to} as ${result.form}`);
}
