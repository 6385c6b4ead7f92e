/**
 * Builds the native addon with CMake: build/Release/reasvqa.node, or in the user's cache where this folder cannot be
 * written to (a package that an administrator installed).
 *
 * Needs a C++17 compiler and CMake 3.18 (ninja or make); headers come from npm packages, nothing is downloaded.
 * A stamp beside the addon holds the hash of what it was built from, so that a second call does nothing.
 *
 *   node tools/build-addon.mjs [--force]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCheckout, root } from './place.mjs';

const sourceDir = join(root, 'src/native');
const require = createRequire(import.meta.url);

/** A build that cannot be done; the message says what is missing and how to get it. */
export class AddonBuildError extends Error {}

/**
 * Where an addon is looked for and built, in this order: build/ here, and for an installed package a folder of the
 * user's for this version and these sources.
 */
function places(hash) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const own = join(cache, 'reasvqa', 'addon', `${version}-${hash.slice(0, 16)}`);
  const folders = isCheckout ? [join(root, 'build')] : [join(root, 'build'), own];
  return folders.map((folder) => ({
    folder,
    build: join(folder, 'native'),
    output: join(folder, 'Release'),
    addon: join(folder, 'Release/reasvqa.node'),
    stamp: join(folder, 'Release/reasvqa.stamp'),
    /** What the last build failed of, below the hash of what it was made from. */
    failure: join(folder, 'Release/reasvqa.failed'),
  }));
}

const isBuilt = ({ addon, stamp }, hash) => existsSync(addon) && read(stamp) === hash;

/** The addon that was built from these sources, if there is one. @returns {string | undefined} */
export function findAddon() {
  const hash = sourceHash();
  return places(hash).find((place) => isBuilt(place, hash))?.addon;
}

/** Why building these sources failed the last time, if it did. @returns {string | undefined} */
export function earlierFailure() {
  const hash = sourceHash();
  const kept = places(hash).map(({ failure }) => read(failure));
  return kept.find((text) => text?.startsWith(hash))?.slice(hash.length + 1);
}

/**
 * Builds the addon unless it is up to date.
 * @param {{force?: boolean, quiet?: boolean}} [options] quiet: compiler output only on failure
 * @returns {{path: string, built: boolean}}
 * @throws {AddonBuildError} no compiler, no CMake, headers missing, or a compile error (with its output)
 */
export function buildAddon({ force = false, quiet = true } = {}) {
  const hash = sourceHash();
  const found = force ? undefined : findAddon();
  if (found !== undefined) return { path: found, built: false };
  checkTools();
  const candidates = places(hash);
  const place = candidates.find(({ folder }) => isWritable(folder));
  if (place === undefined)
    throw new AddonBuildError(
      `${candidates.map(({ folder }) => folder).join(' and ')} cannot be written to; an installed package also builds below XDG_CACHE_HOME`,
    );
  const unlock = lock(place);
  try {
    // Another process may have built it while this one waited.
    if (!force && isBuilt(place, hash)) return { path: place.addon, built: false };
    return buildInto(place, hash, quiet);
  } finally {
    unlock();
  }
}

/** Whether files can be made in a folder, which is made where it is missing. */
function isWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Two builds in one folder would spoil each other: the second waits. A lock whose process is gone is taken over. */
function lock({ folder }) {
  const path = join(folder, 'native.lock');
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

function buildInto(place, hash, quiet) {
  const { build, output, addon, stamp, failure } = place;
  mkdirSync(build, { recursive: true });
  mkdirSync(output, { recursive: true });
  rmSync(stamp, { force: true });
  const staging = join(build, 'out');
  try {
    run('cmake', configureArguments(build, staging), quiet);
    run('cmake', ['--build', build, '--parallel', String(availableParallelism())], quiet);
  } catch (error) {
    if (error instanceof AddonBuildError) writeFileSync(failure, `${hash}\n${error.message}\n`);
    throw error;
  }
  rmSync(failure, { force: true });
  // Renamed into place, so that a process that has the old file open keeps a whole one.
  renameSync(join(staging, 'reasvqa.node'), addon);
  writeFileSync(stamp, `${hash}\n`);
  return { path: addon, built: true };
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

/** Folder of an npm package: in node_modules here, or beside this package where npm put it. */
function packageFolder(name) {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch (error) {
    throw new AddonBuildError(`${name} is not installed: run npm ci in a checkout, npm install elsewhere`, {
      cause: error,
    });
  }
}

function packageVersion(name) {
  const { version } = JSON.parse(readFileSync(join(packageFolder(name), 'package.json'), 'utf8'));
  return `${name}@${version}`;
}

/** Text of a file; undefined where there is none. */
function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
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

function configureArguments(build, staging) {
  const headers = [join(packageFolder('node-api-headers'), 'include'), packageFolder('node-addon-api')];
  const generator = works('ninja') ? 'Ninja' : 'Unix Makefiles';
  forgetOtherConfiguration(build, generator);
  return [
    ['-S', sourceDir],
    ['-B', build],
    ['-G', generator],
    '-DCMAKE_BUILD_TYPE=Release',
    `-DNAPI_INCLUDE_DIRS=${headers.join(';')}`,
    `-DREASVQA_OUTPUT_DIR=${staging}`,
    // Warnings are errors for who can mend them; a user's compiler may know more of them than ours.
    ...(isCheckout ? [] : [`-DCMAKE_CXX_FLAGS=${process.env.CXXFLAGS ?? ''} -w`]),
  ].flat();
}

/** CMake keeps compiler and generator in its cache; another choice needs a fresh one. */
function forgetOtherConfiguration(build, generator) {
  const marker = join(build, 'configured-for');
  const wanted = `${generator} ${process.env.CXX ?? ''} ${sourceDir}`;
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== wanted) {
    rmSync(build, { recursive: true, force: true });
    mkdirSync(build, { recursive: true });
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

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { path, built } = buildAddon({ force: process.argv.includes('--force') });
    process.stderr.write(`${built ? 'built' : 'up to date:'} ${relative(root, path)}\n`);
  } catch (error) {
    if (!(error instanceof AddonBuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(4);
  }
}
