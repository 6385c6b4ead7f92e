/** `reasvqa data mix`: several data sets as one file, for one recipe. */
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import type { MixPart } from '../batches/mix.js';
import { datasetNames } from '../data/datasets/index.js';
import { fromCwd, type Io, note, print, printJson } from './io.js';

interface Options {
  out: string;
  seed: string;
  reasoning: string[];
  videos: string[];
  map: string[];
  json?: boolean;
}

export function addDataMix(data: Command, io: Io): void {
  data
    .command('mix')
    .summary('make one training file of several data sets')
    .description(
      `Writes the samples of several annotation files as one file of JSON lines (data.dataset: jsonl), whatever their tasks. A part is [NAME=]DATASET:FILE[@WEIGHT]: DATASET is one of ${datasetNames().join(', ')}; ids begin with NAME, which is DATASET unless given; WEIGHT says how often each sample is written, so 0.5 draws half of them. train.taskWeights weighs tasks.`,
    )
    .argument(
      '<parts...>',
      'such as nextgqa:val.csv charades:charades_sta_train.txt@0.5 mine=jsonl:own.jsonl@2',
    )
    .requiredOption('--out <file>', 'file to write (required)')
    .option('--seed <text>', 'seed of what is drawn', '0')
    .option(
      '--reasoning <NAME:FILE>',
      "refined reasoning of a part, by its file's ids (default: none)",
      collect,
      [],
    )
    .option(
      '--videos <NAME:FOLDER>',
      "folder of a part's videos below the recipe's data.videos (default: that folder itself)",
      collect,
      [],
    )
    .option('--map <NAME:FILE>', 'JSON from video ids of a part to files (default: none)', collect, [])
    .option('--json', 'print {samples, parts, notices} as JSON (default: off)')
    .action((parts: string[], options: Options) => mix(io, parts, options));
}

const collect = (text: string, earlier: string[]) => [...earlier, text];

async function mix(io: Io, texts: readonly string[], options: Options): Promise<void> {
  const { mixAnnotations } = await import('../batches/mix.js');
  const parts = texts.map((text) => partOf(text, (file) => fromCwd(io, file)));
  for (const key of ['reasoning', 'videos', 'map'] as const)
    for (const text of options[key]) {
      const [name, value] = split(
        text,
        ':',
        `--${key} ${text}: expected NAME:${key === 'videos' ? 'FOLDER' : 'FILE'}`,
      );
      const part = parts.find((each) => each.name === name);
      if (!part) throw new UsageError(`--${key} ${text}: no part is named ${name}`);
      part[key] = key === 'videos' ? value : fromCwd(io, value);
    }
  const result = await mixAnnotations({ parts, out: fromCwd(io, options.out), seed: options.seed });
  for (const notice of result.notices) note(io, `warning: ${notice}`);
  if (options.json) return printJson(io, result);
  for (const [name, tasks] of Object.entries(result.parts))
    print(
      io,
      `${name}: ${
        Object.entries(tasks)
          .map(([task, count]) => `${task} ${count}`)
          .join(', ') || 'nothing'
      }`,
    );
  print(io, `${result.samples} samples in ${options.out}`);
}

/** `[NAME=]DATASET:FILE[@WEIGHT]`; an @ that no number follows is a part of the file's name. */
export function partOf(text: string, path: (file: string) => string): MixPart {
  const expected = `${text}: expected [NAME=]DATASET:FILE[@WEIGHT]`;
  const [head, tail] = split(text, ':', expected);
  const at = head.indexOf('=');
  const dataset = head.slice(at + 1);
  const [, file, weight] = /^(.+?)(?:@(\d+(?:\.\d+)?))?$/.exec(tail)!;
  const name = at < 0 ? dataset : head.slice(0, at);
  if (name === '' || dataset === '') throw new UsageError(expected);
  if (!datasetNames().includes(dataset))
    throw new UsageError(`${text}: expected a data set of ${datasetNames().join(', ')}, got ${dataset}`);
  return { name, dataset, file: path(file!), weight: weight === undefined ? 1 : Number(weight) };
}

function split(text: string, mark: string, expected: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 1 || at === text.length - 1) throw new UsageError(expected);
  return [text.slice(0, at), text.slice(at + 1)];
}
