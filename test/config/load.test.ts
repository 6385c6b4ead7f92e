/** Resolving a recipe: defaults, overrides, paths, and errors with their place. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { CONFIG_KEYS } from '../../src/config/keys.js';
import { configHash, dumpConfig, resolveConfig } from '../../src/config/load.js';
import { datasetNames } from '../../src/data/datasets/index.js';
import { blip2 } from '../../src/model/blip2/kind.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa config '));
});
afterAll(() => rm(folder, { recursive: true }));

const MINIMAL = 'data:\n  dataset: nextqa\n  videos: videos\n';

async function resolveText(text: string, overrides: string[] = []) {
  await writeFile(join(folder, 'recipe.yaml'), text);
  return resolveConfig({ recipe: 'recipe.yaml', overrides, cwd: folder });
}

async function failure(text: string, overrides: string[] = []): Promise<string> {
  const error = await resolveText(text, overrides).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).exitCode).toBe(2);
  expect((error as UsageError).message).not.toContain('\n');
  return (error as UsageError).message;
}

describe('defaults', () => {
  it('are the reference recipe', async () => {
    const { config } = await resolveText(MINIMAL);
    expect(config.train).toMatchObject({
      mode: 'mtl',
      alpha: 0.2,
      beta: 0.8,
      epochs: 10,
      batch: 8,
      learningRate: 3e-5,
      loraLearningRate: 3e-5,
      warmupSteps: 1000,
      warmupLearningRate: 1e-8,
      schedule: 'cosine-epoch',
      weightDecay: 0.05,
      clipNorm: 0,
      seed: 42,
    });
    expect(config.model).toMatchObject({
      base: 'Salesforce/blip2-flan-t5-xl',
      tokenizer: 'Salesforce/blip2-flan-t5-xl',
      lora: { r: 8, alpha: 32, dropout: 0.1, targets: ['q', 'v'] },
    });
    expect(config.video).toMatchObject({ frames: 4, sampling: 'random', crop: 'random-resized' });
    expect(config.text).toMatchObject({ maxPrompt: 128, maxReasoning: 256 });
    expect(config.eval).toEqual({
      scorer: 'letter',
      batch: 8,
      looks: 0,
      look: 'student',
      everyEpochs: 1,
      split: 'val',
      maxNewTokens: 30,
    });
  });

  it('of model.train are those of the base model, and open where its config.json cannot be read', async () => {
    const fixture = fileURLToPath(new URL('../fixtures/reference', import.meta.url));
    const given = await resolveText(MINIMAL, [`model.base=${fixture}`]);
    expect(given.config.model.train).toEqual(blip2.defaultGroups);
    expect(given.sources['model.train']).toBe('default');
    await mkdir(join(folder, 'broken'));
    await writeFile(join(folder, 'broken/config.json'), '{');
    for (const base of ['./absent', './broken', 'org/name']) {
      const { config, warnings } = await resolveText(MINIMAL, [`model.base=${base}`, 'model.lora.r=4']);
      expect(config.model).not.toHaveProperty('train');
      expect(warnings).toEqual([]);
    }
  });

  it.each([
    ['nextqa', true],
    ['intentqa', true],
    ['shapes', true],
    ['star', false],
    ['jsonl', false],
  ])('punctuation for %s is %s', async (dataset, added) => {
    const { config } = await resolveText(`data: { dataset: ${dataset}, videos: v }`);
    expect(config.data.addPunctuation).toBe(added);
  });

  it('alpha follows beta without binary dust', async () => {
    for (let i = 0; i <= 20; i++) {
      const beta = i / 20;
      const { config } = await resolveText(MINIMAL, [`train.beta=${beta}`]);
      expect(String(config.train.alpha)).toBe(String(Number((1 - beta).toFixed(2))));
    }
  });

  it('an empty section is an absent one', async () => {
    const { config } = await resolveText(`${MINIMAL}train:\n  # beta: 0.5\nmodel:\n  lora:\n`);
    expect(config.train.beta).toBe(0.8);
    expect(config.model.lora.r).toBe(8);
  });
});

describe('errors name the place', () => {
  it.each([
    [`${MINIMAL}train:\n  betta: 0.5\n`, 'recipe.yaml:5:3 train.betta: unknown key (did you mean beta?)'],
    [`${MINIMAL}tran:\n  beta: 0.5\n`, 'recipe.yaml:4:1 tran: unknown key (did you mean train?)'],
    [`${MINIMAL}beta: 0.5\n`, 'recipe.yaml:4:1 beta: unknown key (did you mean train.beta?)'],
    [
      `${MINIMAL}eval:\n  zzzzzz: 1\n`,
      'recipe.yaml:5:3 eval.zzzzzz: unknown key (expected scorer, mode, batch, looks, look, everyEpochs, split, maxNewTokens)',
    ],
    [`${MINIMAL}train:\n  beta: much\n`, 'recipe.yaml:5:3 train.beta: expected number in [0, 1], got "much"'],
    [`${MINIMAL}train:\n  beta: 1.5\n`, 'recipe.yaml:5:3 train.beta: expected number in [0, 1], got 1.5'],
    [`${MINIMAL}train:\n  beta: .nan\n`, 'recipe.yaml:5:3 train.beta: expected number in [0, 1], got NaN'],
    [
      `${MINIMAL}train:\n  epochs: 0.5\n`,
      'recipe.yaml:5:3 train.epochs: expected integer, at least 1, got 0.5',
    ],
    [
      `${MINIMAL}train:\n  epochs:\n`,
      'recipe.yaml:5:3 train.epochs: expected integer, at least 1, got nothing',
    ],
    [
      `${MINIMAL}train:\n  mode: mlt\n`,
      'recipe.yaml:5:3 train.mode: expected mtl | stl | rl, got "mlt" (did you mean mtl?)',
    ],
    [
      `${MINIMAL}model:\n  train: [lora,\n    qformr]\n`,
      'recipe.yaml:6:5 model.train: expected qformer | query_tokens | language_projection | post_layernorm | multi_modal_projector | image_newline | lora | all, got "qformr" (did you mean qformer?)',
    ],
    [`${MINIMAL}train: 5\n`, 'recipe.yaml:4:1 train: expected keys such as mode:, got 5'],
    ['data:\n  dataset: nextqa\n', 'recipe.yaml:1:1 data.videos: missing; expected path'],
    [
      '',
      `recipe.yaml data.dataset: missing; expected ${datasetNames().join(' | ')}; recipe.yaml data.videos: missing; expected path`,
    ],
    ['- a\n- b\n', 'recipe.yaml:1:1: expected sections such as data: and train:, got ["a","b"]'],
    [`${MINIMAL}train:\n  beta: 0.5\n  beta: 0.6\n`, 'recipe.yaml:6:3: Map keys must be unique'],
    ['data: [unclosed\n', 'recipe.yaml:2:1: '],
  ])('%j', async (text, expected) => {
    expect(await failure(text)).toContain(expected);
  });

  it('lists every problem on one line', async () => {
    const message = await failure(`${MINIMAL}train:\n  betta: 1\n  epochs: -1\nevall: {}\n`);
    expect(message.split('; ')).toEqual([
      'recipe.yaml:6:3 train.epochs: expected integer, at least 1, got -1',
      'recipe.yaml:5:3 train.betta: unknown key (did you mean beta?)',
      'recipe.yaml:7:1 evall: unknown key (did you mean eval?)',
    ]);
  });

  it('a missing recipe', async () => {
    await expect(resolveConfig({ recipe: 'absent.yaml', cwd: folder })).rejects.toThrow(
      'absent.yaml: no such recipe',
    );
  });

  it('a recipe that is not UTF-8, of which a path would come out wrong', async () => {
    await writeFile(join(folder, 'latin1.yaml'), Buffer.from('data: { videos: caf\xe9 }', 'latin1'));
    await expect(resolveConfig({ recipe: 'latin1.yaml', cwd: folder })).rejects.toThrow(
      /^latin1\.yaml: cannot be read/,
    );
  });

  it('one value where a list is expected', async () => {
    const message = await failure(MINIMAL, ['model.train=lora']);
    expect(message).toMatch(/got "lora" \(write \[lora\]\)$/);
    expect(await failure(MINIMAL, ['model.lora.targets=test'])).toMatch(/got "test"$/);
    expect(await failure(`${MINIMAL}model: { train: loar }\n`)).toMatch(
      /got "loar" \(did you mean \[lora\]\?\)$/,
    );
  });

  it('a misspelt key of every section is suggested', async () => {
    for (const { name } of CONFIG_KEYS) {
      const parts = name.split('.');
      const last = parts.pop()!;
      if (last.length < 5) continue;
      const wrong = [...parts, `${last.slice(0, 2)}${last[3]}${last[2]}${last.slice(4)}`].join('.');
      if (wrong === name) continue;
      expect(await failure(MINIMAL, [`${wrong}=1`])).toBe(
        `--set ${wrong}: unknown key (did you mean ${last}?)`,
      );
    }
  });
});

describe('train.recompute', () => {
  it.each([
    ['true', true],
    ['light', 'light'],
    ['false', false],
  ])('takes %s', async (text, value) => {
    expect((await resolveText(`${MINIMAL}train:\n  recompute: ${text}\n`)).config.train.recompute).toBe(
      value,
    );
  });

  it('says what it takes', async () => {
    const wrong = resolveText(`${MINIMAL}train:\n  recompute: ligt\n`);
    await expect(wrong).rejects.toThrow(
      /recipe\.yaml:\d+:\d+ train\.recompute: expected true \| false \| light, got "ligt" \(did you mean light\?\)/,
    );
  });
});

describe('overrides', () => {
  it('win over the recipe, the last one first', async () => {
    const { config, sources } = await resolveText(`${MINIMAL}train:\n  beta: 0.3\n`, [
      'train.beta=0.4',
      'train.beta=0.5',
      'model.train=[lora, language_projection]',
      'train.recompute=true',
    ]);
    expect(config.train.beta).toBe(0.5);
    expect(config.train.alpha).toBe(0.5);
    expect(config.train.recompute).toBe(true);
    expect(config.model.train).toEqual(['lora', 'language_projection']);
    expect(sources['train.beta']).toBe('--set train.beta');
    expect(sources['data.dataset']).toBe('recipe.yaml:2:3');
    expect(sources['train.epochs']).toBe('default');
  });

  it('work without a recipe', async () => {
    const { config } = await resolveConfig({
      overrides: ['data.dataset=star', 'data.videos=clips'],
      cwd: folder,
    });
    expect(config.data.videos).toBe(join(folder, 'clips'));
  });

  it('take text unchanged', async () => {
    const { config } = await resolveText(MINIMAL, [
      'video.template=Picture {i}: ',
      'text.template="Q: {question} O: {options} #"',
      'data.val=2024',
    ]);
    expect(config.video.template).toBe('Picture {i}: ');
    expect(config.text.template).toBe('Q: {question} O: {options} #');
    expect(config.data.val).toBe(join(folder, '2024'));
  });

  it('null takes the default again', async () => {
    const { config, sources } = await resolveText(`${MINIMAL}train:\n  alpha: 0.5\n  beta: 0.5\n`, [
      'train.alpha=null',
      'train.beta=0.9',
    ]);
    expect(config.train.alpha).toBe(0.1);
    expect(sources['train.alpha']).toBe('default');
  });

  it.each([
    ['train.betta=1', '--set train.betta: unknown key (did you mean beta?)'],
    ['trian.beta=1', '--set trian.beta: unknown key (did you mean train?)'],
    ['train.beta.x=1', '--set train.beta.x: unknown key'],
    ['__proto__.x=1', '--set __proto__.x: unknown key'],
    ['train=1', '--set train: a section; set one of its keys: mode, stlTarget'],
    ['train.beta', '--set train.beta: expected key=value'],
    ['=1', '--set =1: expected key=value'],
    ['train.beta=', '--set train.beta: expected number in [0, 1], got nothing'],
    ['train.beta=2', '--set train.beta: expected number in [0, 1], got 2'],
    ['train.beta=[1', '--set train.beta: '],
    ['model.train=lora', '--set model.train: expected list of qformer'],
    ['data.videos=', '--set data.videos: expected path, got ""'],
  ])('%s', async (override, expected) => {
    expect(await failure(MINIMAL, [override])).toContain(expected);
  });
});

describe('paths', () => {
  it('are relative to the recipe, or to the current folder in --set', async () => {
    await mkdir(join(folder, 'recipes'), { recursive: true });
    await writeFile(
      join(folder, 'recipes/a.yaml'),
      'data: { dataset: nextqa, videos: ../videos, val: ./val.csv, train: /abs/train.csv, map: ~/map.json }',
    );
    const { config } = await resolveConfig({
      recipe: 'recipes/a.yaml',
      overrides: ['data.test=test.csv'],
      cwd: folder,
    });
    expect(config.data).toMatchObject({
      videos: join(folder, 'videos'),
      val: join(folder, 'recipes/val.csv'),
      train: '/abs/train.csv',
      map: join(homedir(), 'map.json'),
      test: join(folder, 'test.csv'),
    });
  });

  it('a base is a folder when it exists or looks like a path, else a Hugging Face id', async () => {
    await mkdir(join(folder, 'weights/tiny'), { recursive: true });
    const base = async (value: string) => (await resolveText(MINIMAL, [`model.base=${value}`])).config.model;
    expect((await base('weights/tiny')).base).toBe(join(folder, 'weights/tiny'));
    expect((await base('weights/none')).base).toBe('weights/none');
    expect((await base('./weights/none')).base).toBe(join(folder, 'weights/none'));
    expect((await base('a/b/c')).base).toBe(join(folder, 'a/b/c'));
    expect((await base('google/flan-t5-xl')).tokenizer).toBe('google/flan-t5-xl');
  });
});

describe('contradictions', () => {
  const cached = ['features.cache=true', 'video.sampling=uniform', 'video.crop=none'];
  const reasoningFirst = ['train.mode=stl', 'train.stlTarget=reasoning-answer'];
  const rewarded = ['train.mode=rl', 'train.rl.rewards.choice=1'];
  it.each([
    [['train.alpha=0.5'], '--set train.alpha: alpha + beta must be 1, got 0.5 + 0.8'],
    [['train.minLearningRate=1'], 'train.minLearningRate: must not exceed train.learningRate'],
    [['train.learningRate=1e-9'], 'train.warmupLearningRate: must not exceed'],
    [['model.train=[lora, lora]'], '--set model.train: names a group twice'],
    [
      ['features.cache=true', 'video.crop=none', 'video.frames=9', 'features.frames=8'],
      '--set features.frames: must be at least video.frames, got 8 < 9',
    ],
    [['features.cache=true', 'video.sampling=uniform'], '--set features.cache: needs video.crop none'],
    [[...cached, 'model.train=[all]'], '--set features.cache: needs a frozen vision model'],
    [['video.template=Frame: '], '--set video.template: must contain {i}'],
    [['text.template=Q {question}'], '--set text.template: must contain {options}'],
    [['text.template={question}{options}{x}'], '--set text.template: has {x}; only'],
    [['data.dataset=star', 'data.map=m.json'], "--set data.map: is for NExT-QA's video ids"],
    [['text.reasoningPrompt=Why? {options}'], '--set text.reasoningPrompt: must contain {question}'],
    [['train.mode=stl', 'text.reasoningPrompt=Why?'], '--set text.reasoningPrompt: is for train.mode mtl'],
    [
      ['train.mode=rl'],
      'train.rl.rewards: train.mode rl needs a reward, for example train.rl.rewards.choice=1',
    ],
    [
      [...rewarded, 'train.rl.rewards.chioce=1'],
      'train.rl.rewards.chioce: unknown key (did you mean choice?)',
    ],
    [['train.mode=rl', 'train.rl.rewards.format=1'], 'train.rl.format: multiply needs a reward besides'],
    [[...rewarded, 'train.rl.iouLow=0.8', 'train.rl.iouHigh=0.5'], '--set train.rl.iouLow: must be below'],
    [
      [...rewarded, 'train.rl.judgeUrl=http://localhost/v1'],
      '--set train.rl.judgeUrl: needs train.rl.judgeModel',
    ],
    [[...rewarded, 'train.rl.group=1'], '--set train.rl.group: expected integer in [2, 256], got 1'],
    [[...rewarded, 'text.reasoningPrompt=Why? {question}'], 'is for train.mode mtl; rl has one task'],
    [reasoningFirst, 'eval.scorer: letter reads the first thing decoded'],
    [
      [...reasoningFirst, 'eval.scorer=generate'],
      'eval.maxNewTokens: must be at least text.maxReasoning (256)',
    ],
  ])('%j', async (overrides, expected) => {
    expect(await failure(MINIMAL, overrides)).toContain(expected);
  });

  it('allow right combinations', async () => {
    for (const overrides of [
      cached,
      ['train.alpha=0.2000001'],
      ['train.alpha=0.5', 'train.beta=0.5'],
      [...reasoningFirst, 'eval.scorer=generate', 'eval.maxNewTokens=256'],
    ])
      await expect(resolveText(MINIMAL, overrides)).resolves.toBeDefined();
  });

  it('warn about settings without effect', async () => {
    const { warnings } = await resolveText(MINIMAL, [
      'train.mode=stl',
      'train.beta=0.5',
      'model.train=[qformer]',
    ]);
    expect(warnings).toEqual(['--set train.beta: has no effect with train.mode stl']);
    expect((await resolveText(MINIMAL)).warnings).toEqual([]);
    const idle = await resolveText(MINIMAL, ['train.rl.group=4', 'train.rl.rewards.iou=1']);
    expect(idle.warnings).toEqual([
      '--set train.rl.group: has no effect with train.mode mtl',
      '--set train.rl.rewards.iou: has no effect with train.mode mtl',
    ]);
    const supervised = await resolveText(MINIMAL, [...rewarded, 'train.alpha=0.5', 'train.beta=0.5']);
    expect(supervised.warnings).toEqual([
      '--set train.alpha: has no effect with train.mode rl',
      '--set train.beta: has no effect with train.mode rl, whose KL divergence has train.rl.beta',
    ]);
    const adapted = await resolveText(MINIMAL, ['model.adapter=a', 'model.lora.r=4']);
    expect(adapted.warnings).toEqual(['--set model.lora.r: has no effect: model.adapter brings its own']);
  });

  it('are silent about a written-out default, as all keys of a dumped recipe are', async () => {
    for (const settings of [[], rewarded, ['train.mode=stl'], ['model.train=[qformer]']]) {
      const { config } = await resolveText(MINIMAL, settings);
      expect((await resolveText(dumpConfig(config))).warnings).toEqual([]);
    }
  });
});

describe('dump and hash', () => {
  it('a dumped recipe reads back the same, from any folder', async () => {
    const rng = new Rng('dump');
    for (let i = 0; i < 40; i++) {
      const overrides = [
        `train.beta=${rng.float()}`,
        `train.learningRate=${10 ** (-5 * rng.float() - 1)}`,
        `train.seed=${rng.uint32()}`,
        `video.frames=${1 + rng.int(32)}`,
        `video.template=${rng.pick(['Frame {i}: ', '  {i}#: "x"', '{i}', '- {i}', '{i}\t:', '? {i} |'])}`,
        `model.base=${rng.pick(['org/name', './here', 'true', 'null/x', '1e5'])}`,
        `data.videos=${rng.pick(['a b', '#x', 'yes', '0x10', 'ü'])}`,
      ];
      const { config } = await resolveText(MINIMAL, overrides);
      await mkdir(join(folder, 'run'), { recursive: true });
      await writeFile(join(folder, 'run/config.yaml'), dumpConfig(config));
      const again = await resolveConfig({ recipe: 'run/config.yaml', cwd: folder });
      expect(again.config).toEqual(config);
      expect(configHash(again.config)).toBe(configHash(config));
    }
  });

  it('the hash ignores order and sees every key', async () => {
    const { config } = await resolveText(MINIMAL);
    const reversed = Object.fromEntries(Object.entries(config).reverse()) as unknown as typeof config;
    expect(configHash(reversed)).toBe(configHash(config));
    const changed = await resolveText(MINIMAL, ['train.logEverySteps=11']);
    expect(configHash(changed.config)).not.toBe(configHash(config));
  });
});
