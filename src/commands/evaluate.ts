import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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
    .action((options: EvaluateOptions) => evaluateRun(io, options));
}

const collect = (text: string, earlier: string[]) => [...earlier, text];

async function evaluateRun(io: Io, options: EvaluateOptions): Promise<void> {
  const { existingRun } = await import('../training/runFolder.js');
  const paths = await existingRun(fromCwd(io, options.run));
  const { config } = await configOf(io, paths.config, options);
  const { evaluationFile } = await import('../config/checks.js');
  const file = evaluationFile(config, options.split);
  await startEngine(io, options);
  const { evaluate } = await import('../evaluation/evaluate.js');
  const { formatScore, officialPredictions, scoreAnswers } = await import('../evaluation/score.js');
  const { readDataset } = await import('../training/dataset.js');
  const { openBuilder } = await import('../training/student.js');
  const { openTrained } = await import('../training/trained.js');
  const { writeFileAtomic } = await import('../files.js');
  const dataset = await readDataset(config, file, false);
  for (const line of dataset.notices) note(io, line);
  const samples = dataset.samples.slice(0, options.limit);
  const { student } = await openTrained(paths, config);
  const progress = progressOf(io, 'evaluate', 'questions', samples.length);
  try {
    const builder = openBuilder(student, config, dataset, paths.folder, (line) => note(io, line));
    const { model, tokenizer, answerStartId: startId } = student;
    let done = 0;
    const { predictions, skipped } = await evaluate(
      { model, tokenizer, builder, config, startId },
      samples,
      (count) => {
        done += count;
        progress.tick(done);
      },
    );
    for (const { id, reason } of skipped) note(io, `left out ${id}: ${reason}`);
    const cut = builder.cutNotice();
    if (cut) note(io, cut);
    const byId = new Map(predictions.map(({ id, prediction }) => [id, prediction]));
    const answered = samples.filter((sample) => byId.has(sample.id));
    const out = options.out
      ? fromCwd(io, options.out)
      : join(paths.folder, `predictions-${options.split}.json`);
    await mkdir(dirname(out), { recursive: true });
    await writeFileAtomic(out, officialPredictions(answered, byId));
    progress.done();
    if (answered.every((sample) => sample.answer === undefined))
      return print(io, `${answered.length} answers to a blind split in ${out}`);
    const score = scoreAnswers(config.data.dataset, answered, byId);
    if (options.json) printJson(io, score);
    else print(io, `${formatScore(score)}\n${out}`);
  } finally {
    progress.done();
    student.model.dispose();
  }
}
