/**
 * Makes a checkout ready to run: installs packages, builds the native addon, compiles src to dist. Each step only when
 * what it is made from has changed (by content), so that a call on a fresh checkout does nothing and says nothing.
 * Needs nothing but Node. Progress goes to stderr. In a package that npm installed only the addon is left to build.
 *
 *   node tools/setup.mjs
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { isCheckout, root } from './place.mjs';

const lockfile = join(root, 'package-lock.json');
const modules = join(root, 'node_modules');
const modulesStamp = join(modules, '.reasvqa-stamp');
const dist = join(root, 'dist');
const distStamp = join(dist, '.reasvqa-stamp');

/** A step that failed; the message is for the person at the keyboard and may hold a tool's output. */
export class SetupError extends Error {}

/**
 * Brings the checkout up to date.
 * @param {(line: string) => void} [say] receives progress lines
 * @throws {SetupError}
 */
export async function setup(say = (line) => process.stderr.write(`setup: ${line}\n`)) {
  checkNode();
  if (!isCheckout) return (await addonFresh()) ? undefined : buildNative(say);
  if (packagesFresh() && (await addonFresh()) && distFresh()) return;
  mkdirSync(join(root, 'build'), { recursive: true });
  await withLock(join(root, 'build/setup.lock'), say, async () => {
    if (!packagesFresh()) await installPackages(say);
    if (!(await addonFresh())) await buildNative(say);
    if (!distFresh()) await compile(say);
  });
}

function checkNode() {
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '');
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = wanted.split('.').map(Number);
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor))
    throw new SetupError(`Node ${wanted} or newer is needed, this is ${process.versions.node}`);
}

// Packages

function packagesFresh() {
  if (!existsSync(modules)) return false;
  const hash = hashOf(readFileSync(lockfile));
  if (stampOf(modulesStamp) === hash) return true;
  if (!installedAsLocked()) return false;
  // The user ran npm ci; there is nothing to do but to remember it.
  writeFileSync(modulesStamp, hash);
  return true;
}

/** Whether npm's own record of what is installed has every package the lock file asks for, at that version. */
function installedAsLocked() {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  const locked = JSON.parse(readFileSync(lockfile, 'utf8')).packages;
  return Object.entries(locked).every(([path, { version, optional, devOptional, peer }]) => {
    const found = installed[path];
    if (path === '') return true;
    return found ? found.version === version : Boolean(optional || devOptional || peer);
  });
}

async function installPackages(say) {
  say('installing packages (npm ci)');
  // Development packages are needed to compile, whatever NODE_ENV says.
  const arguments_ = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', arguments_, 'npm ci failed', { shell: process.platform === 'win32' });
  writeFileSync(modulesStamp, hashOf(readFileSync(lockfile)));
}

// Native addon

async function addonFresh() {
  const { findAddon } = await import('./build-addon.mjs');
  return findAddon() !== undefined;
}

async function buildNative(say) {
  const missing = missingTools();
  if (missing.length > 0) {
    say(
      `no ${missing.join(' and no ')} found: going on without the native engine; wasm is used and is slower`,
    );
    return;
  }
  say('building the native engine');
  const { buildAddon } = await import('./build-addon.mjs');
  try {
    await buildAddon({ force: false });
  } catch (error) {
    throw new SetupError(error.message, { cause: error });
  }
}

/** What building the addon lacks, in words. */
function missingTools() {
  const works = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  const missing = [];
  if (!compilers.some(works)) missing.push('C++ compiler');
  if (!works('cmake')) missing.push('CMake');
  if (!works('ninja') && !works('make')) missing.push('make or ninja');
  return missing;
}

// TypeScript

function distFresh() {
  return stampOf(distStamp) === sourcesHash();
}

const MADE_WITH = [
  'tsconfig.json',
  'tools/bundle-tokenizer.mjs',
  'tools/require-packages.mjs',
  'node_modules/typescript/package.json',
  'node_modules/@xenova/transformers/package.json',
  'node_modules/@tensorflow/tfjs-core/package.json',
  'node_modules/sharp/package.json',
];

/** Hash over what dist is made from: sources, compiler settings, the versions of what compiles and is bundled. */
function sourcesHash() {
  const hash = createHash('sha256');
  for (const file of sources(join(root, 'src')))
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  for (const file of MADE_WITH) if (existsSync(join(root, file))) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sources(path);
      return /\.(ts|json)$/.test(entry.name) ? [path] : [];
    })
    .sort();
}

/** Compiles beside dist and swaps folders, so that dist is always whole and holds nothing of deleted sources. */
async function compile(say) {
  say('compiling');
  const hash = sourcesHash();
  const staging = join(root, 'build', 'dist-new');
  rmSync(staging, { recursive: true, force: true });
  const tsc = join(modules, 'typescript/bin/tsc');
  const arguments_ = [tsc, '-p', join(root, 'src'), '--outDir', staging];
  arguments_.push('--tsBuildInfoFile', join(staging, '.tsbuildinfo'));
  await run(process.execPath, arguments_, 'compiling src failed');
  await bundle(staging);
  writeFileSync(join(staging, '.reasvqa-stamp'), hash);
  const old = join(root, 'build', 'dist-old');
  rmSync(old, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(staging, dist);
  rmSync(old, { recursive: true, force: true });
}

async function bundle(folder) {
  const { bundleTokenizer } = await import('./bundle-tokenizer.mjs');
  const { requirePackages } = await import('./require-packages.mjs');
  try {
    await bundleTokenizer(folder);
    requirePackages(folder);
  } catch (error) {
    throw new SetupError(`bundling packages failed: ${error.message}`, { cause: error });
  }
}

// Helpers

const hashOf = (data) => createHash('sha256').update(data).digest('hex');

function stampOf(path) {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

/** npm follows an error with pages of usage, tsc may list hundreds of errors: the beginning says it. */
function firstLines(output, most = 30) {
  const lines = output.trim().split('\n');
  const rest = lines.length > most ? [`... and ${lines.length - most} more lines`] : [];
  return [...lines.slice(0, most), ...rest].join('\n');
}

/** Runs a command in the root; its output is shown only when it fails. */
function run(command, arguments_, failure, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, arguments_, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    child.on('error', (error) => reject(new SetupError(`${failure}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new SetupError(`${failure} (${signal ?? `exit code ${code}`}):\n${firstLines(output)}`));
    });
  });
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await setup().catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`setup: ${error.message}\n`);
    process.exitCode = 1;
  });
}
