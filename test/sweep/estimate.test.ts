import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { studentSize } from '../../src/model/size.js';
import { describeEstimate, type EstimateOptions, estimateSweep } from '../../src/sweep/estimate.js';
import { type PlannedTrial, planSweep, previewSweep } from '../../src/sweep/folder.js';
import { resolveSweep } from '../../src/sweep/spec.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'estimate-'));
});
afterEach(() => rm(folder, { recursive: true }));

const LORA = { r: 8, alpha: 32, dropout: 0.1, targets: ['q', 'v'] };
const GROUPS = ['qformer', 'query_tokens', 'language_projection', 'post_layernorm'];

/** Annotations outside the checkout, so that what lies in its data folder changes nothing. */
async function preview(recipe: string, ...overrides: string[]) {
  const spec = await resolveSweep({ recipe: join(root, 'bench', recipe), overrides, cwd: folder });
  return previewSweep(join(folder, 'runs', 'sweep'), spec);
}

/** What a finished run leaves, as far as an estimate reads it. */
async function finish(trial: PlannedTrial, samplesPerSecond: number, engine = 'native-cpu'): Promise<void> {
  await mkdir(trial.folder, { recursive: true });
  const result = { config: trial.identity, samplesPerSecond, engine: { name: engine } };
  await writeFile(join(trial.folder, 'result.json'), JSON.stringify(result));
}

const NO_DATA = ['data.train=none.csv', 'data.val=none.csv'];
/** Passes of the shapes recipe in these tests, whatever its own. */
const THREE_EPOCHS = 'train.epochs=3';

describe('the size of a student', () => {
  it('is counted for BLIP-2 FlanT5-XL without its weights', async () => {
    const base = 'Salesforce/blip2-flan-t5-xl';
    const whole = await studentSize({ base, train: [...GROUPS, 'lora'], lora: LORA });
    // Q-Former path 106,739,968; LoRA of rank 8 on q and v of 72 attentions of width 2048: 72 * 2 * 2 * 8 * 2048.
    expect(whole!.trainable).toBe(106_739_968 + 4_718_592);
    expect(whole!.featuresPerFrame).toBe(257 * 1408);
    expect((await studentSize({ base, train: GROUPS, lora: LORA }))!.trainable).toBe(106_739_968);
    expect(await studentSize({ base: 'weights/blip2-flan-t5-xl', train: GROUPS, lora: LORA })).toBeDefined();
  });

  it('is unknown for a base that is nowhere', async () => {
    expect(await studentSize({ base: join(folder, 'none'), train: GROUPS, lora: LORA })).toBeUndefined();
  });
});

describe('an estimate', () => {
  it.each([
    ['nextqa', 42_660, 34_132],
    ['star', 57_160, 45_731],
    ['intentqa', 15_140, 12_119],
  ])('of figure 4 on %s needs no data, weights or network', async (dataset, steps, questions) => {
    const estimate = await estimateSweep(await preview(`${dataset}/figure4.yaml`, ...NO_DATA));
    expect(estimate).toMatchObject({ trials: 15, done: 0, steps: 15 * steps, samples: 15 * steps * 8 });
    expect(estimate.hours).toBeUndefined();
    // Two checkpoints: values and two moments, and the adapter once more.
    expect(estimate.checkpointBytes).toBe(15 * 2 * (111_458_560 * 12 + 4_718_592 * 4));
    expect(estimate.featureBytes).toBe(0);
    expect(estimate.notes.join()).toContain(`${questions} training questions (as published with`);
    const lines = describeEstimate(estimate).join('\n');
    expect(lines).toContain('hours   unknown until a trial has run, or --samples-per-second N says it');
    expect(lines).toContain('41 GB of checkpoints');
  });

  it('has hours at the rate that it is told', async () => {
    const sweep = await preview('nextqa/figure4.yaml', ...NO_DATA);
    const { hours } = await estimateSweep(sweep, { samplesPerSecond: 10 });
    expect(hours).toBeCloseTo((15 * 42_660 * 8) / 10 / 3600, 9);
  });

  it('takes the rate of finished trials with its base model and engine, here and beside it', async () => {
    const asked = (options: EstimateOptions = {}) =>
      preview('shapes/figure4.yaml', ...NO_DATA, THREE_EPOCHS).then((sweep) =>
        estimateSweep(sweep, { questions: 1200, samplesPerSecond: 7, ...options }),
      );
    expect((await asked()).rateFrom).toBe('--samples-per-second');

    const recipe = join(root, 'bench/shapes/base.yaml');
    const other = await resolveSweep({
      recipe,
      overrides: ['train.epochs=1'],
      seeds: [1, 2, 3],
      cwd: folder,
    });
    const { trials } = await planSweep(join(folder, 'runs', 'other'), other);
    for (const [i, trial] of trials.entries()) await finish(trial, [50, 90, 60][i]!);
    const elsewhere = await resolveSweep({ recipe, overrides: ['model.base=./another'], cwd: folder });
    const [foreign] = (await planSweep(join(folder, 'runs', 'foreign'), elsewhere)).trials;
    await finish(foreign!, 1);

    expect(await asked()).toMatchObject({
      samplesPerSecond: 60,
      rateFrom: 'median of 3 finished trials on native-cpu',
    });
    expect((await asked({ engine: 'native-cpu' })).samplesPerSecond).toBe(60);
    expect((await asked({ engine: 'native-cuda' })).rateFrom).toBe('--samples-per-second');
    // 1,200 questions in batches of 16, three epochs.
    expect(await asked()).toMatchObject({ trials: 18, steps: 18 * 225, samples: 18 * 3600, hours: 0.3 });
  });

  it("takes the rate of each trial's own base model", async () => {
    const recipe = join(root, 'bench/shapes/base.yaml');
    const beside = async (name: string, base: string, rate: number) => {
      const spec = await resolveSweep({ recipe, overrides: [`model.base=${base}`], cwd: folder });
      const { trials } = await planSweep(join(folder, 'runs', name), spec);
      await finish(trials[0]!, rate);
    };
    const spec = await resolveSweep({
      ...{ recipe, overrides: [...NO_DATA, THREE_EPOCHS], cwd: folder },
      arms: ['./small', './large'].map((base) => ({ name: base.slice(2), set: [`model.base=${base}`] })),
    });
    const estimate = async (options: EstimateOptions = {}) =>
      estimateSweep(await previewSweep(join(folder, 'runs', 'sweep'), spec), { questions: 1600, ...options });
    await beside('one', './small', 100);
    // The other one's is not known.
    expect((await estimate()).hours).toBeUndefined();
    expect(await estimate({ samplesPerSecond: 5 })).toMatchObject({
      hours: (4800 / 100 + 4800 / 5) / 3600,
      rateFrom: 'median of 1 finished trial on native-cpu and --samples-per-second',
    });
    await beside('two', './large', 10);
    expect((await estimate()).hours).toBeCloseTo((4800 / 100 + 4800 / 10) / 3600, 12);
  });

  it('leaves out what is done', async () => {
    const sweep = await preview('star/figure4.yaml', ...NO_DATA);
    for (const trial of sweep.trials.slice(0, 4)) await finish(trial, 5);
    expect(await estimateSweep(sweep)).toMatchObject({ trials: 15, done: 4, steps: 11 * 57_160 });
  });

  it('counts the questions and clips of annotations that are there', async () => {
    const header = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
    const rows = Array.from({ length: 10 }, (_, i) => `v${i >> 2},4,8,8,why,1,${i},CW,a,b,c,d,e`);
    await writeFile(join(folder, 'train.csv'), [header, ...rows, ''].join('\n'));
    const set = ['data.train=train.csv', 'data.val=train.csv', 'train.batch=3', THREE_EPOCHS];
    const sweep = await preview('shapes/figure4.yaml', ...set);
    const estimate = await estimateSweep(sweep);
    expect(estimate).toMatchObject({ steps: 18 * 9, samples: 18 * 27 });
    // Three clips of four frames, (65, 128) each, in one store for the sweep.
    expect(estimate.featureBytes).toBe(3 * 4 * 65 * 128 * 4);
    const loose = await preview('shapes/figure4.yaml', ...set, 'train.dropLast=false', 'train.accumulate=2');
    expect(await estimateSweep(loose)).toMatchObject({ steps: 18 * 3 * 2, samples: 18 * 30 });
  });

  it('counts the questions with reasoning where STL leaves out the others', async () => {
    const header = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
    const rows = Array.from({ length: 8 }, (_, i) => `v,4,8,8,why,1,${i},CW,a,b,c,d,e`);
    await writeFile(join(folder, 'train.csv'), [header, ...rows, ''].join('\n'));
    const reasoning = rows.map((_, i) => JSON.stringify({ id: `v_${i}`, reasoning: 'so', correct: i < 5 }));
    const set = ['data.train=train.csv', 'data.val=train.csv', 'data.reasoning=r.jsonl', 'train.batch=1'];
    const stl = () => preview('nextqa/stl-correct.yaml', ...set, 'train.epochs=1');
    expect(await estimateSweep(await stl())).toMatchObject({
      steps: 8,
      notes: expect.arrayContaining([expect.stringContaining('at most')]),
    });
    await writeFile(join(folder, 'r.jsonl'), reasoning.join('\n'));
    expect(await estimateSweep(await stl())).toMatchObject({ steps: 5 });
  });

  it('says what it cannot know', async () => {
    const set = [...NO_DATA, 'model.base=./none'];
    const estimate = await estimateSweep(await preview('shapes/figure4.yaml', ...set));
    expect(estimate).toMatchObject({ steps: undefined, hours: undefined, checkpointBytes: undefined });
    const lines = describeEstimate(estimate).join('\n');
    expect(lines).toContain('steps   unknown');
    expect(lines).toContain('an unknown amount of checkpoints');
    expect(lines).toContain('no config.json there');
  });
});
