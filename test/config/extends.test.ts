/** Recipes that extend other recipes. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dumpConfig, resolveConfig } from '../../src/config/load.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-extends-'));
  await mkdir(join(folder, 'base'));
  await mkdir(join(folder, 'sweep'));
});
afterAll(() => rm(folder, { recursive: true }));

const BASE = `data:
  dataset: jsonl
  videos: videos
  train: train.jsonl
  reasoning: refined.jsonl
model:
  base: ./weights
  lora: {r: 4, targets: [q, k, v]}
train:
  beta: 0.8
  epochs: 3
`;

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return name;
}

const resolved = async (recipe: string, ...overrides: string[]) =>
  resolveConfig({ recipe, overrides, cwd: folder });

describe('a recipe that extends another', () => {
  it('has its values, and those of the other where it sets none', async () => {
    await write('base/a.yaml', BASE);
    const b = await write(
      'sweep/b.yaml',
      'extends: ../base/a.yaml\ntrain: {beta: 0.5}\nmodel: {lora: {targets: [q]}}\n',
    );
    const { config, sources } = await resolved(b);
    expect(config.train).toMatchObject({ beta: 0.5, alpha: 0.5, epochs: 3 });
    expect(config.model.lora).toMatchObject({ r: 4, targets: ['q'] });
    expect(sources['train.beta']).toBe('sweep/b.yaml:2:9');
    expect(sources['train.epochs']).toBe('base/a.yaml:11:3');
    expect(sources['train.batch']).toBe('default');
  });

  it('takes relative paths from the folder of the file that sets them', async () => {
    await write('base/a.yaml', BASE);
    const b = await write('sweep/b.yaml', 'extends: ../base/a.yaml\ndata:\n  train: few.jsonl\n');
    const { config } = await resolved(b, 'data.val=val.jsonl');
    expect(config.data.videos).toBe(join(folder, 'base/videos'));
    expect(config.model.base).toBe(join(folder, 'base/weights'));
    expect(config.data.train).toBe(join(folder, 'sweep/few.jsonl'));
    expect(config.data.val).toBe(join(folder, 'val.jsonl'));
  });

  it('takes a default again with null, also over two files', async () => {
    await write('base/a.yaml', BASE);
    await write('base/b.yaml', 'extends: a.yaml\ntrain:\n  epochs: 5\n  seed: 7\n');
    const c = await write(
      'sweep/c.yaml',
      'extends: ../base/b.yaml\ndata: {reasoning: null}\ntrain: {epochs: null, beta: 0}\n',
    );
    const { config } = await resolved(c);
    expect(config.data.reasoning).toBeUndefined();
    expect(config.train).toMatchObject({ epochs: 10, seed: 7, beta: 0 });
  });

  it('is the same run as the recipe written out', async () => {
    await write('base/a.yaml', BASE);
    const b = await write('base/b.yaml', 'extends: a.yaml\ntrain: {beta: 0.2}\n');
    const whole = await write('base/whole.yaml', BASE.replace('beta: 0.8', 'beta: 0.2'));
    expect(dumpConfig((await resolved(b)).config)).toBe(dumpConfig((await resolved(whole)).config));
  });

  it.each([
    [
      'a file that is not there',
      'extends: none.yaml\n',
      /b\.yaml:1:1 extends: base\/none\.yaml: no such recipe/,
    ],
    ['itself', 'extends: b.yaml\n', /b\.yaml:1:1 extends: b\.yaml extends this recipe itself/],
    ['a number', 'extends: 3\n', /b\.yaml:1:1 extends: expected the path of a recipe, got 3/],
    [
      'a recipe with an unknown key',
      'extends: wrong.yaml\n',
      /base\/wrong\.yaml:5:3 train\.betta: unknown key \(did you mean beta\?\)/,
    ],
    [
      'a recipe in a circle',
      'extends: circle.yaml\n',
      /circle\.yaml:1:1 extends: b\.yaml extends this recipe itself/,
    ],
  ])('refuses %s, with the place', async (_, text, message) => {
    await write('base/wrong.yaml', 'data:\n  dataset: jsonl\n  videos: v\ntrain:\n  betta: 1\n');
    await write('base/circle.yaml', 'extends: b.yaml\n');
    const b = await write('base/b.yaml', text);
    await expect(resolved(b)).rejects.toThrow(message);
  });
});
