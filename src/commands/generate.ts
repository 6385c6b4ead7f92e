/** `reasvqa generate`: reasoning written by a large model. */
import { type Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import type { GenerateProgress, GenerateResult } from '../reasoning/generate.js';
import type { AskedFor, AskedWith } from '../reasoning/output.js';
import {
  configOf,
  fromCwd,
  type Io,
  integer,
  interruptible,
  note,
  number,
  print,
  printJson,
  progressOf,
  type RecipeOptions,
  withBadVideo,
  withRecipe,
} from './io.js';

interface GenerateOptions extends RecipeOptions {
  teacher: string[];
  model: string;
  out: string;
  split: string;
  write: string;
  prompt?: string;
  system?: string;
  frames: number;
  maxSide?: number;
  imageQuality?: number;
  imageDetail?: string;
  maxTokens: number;
  temperature: number;
  seed?: number;
  concurrency: number;
  slowAfter: number;
  retries: number;
  maxRequests?: number;
  maxTotalTokens?: number;
  maxCost?: number;
  prices?: string;
  deadline?: number;
  batchRequests?: string;
  batchResults: string[];
  json?: boolean;
}

const repeated = (text: string, earlier: string[]) => [...earlier, text];

export function addGenerate(program: Command, io: Io): void {
  const command = withBadVideo(withRecipe(program.command('generate')))
    .summary('let a large model write reasoning for every question')
    .description(
      "Asks an OpenAI-compatible server about every sample with the paper's prompt and writes one JSON line each. The same command continues where it stopped. The key comes from OPENAI_API_KEY, a proxy from https_proxy, http_proxy, all_proxy and no_proxy.",
    )
    .option(
      '--teacher <url>',
      'base URL of a server, as a rule ending in /v1; may be repeated, with #weight=2,key=VARIABLE,model=NAME behind it (required without --batch-...)',
      repeated,
      [],
    )
    .requiredOption('--model <name>', 'model to ask (required)')
    .requiredOption('--out <file>', 'JSON-lines file to write or continue (required)')
    .option('--split <name>', 'train, val or test', 'train');
  addAsked(command);
  addLimits(command);
  command
    .option('--batch-requests <file>', 'write the requests as a batch file instead of asking (default: off)')
    .option(
      '--batch-results <file>',
      'take the answers from a batch file instead of asking; may be repeated (default: off)',
      repeated,
      [],
    )
    .option('--json', 'print the counts as JSON (default: off)')
    .action((recipe: string | undefined, options: GenerateOptions) => generate(io, recipe, options));
}

/** Options that decide what the teacher sees; each line of the file records them. */
function addAsked(command: Command): void {
  command
    .option(
      '--write <what>',
      'reasoning, or a caption of the video: brief or detailed (table 9)',
      'reasoning',
    )
    .option('--prompt <file>', "prompt with {question} and {options} (default: the paper's)")
    .option('--system <file>', 'system message (default: none)')
    .option('--frames <n>', 'frames shown, uniformly sampled', integer(1), 4)
    .option('--max-side <pixels>', 'scale the longer side down to this (default: as decoded)', integer(16))
    .option('--image-quality <q>', 'send JPEG of this quality, 1 to 100 (default: PNG)', quality)
    .option('--image-detail <level>', "OpenAI's detail of images: low, high or auto (default: not sent)")
    .option('--max-tokens <n>', 'longest answer in tokens', integer(1), 1024)
    .option('--temperature <t>', 'sampling temperature', number(0, 2), 0)
    .option('--seed <n>', 'seed of sampling, sent with every request (default: none)', integer(0));
}

/** Options that decide how fast, how often and how much is asked. */
function addLimits(command: Command): void {
  command
    .option('--concurrency <n>', 'most requests under way at once', integer(1), 4)
    .option(
      '--slow-after <seconds>',
      'a server that sends nothing for longer gets fewer requests',
      number(0.001, 86_400),
      30,
    )
    .option('--retries <n>', 'further attempts after a request that failed', integer(0), 5)
    .option('--max-requests <n>', 'stop after so many requests of this run (default: no limit)', integer(1))
    .option(
      '--max-total-tokens <n>',
      'stop before all rows took more tokens than this (default: no limit)',
      integer(1),
    )
    .option(
      '--max-cost <amount>',
      'stop before all rows cost more than this, see --prices (default: no limit)',
      number(0, Number.MAX_VALUE),
    )
    .option(
      '--prices <file>',
      'JSON file {"model": {"prompt": price, "completion": price}} per million tokens (default: none)',
    )
    .option('--deadline <time>', 'stop after a time such as 90s, 45m or 11.5h (default: none)', duration);
}

/** Option parser: a quality of JPEG. */
function quality(text: string): number {
  const value = integer(1)(text);
  if (value > 100) throw new InvalidArgumentError('Expected a whole number from 1 to 100.');
  return value;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Option parser: milliseconds of a text such as 90s, 45m, 11.5h or 2d. */
export function duration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text.trim()) ?? [];
  const ms = Number(amount) * UNITS[unit ?? '']! * 1000;
  if (!(ms > 0)) throw new InvalidArgumentError('Expected a time such as 90s, 45m, 11.5h or 2d.');
  return ms;
}

async function generate(io: Io, recipe: string | undefined, options: GenerateOptions): Promise<void> {
  checkPlace(options);
  const what = await askedFor(io, options);
  const { config } = await configOf(io, recipe, options);
  const { locatedSamples } = await import('./samples.js');
  const { samples, paths, notices } = await locatedSamples(config, options.split);
  for (const line of notices) note(io, line);
  const out = fromCwd(io, options.out);
  const job: Job = {
    run: { ...what.asked, samples, out, onNotice: (line) => note(io, line) },
    teacher: what.teacher,
    framesOf: framesReader(config, paths, options.frames),
  };
  if (options.batchRequests !== undefined) return writeRequests(io, options, job, options.batchRequests);
  const result =
    options.batchResults.length > 0
      ? await readResults(io, options.batchResults, job)
      : await ask(io, options, job);
  if (options.json) printJson(io, result);
  else summary(io, options, result);
}

/** What asking a server and writing and reading batches share. */
interface Job {
  run: AskedFor & { samples: Sample[]; out: string; onNotice: (line: string) => void };
  teacher: AskedWith;
  framesOf: ReturnType<typeof framesReader>;
}

async function writeRequests(io: Io, options: GenerateOptions, job: Job, file: string): Promise<void> {
  const { writeBatch } = await import('../reasoning/batchRequests.js');
  const { run, teacher, framesOf } = job;
  const progress = progressOf(io, 'generate', 'samples', run.samples.length);
  const written = await interruptible((signal) =>
    writeBatch({
      ...run,
      teacher,
      requests: fromCwd(io, file),
      framesOf: framesOf(signal),
      onProgress: (done, total) => progress.tick(run.samples.length - total + done),
      signal,
    }),
  ).finally(() => progress.done());
  if (options.json) printJson(io, written);
  else
    print(
      io,
      `${written.requests} requests in ${written.files.join(', ') || 'no file: all samples are done'}`,
    );
}

async function readResults(io: Io, files: readonly string[], { run, teacher }: Job): Promise<GenerateResult> {
  const { readBatch } = await import('../reasoning/batchResults.js');
  return readBatch({ ...run, teacher, results: files.map((file) => fromCwd(io, file)) });
}

async function ask(io: Io, options: GenerateOptions, job: Job): Promise<GenerateResult> {
  const { openTeacher } = await import('../reasoning/client.js');
  const { generateReasoning } = await import('../reasoning/generate.js');
  const { PriceTable } = await import('../reasoning/prices.js');
  const { concurrency, retries, deadline: deadlineMs, maxRequests, maxTotalTokens, maxCost } = options;
  const prices =
    options.prices === undefined ? undefined : await PriceTable.read(fromCwd(io, options.prices));
  const client = await openTeacher({
    ...job.teacher,
    baseUrl: options.teacher,
    countTokens: prices !== undefined || maxTotalTokens !== undefined,
    backoff: { retries },
    slowMs: options.slowAfter * 1000,
    onNotice: job.run.onNotice,
  });
  const progress = progressOf(io, 'generate', 'samples', job.run.samples.length);
  return interruptible((signal) =>
    generateReasoning({
      ...job.run,
      framesOf: job.framesOf(signal),
      client,
      concurrency,
      caps: defined({ requests: maxRequests, tokens: maxTotalTokens, cost: maxCost }),
      ...defined({ prices, deadlineMs }),
      onProgress: (state) => progress.tick(state.done + state.failed, progressInfo(state)),
      signal,
    }),
  ).finally(() => progress.done());
}

/** What bounds a run; nobody keeps these limits for requests that another program sends. */
const LIMITS = [
  ['maxRequests', '--max-requests'],
  ['maxTotalTokens', '--max-total-tokens'],
  ['maxCost', '--max-cost'],
  ['prices', '--prices'],
  ['deadline', '--deadline'],
] as const;

/** Exactly one place that answers come from, and no limit that nobody would keep. */
function checkPlace(options: GenerateOptions): void {
  const { teacher, batchRequests, batchResults, maxCost, prices } = options;
  const named = [teacher.length > 0, batchRequests !== undefined, batchResults.length > 0].filter(Boolean);
  if (named.length !== 1)
    throw new UsageError(
      `${named.length === 0 ? 'nobody to ask' : 'more than one place for answers'}: expected either --teacher URL, ` +
        '--batch-requests FILE or --batch-results FILE',
    );
  const limit = LIMITS.find(([name]) => options[name] !== undefined);
  if (teacher.length === 0 && limit)
    throw new UsageError(
      `${limit[1]}: limits the requests of --teacher, and no batch file; leave it out, and limit the batch where it runs`,
    );
  if (maxCost !== undefined && prices === undefined)
    throw new UsageError('--max-cost needs the prices of tokens; name their file with --prices');
}

/** What the options say about the requests, files read. */
async function askedFor(io: Io, options: GenerateOptions): Promise<{ asked: AskedFor; teacher: AskedWith }> {
  const { WRITINGS, readPromptText, readTemplate } = await import('../reasoning/prompt.js');
  const writing = WRITINGS.find((each) => each === options.write);
  if (!writing) throw new UsageError(`--write ${options.write}: expected ${WRITINGS.join(', ')}`);
  const { model, temperature, maxTokens, seed, imageDetail, maxSide, imageQuality, frames } = options;
  if (imageDetail !== undefined && !['low', 'high', 'auto'].includes(imageDetail))
    throw new UsageError(`--image-detail ${imageDetail}: expected low, high or auto`);
  const template =
    options.prompt === undefined ? undefined : await readTemplate(fromCwd(io, options.prompt), writing);
  const system =
    options.system === undefined
      ? undefined
      : await readPromptText(fromCwd(io, options.system), 'system message');
  return {
    asked: { writing, frameCount: frames, ...defined({ template, maxSide, imageQuality }) },
    teacher: { model, temperature, maxTokens, ...defined({ system, seed, imageDetail }) },
  };
}

function framesReader(config: Config, paths: ReadonlyMap<string, string>, count: number) {
  return (signal: AbortSignal) => async (sample: Sample) => {
    const { clipOf, readFrames } = await import('../video/frames.js');
    return readFrames({
      path: paths.get(sample.video)!,
      id: sample.id,
      count,
      mode: 'uniform',
      // A picture that is shown twice tells the teacher nothing.
      pad: false,
      ...clipOf(sample, config.data.fps),
      signal,
    });
  };
}

function summary(io: Io, options: GenerateOptions, result: GenerateResult): void {
  print(
    io,
    `${result.done} of ${result.total} samples in ${options.out}, ${result.skipped} from earlier runs`,
  );
  if (result.judged > 0) print(io, `teacher accuracy: ${percent(result.correct, result.judged)}`);
  if (result.unanswered > 0) print(io, `no answer could be read from ${result.unanswered}`);
  if (result.cut > 0) print(io, `cut at ${options.maxTokens} tokens: ${result.cut}`);
  if (result.tokens !== undefined) print(io, `tokens: ${result.tokens}`);
  if (result.cost !== undefined) print(io, `cost: ${result.cost.toFixed(4)}`);
}

function progressInfo({ failed, judged, correct }: GenerateProgress): string {
  const accuracy = judged > 0 ? `teacher ${percent(correct, judged)}` : '';
  return failed > 0 ? `${failed} failed ${accuracy}` : accuracy;
}

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)} %`;

/** The entries of an object that are not undefined. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
