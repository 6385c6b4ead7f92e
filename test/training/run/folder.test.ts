/** Run folders: their owner, damaged files. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../../src/base/errors.js';
import { resolveConfig } from '../../../src/config/load.js';
import type { Config } from '../../../src/config/schema.js';
import {
  claimRunFolder,
  existingRun,
  identity,
  makeRunFolder,
  readEvaluations,
  readResult,
  runPaths,
} from '../../../src/training/run/folder.js';

let scratch: string;
let folder: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-folder-'));
});
afterAll(() => rm(scratch, { recursive: true }));
beforeEach(async () => {
  folder = join(await mkdtemp(join(scratch, 'run-')), 'made', 'below');
});

async function configOf(...overrides: string[]) {
  const given = [
    'data.dataset=shapes',
    'data.videos=v',
    'video.sampling=uniform',
    'video.crop=none',
    ...overrides,
  ];
  return (await resolveConfig({ overrides: given, cwd: '/recipes' })).config;
}

async function openRunFolder(place: string, config: Config) {
  const paths = await makeRunFolder(place);
  await claimRunFolder(paths, config);
  return paths;
}

/** As a run has it after its first checkpoint. */
async function openSavedRun(config: Config) {
  const { checkpoints } = await openRunFolder(folder, config);
  await mkdir(join(checkpoints, 'step-00000001'));
}

describe('a run folder', () => {
  it('that cannot be made is named', async () => {
    const file = join(scratch, 'a-file');
    await writeFile(file, 'in the way');
    for (const place of [file, join(file, 'below')]) {
      const error = await openRunFolder(place, await configOf()).catch((e) => e);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain(`${place}: cannot be made or written to (`);
      expect(error.message).toContain('another --run folder');
    }
  });

  it('is made with its configuration, and opening it again changes nothing', async () => {
    const config = await configOf();
    const paths = await openRunFolder(folder, config);
    const written = await readFile(paths.config, 'utf8');
    expect((await resolveConfig({ recipe: paths.config })).config).toEqual(config);
    expect(await openRunFolder(folder, config)).toMatchObject({ folder, result: paths.result });
    expect(await readFile(paths.config, 'utf8')).toBe(written);
    expect(await readEvaluations(paths)).toEqual([]);
    expect(await readResult(paths)).toBeUndefined();
  });

  it('is found by its configuration, and a folder that is none is named', async () => {
    await openRunFolder(folder, await configOf());
    expect(await existingRun(folder)).toMatchObject({ folder });
    await expect(existingRun(scratch)).rejects.toThrow(`${scratch}: is not a run folder`);
    await expect(existingRun(scratch)).rejects.toBeInstanceOf(DataError);
  });

  it.each([
    ['train.beta=0.5', 'train.beta was 0.8, is now 0.5'],
    ['video.frames=8', 'video.frames was 4, is now 8'],
    ['data.val=v.csv', 'data.val was not set, is now "/recipes/v.csv"'],
    ['model.lora.targets=[q]', 'model.lora.targets was ["q","v"], is now ["q"]'],
    ['train.seed=1', 'train.seed was 42, is now 1'],
  ])('refuses another configuration and names the key: %s', async (override, difference) => {
    await openSavedRun(await configOf());
    const error = await openRunFolder(folder, await configOf(override)).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe(
      `${folder}: holds a run with another configuration (${difference}); use another --run folder`,
    );
  });

  it('that saved no checkpoint takes another configuration, a finished one does not', async () => {
    const paths = await openRunFolder(folder, await configOf('data.val=misspelt.csv'));
    await mkdir(join(paths.checkpoints, '.partial-step-00000001'));
    const config = await configOf('data.val=v.csv');
    await openRunFolder(folder, config);
    expect((await resolveConfig({ recipe: paths.config })).config).toEqual(config);
    await writeFile(paths.result, '{}');
    await expect(openRunFolder(folder, await configOf())).rejects.toBeInstanceOf(UsageError);
  });

  it('may be continued with features kept elsewhere and other intervals, which are never the key that is named', async () => {
    const before = await configOf();
    await openSavedRun(before);
    const free = [
      ...['features.cache=true', 'train.logEverySteps=3', 'train.checkpointEverySteps=9'],
      ...['data.workers=3', 'data.ahead=5'],
    ];
    const same = await configOf(...free);
    expect(identity(same)).toBe(identity(before));
    await openRunFolder(folder, same);
    await openRunFolder(folder, before);
    await expect(openRunFolder(folder, await configOf(...free, 'eval.maxNewTokens=31'))).rejects.toThrow(
      'another configuration (eval.maxNewTokens was 30, is now 31)',
    );
    expect(identity(await configOf('train.lengthBuckets=false'))).toBe(identity(before));
    expect(identity(await configOf('train.lengthBuckets=true'))).not.toBe(identity(before));
    expect(identity(await configOf('train.rl.group=4'))).toBe(identity(before));
    const rewarded = ['train.mode=rl', 'train.rl.rewards.choice=1'];
    const four = identity(await configOf(...rewarded, 'train.rl.group=4'));
    expect(four).not.toBe(identity(await configOf(...rewarded)));
  });

  it('keeps its groups when a recipe leaves them to a base model that is gone by now', async () => {
    // A published base is known by its manifest.
    const gone = 'model.base=gone';
    const named = await configOf(gone, 'model.train=[lora]');
    await openSavedRun(named);
    const silent = await configOf(gone);
    expect(silent.model.train).toBeUndefined();
    const { config: file } = await openRunFolder(folder, silent);
    expect((await resolveConfig({ recipe: file })).config).toEqual(named);
    const error = await openRunFolder(folder, await configOf(gone, 'model.train=[qformer]')).catch((e) => e);
    expect(error.message).toContain('model.train was ["lora"], is now ["qformer"]');
  });

  it.each([
    ['config.yaml', 'train: [', (config: Config) => openRunFolder(folder, config)],
    ['config.yaml', '', (config: Config) => openRunFolder(folder, config)],
    ['evaluations.json', '[{"epoch": 0', () => readEvaluations(runPaths(folder))],
    ['result.json', '', () => readResult(runPaths(folder))],
  ])('with a damaged %s (%j) says so in one line', async (name, text, read) => {
    const config = await configOf();
    await openSavedRun(config);
    await writeFile(join(folder, name), text);
    const error = await read(config).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `${join(folder, name)}: damaged; restore it or use another --run folder`,
    );
  });
});
