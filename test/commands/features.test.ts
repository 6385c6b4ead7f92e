/** `reasvqa features` on a small recipe: what it prints and its exit codes. */
import { mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listStore } from '../../src/features/inspect.js';
import { makeWorld, type World, worldSettings } from '../training/support.js';
import { reasvqa } from './support.js';

let scratch: string;
let world: World;
let store: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-features-command-'));
  world = await makeWorld(join(scratch, 'world'), 0);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  store = join(await mkdtemp(join(scratch, 'store-')), 'features');
});

const run = (what: string, keys: readonly string[] = [], ...options: string[]) => {
  const settings = [...worldSettings(world), `features.folder=${store}`, ...keys];
  return reasvqa(['features', what, ...settings.flatMap((key) => ['--set', key]), ...options]);
};

describe('reasvqa features', () => {
  it('extract computes once, stats counts, verify finds damage with exit code 3, gc removes what no recipe needs', async () => {
    const first = await run('extract', [], '--json');
    expect(first.code, first.stderr).toBe(0);
    const { clips, computed, skipped } = JSON.parse(first.stdout);
    expect(computed).toBe(clips);
    expect(skipped).toEqual([]);
    expect((await run('extract')).stdout).toBe(`${clips} clips: 0 computed, ${clips} found; ${store}\n`);
    expect((await run('verify')).stdout).toBe(`${clips} entries in ${store} are whole\n`);
    const { entries } = await listStore(store);
    const [cut, gone] = entries;
    await writeFile(cut!.path, 'damaged');
    await unlink(gone!.path);
    const verified = await run('verify', [], '--json');
    expect(verified.code).toBe(3);
    const { faults } = JSON.parse(verified.stdout);
    expect(faults.map(({ kind }: { kind: string }) => kind).sort()).toEqual(['damaged', 'missing']);
    expect(verified.stderr).toMatch(
      /of \d+ entries 1 are damaged and 1 missing; --remove removes the damaged ones/,
    );
    const stats = JSON.parse((await run('stats', [], '--json')).stdout);
    expect(stats).toMatchObject({ folder: store, entries: clips - 1, leftovers: { files: 0 } });
    const planned = JSON.parse((await run('gc', ['video.frames=3'], '--json', '--dry-run')).stdout);
    expect(planned).toMatchObject({ kept: 0, dryRun: true });
    expect(planned.removed).toHaveLength(clips - 1);
    expect((await listStore(store)).entries).toHaveLength(clips - 1);
    expect((await run('gc', ['video.frames=3'])).stdout).toMatch(new RegExp(`^removed ${clips - 1} entries`));
    expect((await listStore(store)).entries).toEqual([]);
  });

  it('a store or a video that cannot be used is exit code 3 in one line that names it', async () => {
    await writeFile(store, 'no folder');
    for (const what of ['extract', 'stats', 'gc', 'verify']) {
      const { code, stderr } = await run(what);
      expect(code, `${what}: ${stderr}`).toBe(3);
      expect(stderr).toContain(store);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    await unlink(store);
    const missing = await run('extract', [`data.videos=${join(scratch, 'nowhere')}`]);
    expect([missing.code, missing.stderr]).toEqual([
      3,
      expect.stringContaining('nowhere: no such video folder'),
    ]);
  });

  it('a video id that leaves the folder of videos is exit code 3: by .., absolute, or through a link', async () => {
    await writeFile(join(scratch, 'secret.mp4'), 'secret');
    await symlink(join(scratch, 'secret.mp4'), join(world.data, 'videos', 'link.mp4')).catch(() => undefined);
    const file = join(scratch, 'leaves.jsonl');
    const question = { question: 'what is there?', options: ['a', 'b'], answer: 0 };
    for (const video of ['../../secret', join(scratch, 'secret.mp4'), 'link']) {
      await writeFile(file, `${JSON.stringify({ id: 'q1', video, ...question })}\n`);
      const { code, stderr } = await run('extract', [
        'data.dataset=jsonl',
        `data.val=${file}`,
        'data.train=null',
        'data.reasoning=null',
      ]);
      expect(code, stderr).toBe(3);
      expect(stderr).toMatch(/q1: video ".*": .*leaves the data root/);
    }
    expect((await listStore(store)).entries).toEqual([]);
  });

  it('a recipe that stores nothing is a usage error, before an engine is started', async () => {
    const { code, stderr } = await run('extract', ['features.cache=false']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/features\.cache: false/);
    expect((await run('extract', [], '--shard', '3/2')).code).toBe(2);
  });
});
