/** What stands in for vitest on a GPU machine (tools/gpu/vitest.mjs, testFile.mjs) counts and reports as vitest does. */
import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const tool = (name: string) => fileURLToPath(new URL(`../../tools/gpu/${name}`, import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa gpu '));
});
afterAll(() => rm(folder, { recursive: true }));

interface Outcome {
  passed: number;
  failures: { name: string; errors: { message: string; stack: string }[] }[];
  skipped: { name: string; reason?: string }[];
}

/** Runs a file of tests in the process that the GPU machine runs it in. */
async function outcomeOf(body: string): Promise<Outcome & { code: number | null }> {
  const file = join(folder, 'sample.test.mjs');
  const names = 'afterAll, afterEach, beforeAll, beforeEach, describe, expect, it';
  await writeFile(file, `import { ${names} } from ${JSON.stringify(tool('vitest.mjs'))};\n${body}`);
  const child = fork(tool('testFile.mjs'), [file], { execArgv: [], stdio: ['ignore', 2, 2, 'ipc'] });
  let outcome: Outcome = { passed: 0, failures: [], skipped: [] };
  child.on('message', (message) => {
    outcome = message as Outcome;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { ...outcome, code };
}

it('passes what vitest passes', async () => {
  const outcome = await outcomeOf(`
    const seen = [];
    beforeAll(() => seen.push('all'));
    beforeEach(() => seen.push('each'));
    describe.each([1, 2])('suite %d', (n) => {
      it.each([[1, 2], [3, 4]])('%d and %d', (a, b) => expect(a + n).toBe(b + n - 1));
    });
    it('compares', async () => {
      expect({ a: [1, NaN], b: undefined }).toEqual({ a: [1, NaN] });
      expect({ text: 'abc', n: 3 }).toMatchObject({ text: expect.stringContaining('b') });
      expect(new Float32Array([1])).not.toEqual(new Float32Array([2]));
      expect(() => { throw new Error('no such thing'); }).toThrow(/such/);
      await expect(Promise.reject(new Error('later'))).rejects.toThrow('later');
    });
    it('ran the hooks', () => expect(seen).toEqual(['all', ...Array(6).fill('each')]));`);
  expect(outcome).toEqual({ code: 0, passed: 6, failures: [], skipped: [] });
});

it('names what fails, with message and stack, and says why something is skipped', async () => {
  const { failures, ...rest } = await outcomeOf(`
    it('good', () => undefined);
    describe('sums', () => {
      it('are right', () => expect(1 + 1, 'one and one').toBe(3));
      it('come late', async () => expect(Promise.resolve(1)).resolves.toBe(2));
    });
    it.skipIf(true)('on a GPU (SKIPPED: there is none (in here))', () => undefined);
    describe.skip('elsewhere (SKIPPED, it is far)', () => it('too', () => undefined));
    it.skip('not now', () => undefined);`);
  expect(failures.map(({ name }) => name)).toEqual(['sums > are right', 'sums > come late']);
  expect(failures[0]!.errors).toEqual([
    {
      message: 'one and one: expected 2 to be 3 // Object.is equality',
      stack: expect.stringContaining('sample.test.mjs:5:'),
    },
  ]);
  expect(rest).toEqual({
    code: 0,
    passed: 1,
    skipped: [
      { name: 'on a GPU (SKIPPED: there is none (in here))', reason: 'there is none (in here)' },
      { name: 'elsewhere (SKIPPED, it is far) > too', reason: 'it is far' },
      { name: 'not now' },
    ],
  });
});

it.each([
  [
    'a hook',
    `describe('s', () => { beforeAll(() => { throw new Error('bad'); }); it('t', () => {}); });`,
    's',
  ],
  ['the file', `throw new Error('bad');`, ''],
])('%s that throws is a failure', async (_, body, name) => {
  const { passed, failures } = await outcomeOf(body);
  expect(passed).toBe(0);
  expect(failures).toMatchObject([{ name, errors: [{ message: 'bad' }] }]);
});

it('a file without tests, or a process that dies, is a failure', async () => {
  const empty = await outcomeOf('');
  expect(empty.failures[0]!.errors[0]!.message).toMatch(/No test/);
  expect((await outcomeOf(`it('t', () => process.exit(3));`)).code).toBe(3);
});
