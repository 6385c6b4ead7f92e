/** Extraction that is killed (kill -9) leaves whole entries, and the next one computes what is missing alone; parts at once. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { collectGarbage, listStore } from '../../src/features/inspect.js';
import { FeatureStore } from '../../src/features/store.js';
import type { KillJob } from './killChild.js';
import { makeFrames } from './support.js';

const KILLS = 20;
const CLIPS = 60;
/** Clips in work at a time: one a core and two that wait. */
const AT_ONCE = availableParallelism() + 2;
const root = fileURLToPath(new URL('../..', import.meta.url));
const greys = Array.from({ length: CLIPS }, (_, i) => 4 * i);

let scratch: string;
let bundled: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-extract-kill-'));
  for (const grey of greys) await makeFrames(join(scratch, 'videos', String(grey)), [grey]);
  // Below the repository, so that the bundle finds its packages; Node 20 cannot run TypeScript itself.
  await mkdir(join(root, 'build'), { recursive: true });
  bundled = await mkdtemp(join(root, 'build', 'extract-kill-'));
  await build({
    entryPoints: [fileURLToPath(new URL('killChild.ts', import.meta.url))],
    outfile: join(bundled, 'child.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  await rm(bundled, { recursive: true, force: true });
});

/** Fills a store in a process; resolves to the clips that it computed and whether it was killed. */
async function fill(
  folder: string,
  { killAt, env = {} }: { killAt?: number; env?: Record<string, string> } = {},
): Promise<{ computed: number[]; killed: boolean }> {
  const log = join(await mkdtemp(join(scratch, 'log-')), 'computed');
  const job: KillJob = { greys, videos: join(scratch, 'videos'), folder, log, ...(killAt && { killAt }) };
  const child = spawn(process.execPath, [join(bundled, 'child.mjs'), JSON.stringify(job)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let errors = '';
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (...end) => resolve(end));
  });
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the process ended with ${code}: ${errors}`);
  const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  return { computed: lines.map(Number), killed: signal === 'SIGKILL' };
}

/** Every entry, read whole: its clip and the time it was written. Fails for one that is damaged. */
async function entriesOf(folder: string): Promise<Map<number, number>> {
  const damaged: string[] = [];
  const store = new FeatureStore(folder, (line) => damaged.push(line));
  const entries = new Map<number, number>();
  for (const { key, mtimeMs } of (await listStore(folder)).entries) {
    const features = await store.get(key);
    if (features) entries.set(Math.round(features.data[0]! * 255), mtimeMs);
  }
  expect(damaged).toEqual([]);
  return entries;
}

it(`killed at ${KILLS} random moments: no damaged entry, and nothing is computed twice but what was in work`, async () => {
  const folder = join(scratch, 'killed');
  const rng = new Rng('kills of extraction');
  let before = await entriesOf(folder);
  let [kills, lost] = [0, 0];
  for (; kills < KILLS; kills++) {
    const { computed, killed } = await fill(folder, { killAt: 1 + rng.int(16) });
    expect(killed).toBe(true);
    const after = await entriesOf(folder);
    // What was there is neither computed nor written again.
    expect(computed.filter((clip) => before.has(clip))).toEqual([]);
    for (const [clip, time] of before) expect(after.get(clip)).toBe(time);
    const unstored = computed.filter((clip) => !after.has(clip)).length;
    expect(unstored).toBeLessThanOrEqual(AT_ONCE);
    lost += unstored;
    before = after;
  }
  expect(before.size).toBeGreaterThan(0);
  expect(before.size).toBeLessThan(CLIPS);
  expect(lost).toBeGreaterThan(0);
  const { computed } = await fill(folder);
  expect([...computed, ...before.keys()].sort((a, b) => a - b)).toEqual(greys);
  expect([...(await entriesOf(folder)).keys()].sort((a, b) => a - b)).toEqual(greys);
  const { leftovers } = await listStore(folder);
  expect(leftovers.length).toBeGreaterThan(0);
  expect((await collectGarbage(folder, new Set(), { dryRun: true })).leftovers).toHaveLength(
    leftovers.length,
  );
});

it('the tasks of a Slurm array at once divide the clips: all are computed, none twice', async () => {
  const folder = join(scratch, 'array');
  const task = (id: number) => ({
    ...{ SLURM_ARRAY_TASK_ID: String(id), SLURM_ARRAY_TASK_COUNT: '2' },
    ...{ SLURM_ARRAY_TASK_MIN: '0', SLURM_ARRAY_TASK_MAX: '1', SLURM_ARRAY_TASK_STEP: '1' },
  });
  const parts = await Promise.all([0, 1].map((id) => fill(folder, { env: task(id) })));
  for (const { computed } of parts) expect(computed.length).toBe(CLIPS / 2);
  expect(parts.flatMap(({ computed }) => computed).sort((a, b) => a - b)).toEqual(greys);
  expect((await entriesOf(folder)).size).toBe(CLIPS);
});
