/** `reasvqa refine`: what a student learns to write is cut out of generated reasoning. */
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import type { RuleLeak } from '../reasoning/leak/drawn.js';
import type { Rate, Rates } from '../reasoning/leak/leak.js';
import type { RefineSettings } from '../reasoning/refine.js';
import { fromCwd, type Io, integer, note, number, print, printJson, table } from './io.js';

/** Options that say how policies refine; `reasvqa reasoning leak` has them too. */
export interface PolicyOptions {
  patterns: string;
  groundTruth: string;
  sentences: number;
  nli?: string;
  threshold: number;
  overlap: number;
  votes: number;
}

interface RefineOptions extends PolicyOptions {
  out: string;
  policy: string;
  original?: boolean;
  leak: boolean;
  json?: boolean;
}

const GROUND_TRUTH = ['phrase', 'words', 'keep'] as const;

/** The policies' own settings. The defaults are those of src/reasoning/policies/. */
export function withPolicySettings(command: Command): Command {
  return command
    .option(
      '--patterns <set>',
      "paper: the paper's list; wide: also the same closings in other words",
      'paper',
    )
    .option(
      '--ground-truth <scope>',
      'words of the true answer removed from incorrect reasoning: phrase, words or keep',
      'phrase',
    )
    .option('--sentences <n>', 'first-n: sentences kept', integer(1), 3)
    .option(
      '--nli <folder|id>',
      'entailment: ONNX model of natural-language inference, a folder or a Hugging Face id (default: none)',
    )
    .option('--threshold <p>', 'entailment: least probability of a relation', number(0, 1), 0.5)
    .option('--votes <n>', 'agreement: samples that have to hold a step, its own included', integer(2), 2)
    .option(
      '--overlap <share>',
      "agreement: share of a step's words that the other sample's sentence has to hold",
      number(0, 1),
      1,
    );
}

export function addRefine(program: Command, io: Io): void {
  withPolicySettings(
    program
      .command('refine')
      .summary('take the conclusions out of generated reasoning')
      .description(
        'Reads the JSON lines of `reasvqa generate`, or rows from anywhere with an id, options and a text, and writes {id, reasoning, correct, removed} for data.reasoning. The policy decides what is kept: paper removes the sentences that state a conclusion or the predicted answer (appendix A.4); original nothing; first-n keeps the first sentences; none-of-answer-sentences, entailment and agreement remove more of what paper leaves. agreement takes several samples of an id, in one file or several. How often a rule that reads the text alone recovers the answer before and after is printed, measured on at most 2,000 rows (`reasvqa reasoning leak` says more).',
      )
      .argument('<input...>', 'files written by `reasvqa generate`, or rows from anywhere')
      .requiredOption('--out <file>', 'JSON-lines file to write (required)')
      .option(
        '--policy <name>',
        'paper, original, first-n, none-of-answer-sentences, entailment or agreement',
        'paper',
      )
      .option('--original', 'the same as --policy original (default: off)'),
  )
    .option('--no-leak', 'do not measure what the text still tells of the answer (default: measure it)')
    .option('--json', 'print the counts as JSON (default: off)')
    .action((inputs: string[], options: RefineOptions) => refine(io, inputs, options));
}

/** What the policies take of the options. @throws UsageError */
export async function policySettings(io: Io, options: PolicyOptions) {
  const groundTruth: RefineSettings['groundTruth'] = GROUND_TRUTH.find(
    (scope) => scope === options.groundTruth,
  );
  if (!groundTruth)
    throw new UsageError(`--ground-truth ${options.groundTruth}: expected ${GROUND_TRUTH.join(', ')}`);
  const { patternsFrom } = await import('../reasoning/patterns.js');
  const { sentences, threshold, votes, overlap, nli } = options;
  return {
    patterns: patternsFrom(options.patterns),
    groundTruth,
    ...{ sentences, threshold, votes, overlap },
    ...(nli === undefined ? {} : { model: await modelAt(io, nli) }),
  };
}

/** A folder is relative to the command's; what is no folder there is an id. */
async function modelAt(io: Io, pathOrId: string): Promise<string> {
  const { stat } = await import('node:fs/promises');
  const path = fromCwd(io, pathOrId);
  return (await stat(path).catch(() => undefined)) ? path : pathOrId;
}

async function refine(io: Io, inputs: readonly string[], options: RefineOptions): Promise<void> {
  if (options.original && options.policy !== 'paper' && options.policy !== 'original')
    throw new UsageError(`--original: contradicts --policy ${options.policy}; give one of them`);
  const { refineFile } = await import('../reasoning/refineFile.js');
  const stats = await refineFile({
    input: inputs.map((input) => fromCwd(io, input)),
    output: fromCwd(io, options.out),
    policy: options.original ? 'original' : options.policy,
    leak: options.leak,
    onNotice: (line) => note(io, line),
    ...(await policySettings(io, options)),
  });
  if (options.json) return printJson(io, stats);
  print(io, `${stats.kept} of ${stats.samples} samples keep reasoning, ${stats.empty} have nothing left`);
  const { correct, incorrect, ungradable, unknown } = stats;
  print(io, `correct ${correct}, incorrect ${incorrect}, ungradable ${ungradable}, unknown ${unknown}`);
  const { before, after } = stats.meanCharacters;
  print(io, `mean length ${before.toFixed(0)} -> ${after.toFixed(0)} characters`);
  const counts = Object.entries(stats.removed).map(([name, count]) => [name, String(count)]);
  if (counts.length > 0) print(io, table([['removed', 'times'], ...counts], [1]));
  if (stats.leak) print(io, leakTable(stats.leak));
}

function leakTable({ rows, chance, before, after }: RuleLeak): string {
  const row = (name: string, { teacher, truth }: Rates) => [name, rateText(teacher), rateText(truth)];
  const head = [`answers read from ${rows} texts alone, %`, "teacher's", 'true one'];
  const even = (100 * chance).toFixed(1);
  return table([head, row('before', before), row('after', after), ['chance', even, even]]);
}

/** Percent with the 95 % interval; `-` where there was nothing to look for. */
export function rateText(found: Rate | null): string {
  if (found === null) return '-';
  const [rate, low, high] = [found.rate, found.low, found.high].map((share) => (100 * share).toFixed(1));
  return `${rate} [${low}, ${high}]`;
}
