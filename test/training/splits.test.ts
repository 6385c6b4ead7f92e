import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cohortKey, readSplits, sharedSplits } from '../../src/training/splits.js';
import { makeWorld, type World, worldConfig } from './support.js';

let world: World;
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'reasvqa-splits-')));
});
afterAll(() => rm(world.folder, { recursive: true }));

it('are read once for runs that read alike, and anew for one that selects other samples or reasoning', async () => {
  const read = sharedSplits();
  const of = async (...overrides: string[]) => read(await worldConfig(world, ...overrides));
  const first = await of('train.beta=0.8');
  expect(await of('train.beta=0.2', 'train.learningRate=1e-3', 'model.train=[lora]')).toBe(first);
  for (const other of ['train.reasoningFraction=0.5', 'train.reasoningSet=correct', 'train.seed=7'])
    expect(await of(other), other).not.toBe(first);
  for (const overrides of [[], ['train.reasoningFraction=0.5'], ['train.reasoningSet=correct']]) {
    const config = await worldConfig(world, ...overrides);
    expect(await read(config)).toEqual(await readSplits(config));
  }
});

it('make one cohort of runs that differ in what they learn, not of runs that read another order or another text', async () => {
  const keyOf = async (...overrides: string[]) => {
    const config = await worldConfig(world, ...overrides);
    return cohortKey(config, await readSplits(config));
  };
  const key = await keyOf();
  for (const same of ['train.beta=0.2', 'train.reasoningSet=correct', 'train.epochs=5', 'model.lora.r=4'])
    expect(await keyOf(same), same).toBe(key);
  for (const same of ['data.workers=3', 'data.ahead=9']) expect(await keyOf(same), same).toBe(key);
  for (const other of ['train.seed=7', 'train.batch=3', 'video.frames=3', 'text.maxPrompt=40'])
    expect(await keyOf(other), other).not.toBe(key);

  // Length buckets order samples by their reasoning, whatever is learned from it.
  const buckets = 'train.lengthBuckets=true';
  const sorted = await keyOf(buckets);
  expect(sorted).not.toBe(key);
  expect(await keyOf(buckets, 'train.beta=0')).toBe(sorted);
  expect(await keyOf(buckets, 'train.reasoningSet=correct')).not.toBe(sorted);
});

it('make no cohort of runs whose prompts are filtered by their own students', async () => {
  const keyOf = async (...overrides: string[]) => {
    const config = await worldConfig(world, 'train.mode=rl', 'train.rl.rewards.choice=1', ...overrides);
    return cohortKey(config, await readSplits(config));
  };
  const key = await keyOf();
  expect(await keyOf('train.rl.group=4')).toBe(key);
  const filtered = await keyOf('train.rl.filter=vital');
  expect(filtered).not.toBe(key);
  expect(await keyOf('train.rl.filter=vital', 'train.rl.group=4')).not.toBe(filtered);
  expect(await keyOf('train.rl.filter=vital')).toBe(filtered);
});
