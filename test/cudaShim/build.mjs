/**
 * Builds the CUDA shim (libcuda, libnvrtc and libcublasLt for the host, see the .cc files here) into build/cudaShim, once
 * for each version of its sources.
 *
 *   node test/cudaShim/build.mjs      prints the variables that make the engine use it
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = dirname(fileURLToPath(import.meta.url));
const root = join(sources, '../..');
const compiler = process.env.CXX || 'c++';
const common = ['-std=c++17', '-O3', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden'];

/**
 * @returns {{ REASVQA_CUDA_PATH: string, REASVQA_CACHE: string, REASVQA_CUDA_NO_CACHE: string }} variables for a process
 *   that computes on the shim; every buffer is an allocation of its own there, with guards around it
 * @throws {Error} why it cannot be built here
 */
export function buildCudaShim() {
  if (process.platform !== 'linux')
    throw new Error(`the CUDA shim is for Linux, this is ${process.platform}`);
  const hash = createHash('sha256').update(compiler);
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)));
  const folder = join(root, 'build/cudaShim', hash.digest('hex').slice(0, 16));
  if (!existsSync(join(folder, 'libcublasLt.so.12'))) build(folder);
  return {
    REASVQA_CUDA_PATH: folder,
    REASVQA_CACHE: join(folder, 'cache'),
    REASVQA_CUDA_NO_CACHE: '1',
  };
}

function build(folder) {
  mkdirSync(folder, { recursive: true });
  compile(folder, 'driver.cc', 'libcuda.so.1', ['-ldl']);
  compile(folder, 'nvrtc.cc', 'libnvrtc.so.12', [`-DREASVQA_SHIM_SOURCES="${sources}"`]);
  compile(folder, 'cublasLt.cc', 'libcublasLt.so.12', [
    `-L${folder}`,
    '-l:libcuda.so.1',
    '-Wl,-rpath,$ORIGIN',
  ]);
}

/** Made beside and renamed, so that two processes that build at once do not meet. */
function compile(folder, source, library, options) {
  const made = join(folder, `${library}.tmp-${process.pid}`);
  const args = [...common, join(sources, source), '-o', made, `-Wl,-soname,${library}`, ...options];
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(made, { force: true });
    throw new Error(`${compiler} cannot build the CUDA shim's ${source}: ${error?.message ?? stderr.trim()}`);
  }
  renameSync(made, join(folder, library));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, value] of Object.entries(buildCudaShim()))
    process.stdout.write(`export ${name}='${value}'\n`);
}
