/** Why the system did not let a file be written, in words that name the file that was asked for. */
import { dirname } from 'node:path';
import { messageOf } from './errors.js';

/** By the system's code: what is wrong, and what to do. */
const REASONS: Readonly<Record<string, (folder: string) => [why: string, what: string]>> = {
  ENOENT: (folder) => [`there is no folder ${folder}`, 'make it or name another file'],
  ENOTDIR: (folder) => [`${folder} is or lies below a file`, 'name a file in a folder'],
  EISDIR: () => ['it is a folder', 'name a file'],
  EACCES: (folder) => [`no right to write in ${folder}`, 'change its rights or name another file'],
  EPERM: (folder) => [`no right to write in ${folder}`, 'change its rights or name another file'],
  EROFS: (folder) => [`the disk of ${folder} takes no changes`, 'name a file on another disk'],
  ENOSPC: (folder) => [`the disk of ${folder} is full`, 'make room, then run the same command again'],
  EDQUOT: (folder) => [
    `your share of the disk of ${folder} is full`,
    'make room, then run the same command again',
  ],
  EFBIG: (folder) => [`the disk of ${folder} takes no file so large`, 'name a file on another disk'],
  ENAMETOOLONG: () => ['its name is too long', 'name another file'],
};

/**
 * What follows `path: ` in a message: `could not be written (CODE: why); what to do`. The system's own words name a
 * temporary file, and its calls.
 *
 * @param what for what became of the file: `could not be written` unless given.
 */
export function unwritten(path: string, error: unknown, what = 'could not be written'): string {
  const { code = '', path: named } = error as NodeJS.ErrnoException;
  // An error about another file, which was read, is told as it is.
  const reason = named === undefined || named.startsWith(path) ? REASONS[code]?.(dirname(path)) : undefined;
  return reason ? `${what} (${code}: ${reason[0]}); ${reason[1]}` : `${what} (${messageOf(error)})`;
}
