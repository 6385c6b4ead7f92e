/** A small checkout with fake tools, for the tests of setup. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  seen: Outcome;
  done: Promise<Outcome>;
  kill(): void;
}

/** What the stand-in npm installs: a compiler that copies .ts to .js and fails on the word TYPE_ERROR. */
const FAKE_TSC = `
const fs = require('node:fs'), path = require('node:path');
const arg = (name) => process.argv[process.argv.indexOf(name) + 1];
const src = arg('-p'), out = arg('--outDir');
fs.appendFileSync(path.join(src, '../log'), 'tsc\\n');
const until = Date.now() + Number(process.env.SLOW ?? 0);
while (Date.now() < until);
fs.mkdirSync(out, { recursive: true });
for (const name of fs.readdirSync(src)) {
  const text = fs.readFileSync(path.join(src, name), 'utf8');
  if (text.includes('TYPE_ERROR')) { console.log(name + '(1,1): error TS1: no'); process.exit(2); }
  if (name.endsWith('.ts')) fs.writeFileSync(path.join(out, name.replace(/ts$/, 'js')), text);
}`;

const FAKE_NPM = (node: string) => `#!${node}
const fs = require('node:fs');
fs.appendFileSync('log', 'npm ' + process.argv.slice(2).join(' ') + '\\n');
if (process.env.NPM_FAILS) { console.error('npm error no network'); process.exit(1); }
fs.rmSync('node_modules', { recursive: true, force: true });
fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
fs.writeFileSync('node_modules/typescript/package.json', '{"version":"1.0.0"}');
fs.copyFileSync('fake-tsc.cjs', 'node_modules/typescript/bin/tsc');
`;

/** The agreed interface of tools/build-addon.mjs, with a build that copies. */
const FAKE_ADDON = `
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const addonPath = path.join(root, 'build/Release/reasvqa.node');
const source = path.join(root, 'native.cc');
const stamp = addonPath.replace(/node$/, 'stamp');
const sourceHash = () => fs.readFileSync(source, 'utf8').trim();
export const findAddon = () =>
  fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === sourceHash() ? addonPath : undefined;
export function buildAddon() {
  fs.appendFileSync(path.join(root, 'log'), 'addon\\n');
  if (sourceHash() === 'COMPILE_ERROR') throw new Error('cmake failed while building the addon:\\nnative.cc:1: no');
  fs.mkdirSync(path.dirname(addonPath), { recursive: true });
  fs.writeFileSync(addonPath, '');
  fs.writeFileSync(stamp, sourceHash());
}`;

/**
 * A small stand-in for a fresh clone, in a folder with spaces: the real tools/setup.mjs over a stand-in npm, compiler
 * and addon build, so that its decisions are tested without network or minutes.
 */
export class Checkout {
  private constructor(
    readonly root: string,
    private readonly path: string,
  ) {}

  static async create(): Promise<Checkout> {
    const parent = await mkdtemp(join(tmpdir(), 'reasvqa setup '));
    const checkout = new Checkout(join(parent, 'a clone'), join(parent, 'bin'));
    await mkdir(join(checkout.root, 'tools'), { recursive: true });
    await mkdir(checkout.path);
    for (const name of ['setup.mjs', 'lock.mjs', 'place.mjs', 'reasvqa.mjs'])
      await cp(join(root, 'tools', name), join(checkout.root, 'tools', name));
    await checkout.write('tools/build-addon.mjs', FAKE_ADDON);
    await checkout.write('tools/bundle-tokenizer.mjs', 'export const bundleTokenizer = async () => {};');
    await checkout.write('tools/require-packages.mjs', 'export const requirePackages = () => {};');
    await checkout.write('fake-tsc.cjs', FAKE_TSC);
    await checkout.write('package.json', '{"type":"module","engines":{"node":">=20.19"}}');
    await checkout.write('tsconfig.json', '{}');
    await checkout.write('native.cc', 'v1');
    await checkout.write('src/cli.ts', 'export const main = async (argv) => (console.log(...argv), 7);');
    await checkout.lock({ a: '1.0.0' });
    for (const tool of ['c++', 'cmake', 'make']) await checkout.tool(tool, `#!/bin/sh\nexit 0\n`);
    await checkout.tool('npm', FAKE_NPM(process.execPath));
    return checkout;
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.root, name)), { recursive: true });
    await writeFile(join(this.root, name), text);
  }

  /** Writes package-lock.json with these packages. */
  lock(versions: Record<string, string>): Promise<void> {
    return this.write('package-lock.json', lockText(versions));
  }

  /** Puts a program on the PATH that setup sees, which has nothing else. */
  async tool(name: string, text: string): Promise<void> {
    await writeFile(join(this.path, name), text);
    await chmod(join(this.path, name), 0o755);
  }

  removeTool(name: string): Promise<void> {
    return rm(join(this.path, name));
  }

  /** Runs a tool of the checkout from another folder, to its end. */
  run(script = 'tools/setup.mjs', args: string[] = [], env: Record<string, string> = {}): Promise<Outcome> {
    return this.start(script, args, env).done;
  }

  /** As {@link run}, without waiting: `seen` fills as output comes. */
  start(script = 'tools/setup.mjs', args: string[] = [], env: Record<string, string> = {}): Running {
    const child = spawn(process.execPath, [join(this.root, script), ...args], {
      cwd: tmpdir(),
      env: { PATH: this.path, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    // The group, so that what the tool started ends with it.
    return { ...watch(child), kill: () => process.kill(-child.pid!, 'SIGKILL') };
  }

  /** The steps that really ran, in order; forgets them. */
  async steps(): Promise<string[]> {
    const text = await readFile(join(this.root, 'log'), 'utf8').catch(() => '');
    await rm(join(this.root, 'log'), { force: true });
    return text.split('\n').filter(Boolean);
  }

  remove(): Promise<void> {
    return rm(dirname(this.root), { recursive: true, force: true });
  }
}

/** Collects what a process prints: `seen` fills as it comes, `done` is there at its end. */
export function watch(child: ChildProcessByStdio<null, Readable, Readable>): Omit<Running, 'kill'> {
  const seen: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    seen.stderr += text;
  });
  const done = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(Object.assign(seen, { code })));
  });
  return { seen, done };
}

export function lockText(versions: Record<string, string>): string {
  const packages = Object.entries(versions).map(([name, version]) => [`node_modules/${name}`, { version }]);
  return JSON.stringify({ packages: Object.fromEntries([['', {}], ...packages]) });
}
