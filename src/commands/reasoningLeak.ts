/** `reasvqa reasoning leak`: how often a reader of the text alone still recovers the answer after refinement. */
import type { Command } from 'commander';
import type { Leak } from '../reasoning/leak/leak.js';
import { fromCwd, type Io, note, print, printJson, table } from './io.js';
import { type PolicyOptions, policySettings, rateText, withPolicySettings } from './refine.js';

interface LeakOptions extends PolicyOptions {
  policy: string;
  seed: string;
  json?: boolean;
}

export function addLeak(group: Command, io: Io): void {
  withPolicySettings(
    group
      .command('leak')
      .summary('measure how often the answer can be read from the text alone')
      .description(
        "Refines generated reasoning by policies, and lets two readers that see no video look for the teacher's answer and the true one: a rule (the option that is mentioned and not denied) and a classifier trained on the other videos. Beside stand the rate of the question and options alone, that of the classifier where every question has the text of another one of its kind (what a text tells about questions at large), and chance. Further files hold refined reasoning about the same ids, as of the policies entailment and agreement.",
      )
      .argument('<generated>', 'file written by `reasvqa generate`, or rows from anywhere')
      .argument('[refined...]', 'files written by `reasvqa refine`')
      .option(
        '--policy <names>',
        'policies to measure, between commas',
        'paper,first-n,none-of-answer-sentences',
      )
      .option('--seed <text>', 'of the folds and the training', '0'),
  )
    .option('--json', 'print the rates as JSON (default: off)')
    .action((generated: string, refined: string[], options: LeakOptions) =>
      leak(io, generated, refined, options),
    );
}

async function leak(io: Io, generated: string, refined: string[], options: LeakOptions): Promise<void> {
  const { leakOfFiles } = await import('../reasoning/leak/files.js');
  const result = await leakOfFiles({
    generated: fromCwd(io, generated),
    refined: refined.map((file) => fromCwd(io, file)),
    policies: options.policy
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
    settings: await policySettings(io, options),
    seed: options.seed,
  });
  if (options.json) return printJson(io, result);
  for (const line of result.notes) note(io, line);
  print(io, `${result.rows} texts about ${result.videos} videos; answers recovered, % [95 % interval]`);
  print(io, tableOf(result));
}

function tableOf({ chance, questionAlone, texts }: Leak): string {
  const head = ['text', 'characters', 'empty', 'rule: teacher', 'truth', 'trained: teacher', 'truth'];
  head.push("on others' texts: teacher", 'truth');
  const rows = texts.map(({ name, characters, empty, rule, classifier, control }) => [
    ...[name, characters.toFixed(0), String(empty)],
    ...[rule, classifier, control].flatMap(({ teacher, truth }) => [rateText(teacher), rateText(truth)]),
  ]);
  const alone = [questionAlone.teacher, questionAlone.truth].map(rateText);
  const even = Array(6).fill(percent(chance));
  return table(
    [head, ...rows, ['question alone', '', '', '', '', ...alone, '', ''], ['chance', '', '', ...even]],
    [1, 2],
  );
}

const percent = (share: number) => (100 * share).toFixed(1);
