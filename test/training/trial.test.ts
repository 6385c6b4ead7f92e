import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.js';
import { train } from '../../src/training/train.js';
import { openTrial } from '../../src/training/trial.js';
import { writeAdapter } from '../../src/weights/peft.js';
import { useFastEngine } from '../model/support.js';
import { withFile } from '../weights/fixtures.js';
import { learned, makeBase, makeWorld, worldConfig } from './support.js';

let scratch: string;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-student-'));
});
afterAll(() => rm(scratch, { recursive: true }));

it('keeps features under another hash when config.json changes what the same vision weights compute', async () => {
  const base = join(scratch, 'base');
  await makeBase(base, 0);
  const config = await worldConfig({ folder: scratch, data: join(scratch, 'data'), base });
  const path = join(base, 'config.json');
  const written = await readFile(path, 'utf8');
  const hashWith = async (change: Record<string, number>) => {
    const json = JSON.parse(written);
    Object.assign(json.vision_config, change);
    await writeFile(path, JSON.stringify(json));
    const trial = await openTrial(config);
    trial.dispose();
    return trial.visionHash;
  };
  const first = await hashWith({});
  expect(await hashWith({})).toBe(first);
  expect(await hashWith({ layer_norm_eps: 1e-3 })).not.toBe(first);
  expect(await hashWith({ num_attention_heads: 1 })).not.toBe(first);
});

it('trains an adapter of the vision model, as PEFT may have put one on BLIP-2, and keeps no features then', async () => {
  const world = await makeWorld(join(scratch, 'world'));
  const adapter = join(scratch, 'adapter');
  const path = 'vision_model.encoder.layers.0.self_attn.qkv';
  const width = (await readFile(join(world.base, 'config.json'), 'utf8').then(JSON.parse)).vision_config
    .hidden_size as number;
  const module = { r: 1, inFeatures: width, outFeatures: 3 * width, scaling: 2 };
  const config = {
    ...{ r: 1, alpha: 2, dropout: 0, targetModules: ['qkv'] },
    ...{ rankPattern: {}, alphaPattern: {}, useRslora: false },
  };
  const [a, b] = [new Float32Array(width).fill(0.1), new Float32Array(3 * width)];
  await writeAdapter(adapter, { config, base: 'blip2', modules: new Map([[path, { a, b, ...module }]]) });

  const recipe = (cache: boolean) =>
    worldConfig(world, 'train.epochs=1', `model.adapter=${adapter}`, `features.cache=${cache}`);
  await expect(openTrial(await recipe(true))).rejects.toThrow(UsageError);
  await expect(openTrial(await recipe(true))).rejects.toThrow(/^features\.cache: .*adapter makes it learn/);
  const folder = join(scratch, 'run');
  await train({ config: await recipe(false), folder, engine: {} });
  const { last } = await learned(folder);
  const file = join(folder, 'checkpoints', last!, 'trainable.safetensors');
  const after = await withFile(file, (source) => source.read(`${path}.lora_B.weight`));
  expect(Math.max(...(after.data as Float32Array).map(Math.abs))).toBeGreaterThan(1e-4);
});
