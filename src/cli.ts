/** The process behind `reasvqa`: runs one command line and turns errors into one line and an exit code. */
import { createRequire } from 'node:module';
import { EXIT, type ExitCode, isDeviceError, messageOf, ReasVqaError } from './base/errors.js';
import { visible } from './base/values.js';
import { type Io, processIo } from './commands/io.js';
import { buildProgram, commanderExit } from './commands/program.js';

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/**
 * Runs one command line.
 *
 * @param argv arguments after the program's name.
 * @returns the exit code (README, "Exit codes"); every error has been printed as one line.
 */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<ExitCode> {
  try {
    const program = await buildProgram(io, version, argv[0]);
    await program.parseAsync(argv, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    const code = commanderExit(error);
    if (code !== undefined) return code;
    if (io.env.REASVQA_DEBUG === '1' && error instanceof Error) io.stderr.write(visible(`${error.stack}\n`));
    if (error instanceof ReasVqaError) {
      io.stderr.write(`reasvqa: ${oneLine(error.message)}\n`);
      return error.exitCode;
    }
    if (isDeviceError(error)) {
      io.stderr.write(`reasvqa: ${oneLine(error.message)}\n`);
      return EXIT.engine;
    }
    if (isSystemError(error)) {
      io.stderr.write(`reasvqa: ${oneLine(error.path)}: cannot be used (${oneLine(error.message)})\n`);
      return EXIT.data;
    }
    io.stderr.write(
      `reasvqa: unexpected: ${oneLine(messageOf(error))} (REASVQA_DEBUG=1 shows where; please report it)\n`,
    );
    return EXIT.unexpected;
  }
}

/** A file or folder that the system refused (no rights, a full disk) is no fault of the program. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException & { path: string } {
  if (!(error instanceof Error)) return false;
  const { code, path } = error as NodeJS.ErrnoException;
  return typeof path === 'string' && /^E[A-Z0-9]+$/.test(code ?? '');
}

const oneLine = (text: string) => visible(text.trim().replace(/\s*[\n\r]\s*/g, ' '));
