/** Features filled ahead are what training and evaluation read; such a run never reads the vision weights. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import type { Config } from '../../src/config/schema.js';
import { extractFeatures } from '../../src/features/extract.js';
import { listStore } from '../../src/features/inspect.js';
import { LiveFrames } from '../../src/features/source.js';
import { evaluateRun } from '../../src/training/evaluateRun.js';
import { openRecipeFeatures } from '../../src/training/features.js';
import { runPaths } from '../../src/training/run/folder.js';
import { train } from '../../src/training/train.js';
import { attachTrial, openBase, openBuilder, openTrial } from '../../src/training/trial.js';
import { SafetensorsFile } from '../../src/weights/safetensors.js';
import { useFastEngine } from '../model/support.js';
import { learned, makeBase, makeWorld, type World, worldConfig } from './support.js';

let scratch: string;
let world: World;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-ahead-'));
  world = await makeWorld(join(scratch, 'world'), 0);
});
afterAll(() => rm(scratch, { recursive: true }));

const inStore = (name: string, ...overrides: string[]) =>
  worldConfig(world, 'train.epochs=1', `features.folder=${join(scratch, name)}`, ...overrides);

async function extract(config: Config) {
  const features = await openRecipeFeatures(config);
  try {
    return await extractFeatures(features.clips, { skipBad: false });
  } finally {
    await features.dispose();
  }
}

/** Every entry of a store by name, with the time of its last change. */
const entriesOf = async (config: Config) =>
  new Map((await listStore(config.features.folder!)).entries.map(({ key, mtimeMs }) => [key, mtimeMs]));

it.each([
  ['uniform frames', []],
  ['frames drawn at random, in bf16', ['video.sampling=random', 'features.dtype=bf16', 'features.frames=4']],
])('%s: training adds no entry to those filled ahead, and learns the same as without', async (name, keys) => {
  const ahead = await inStore(`${name}-ahead`, ...keys);
  expect((await extract(ahead)).computed).toBeGreaterThan(0);
  expect(await extract(ahead)).toMatchObject({ computed: 0 });
  const before = await entriesOf(ahead);
  await train({ config: ahead, folder: join(scratch, `${name}-run-ahead`) });
  expect(await entriesOf(ahead)).toEqual(before);
  const asItGoes = await inStore(`${name}-as-it-goes`, ...keys);
  await train({ config: asItGoes, folder: join(scratch, `${name}-run`) });
  expect(new Set((await entriesOf(asItGoes)).keys())).toEqual(new Set(before.keys()));
  expect(await learned(join(scratch, `${name}-run`))).toEqual(
    await learned(join(scratch, `${name}-run-ahead`)),
  );
});

it('training and evaluation that find their features read no tensor of the vision model and no video', async () => {
  const config = await inStore('blind');
  await extract(config);
  const read = vi.spyOn(SafetensorsFile.prototype, 'read');
  const look = vi.spyOn(LiveFrames.prototype, 'read');
  const { student, dispose } = await openTrial(config, 'needed');
  const vision = new Set(student.featureParameters().map(({ name }) => name));
  dispose();
  const seeing = () => read.mock.calls.filter(([name]) => vision.has(name)).length;
  try {
    const folder = join(scratch, 'blind-run');
    await train({ config, folder });
    await evaluateRun({ paths: runPaths(folder), config, file: config.data.val! });
    expect(vision.size).toBeGreaterThan(10);
    expect(read.mock.calls.length).toBeGreaterThan(0);
    expect(seeing()).toBe(0);
    expect(look).not.toHaveBeenCalled();
    await train({ config: await inStore('seeing'), folder: join(scratch, 'seeing-run') });
    expect(seeing()).toBeGreaterThan(0);
    expect(look).toHaveBeenCalled();
  } finally {
    read.mockRestore();
    look.mockRestore();
  }
});

it('the vision weights are read at the first clip that is missing, and not before', async () => {
  const config = await inStore('lazy');
  await extract(config);
  const base = await openBase([config], undefined, 'needed');
  const trial = await attachTrial(base, config);
  const { clips, dispose } = await openRecipeFeatures(config);
  const seeing = () => trial.student.featureParameters().map(({ loaded }) => loaded);
  try {
    const { sample, source, key } = clips[0]!;
    const paths = new Map([[sample.video, join(world.data, 'videos', `${sample.video}.webp`)]]);
    const options = { runFolder: scratch, onWarning: () => undefined, training: false };
    const builder = () => openBuilder(trial, config, { paths }, options);
    const found = await builder().prepare([sample]);
    expect(seeing()).not.toContain(true);
    const path = source.store.path(key);
    const entry = await readFile(path);
    entry.writeUInt8(entry.readUInt8(entry.length - 1) ^ 1, entry.length - 1);
    await writeFile(path, entry);
    const again = await builder().prepare([sample]);
    expect(seeing()).not.toContain(false);
    expect(again.clips).toEqual(found.clips);
    expect(await source.store.faultOf(key)).toBeUndefined();
  } finally {
    await dispose();
    trial.dispose();
    base.dispose();
  }
});

it('other vision weights in the same folder find no earlier entry', async () => {
  const own = { ...world, base: join(scratch, 'changing') };
  await makeBase(own.base, 0);
  const recipe = await worldConfig(own, `features.folder=${join(scratch, 'changing-store')}`);
  const first = await extract(recipe);
  await makeBase(own.base, 0, (model) => {
    const [parameter] = [...model.parameters()].filter(({ name }) => name.startsWith('vision_model.encoder'));
    parameter!.set(tf.add(parameter!.value, 0.5));
  });
  expect(await extract(recipe)).toMatchObject({ computed: first.computed, found: 0 });
  expect(await readdir(join(scratch, 'changing-store', 'encoders'))).toHaveLength(2);
});

it('a recipe that stores nothing, or in its run folder, is refused with the key to set', async () => {
  for (const [override, message] of [
    ['features.cache=false', /^features\.cache: false.*set features\.cache=true/],
    ['features.folder=null', /^features\.folder: missing.*--set features\.folder/],
  ] as const) {
    const error = await openRecipeFeatures(await worldConfig(world, override)).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(message);
  }
});
