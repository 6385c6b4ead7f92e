/**
 * Builds the native addon with CMake: build/Release/reasvqa.node.
 *
 * Needs a C++17 compiler and CMake 3.18 (ninja or make); headers come from node_modules, nothing is downloaded.
 * A stamp beside the addon holds the hash of what it was built from, so that a second call does nothing.
 *
 *   node tools/build-addon.mjs [--force]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sourceDir = join(root, 'src/native');
const buildDir = join(root, 'build/native');
const outputDir = join(root, 'build/Release');
export const addonPath = join(outputDir, 'reasvqa.node');
const stampPath = join(outputDir, 'reasvqa.stamp');

/** A build that cannot be done; the message says what is missing and how to get it. */
export class AddonBuildError extends Error {}

/**
 * Builds the addon unless it is up to date.
 * @param {{force?: boolean, quiet?: boolean}} [options] quiet: compiler output only on failure
 * @returns {{path: string, built: boolean}}
 * @throws {AddonBuildError} no compiler, no CMake, headers missing, or a compile error (with its output)
 */
export function buildAddon({ force = false, quiet = true } = {}) {
  const hash = sourceHash();
  const current = () => existsSync(addonPath) && readStamp() === hash;
  if (!force && current()) return { path: addonPath, built: false };
  checkTools();
  const unlock = lock();
  try {
    // Another process may have built it while this one waited.
    if (!force && current()) return { path: addonPath, built: false };
    return buildInto(hash, quiet);
  } finally {
    unlock();
  }
}

/** Two builds in one folder would spoil each other: the second waits. A lock whose process is gone is taken over. */
function lock() {
  const path = join(root, 'build/native.lock');
  mkdirSync(dirname(path), { recursive: true });
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!ownerLives(path)) rmSync(path, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

function ownerLives(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    // An empty file was made this instant by a process that has yet to write its id.
    if (!pid) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function buildInto(hash, quiet) {
  mkdirSync(buildDir, { recursive: true });
  mkdirSync(outputDir, { recursive: true });
  rmSync(stampPath, { force: true });
  const staging = join(buildDir, 'out');
  run('cmake', configureArguments(staging), quiet);
  run('cmake', ['--build', buildDir, '--parallel', String(availableParallelism())], quiet);
  // Renamed into place, so that a process that has the old file open keeps a whole one.
  renameSync(join(staging, 'reasvqa.node'), addonPath);
  writeFileSync(stampPath, `${hash}\n`);
  return { path: addonPath, built: true };
}

/** Hash of the sources, the headers' versions, the compiler chosen and Node's ABI. */
export function sourceHash() {
  const hash = createHash('sha256');
  for (const file of listFiles(sourceDir)) {
    hash
      .update(`${relative(sourceDir, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  for (const name of ['node-addon-api', 'node-api-headers']) hash.update(packageVersion(name));
  hash.update(`${process.platform} ${process.arch} ${process.versions.modules} ${process.env.CXX ?? ''}`);
  return hash.digest('hex');
}

function listFiles(folder) {
  const files = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...listFiles(path));
    else if (/\.(cc|h|cu|cuh|txt|cmake)$/.test(entry.name)) files.push(path);
  }
  return files.sort();
}

function packageVersion(name) {
  const path = join(root, 'node_modules', name, 'package.json');
  if (!existsSync(path)) throw new AddonBuildError(`${name} is not installed: run npm ci`);
  return `${name}@${JSON.parse(readFileSync(path, 'utf8')).version}`;
}

function readStamp() {
  return existsSync(stampPath) ? readFileSync(stampPath, 'utf8').trim() : undefined;
}

function works(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

function checkTools() {
  if (!works('cmake')) {
    throw new AddonBuildError('cmake not found: install it (Debian and Ubuntu: apt install cmake)');
  }
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  if (!compilers.some(works)) {
    throw new AddonBuildError(
      `no C++ compiler found (tried ${compilers.join(', ')}): install g++ 12 or clang 14 or newer (Debian and Ubuntu: apt install g++)`,
    );
  }
  if (!works('ninja') && !works('make')) {
    throw new AddonBuildError(
      'neither ninja nor make found: install one (Debian and Ubuntu: apt install make)',
    );
  }
}

function configureArguments(staging) {
  const headers = [
    join(root, 'node_modules/node-api-headers/include'),
    join(root, 'node_modules/node-addon-api'),
  ];
  const generator = works('ninja') ? 'Ninja' : 'Unix Makefiles';
  forgetOtherConfiguration(generator);
  return [
    ['-S', sourceDir],
    ['-B', buildDir],
    ['-G', generator],
    '-DCMAKE_BUILD_TYPE=Release',
    `-DNAPI_INCLUDE_DIRS=${headers.join(';')}`,
    `-DREASVQA_OUTPUT_DIR=${staging}`,
  ].flat();
}

/** CMake keeps compiler and generator in its cache; another choice needs a fresh one. */
function forgetOtherConfiguration(generator) {
  const marker = join(buildDir, 'configured-for');
  const wanted = `${generator} ${process.env.CXX ?? ''} ${sourceDir}`;
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== wanted) {
    rmSync(buildDir, { recursive: true, force: true });
    mkdirSync(buildDir, { recursive: true });
  }
  writeFileSync(marker, wanted);
}

function run(command, args, quiet) {
  try {
    const output = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    if (!quiet) process.stderr.write(output);
  } catch (error) {
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim();
    throw new AddonBuildError(`${command} failed while building the addon:\n${output || error.message}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { path, built } = buildAddon({ force: process.argv.includes('--force') });
    process.stderr.write(`${built ? 'built' : 'up to date:'} ${relative(root, path)}\n`);
  } catch (error) {
    if (!(error instanceof AddonBuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(4);
  }
}
