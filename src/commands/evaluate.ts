/** `reasvqa evaluate`: answers a split with a run's best checkpoint. */
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  configOf,
  type EngineChoice,
  fromCwd,
  type Io,
  integer,
  note,
  print,
  printJson,
  progressOf,
  type RecipeOptions,
  startEngine,
  withBadVideo,
  withEngine,
} from './io.js';

interface EvaluateOptions extends RecipeOptions, EngineChoice {
  run: string;
  split: 'val' | 'test';
  out?: string;
  limit?: number;
  json?: boolean;
}

export function addEvaluate(program: Command, io: Io): void {
  withEngine(withBadVideo(program.command('evaluate')))
    .summary("answer a split with a run's best checkpoint")
    .description(
      "Answers every question of a split with the run's best checkpoint, prints accuracy per type, group and in total, and writes the predictions in the datasets' official form (reasvqa score reads it).",
    )
    .requiredOption('--run <folder>', 'run folder of reasvqa train (required)')
    .option('--split <name>', 'val or test', 'val')
    .option(
      '-s, --set <key=value>',
      'change a key of the run, for example eval.scorer=generate (default: none)',
      collect,
      [],
    )
    .option('--out <file>', 'prediction file (default: predictions-<split>.json in the run folder)')
    .option('--limit <n>', 'only the first n questions (default: all)', integer(1))
    .option('--json', 'print {dataset, types, groups, total} as JSON (default: off)')
    .action((options: EvaluateOptions) => evaluate(io, options));
}

const collect = (text: string, earlier: string[]) => [...earlier, text];

async function evaluate(io: Io, options: EvaluateOptions): Promise<void> {
  const { existingRun } = await import('../training/run/folder.js');
  const paths = await existingRun(fromCwd(io, options.run));
  const { config } = await configOf(io, paths.config, options);
  const { evaluationFile } = await import('../config/checks.js');
  const file = evaluationFile(config, options.split);
  await startEngine(io, options);
  const { formatScore } = await import('../evaluation/score.js');
  const { evaluateRun } = await import('../training/evaluateRun.js');
  const name = `predictions-${options.split}.json`;
  const out = options.out ? fromCwd(io, options.out) : join(paths.folder, name);
  let progress: ReturnType<typeof progressOf> | undefined;
  const { score, answered } = await evaluateRun({
    ...{ paths, config, file, out, limit: options.limit },
    onProgress: (done, total) => {
      progress ??= progressOf(io, 'evaluate', 'questions', total);
      progress.tick(done);
    },
    onNotice: (line) => note(io, line),
  }).finally(() => progress?.done());
  if (!score) return print(io, `${answered} answers to a blind split in ${out}`);
  if (options.json) printJson(io, score);
  else print(io, `${formatScore(score)}\n${out}`);
}
