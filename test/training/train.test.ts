/** Whole runs: results, interruption, accumulation, bad videos. */
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataError, Interrupted, ReasVqaError, UsageError } from '../../src/base/errors.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { bestOf, readEvaluations, readResult, runPaths } from '../../src/training/run/folder.js';
import { readMetrics } from '../../src/training/run/metrics.js';
import { train } from '../../src/training/train.js';
import { openTrained } from '../../src/training/trained.js';
import { relativeDifference, useFastEngine } from '../model/support.js';
import { withFile } from '../weights/fixtures.js';
import {
  equalMetrics,
  learned,
  makeBase,
  makeWorld,
  signalAtLook,
  type World,
  worldConfig,
} from './support.js';

let scratch: string;
let world: World;
let runs = 0;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-train-'));
  world = await makeWorld(scratch);
});
afterAll(() => rm(scratch, { recursive: true }));

const ENGINE = { name: 'test' };
const newRun = () => join(scratch, `run-${runs++}`);

/** A whole run in a new folder. */
async function trained(...overrides: string[]) {
  const folder = newRun();
  const config = await worldConfig(world, ...overrides);
  const result = await train({ config, folder, engine: ENGINE });
  return { folder, config, result };
}

async function values(folder: string): Promise<Map<string, Float32Array>> {
  const { last } = await learned(folder);
  return withFile(join(folder, 'checkpoints', last!, 'trainable.safetensors'), async (file) => {
    const found = new Map<string, Float32Array>();
    for (const name of file.names) found.set(name, (await file.read(name)).data as Float32Array);
    return found;
  });
}

describe('a run', () => {
  it.skipIf(process.platform !== 'linux')('is refused a folder in which another trains', async () => {
    const folder = newRun();
    const config = await worldConfig(world, 'train.epochs=1');
    const request = { config, folder, engine: ENGINE };
    const [first, second] = await Promise.allSettled([train(request), train(request)]);
    const outcomes = [first, second].sort((a, b) => (a!.status < b!.status ? -1 : 1));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const { reason } = outcomes[1] as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(UsageError);
    expect(reason.message).toContain(`process ${process.pid} is training in it`);

    // The folder is free again, after a failure too.
    const stopped = { ...request, folder: newRun(), signal: AbortSignal.abort() };
    await expect(train(stopped)).rejects.toBeInstanceOf(Interrupted);
    await expect(train({ ...stopped, signal: undefined })).resolves.toMatchObject({ epochs: 1 });
  });

  it('evaluates after every second epoch, and after the last', async () => {
    const { folder, result } = await trained('train.epochs=3', 'eval.everyEpochs=2');
    const evaluations = await readEvaluations(runPaths(folder));
    expect(evaluations.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(result.last).toEqual(evaluations[1]!.score);
    expect(result.bestEpoch).toBe(bestOf(evaluations)!.epoch);
  });

  it('trains on both losses, evaluates every epoch and leaves a whole run folder', async () => {
    const before = tf.memory().numTensors;
    const { folder, config, result } = await trained('train.beta=0.8', 'train.epochs=3');
    const { samples } = await readAnnotations({ dataset: 'shapes', file: join(world.data, 'train.csv') });
    const steps = 3 * Math.floor(samples.length / 4);
    expect(result).toMatchObject({ steps, epochs: 3, beta: 0.8, seed: 42 });
    const paths = runPaths(folder);
    const files = [
      'config.yaml',
      'run.json',
      'metrics.jsonl',
      'evaluations.json',
      'predictions.jsonl',
      'result.json',
    ];
    expect(await readdir(folder)).toEqual(expect.arrayContaining([...files, 'checkpoints', 'predictions']));
    expect(JSON.parse(await readFile(paths.result, 'utf8'))).toEqual(result);

    const evaluations = JSON.parse(await readFile(paths.evaluations, 'utf8'));
    expect(evaluations.map((e: { step: number }) => e.step)).toEqual([steps / 3, (2 * steps) / 3, steps]);
    const accuracies = evaluations.map(
      (e: { score: { total: { accuracy: number } } }) => e.score.total.accuracy,
    );
    expect(result.bestEpoch).toBe(accuracies.indexOf(Math.max(...accuracies)));
    expect(result.score!.total.accuracy).toBe(Math.max(...accuracies));

    const metrics = readMetrics(folder);
    const training = metrics.filter((line) => 'train/loss' in line);
    expect(training.map((line) => line.step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    for (const line of training) {
      const [loss, qa, rea] = ['train/loss', 'train/loss_qa', 'train/loss_reasoning'].map(
        (k) => line[k] as number,
      );
      expect(loss).toBeCloseTo(0.2 * qa! + 0.8 * rea!, 6);
    }
    const losses = training.map((line) => line['train/loss'] as number);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    for (const line of training) {
      expect(line['input/samples_per_second']).toBeGreaterThan(0);
      for (const share of ['wait_share', 'encoder_padding', 'decoder_padding']) {
        expect(line[`input/${share}`]).toBeGreaterThanOrEqual(0);
        expect(line[`input/${share}`]).toBeLessThanOrEqual(1);
      }
    }
    expect(metrics.filter((line) => 'val/accuracy' in line).map((line) => line['val/accuracy'])).toEqual(
      accuracies,
    );

    const checkpoints = await readdir(paths.checkpoints);
    const kept = new Set([result.bestStep, steps].map((step) => `step-${String(step).padStart(8, '0')}`));
    expect(checkpoints.sort()).toEqual([...kept].sort());
    const predictions = (await readFile(paths.predictions, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const right = predictions.filter((p) => p.prediction === p.answer).length;
    expect((100 * right) / predictions.length).toBeCloseTo(result.score!.total.accuracy, 1);

    const info = JSON.parse(await readFile(paths.run, 'utf8'));
    expect(info).toMatchObject({ engine: ENGINE, seed: 42, node: process.version });
    expect(info.sha256[join(world.base, 'model.safetensors')]).toMatch(/^[0-9a-f]{64}$/);
    expect(tf.memory().numTensors).toBe(before);

    const { trial, step } = await openTrained(paths, config);
    expect(step).toBe(result.bestStep);
    trial.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that is finished returns its result at once and changes nothing', async () => {
    const { folder, config, result } = await trained('train.epochs=1');
    const before = await readFile(join(folder, 'metrics.jsonl'));
    // The base model is not even opened.
    const gone = { ...config, model: { ...config.model } };
    expect(await train({ config: gone, folder, engine: ENGINE })).toEqual(result);
    expect(await readFile(join(folder, 'metrics.jsonl'))).toEqual(before);
  });

  it('is the same twice, and another with another seed', async () => {
    const one = await trained('train.epochs=1');
    const two = await trained('train.epochs=1');
    const other = await trained('train.epochs=1', 'train.seed=43');
    expect(await learned(two.folder)).toEqual(await learned(one.folder));
    expect(await learned(other.folder)).not.toEqual(await learned(one.folder));
  });

  it('trains only the groups that the recipe names', async () => {
    const { folder, result } = await trained(
      'train.epochs=1',
      'model.train=[language_projection, lora]',
      'train.beta=0',
    );
    const names = [...(await values(folder)).keys()];
    expect(names.every((name) => /^language_projection\.|lora_[AB]/.test(name))).toBe(true);
    expect(result.trainableParameters).toBe(
      [...(await values(folder)).values()].reduce((sum, v) => sum + v.length, 0),
    );
    expect(readMetrics(folder).every((line) => !('train/loss_reasoning' in line))).toBe(true);
  });

  it('with recomputation learns the same to rounding', async () => {
    const kept = await trained('train.epochs=1', 'train.eps=0.01');
    const recomputed = await trained('train.epochs=1', 'train.eps=0.01', 'train.recompute=true');
    const expected = await values(kept.folder);
    for (const [name, actual] of await values(recomputed.folder))
      expect(relativeDifference(actual, expected.get(name)!), name).toBeLessThan(1e-4);
  });

  it('can train every parameter from pixels, the vision model included', async () => {
    const { folder } = await trained('train.epochs=1', 'model.train=[all]', 'features.cache=false');
    const base = await withFile(join(world.base, 'model.safetensors'), async (file) =>
      file.read('vision_model.embeddings.patch_embedding.weight'),
    );
    const learnt = (await values(folder)).get('vision_model.embeddings.patch_embedding.weight')!;
    expect(relativeDifference(learnt, base.data as Float32Array)).toBeGreaterThan(1e-4);
  });

  it('with kept features equals one that decodes the clips every time', async () => {
    const kept = await trained('train.epochs=1');
    const decoded = await trained('train.epochs=1', 'features.cache=false');
    const expected = await values(kept.folder);
    for (const [name, actual] of await values(decoded.folder))
      expect(relativeDifference(actual, expected.get(name)!), name).toBeLessThan(1e-4);
  });

  it('in the single-task modes has one loss', async () => {
    const { folder, result } = await trained(
      ...[
        'train.epochs=1',
        'train.mode=stl',
        'train.stlTarget=reasoning-answer',
        'train.reasoningSet=correct',
      ],
      ...['eval.scorer=generate', 'text.maxReasoning=20', 'eval.maxNewTokens=20'],
    );
    const { samples } = await readAnnotations({ dataset: 'shapes', file: join(world.data, 'train.csv') });
    const correct = samples.filter((_, i) => i % 4 !== 0).length;
    expect(result.steps).toBe(Math.floor(correct / 4));
    expect(result.beta).toBe(0);
    for (const line of readMetrics(folder).filter((l) => 'train/loss' in l))
      expect(line['train/loss']).toBeCloseTo(line['train/loss_qa'] as number, 5);
    const [first] = (await readFile(runPaths(folder).predictions, 'utf8')).split('\n');
    expect(JSON.parse(first!)).toHaveProperty('text');
  });
});

describe('an interrupted run', () => {
  it.each([
    ['at step 1', 1, []],
    ['between epochs and inside the evaluation', 16, []],
    [
      'with random frames, crops and no kept features',
      7,
      ['features.cache=false', 'video.sampling=random', 'video.crop=random-resized'],
    ],
    ['with accumulation', 5, ['train.batch=2', 'train.accumulate=2']],
    ['with checkpoints at every second step', 9, ['train.checkpointEverySteps=2']],
    ['with a line of metrics at every third step', 4, ['train.logEverySteps=3']],
    ['in length buckets', 3, ['train.lengthBuckets=true', 'train.dropLast=false', 'data.ahead=3']],
  ] as const)('continues to the same bits: %s', async (_, look, overrides) => {
    const whole = await trained(...overrides);
    const folder = newRun();
    const config = await worldConfig(world, ...overrides);
    let interruptions = 0;
    for (;;) {
      try {
        // Later every time: an evaluation that is interrupted begins anew.
        const signal = signalAtLook(look + 5 * interruptions);
        await train({ config, folder, engine: ENGINE, signal });
        break;
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        interruptions++;
        expect(error.exitCode).toBe(75);
        expect(error.message).toMatch(/stopped at step \d+ with a checkpoint; run the same command again/);
      }
    }
    expect(interruptions).toBeGreaterThan(0);
    expect(await learned(folder)).toEqual(await learned(whole.folder));
    const scores = async (run: string) => readFile(join(run, 'evaluations.json'), 'utf8');
    expect(await scores(folder)).toEqual(await scores(whole.folder));
    const lines = (run: string) => equalMetrics(run).filter((line) => 'train/loss' in line);
    expect(lines(folder)).toEqual(lines(whole.folder));
    expect(await readFile(join(folder, 'predictions.jsonl'))).toEqual(
      await readFile(join(whole.folder, 'predictions.jsonl')),
    );
  });

  it('leaves nothing in memory', async () => {
    const config = await worldConfig(world);
    const before = tf.memory().numTensors;
    await expect(
      train({ config, folder: newRun(), engine: ENGINE, signal: signalAtLook(3) }),
    ).rejects.toThrow(Interrupted);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is not continued under another configuration, and the key is named', async () => {
    const folder = newRun();
    const config = await worldConfig(world);
    await expect(train({ config, folder, engine: ENGINE, signal: signalAtLook(3) })).rejects.toThrow(
      Interrupted,
    );
    const other = await worldConfig(world, 'train.learningRate=0.004');
    const error = await train({ config: other, folder, engine: ENGINE }).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/train\.\w*[lL]earningRate was 0\.003, is now 0\.004/);
    const often = await worldConfig(world, 'train.checkpointEverySteps=3');
    await expect(train({ config: often, folder, engine: ENGINE })).resolves.toMatchObject({ epochs: 2 });
  });

  it.each(['train.csv', 'refined.jsonl'])(
    'is not continued when %s has changed, but would begin with it',
    async (name) => {
      const own = await makeWorld(await mkdtemp(join(scratch, 'changed-')));
      const folder = newRun();
      const config = await worldConfig(own);
      const begin = train({ config, folder, engine: ENGINE, signal: signalAtLook(3) });
      await expect(begin).rejects.toThrow(Interrupted);
      const path = join(own.data, name);
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace(' moves ', ' stops ').replace('what', 'which'));
      const error = await train({ config, folder, engine: ENGINE }).catch((e) => e);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toMatch(new RegExp(`${name}: has changed since the run in ${folder} read it`));
      await rm(join(folder, 'checkpoints'), { recursive: true });
      await expect(train({ config, folder, engine: ENGINE })).resolves.toMatchObject({ epochs: 2 });
    },
  );

  it('ends when videos that it had are gone and its place is behind the end of the epoch', async () => {
    const own = await makeWorld(await mkdtemp(join(scratch, 'gone-')));
    const folder = newRun();
    const config = await worldConfig(own, 'train.batch=1', 'data.onBadVideo=skip', 'features.cache=false');
    const begin = train({ config, folder, engine: ENGINE, signal: signalAtLook(6) });
    await expect(begin).rejects.toThrow(Interrupted);
    const [first, ...others] = (await readdir(join(own.data, 'videos'))).filter((name) =>
      /^train/.test(name),
    );
    expect(first).toBeDefined();
    for (const name of others) await rm(join(own.data, 'videos', name));
    const error = await train({ config, folder, engine: ENGINE }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/stands at batch 6 of an epoch that now has 4: samples or videos are gone/);
  });

  it('whose checkpoint is damaged says so and leaves nothing in memory', async () => {
    const folder = newRun();
    const config = await worldConfig(world);
    await expect(train({ config, folder, engine: ENGINE, signal: signalAtLook(5) })).rejects.toThrow(
      Interrupted,
    );
    const { last } = await learned(folder);
    await truncate(join(folder, 'checkpoints', last!, 'trainable.safetensors'), 500);
    const before = tf.memory().numTensors;
    const error = await train({ config, folder, engine: ENGINE }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/trainable\.safetensors/);
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('a run shorter than train.logEverySteps has the losses of its end', async () => {
  const { folder, result } = await trained('train.logEverySteps=100', 'train.epochs=1');
  const lines = readMetrics(folder).filter((line) => 'train/loss' in line);
  expect(lines).toMatchObject([{ step: result.steps, 'train/loss': expect.any(Number) }]);
});

describe('accumulation', () => {
  it('of two batches of two equals one batch of four, to rounding', async () => {
    const plain = await makeWorld(await mkdtemp(join(scratch, 'plain-')), 0);
    // A large eps makes the update follow the gradient; with answers of one length the mean of means is the mean.
    const common = [
      'model.lora.dropout=0',
      'train.beta=0',
      'train.schedule=constant',
      'train.warmupSteps=0',
      'train.eps=0.01',
      'train.epochs=1',
    ];
    const run = async (...overrides: string[]) => {
      const folder = newRun();
      const config = await worldConfig(plain, ...common, ...overrides);
      return { folder, result: await train({ config, folder, engine: ENGINE }) };
    };
    const whole = await run('train.batch=4');
    const halves = await run('train.batch=2', 'train.accumulate=2');
    expect(halves.result.steps).toBe(whole.result.steps);
    const expected = await values(whole.folder);
    for (const [name, actual] of await values(halves.folder))
      expect(relativeDifference(actual, expected.get(name)!), name).toBeLessThan(1e-4);
  });

  it('updates with the batches there are at the end of an epoch', async () => {
    const { samples } = await readAnnotations({ dataset: 'shapes', file: join(world.data, 'train.csv') });
    const { result } = await trained(
      'train.epochs=1',
      'train.batch=5',
      'train.accumulate=3',
      'train.dropLast=false',
    );
    expect(result.steps).toBe(Math.ceil(Math.ceil(samples.length / 5) / 3));
    expect(samples.length % 5).not.toBe(0);
    expect(result.samplesPerSecond * result.seconds).toBeCloseTo(samples.length, 6);
  });
});

describe('a loss that is not finite', () => {
  it('stops the run with the ids of its samples and no checkpoint', async () => {
    const base = join(scratch, 'overflowing');
    await makeBase(base, 0.1, (model) => {
      const { shape } = model.languageProjection.weight;
      model.languageProjection.weight.set(tf.fill(shape, 3e38));
    });
    const folder = newRun();
    const config = await worldConfig({ ...world, base, folder: base });
    const before = tf.memory().numTensors;
    const error = await train({ config, folder, engine: ENGINE }).catch((e) => e);
    expect(error).toBeInstanceOf(ReasVqaError);
    const ids = (
      await readAnnotations({ dataset: 'shapes', file: join(world.data, 'train.csv') })
    ).samples.map((s) => s.id);
    const named = ids.filter((id) => error.message.includes(id));
    expect(error.message).toMatch(/loss is (NaN|Infinity|-Infinity) at step 1 \(epoch 1\), samples /);
    expect(named).toHaveLength(4);
    expect(await readdir(join(folder, 'checkpoints'))).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('after a diverging step keeps every checkpoint loadable', async () => {
    const folder = newRun();
    const config = await worldConfig(
      world,
      'train.learningRate=1e30',
      'train.checkpointEverySteps=1',
      'train.warmupSteps=0',
      'train.weightDecay=0',
    );
    const error = await train({ config, folder, engine: ENGINE }).catch((e) => e);
    expect(error).toBeInstanceOf(ReasVqaError);
    expect(error.message).toMatch(/not finite|loss is|NaN|Infinity/);
    for (const values of await valuesOfAll(folder)) expect(values.every(Number.isFinite)).toBe(true);
  });

  async function valuesOfAll(folder: string): Promise<Float32Array[]> {
    const names = await readdir(join(folder, 'checkpoints'));
    return names.length === 0 ? [] : [...(await values(folder)).values()];
  }
});

describe('texts that are truncated to their limit', () => {
  it('are counted, once for training and once for evaluation', async () => {
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
    const config = await worldConfig(
      world,
      'text.maxPrompt=5',
      'text.maxReasoning=3',
      'train.dropLast=false',
    );
    await train({ config, folder: newRun(), engine: ENGINE, label: 'test' }).finally(() =>
      write.mockRestore(),
    );
    const lines = written.join('').match(/.*truncated to their limit.*/g);
    const count = async (file: string) =>
      (await readAnnotations({ dataset: 'shapes', file: join(world.data, file) })).samples.length;
    const [learned, asked] = [await count('train.csv'), await count('val.csv')];
    expect(lines).toEqual([
      `test: truncated to their limit, of ${learned} samples: ${learned} prompts (text.maxPrompt 5), ${learned} reasoning texts (text.maxReasoning 3)`,
      `test: truncated to their limit, of ${asked} samples: ${asked} prompts (text.maxPrompt 5)`,
    ]);
  });
});

describe('videos that cannot be read', () => {
  async function damagedWorld(damage: (videos: string) => Promise<void>): Promise<World> {
    const folder = await mkdtemp(join(scratch, 'videos-'));
    const copy = { folder, data: join(folder, 'data'), base: world.base };
    await cp(world.data, copy.data, { recursive: true });
    await damage(join(copy.data, 'videos'));
    return copy;
  }

  const damaged = ['train-0002', 'val-0001'];
  const both = (change: (path: string) => Promise<void>) => async (videos: string) => {
    for (const name of damaged) await change(join(videos, `${name}.webp`));
  };
  const cut = both((path) => truncate(path, 200));
  const remove = both(rm);

  it.each([
    ['a truncated one', cut, /train-0002/],
    ['a missing one', remove, /train-0002/],
  ])('stop the run by default: %s', async (_, damage, message) => {
    const broken = await damagedWorld(damage);
    const folder = newRun();
    const before = tf.memory().numTensors;
    const error = await train({ config: await worldConfig(broken), folder, engine: ENGINE }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ['a truncated one', cut],
    ['a missing one', remove],
  ])('are listed by id and left out when the user says so: %s', async (_, damage) => {
    const broken = await damagedWorld(damage);
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
    const folder = newRun();
    const config = await worldConfig(broken, 'data.onBadVideo=skip', 'train.epochs=1', 'train.batch=2');
    const result = await train({ config, folder, engine: ENGINE, label: 'test' }).finally(() =>
      write.mockRestore(),
    );
    for (const name of damaged) expect(written.join('')).toMatch(new RegExp(`left out.*${name}`));
    const { samples } = await readAnnotations({ dataset: 'shapes', file: join(world.data, 'train.csv') });
    const usable = samples.filter((sample) => sample.video !== 'train-0002').length;
    expect(usable).toBeLessThan(samples.length);
    expect(result.steps).toBeGreaterThanOrEqual(Math.floor(usable / 2));
    expect(result.steps).toBeLessThanOrEqual(Math.floor(samples.length / 2));
  });

  const every =
    (split: string, change: (path: string) => Promise<void>) =>
    async (videos: string): Promise<void> => {
      for (const name of await readdir(videos)) if (name.startsWith(split)) await change(join(videos, name));
    };

  it.each([
    [
      'truncated ones',
      every('train', (path) => truncate(path, 200)),
      /no video of the \d+ samples can be read; .*webp/,
    ],
    ['missing ones', every('train', rm), /no video for (\d+) of \1 samples: .*data\.videos=FOLDER/],
    [
      'of the evaluation',
      every('val', (path) => truncate(path, 200)),
      /no video of the \d+ questions can be read/,
    ],
    [
      'for want of ffmpeg',
      every('train', (path) => rename(path, path.replace('webp', 'mp4'))),
      /ffprobe is not installed/,
    ],
  ])('are an error where none can be read, whatever the user says: %s', async (_, damage, message) => {
    const broken = await damagedWorld(damage);
    const folder = newRun();
    const config = await worldConfig(broken, 'data.onBadVideo=skip', 'features.cache=false');
    vi.stubEnv('PATH', '');
    const error = await train({ config, folder, engine: ENGINE })
      .catch((e) => e)
      .finally(() => vi.unstubAllEnvs());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(await readResult(runPaths(folder))).toBeUndefined();
  });
});

describe('memory', () => {
  it.each([
    ['kept features', 'features.cache=true'],
    ['decoding', 'features.cache=false'],
  ])('is flat from step 10 to step 60, evaluations and checkpoints included: %s', async (_, setting) => {
    const seen: { numTensors: number; numBytes: number; numDataBuffers: number }[] = [];
    const signal = signalAtLook(Number.POSITIVE_INFINITY, () => {
      const { numTensors, numBytes, numDataBuffers } = tf.memory();
      seen.push({ numTensors, numBytes, numDataBuffers });
    });
    const folder = newRun();
    const config = await worldConfig(
      world,
      setting,
      'train.epochs=11',
      'train.checkpointEverySteps=7',
      'train.clipNorm=1',
    );
    const result = await train({ config, folder, engine: ENGINE, signal });
    expect(result.steps).toBeGreaterThanOrEqual(60);
    const later = seen.slice(20);
    expect(later.length).toBeGreaterThan(60);
    for (const memory of later) expect(memory).toEqual(seen[10]);
  });
});
