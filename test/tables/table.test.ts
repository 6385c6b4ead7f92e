import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAPER_TABLES } from '../../src/tables/paper.js';
import { reasvqa } from '../commands/support.js';
import { makeWorld, type World } from '../training/support.js';

let world: World;
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'table-')), 0);
});
afterAll(() => rm(world.folder, { recursive: true }));

/** Runs a table on a tiny world and student. */
const table = (number: number, ...more: string[]) => {
  const { data, base, folder } = world;
  const settings = {
    'data.videos': join(data, 'videos'),
    'data.train': join(data, 'train.csv'),
    'data.val': join(data, 'val.csv'),
    'data.reasoning': join(data, 'refined.jsonl'),
    'video.frames': 2,
    'model.base': base,
    'train.epochs': 1,
    'train.warmupSteps': 1,
    'train.batch': 8,
    'text.maxReasoning': 20,
    'features.folder': join(folder, 'features'),
  };
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return reasvqa(['table', String(number), '--dataset', 'shapes', '--seeds', '2', ...set, ...more], {
    cwd: folder,
  });
};

describe('on the built-in world', () => {
  it.each(PAPER_TABLES.map(({ number }) => number))('table %i runs', async (number) => {
    const t = performance.now();
    const { code, stdout, stderr } = await table(number);
    console.log(number, (performance.now() - t).toFixed(0), stdout, code ? stderr : stderr.slice(0, 300));
    expect(code).toBe(0);
  });
});
