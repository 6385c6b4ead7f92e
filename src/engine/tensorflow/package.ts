/**
 * Finding the user's TensorFlow package: `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`, with its binary
 * (the C++ binding, lib/napi-v8/tfjs_binding.node). It is no dependency of ours: its install script downloads.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../../base/errors.js';

/** tfjs packages work together only at one version, which package.json pins. */
export const WANTED_VERSION = '4.22.0';

/** In the order of the search. */
const PACKAGE_NAMES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

export interface TensorflowPackage {
  name: (typeof PACKAGE_NAMES)[number];
  folder: string;
  version: string;
  /** Whether its binary is there. */
  built: boolean;
}

const SETUP =
  'reasvqa doctor --fix tensorflow --python PYTHON (a Python that has tensorflow or tensorflow_cpu) or --libtensorflow FOLDER';

/** The output folder of tools/setup-tensorflow.sh, this project, and the user's current folder. */
function searchPlaces(): string[] {
  const project = fileURLToPath(new URL('../../..', import.meta.url));
  return [join(project, 'build/tensorflow'), project, process.cwd()];
}

/** Every TensorFlow package that Node finds from the given folders, the GPU package of a folder first. */
export function listPackages(places: readonly string[] = searchPlaces()): TensorflowPackage[] {
  const found = new Map<string, TensorflowPackage>();
  for (const place of places)
    for (const name of PACKAGE_NAMES) {
      const folder = resolveFolder(name, place);
      if (folder === undefined || found.has(folder)) continue;
      const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        version: string;
      };
      found.set(folder, { name, folder, version, built: hasBinary(folder) });
    }
  return [...found.values()];
}

/**
 * The package to use: the first that is complete.
 *
 * @throws EngineError in one sentence: none installed, installed without its binary, or of another version
 */
export function findPackage(places: readonly string[] = searchPlaces()): TensorflowPackage {
  const found = listPackages(places);
  const first = found.find(({ built }) => built) ?? found[0];
  if (first === undefined)
    throw new EngineError(
      `the engine tensorflow needs @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node ${WANTED_VERSION}, and neither is installed: run ${SETUP}`,
    );
  const { name, version, folder, built } = first;
  if (!built)
    throw new EngineError(
      `${name} ${version} is installed in ${folder}, but its binary tfjs_binding.node is not: build it with ${SETUP}`,
    );
  if (version !== WANTED_VERSION)
    throw new EngineError(
      `${name} in ${folder} is version ${version}, and this build needs ${WANTED_VERSION}: install that one, or run ${SETUP}`,
    );
  return first;
}

/** What to do about a package that is installed but cannot be loaded. */
export function rebuildHint(): string {
  return `build it again with ${SETUP}`;
}

function resolveFolder(name: string, place: string): string | undefined {
  try {
    return dirname(createRequire(join(place, 'package.json')).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** The package loads its binary from lib/napi-vN, N being at most what this Node has. */
function hasBinary(folder: string): boolean {
  const lib = join(folder, 'lib');
  if (!existsSync(lib)) return false;
  return readdirSync(lib).some((entry) => {
    const version = Number(/^napi-v(\d+)$/.exec(entry)?.[1]);
    return version <= Number(process.versions.napi) && existsSync(join(lib, entry, 'tfjs_binding.node'));
  });
}
