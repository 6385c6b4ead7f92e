import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/base/errors.js';
import { holdFolder, isHeld } from '../../../src/training/run/lock.js';

describe.runIf(process.platform === 'linux')('the lock of a run folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lock-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

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

  it('is seen while its process is busy, and ends with it', async () => {
    const { dev, ino } = await stat(folder, { bigint: true });
    const program = `require('net').createServer().listen('\\0reasvqa-run-${dev}-${ino}', () => { console.log('held'); for (;;); })`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(await isHeld(folder)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await isHeld(folder)).toBe(false);
  });
});
