/** Failing output streams of a command. */
import { PassThrough, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { guardOutput } from '../../src/commands/io.js';

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
