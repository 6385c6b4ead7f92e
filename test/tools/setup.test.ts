/** Setting up a checkout. */
import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Checkout, lockText } from './checkout.js';

let checkout: Checkout;
beforeEach(async () => {
  checkout = await Checkout.create();
});
afterEach(() => checkout.remove());

const NPM = 'npm ci --include=dev --no-audit --no-fund --loglevel=error';
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
const at = (name: string) => join(checkout.root, name);

describe('setup', () => {
  it('does everything in a fresh clone, then nothing and silently', async () => {
    const first = await checkout.run();
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toBe(
      'setup: installing packages (npm ci)\nsetup: building the native engine\nsetup: compiling\n',
    );
    expect(await checkout.steps()).toEqual([NPM, 'addon', 'tsc']);
    expect(existsSync(at('dist/cli.js'))).toBe(true);

    expect(await checkout.run()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await checkout.steps()).toEqual([]);
    expect(await readdir(at('build'))).toEqual(['Release']);
  });

  it('redoes only what changed, by content', async () => {
    await checkout.run();
    await checkout.steps();
    const redo = async () => {
      expect((await checkout.run()).code).toBe(0);
      return checkout.steps();
    };
    await utimes(at('src/cli.ts'), new Date(0), new Date());
    expect(await redo()).toEqual([]);
    await checkout.write('src/more.ts', '1;');
    expect(await redo()).toEqual(['tsc']);
    expect(existsSync(at('dist/more.js'))).toBe(true);
    await rm(at('src/more.ts'));
    expect(await redo()).toEqual(['tsc']);
    expect(existsSync(at('dist/more.js'))).toBe(false);
    await checkout.write('native.cc', 'v2');
    expect(await redo()).toEqual(['addon']);
    await checkout.lock({ a: '1.0.1' });
    expect(await redo()).toEqual([NPM]);
    await rm(at('dist'), { recursive: true });
    expect(await redo()).toEqual(['tsc']);
    await rm(at('node_modules'), { recursive: true });
    expect(await redo()).toEqual([NPM]);
  });

  it('takes an installation by hand as it is, unless it differs from the lock file', async () => {
    await checkout.run();
    await checkout.steps();
    await rm(at('node_modules/.reasvqa-stamp'));
    await checkout.write('node_modules/.package-lock.json', lockText({ a: '1.0.0', extra: '2.0.0' }));
    await checkout.run();
    expect(await checkout.steps()).toEqual([]);
    await rm(at('node_modules/.reasvqa-stamp'));
    await checkout.write('node_modules/.package-lock.json', lockText({ a: '0.9.0' }));
    await checkout.run();
    expect(await checkout.steps()).toEqual([NPM]);
  });

  it.each(['c++', 'cmake', 'make'])('goes on without the addon when there is no %s', async (tool) => {
    await checkout.removeTool(tool);
    const { code, stderr } = await checkout.run();
    expect(code).toBe(0);
    expect(stderr).toContain('going on without the native engine; wasm is used and is slower');
    expect(stderr).toContain({ 'c++': 'no C++ compiler', cmake: 'no CMake', make: 'no make or ninja' }[tool]);
    expect(await checkout.steps()).toEqual([NPM, 'tsc']);
  });

  it('shows a compile error of the addon and fails', async () => {
    await checkout.write('native.cc', 'COMPILE_ERROR');
    const { code, stderr } = await checkout.run();
    expect(code).toBe(1);
    expect(stderr).toContain('native.cc:1: no');
    expect(stderr).not.toContain('    at ');
  });

  it('shows a type error, fails, and keeps the dist that was', async () => {
    await checkout.run();
    await checkout.write('src/cli.ts', 'TYPE_ERROR');
    const { code, stderr } = await checkout.run();
    expect(code).toBe(1);
    expect(stderr).toContain('compiling src failed (exit code 2):\ncli.ts(1,1): error TS1: no');
    expect(existsSync(at('dist/cli.js'))).toBe(true);
    await checkout.write('src/cli.ts', 'export const main = () => 0;');
    expect((await checkout.run()).code).toBe(0);
  });

  it('says why packages could not be installed, and tries again the next time', async () => {
    const failed = await checkout.run('tools/setup.mjs', [], { NPM_FAILS: '1' });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('npm ci failed (exit code 1):\nnpm error no network');
    await checkout.removeTool('npm');
    expect((await checkout.run()).stderr).toContain('npm ci failed: spawn npm ENOENT');
  });

  it('names the Node version it needs', async () => {
    await checkout.write('package.json', '{"type":"module","engines":{"node":">=99.1"}}');
    const { code, stderr } = await checkout.run();
    expect(code).toBe(1);
    expect(stderr).toBe(`setup: Node 99.1 or newer is needed, this is ${process.versions.node}\n`);
  });
});

describe('two setups at once', () => {
  it('do each step once, and both succeed', async () => {
    const outcomes = await Promise.all(
      [0, 1, 2].map(() => checkout.run('tools/setup.mjs', [], { SLOW: '400' })),
    );
    expect(outcomes.map((o) => o.code)).toEqual([0, 0, 0]);
    expect(await checkout.steps()).toEqual([NPM, 'addon', 'tsc']);
    expect(await readdir(at('build'))).toEqual(['Release']);
  });

  it('take over from one that was killed', async () => {
    await checkout.run();
    await checkout.write('src/cli.ts', 'export const main = () => 1;');
    await checkout.steps();
    const killed = checkout.start('tools/setup.mjs', [], { SLOW: '600000' });
    await until(() => existsSync(at('log')) && readFileSync(at('log'), 'utf8') === 'tsc\n');
    killed.kill();
    await killed.done;
    expect(await checkout.steps()).toEqual(['tsc']);
    expect(existsSync(at('build/setup.lock'))).toBe(true);
    const outcomes = await Promise.all([0, 1, 2, 3].map(() => checkout.run()));
    expect(outcomes.map((o) => o.code)).toEqual([0, 0, 0, 0]);
    expect(await checkout.steps()).toEqual(['tsc']);
    expect(await readdir(at('build'))).toEqual(['Release']);
  });

  it('take over an old lock of another machine, not a young one', async () => {
    await checkout.write('build/setup.lock', `${process.pid} elsewhere 0`);
    const waiting = checkout.start();
    await until(() => waiting.seen.stderr !== '');
    expect(waiting.seen.stderr).toBe(
      `setup: waiting for another setup (process ${process.pid} on elsewhere)\n`,
    );
    expect(await checkout.steps()).toEqual([]);
    await utimes(at('build/setup.lock'), new Date(0), new Date(0));
    expect((await waiting.done).code).toBe(0);
    expect(await checkout.steps()).toEqual([NPM, 'addon', 'tsc']);
  });
});

describe('the launcher', () => {
  it('sets up, runs dist/cli.js and passes its exit code on; stdout is the command’s alone', async () => {
    const { code, stdout } = await checkout.run('tools/reasvqa.mjs', ['score', '--set', 'a b']);
    expect({ code, stdout }).toEqual({ code: 7, stdout: 'score --set a b\n' });
  });

  it('says one line when setup fails', async () => {
    await checkout.removeTool('npm');
    const { code, stderr, stdout } = await checkout.run('tools/reasvqa.mjs');
    expect(code).toBe(1);
    expect(stderr).toBe('setup: installing packages (npm ci)\nsetup: npm ci failed: spawn npm ENOENT\n');
    expect(stdout).toBe('');
  });
});

describe('a package that npm installed, which has no lock file', () => {
  beforeEach(() => rm(at('package-lock.json')));

  it('has only the addon built, and no setup before a command', async () => {
    expect(await checkout.run()).toEqual({
      code: 0,
      stdout: '',
      stderr: 'setup: building the native engine\n',
    });
    expect(await checkout.run()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await checkout.steps()).toEqual(['addon']);
    await checkout.write('dist/cli.js', 'export const main = async (argv) => (console.log(...argv), 7);');
    await checkout.write('native.cc', 'v2');
    const ran = await checkout.run('tools/reasvqa.mjs', ['score']);
    expect(ran).toEqual({ code: 7, stdout: 'score\n', stderr: '' });
    expect(await checkout.steps()).toEqual([]);
  });

  it('goes on without the addon when there is no compiler', async () => {
    await checkout.removeTool('c++');
    const { code, stderr } = await checkout.run();
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'setup: no C++ compiler found: going on without the native engine; wasm is used and is slower\n',
    });
    expect(await checkout.steps()).toEqual([]);
  });
});
