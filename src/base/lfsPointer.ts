/** Git LFS pointers: small texts in a checkout that replace large files that were not fetched. */

const START = 'version https://git-lfs.github.com/spec/';

/**
 * Whether a file is a Git LFS pointer.
 *
 * @param bytes the file, or its first 128 bytes at least.
 */
export function isLfsPointer(bytes: Uint8Array | Buffer): boolean {
  return new TextDecoder('latin1').decode(bytes.subarray(0, START.length)) === START;
}
