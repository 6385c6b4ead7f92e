import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { resolveConfig } from '../../src/config/load.js';
import { resolveSweep } from '../../src/sweep/spec.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-spec-'));
  await mkdir(join(folder, 'recipes'));
  await writeFile(
    join(folder, 'recipes', 'base.yaml'),
    'data: { dataset: jsonl, videos: ../v, train: t.jsonl }\n',
  );
});
afterAll(() => rm(folder, { recursive: true }));

let count = 0;
async function recipe(sweep: string): Promise<string> {
  const path = join(folder, 'recipes', `sweep-${count++}.yaml`);
  await writeFile(path, `extends: base.yaml\n${sweep}`);
  return path;
}

describe('resolveSweep', () => {
  it('multiplies arms, grid and seeds', async () => {
    const path = await recipe(
      'sweep:\n  grid: { train.beta: [0, 0.5] }\n  arms:\n    whole: {}\n    half: { train.reasoningFraction: 0.5 }\n  seeds: 2\n',
    );
    const { trials, keys, bases } = await resolveSweep({ recipe: path });
    expect(trials.map(({ id }) => id)).toEqual([
      ...['whole-beta-0-seed-1', 'whole-beta-0-seed-2', 'whole-beta-0.5-seed-1', 'whole-beta-0.5-seed-2'],
      ...['half-beta-0-seed-1', 'half-beta-0-seed-2', 'half-beta-0.5-seed-1', 'half-beta-0.5-seed-2'],
    ]);
    expect(keys).toEqual(['train.beta', 'train.seed']);
    expect(Object.keys(bases)).toEqual(['whole', 'half']);
    const last = trials.at(-1)!;
    expect(last.config.train).toMatchObject({ beta: 0.5, alpha: 0.5, seed: 2, reasoningFraction: 0.5 });
    expect(new Set(trials.map(({ identity }) => identity)).size).toBe(8);
  });

  it.each([
    ['a default, spelled out', 'train.beta=null,0.8', /beta-default and beta-0\.8/],
    ['one path in two spellings', 'data.reasoning=r.jsonl,./r.jsonl', /are one configuration/],
  ])('refuses a value that is there twice: %s', async (_, set, message) => {
    const path = await recipe('');
    const asked = resolveSweep({ recipe: path, overrides: [set] });
    await expect(asked).rejects.toThrow(UsageError);
    await expect(asked).rejects.toThrow(message);
  });

  it.each(['train.beta=.nan,0.5', 'train.learningRate=.inf,1e-4'])('refuses %s', async (set) => {
    const asked = resolveSweep({ recipe: await recipe(''), overrides: [set] });
    await expect(asked).rejects.toThrow(/expected number/);
  });

  it('refuses one value for all of a key that an arm sets', async () => {
    const path = await recipe('sweep: { arms: { half: { train.reasoningFraction: 0.5 }, whole: {} } }\n');
    const asked = resolveSweep({ recipe: path, overrides: ['train.reasoningFraction=0.1'] });
    await expect(asked).rejects.toThrow(UsageError);
    await expect(asked).rejects.toThrow(/--set train\.reasoningFraction: arm half has its own/);
  });

  it('tells arms apart whose names and settings are one but for letter case', async () => {
    const path = await recipe('sweep: { arms: { "B b": {}, "b B": {} } }\n');
    const ids = (await resolveSweep({ recipe: path })).trials.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
  });

  it('derives alpha from every beta', async () => {
    const { trials } = await resolveSweep({
      recipe: await recipe(''),
      overrides: ['train.beta=0,0.2,0.9,1'],
    });
    expect(trials.map(({ config }) => [config.train.beta, config.train.alpha])).toEqual([
      [0, 1],
      [0.2, 0.8],
      [0.9, 0.1],
      [1, 0],
    ]);
  });

  it('is one trial where nothing varies', async () => {
    const { trials } = await resolveSweep({ recipe: await recipe(''), overrides: ['train.epochs=2'] });
    expect(trials.map(({ id, settings }) => [id, settings])).toEqual([['trial', { 'train.seed': 42 }]]);
  });

  it('reads paths in a recipe from its folder, those of the command line from the current one', async () => {
    const path = await recipe('sweep: { grid: { data.reasoning: [a.jsonl, /b.jsonl] } }\n');
    const { trials } = await resolveSweep({ recipe: path, overrides: ['data.val=v.jsonl'], cwd: folder });
    expect(trials.map(({ config }) => config.data.reasoning)).toEqual([
      join(folder, 'recipes', 'a.jsonl'),
      '/b.jsonl',
    ]);
    expect(trials[0]!.config.data.val).toBe(join(folder, 'v.jsonl'));
  });

  it("replaces the recipe's axis and seeds by those of the command line", async () => {
    const path = await recipe('sweep: { grid: { train.beta: [0, 0.5] }, seeds: 3 }\n');
    const { trials } = await resolveSweep({ recipe: path, overrides: ['train.beta=0.1,0.2'], seeds: [9] });
    expect(trials.map(({ id }) => id)).toEqual(['beta-0.1-seed-9', 'beta-0.2-seed-9']);
  });

  it.each([
    ['sweep: { grid: { train.betta: [0, 1] } }\n', /train\.betta: unknown key \(did you mean beta\?\)/],
    ['sweep: { grid: { train.beta: [] } }\n', /sweep-\d+\.yaml:2:\d+ sweep\.grid\.train\.beta: /],
    ['sweep: { grid: { train.beta: 0.5 } }\n', /sweep\.grid\.train\.beta: .*expected array/],
    ['sweep: { grid: { train.beta: [0, 0] } }\n', /train\.beta: 0 is there twice/],
    ['sweep: { grid: { train.beta: [0, 2] } }\n', /train\.beta: expected number in \[0, 1\], got 2/],
    ['sweep: { seeds: 0 }\n', /sweep\.seeds/],
    ['sweep: { seeds: [1, 1] }\n', /--seeds train\.seed: 1 is there twice/],
    ['sweep: { figure: 5 }\n', /sweep\.figure/],
    ['sweep: { girds: {} }\n', /girds/],
    ['sweep: { arms: { a: { train.betta: 1 } } }\n', /arms a train\.betta: unknown key/],
    [
      'sweep: { grid: { train.beta: [0, 1] }, arms: { a: { train.beta: 1 } } }\n',
      /train\.beta: both an axis .* arm a/,
    ],
  ])('refuses %j', async (text, message) => {
    const error = await resolveSweep({ recipe: await recipe(text) }).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  it.each([
    [['train.beta=0,0.5', 'train.beta=0,0.8'], {}, /train\.beta: swept twice/],
    [['train.seed=1,2'], { seeds: [3] }, /--seeds: train\.seed is an axis/],
    [['train.alpha=0.5', 'train.beta=0,0.5'], {}, /train\.alpha: .*alpha \+ beta must be 1/],
  ])('refuses %j', async (overrides, more, message) => {
    const error = await resolveSweep({ recipe: await recipe(''), overrides, ...more }).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(message);
  });

  it('refuses one value for a key that the recipe varies', async () => {
    const path = await recipe('sweep: { grid: { train.beta: [0, 0.5] } }\n');
    await expect(resolveSweep({ recipe: path, overrides: ['train.beta=0.5'] })).rejects.toThrow(
      /--set train\.beta: the sweep varies it; give its values as a list/,
    );
  });

  it('warns of a setting that has no effect in any trial, not of one that beta 0 alone ignores', async () => {
    const path = await recipe('data: { reasoning: r.jsonl }\n');
    const { warnings } = await resolveSweep({
      recipe: path,
      overrides: ['train.beta=0,0.5', 'features.folder=x'],
    });
    expect(warnings).toEqual(['--set features.folder: has no effect: features.cache is false']);
  });

  it('is refused by train, which trains one run', async () => {
    const path = await recipe('sweep: { grid: { train.beta: [0, 0.5] } }\n');
    await expect(resolveConfig({ recipe: path })).rejects.toThrow(
      /sweep-\d+\.yaml:2:1 sweep: many runs in one recipe; run it with reasvqa sweep/,
    );
  });
});
