/** Failing output streams of a command. */
import { PassThrough, Writable } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { guardOutput, interruptible } from '../../src/commands/io.js';
import { lendDecoders } from '../../src/video/process.js';

/** A stream every write to which fails, as a full disk or a reader that went away make it. */
function failing(code: string): Writable {
  return new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error(`${code}: no luck, write`), { code }));
    },
  });
}

async function written(stdout: Writable, stderr: Writable): Promise<{ failures: number; said: string }> {
  let failures = 0;
  const said: string[] = [];
  stderr.on('data', (chunk) => said.push(String(chunk)));
  guardOutput(stdout, stderr, () => failures++);
  for (let i = 0; i < 3; i++) {
    stdout.write('result\n');
    stderr.write('');
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { failures, said: said.join('') };
}

it('a result that cannot be written is one line and a failure', async () => {
  expect(await written(failing('ENOSPC'), new PassThrough())).toEqual({
    failures: 1,
    said: 'reasvqa: the output could not be written (ENOSPC: no luck, write)\n',
  });
});

it('a reader that went away is neither', async () => {
  expect(await written(failing('EPIPE'), new PassThrough())).toEqual({ failures: 0, said: '' });
});

it('progress that cannot be written does not end the work', async () => {
  expect((await written(new PassThrough(), failing('ENOSPC'))).failures).toBe(0);
});

it('a first Ctrl-C stops work that reads videos in threads, and only a second one ends the process', async () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const before = process.listenerCount('SIGINT');
  try {
    await interruptible(async (signal) => {
      const { giveBack } = lendDecoders(1);
      process.emit('SIGINT', 'SIGINT');
      expect(signal.aborted).toBe(true);
      expect(kill).not.toHaveBeenCalled();
      process.emit('SIGINT', 'SIGINT');
      expect(kill).toHaveBeenCalledWith(process.pid, 'SIGINT');
      giveBack();
    });
    expect(process.listenerCount('SIGINT')).toBe(before);
  } finally {
    kill.mockRestore();
  }
});
