/** The command line: all commands, their help and exit codes. */

import { Command, CommanderError } from 'commander';
import { visible } from '../base/values.js';
import type { Io } from './io.js';

type Add = (program: Command, io: Io) => void;

/** The commands, in the order of the help; each file is loaded when its command is named, since all of them take 0.2 s. */
const COMMANDS: Record<string, () => Promise<Add>> = {
  generate: async () => (await import('./generate.js')).addGenerate,
  refine: async () => (await import('./refine.js')).addRefine,
  reasoning: async () => (await import('./reasoningTools.js')).addReasoningTools,
  demo: async () => (await import('./demo.js')).addDemo,
  train: async () => (await import('./train.js')).addTrain,
  sweep: async () => (await import('./sweep.js')).addSweep,
  table: async () => (await import('./table.js')).addTable,
  evaluate: async () => (await import('./evaluate.js')).addEvaluate,
  ask: async () => (await import('./ask.js')).addAsk,
  serve: async () => (await import('./serve.js')).addServe,
  report: async () => (await import('./report.js')).addReport,
  runs: async () => (await import('./runs.js')).addRuns,
  score: async () => (await import('./score.js')).addScore,
  config: async () => (await import('./config.js')).addConfig,
  data: async () => (await import('./data.js')).addData,
  features: async () => (await import('./features.js')).addFeatures,
  weights: async () => (await import('./weights.js')).addWeights,
  shapes: async () => (await import('./shapes.js')).addShapes,
  doctor: async () => (await import('./doctor.js')).addDoctor,
  bench: async () => (await import('./bench.js')).addBench,
};

/**
 * The command line. Files of commands hold options and printing; they import the rest when they run.
 *
 * @param named what stands where a command is named: of a command all others are left out, else all are there, as help
 *   and the advice on a misspelt one need them
 */
export async function buildProgram(io: Io, version: string, named?: string): Promise<Command> {
  const program = new Command('reasvqa')
    .description(
      'Video question answering that learns from imperfect reasoning (ReasVQA), trained on TensorFlow.js.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .configureHelp({ helpWidth: 100, showGlobalOptions: false })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 unexpected, 2 usage or recipe, 3 data or weights, 4 engine or device, 75 interrupted (run the same command again).',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(visible(text)),
      outputError: (text, write) => write(`reasvqa: ${oneLine(text)}\n`),
    });
  const wanted =
    named !== undefined && Object.hasOwn(COMMANDS, named) ? [COMMANDS[named]!] : Object.values(COMMANDS);
  for (const add of await Promise.all(wanted.map((load) => load()))) add(program, io);
  return program;
}

/** The exit code of an error of commander's, which has already been printed; undefined for another error. */
export function commanderExit(error: unknown): 0 | 2 | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  return error.exitCode === 0 ? 0 : 2;
}

const oneLine = (text: string) =>
  text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ');
