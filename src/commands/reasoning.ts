/** `reasvqa generate`: reasoning written by a large model. */
import type { Command } from 'commander';
import { UsageError } from '../base/errors.js';
import type { GenerateProgress } from '../reasoning/generate.js';
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
  teacher: string;
  model: string;
  out: string;
  split: string;
  write: string;
  frames: number;
  maxSide?: number;
  maxTokens: number;
  temperature: number;
  concurrency: number;
  retries: number;
  json?: boolean;
}

export function addGenerate(program: Command, io: Io): void {
  withBadVideo(withRecipe(program.command('generate')))
    .summary('let a large model write reasoning for every question')
    .description(
      "Asks an OpenAI-compatible server about every sample with the paper's prompt and writes one JSON line each. The same command continues where it stopped. The key comes from OPENAI_API_KEY, a proxy from https_proxy, http_proxy, all_proxy and no_proxy.",
    )
    .requiredOption('--teacher <url>', 'base URL of the server, as a rule ending in /v1 (required)')
    .requiredOption('--model <name>', 'model to ask (required)')
    .requiredOption('--out <file>', 'JSON-lines file to write or continue (required)')
    .option('--split <name>', 'train, val or test', 'train')
    .option(
      '--write <what>',
      'reasoning, or a caption of the video: brief or detailed (table 9)',
      'reasoning',
    )
    .option('--frames <n>', 'frames shown, uniformly sampled', integer(1), 4)
    .option('--max-side <pixels>', 'scale the longer side down to this (default: as decoded)', integer(16))
    .option('--max-tokens <n>', 'longest answer in tokens', integer(1), 1024)
    .option('--temperature <t>', 'sampling temperature', number(0, 2), 0)
    .option('--concurrency <n>', 'requests under way at once', integer(1), 4)
    .option('--retries <n>', 'further attempts after a request that failed', integer(0), 5)
    .option('--json', 'print the counts as JSON (default: off)')
    .action((recipe: string | undefined, options: GenerateOptions) => generate(io, recipe, options));
}

async function generate(io: Io, recipe: string | undefined, options: GenerateOptions): Promise<void> {
  const { WRITINGS } = await import('../reasoning/prompt.js');
  const writing = WRITINGS.find((each) => each === options.write);
  if (!writing) throw new UsageError(`--write ${options.write}: expected ${WRITINGS.join(', ')}`);
  const { config } = await configOf(io, recipe, options);
  const { locatedSamples } = await import('./samples.js');
  const { samples, paths, notices } = await locatedSamples(config, options.split);
  for (const line of notices) note(io, line);
  const { openTeacher } = await import('../reasoning/client.js');
  const { generateReasoning } = await import('../reasoning/generate.js');
  const { clipOf, readFrames } = await import('../video/frames.js');
  const { teacher: baseUrl, model, temperature, maxTokens, frames: frameCount, retries } = options;
  const client = await openTeacher({ baseUrl, model, temperature, maxTokens, backoff: { retries } });
  const progress = progressOf(io, 'generate', 'samples', samples.length);
  const result = await interruptible((signal) =>
    generateReasoning({
      samples,
      framesOf: (sample) =>
        readFrames({
          path: paths.get(sample.video)!,
          id: sample.id,
          count: frameCount,
          mode: 'uniform',
          ...clipOf(sample, config.data.fps),
          signal,
        }),
      frameCount,
      client,
      writing,
      out: fromCwd(io, options.out),
      concurrency: options.concurrency,
      ...(options.maxSide ? { maxSide: options.maxSide } : {}),
      onProgress: (state) => progress.tick(state.done + state.failed, progressInfo(state)),
      onNotice: (line) => note(io, line),
      signal,
    }),
  ).finally(() => progress.done());
  if (options.json) return printJson(io, result);
  print(
    io,
    `${result.done} of ${result.total} samples in ${options.out}, ${result.skipped} from earlier runs`,
  );
  if (result.judged > 0) print(io, `teacher accuracy: ${percent(result.correct, result.judged)}`);
  if (result.unanswered > 0) print(io, `no answer could be read from ${result.unanswered}`);
  if (result.cut > 0) print(io, `cut at ${maxTokens} tokens: ${result.cut}`);
}

function progressInfo({ failed, judged, correct }: GenerateProgress): string {
  const accuracy = judged > 0 ? `teacher ${percent(correct, judged)}` : '';
  return failed > 0 ? `${failed} failed ${accuracy}` : accuracy;
}

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)} %`;
