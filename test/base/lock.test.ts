import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { holdFile, holdFolder, isHeld } from '../../src/base/lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A process that holds a run folder and never returns to its event loop. */
async function busyHolder() {
  const { dev, ino } = await stat(folder, { bigint: true });
  const program = `require('net').createServer().listen('\\0reasvqa-run-${dev}-${ino}', () => { console.log('held'); for (;;); })`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

describe.runIf(process.platform === 'linux')('the lock of a run folder', () => {
  it('is held once, until it is let go', async () => {
    expect(await isHeld(folder)).toBe(false);
    const letGo = await holdFolder(folder);
    expect(await isHeld(folder)).toBe(true);
    await expect(holdFolder(folder)).rejects.toThrow(UsageError);
    // Asking changes nothing.
    expect(await isHeld(folder)).toBe(true);
    letGo();
    expect(await isHeld(folder)).toBe(false);
    (await holdFolder(folder))();
  });

  it('is seen while its process is busy, names it, and ends with it', async () => {
    const child = await busyHolder();
    expect(await isHeld(folder)).toBe(true);
    await expect(holdFolder(folder)).rejects.toThrow(`${folder}: process ${child.pid} is training in it; `);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await isHeld(folder)).toBe(false);
    (await holdFolder(folder))();
  });
});

describe.runIf(process.platform === 'linux')('the lock of a file', () => {
  it('is held once under every path to it, before it exists and after it was replaced', async () => {
    const path = join(folder, 'out.jsonl');
    const letGo = await holdFile(path);
    const held = `process ${process.pid} is writing it`;
    await expect(holdFile(path)).rejects.toThrow(held);
    await writeFile(path, '');
    await symlink(path, join(folder, 'link'));
    await expect(holdFile(join(folder, 'link'))).rejects.toThrow(held);
    await writeFile(join(folder, 'new'), '');
    await rename(join(folder, 'new'), path);
    await expect(holdFile(join(folder, '.', 'out.jsonl'))).rejects.toThrow(held);
    (await holdFile(join(folder, 'other.jsonl')))();
    letGo();
    (await holdFile(path))();
  });
});
