/** Atomic writing: links, pipes, full disks. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { makeFolder, removeLeftovers, writeAtomic, writeFileAtomic } from '../../src/base/files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('replaces a file and leaves nothing else behind', async () => {
  const path = join(folder, 'a.txt');
  writeFileSync(path, 'old');
  await writeFileAtomic(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('writes the file a link points to, and keeps the link', async () => {
  mkdirSync(join(folder, 'big'));
  const target = join(folder, 'big', 'a.txt');
  const link = join(folder, 'link.txt');
  writeFileSync(target, 'old');
  symlinkSync(join('big', 'a.txt'), link);
  await writeFileAtomic(link, 'new');
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(target, 'utf8')).toBe('new');
  expect(readdirSync(join(folder, 'big'))).toEqual(['a.txt']);
});

it.skipIf(process.platform === 'win32')('writes into a pipe or device and does not replace it', async () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await writeFileAtomic(path, 'new');
    expect(readFileSync(reader, 'utf8')).toBe('new');
  } finally {
    closeSync(reader);
  }
  expect(lstatSync(path).isFIFO()).toBe(true);
});

it('names the failure and leaves no temporary file', async () => {
  const path = join(folder, 'folder');
  mkdirSync(path);
  await expect(writeFileAtomic(path, 'x')).rejects.toThrow(/folder: could not be written/);
  expect(readdirSync(folder)).toEqual(['folder']);
});

it('removes what killed writers of a file left, and nothing else', async () => {
  const path = join(folder, 'a.txt');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const others = [`a.txt.tmp-${process.pid}-0123ab`, `b.txt.tmp-${dead}-0123ab`, `a.txt.tmp-${dead}-notes`];
  for (const name of [...others, `a.txt.tmp-${dead}-0123ab`]) writeFileSync(join(folder, name), '');
  await removeLeftovers(path);
  expect(readdirSync(folder).sort()).toEqual(others.sort());
});

describe('a file that cannot be written', () => {
  const failing = (code: string, named?: string) => async () => {
    throw Object.assign(new Error(`${code}: the system's words`), { code, path: named });
  };

  it('is named with its folder, not the temporary file, and with what to do', async () => {
    const path = join(folder, 'none', 'a.txt');
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(
      new DataError(
        `${path}: could not be written (ENOENT: there is no folder ${join(folder, 'none')}); make it or name another file`,
      ),
    );
    writeFileSync(join(folder, 'file'), '');
    await expect(writeFileAtomic(join(folder, 'file', 'a.txt'), 'x')).rejects.toThrow(
      `(ENOTDIR: ${join(folder, 'file')} is or lies below a file); name a file in a folder`,
    );
  });

  it('is refused before any work where it is a folder', async () => {
    mkdirSync(join(folder, 'a'));
    const work = vi.fn();
    await expect(writeAtomic(join(folder, 'a'), work)).rejects.toThrow(
      `${join(folder, 'a')}: could not be written (EISDIR: it is a folder); name a file`,
    );
    expect(work).not.toHaveBeenCalled();
  });

  it.each([
    [
      'ENOSPC',
      /\(ENOSPC: the disk of \S+ is full\); make room, then run the same command again; what was there/,
    ],
    [
      'EACCES',
      /\(EACCES: no right to write in \S+\); change its rights or name another file; what was there/,
    ],
    ['EROFS', /\(EROFS: the disk of \S+ takes no changes\); name a file on another disk; what was there/],
    ['EIO', /\(EIO: the system's words\); what was there/],
  ])('keeps what was there, and leaves nothing: %s', async (code, message) => {
    const path = join(folder, 'a.txt');
    writeFileSync(path, 'old');
    await expect(writeAtomic(path, failing(code))).rejects.toThrow(message);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.txt']);
  });

  it('is not blamed for another file that cannot be read', async () => {
    const other = join(folder, 'input');
    await expect(writeAtomic(join(folder, 'a.txt'), failing('EACCES', other))).rejects.toThrow(
      "(EACCES: the system's words)",
    );
  });

  it.skipIf(process.getuid?.() === 0)('says that a folder takes no files', async () => {
    mkdirSync(join(folder, 'closed'), { mode: 0o555 });
    await expect(writeFileAtomic(join(folder, 'closed', 'a'), 'x')).rejects.toThrow(
      `(EACCES: no right to write in ${join(folder, 'closed')})`,
    );
  });
});

it('makes a folder with those above it, and is content with one that is there, also behind a link', async () => {
  const deep = join(folder, 'a', 'b', 'c');
  await Promise.all([makeFolder(deep), makeFolder(deep), makeFolder(join(folder, 'a', 'd'))]);
  await makeFolder(deep);
  expect(readdirSync(join(folder, 'a'))).toEqual(['b', 'd']);
  symlinkSync(deep, join(folder, 'link'));
  await makeFolder(join(folder, 'link', 'e'));
  expect(readdirSync(deep)).toEqual(['e']);
});

it('says at once why a folder cannot be made', async () => {
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('nowhere', join(folder, 'dangling'));
  await expect(makeFolder(join(folder, 'file'))).rejects.toThrow('EEXIST');
  await expect(makeFolder(join(folder, 'file', 'a', 'b'))).rejects.toThrow('ENOTDIR');
  await expect(makeFolder(join(folder, 'dangling', 'a'))).rejects.toThrow();
});

it.skipIf(process.platform !== 'linux')(
  'gives up where the system makes no folder and says that there is none above',
  async () => {
    await expect(makeFolder('/proc/reasvqa/a/b')).rejects.toThrow('ENOENT');
  },
);
