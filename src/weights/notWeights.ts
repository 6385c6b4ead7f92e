/** Files in the place of weights that are refused: Git LFS pointers, and Python pickles, which are programs. */
import { join } from 'node:path';
import { DataError } from '../base/errors.js';
import { isLfsPointer } from '../base/lfsPointer.js';

/** @param bytes the file's first 128 bytes at least, or all of it. @throws DataError when it is a Git LFS pointer. */
export function refuseLfsPointer(path: string, bytes: Uint8Array): void {
  if (!isLfsPointer(bytes)) return;
  throw new DataError(
    `${path}: is a Git LFS pointer, not the file that it stands for; run \`git lfs pull\` in its repository`,
  );
}

const PICKLE = /\.(bin|pt|pth|ckpt|pkl|pickle)$/i;

/** Files that a Trainer leaves beside the weights; they hold no weights to convert. */
const NO_WEIGHTS = /^(training_args|optimizer|scheduler|scaler|rng_state)/;

/** How to get a model's weights without a pickle. */
const OF_A_MODEL = "take the repository's .safetensors files";

/**
 * Refuses a file, or an index of files, that is a pickle by its name.
 *
 * @param otherwise what to do instead of converting it.
 * @throws DataError saying how to convert it.
 */
export function refusePickle(path: string, otherwise = OF_A_MODEL): void {
  const ofIndex = path.replace(/\.index\.json$/i, '');
  if (!PICKLE.test(ofIndex)) return;
  const what = ofIndex === path ? 'a Python pickle, which is' : 'an index of Python pickles, which are';
  throw new DataError(
    `${path}: ${what} not read; convert it with safetensors.torch.save_file or ${otherwise}`,
  );
}

/**
 * Refuses a folder whose weights are pickles.
 *
 * @param names its files. @throws DataError naming the first that holds weights.
 */
export function refusePickles(folder: string, names: readonly string[], otherwise = OF_A_MODEL): void {
  const pickles = names.filter((name) => PICKLE.test(name) && !NO_WEIGHTS.test(name));
  const first = pickles.find((name) => /model/i.test(name)) ?? pickles[0];
  if (first !== undefined) refusePickle(join(folder, first), otherwise);
}
