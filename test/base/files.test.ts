/** Atomic writing: links, pipes, full disks. */
import { execFileSync } from 'node:child_process';
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
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolder, writeFileAtomic } from '../../src/base/files.js';

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
