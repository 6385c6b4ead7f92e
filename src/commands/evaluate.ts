/** `reasvqa evaluate`: answers a split with a run's best checkpoint, or with a recipe's base model as it is. */
import { rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { EvaluatedRun } from '../training/evaluateRun.js';
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
  run?: string;
  split?: string;
  mode?: string;
  looks?: number;
  look?: string;
  out?: string;
  limit?: number;
  json?: boolean;
}

export function addEvaluate(program: Command, io: Io): void {
  withEngine(withBadVideo(program.command('evaluate')))
    .summary("answer a split with a run's best checkpoint")
    .description(
      "Answers every question of a split with the run's best checkpoint, or with the base model of a recipe as it is, without training (zero-shot); prints accuracy per type, group and in total, and writes the predictions in the datasets' official form (reasvqa score reads it).",
    )
    .argument('[recipe]', 'recipe whose base model is asked (default: none; --run is asked)')
    .option('--run <folder>', 'run folder of reasvqa train (default: none)')
    .option('--split <name>', 'val or test (default: eval.split)')
    .option(
      '--mode <name>',
      'answer, answer-then-reason, reason-then-answer or two-stage; the last two print the direct answers beside (default: eval.mode)',
    )
    .option(
      '--looks <n>',
      'calls for the frames of a span that are answered for each sample, 0 to 2; the turns are written beside the predictions, to trajectories-NAME.jsonl of predictions-NAME.json (default: eval.looks)',
      integer(0),
    )
    .option(
      '--look <who>',
      'who chooses the span: student, or in its place oracle or random (default: eval.look)',
    )
    .option(
      '-s, --set <key=value>',
      'change a key of the run or recipe, for example eval.scorer=generate (default: none)',
      collect,
      [],
    )
    .option(
      '--out <file>',
      'prediction file (default: predictions-<split>.json in the run folder, with --look predictions-<split>-<who>.json; of a recipe none)',
    )
    .option('--limit <n>', 'only the first n questions (default: all)', integer(1))
    .option(
      '--json',
      'print {dataset, types, groups, total} as JSON, with tasks and direct where there are such (default: off)',
    )
    .action((recipe: string | undefined, options: EvaluateOptions) => evaluate(io, recipe, options));
}

const collect = (text: string, earlier: string[]) => [...earlier, text];

async function evaluate(io: Io, recipe: string | undefined, options: EvaluateOptions): Promise<void> {
  if ((recipe === undefined) === (options.run === undefined))
    throw new UsageError("give --run to ask a run's student, or a recipe to ask its base model as it is");
  const { existingRun } = await import('../training/run/folder.js');
  const paths = options.run === undefined ? undefined : await existingRun(fromCwd(io, options.run));
  const given = (['mode', 'looks', 'look'] as const).flatMap((key) =>
    options[key] === undefined ? [] : [`eval.${key}=${options[key]}`],
  );
  const { config } = await configOf(io, paths?.config ?? recipe, {
    ...options,
    set: [...options.set, ...given],
  });
  const split = splitOf(options.split ?? config.eval.split);
  const { evaluationFile } = await import('../config/checks.js');
  const file = evaluationFile(config, split);
  await startEngine(io, options);
  const { formatScores } = await import('../evaluation/splitScore.js');
  const { evaluateRun } = await import('../training/evaluateRun.js');
  const named = options.out ? fromCwd(io, options.out) : undefined;
  const out = named ?? (paths && join(paths.folder, predictionsName(split, config.eval)));
  const dialogues = out === undefined ? undefined : dialoguesBeside(out);
  const trajectories = config.eval.looks === 0 ? undefined : dialogues;
  let progress: ReturnType<typeof progressOf> | undefined;
  const {
    answered,
    predictions: _,
    ...scores
  } = await evaluateRun({
    ...{ paths, config, file, trajectories, limit: options.limit },
    ...(out !== undefined && { out }),
    onProgress: (done, total) => {
      progress ??= progressOf(io, 'evaluate', 'questions', total);
      progress.tick(done);
    },
    onNotice: (line) => note(io, line),
  }).finally(() => progress?.done());
  // Those of an earlier evaluation belong to predictions that are replaced.
  if (dialogues && !trajectories) await rm(dialogues, { force: true });
  if (!scores.score && !scores.tasks)
    return print(
      io,
      `${answered} answers to a blind split${out === undefined ? '; --out FILE keeps them' : ` in ${out}`}`,
    );
  if (options.json) printJson(io, jsonOf(scores));
  else
    print(
      io,
      [formatScores({ ...scores, score: scores.score ?? null }), out, trajectories]
        .filter(Boolean)
        .join('\n'),
    );
}

/** Name of the prediction file: controls of looking (`--look`) do not replace the student's own. */
export function predictionsName(
  split: string,
  { looks, look }: Pick<Config['eval'], 'looks' | 'look'>,
): string {
  const control = looks === 0 || look === 'student' ? '' : `-${look}`;
  return `predictions-${split}${control}.json`;
}

/** Where the dialogues behind a prediction file are: beside it, under its name. */
export function dialoguesBeside(predictions: string): string {
  const name = basename(predictions, extname(predictions)).replace(/^predictions-/, '');
  return join(dirname(predictions), `trajectories-${name}.jsonl`);
}

/** The score of choices as it always was, with what there is beside it. */
function jsonOf({ score, ...others }: Pick<EvaluatedRun, 'score' | 'tasks' | 'direct'>) {
  return { ...score, ...others };
}

function splitOf(name: string): 'val' | 'test' {
  if (name === 'val' || name === 'test') return name;
  throw new UsageError(`--split ${name}: expected val or test`);
}
