/** Runs a command in this process, with captured streams. */
import { main } from '../../src/cli.js';
import type { Io } from '../../src/commands/io.js';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command line in this process and returns what it wrote. */
export async function reasvqa(argv: string[], given: Partial<Io> = {}): Promise<Ran> {
  const ran = { stdout: '', stderr: '' };
  const writer = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      ran[name] += text;
    },
  });
  const io: Io = {
    stdout: writer('stdout'),
    stderr: writer('stderr'),
    cwd: process.cwd(),
    env: {},
    ...given,
  };
  const code = await main(argv, io);
  return { code, ...ran };
}
