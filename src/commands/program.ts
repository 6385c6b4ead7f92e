/** The command line: all commands, their help and exit codes. */
import { Command, CommanderError } from 'commander';
import { addAsk } from './ask.js';
import { addBench } from './bench.js';
import { addConfig } from './config.js';
import { addData } from './data.js';
import { addDemo } from './demo.js';
import { addDoctor } from './doctor.js';
import { addEvaluate } from './evaluate.js';
import { addFeatures } from './features.js';
import type { Io } from './io.js';
import { addGenerate, addRefine } from './reasoning.js';
import { addReasoningTools } from './reasoningTools.js';
import { addReport } from './report.js';
import { addRuns } from './runs.js';
import { addScore } from './score.js';
import { addServe } from './serve.js';
import { addShapes } from './shapes.js';
import { addSweep } from './sweep.js';
import { addTable } from './table.js';
import { addTrain } from './train.js';
import { addWeights } from './weights.js';

/** The command line. Files of commands hold options and printing; they import the rest when they run. */
export function buildProgram(io: Io, version: string): Command {
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
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(`reasvqa: ${oneLine(text)}\n`),
    });
  addGenerate(program, io);
  addRefine(program, io);
  addReasoningTools(program, io);
  addDemo(program, io);
  addTrain(program, io);
  addSweep(program, io);
  addTable(program, io);
  addEvaluate(program, io);
  addAsk(program, io);
  addServe(program, io);
  addReport(program, io);
  addRuns(program, io);
  addScore(program, io);
  addConfig(program, io);
  addData(program, io);
  addFeatures(program, io);
  addWeights(program, io);
  addShapes(program, io);
  addDoctor(program, io);
  addBench(program, io);
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
