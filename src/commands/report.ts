/** `reasvqa report`: one HTML page about runs and sweeps. */
import type { Command } from 'commander';
import {
  type EngineChoice,
  fromCwd,
  type Io,
  integer,
  note,
  print,
  printJson,
  startEngine,
  withEngine,
} from './io.js';

interface ReportOptions extends EngineChoice {
  out?: string;
  examples?: number;
  reasoning?: number;
  raw?: string;
  json?: boolean;
}

export function addReport(program: Command, io: Io): void {
  withEngine(program.command('report'))
    .argument('<folders...>', 'run folders of reasvqa train, sweep folders of reasvqa sweep')
    .summary('write one HTML file about runs and sweeps')
    .description(
      'Writes one HTML file that asks for nothing outside itself: accuracy with differences between settings, figures, learning curves, settings, and a browser of questions with frames, answers and reasoning. An engine is started only to let a student write reasoning that no earlier report over the run has kept.',
    )
    .option('--out <file>', 'HTML file (default: report.html in the first folder)')
    .option('--examples <n>', 'questions to show (default: 500)', integer(0))
    .option(
      '--reasoning <n>',
      "questions about which the last setting's student writes its own reasoning (default: 24)",
      integer(0),
    )
    .option(
      '--raw <file>',
      "the teacher's own texts, as reasvqa generate wrote them (default: looked for beside data.reasoning)",
    )
    .option('--json', 'print what was written as JSON (default: off)')
    .action((folders: string[], options: ReportOptions) => report(io, folders, options));
}

async function report(io: Io, given: string[], options: ReportOptions): Promise<void> {
  const { join } = await import('node:path');
  const { reportParts } = await import('../sweep/report.js');
  const { writeReport } = await import('../report/report.js');
  const folders = given.map((folder) => fromCwd(io, folder));
  const parts = await reportParts(folders);
  const warn = (line: string) => note(io, `warning: ${line}`);
  parts.notices.forEach(warn);
  const written = await writeReport({
    ...parts,
    out: options.out ? fromCwd(io, options.out) : join(folders[0]!, 'report.html'),
    examples: options.examples,
    reasoning: options.reasoning,
    raw: options.raw === undefined ? undefined : fromCwd(io, options.raw),
    startEngine: () => startEngine(io, options),
    onNotice: warn,
  });
  if (options.json) return printJson(io, written);
  const { out, bytes, runs, examples } = written;
  print(io, `${out}  ${(bytes / 1e6).toFixed(2)} MB, ${runs} runs, ${examples} examples`);
}
