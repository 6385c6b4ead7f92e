/** PEFT adapters: round trips, bad files, targets. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import {
  isTarget,
  type LoraConfig,
  loraScaling,
  parseLoraConfig,
  selectTargets,
} from '../../src/weights/loraConfig.js';
import { type Adapter, readAdapter, writeAdapter } from '../../src/weights/peft.js';
import { SafetensorsFile, type WritableTensor, writeSafetensors } from '../../src/weights/safetensors.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reasvqa-peft-'));
});
afterAll(() => rm(root, { recursive: true }));

const config: LoraConfig = {
  r: 4,
  alpha: 16,
  dropout: 0.1,
  targetModules: ['q', 'v'],
  rankPattern: {},
  alphaPattern: {},
  useRslora: false,
};

const rng = new Rng('peft');
const random = (length: number) => Float32Array.from({ length }, () => rng.normal());

const paths = [
  'language_model.encoder.block.0.layer.0.SelfAttention.q',
  'language_model.encoder.block.0.layer.0.SelfAttention.v',
  'language_model.decoder.block.11.layer.1.EncDecAttention.q',
];

function adapter(base: 't5' | 'blip2', settings: LoraConfig = config): Adapter {
  const modules = paths.map((path, i) => {
    const relative = base === 't5' ? path.slice('language_model.'.length) : path;
    const { r, scaling } = loraScaling(settings, relative);
    const [inFeatures, outFeatures] = [6 + i, 5];
    return [
      path,
      { a: random(r * inFeatures), b: random(outFeatures * r), r, inFeatures, outFeatures, scaling },
    ] as const;
  });
  return { config: settings, base, modules: new Map(modules) };
}

describe('writing and reading', () => {
  it.each(['t5', 'blip2'] as const)('gives back an adapter relative to %s', async (base) => {
    const folder = join(root, base);
    const written = adapter(base, {
      ...config,
      rankPattern: { 'EncDecAttention.q': 2 },
      alphaPattern: { 'block.0.layer.0.SelfAttention.v': 3 },
      useRslora: true,
      baseModel: 'Salesforce/blip2-flan-t5-xl',
    });
    await writeAdapter(folder, written);
    expect(await readAdapter(folder)).toEqual(written);
  });

  it('writes the keys, shapes and settings that PEFT looks for', async () => {
    const folder = join(root, 'layout');
    await writeAdapter(folder, adapter('t5'));
    const file = await SafetensorsFile.open(join(folder, 'adapter_model.safetensors'));
    const stem = 'base_model.model.encoder.block.0.layer.0.SelfAttention';
    expect([...file.names].sort().slice(2)).toEqual([
      `${stem}.q.lora_A.weight`,
      `${stem}.q.lora_B.weight`,
      `${stem}.v.lora_A.weight`,
      `${stem}.v.lora_B.weight`,
    ]);
    expect(file.info(`${stem}.q.lora_A.weight`)).toEqual({ dtype: 'F32', shape: [4, 6] });
    expect(file.info(`${stem}.q.lora_B.weight`)).toEqual({ dtype: 'F32', shape: [5, 4] });
    expect(file.metadata).toEqual({ format: 'pt' });
    await file.close();
    const json = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'));
    expect(json).toMatchObject({
      peft_type: 'LORA',
      r: 4,
      lora_alpha: 16,
      lora_dropout: 0.1,
      target_modules: ['q', 'v'],
      bias: 'none',
      fan_in_fan_out: false,
      auto_mapping: { base_model_class: 'T5ForConditionalGeneration' },
    });
  });

  it('reads keys with an adapter name, and half-precision weights', async () => {
    const folder = join(root, 'named');
    await writeAdapter(folder, adapter('t5'));
    const stem = 'base_model.model.encoder.block.0.layer.0.SelfAttention.q';
    const a = Float32Array.of(1, 2, 3, 4);
    await writeWeights(folder, {
      [`${stem}.lora_A.default.weight`]: { dtype: 'BF16', shape: [4, 1], data: a },
      [`${stem}.lora_B.default.weight`]: { dtype: 'F16', shape: [1, 4], data: a },
    });
    const { modules } = await readAdapter(folder);
    expect(modules.get('language_model.encoder.block.0.layer.0.SelfAttention.q')).toEqual({
      a,
      b: a,
      r: 4,
      inFeatures: 1,
      outFeatures: 1,
      scaling: 4,
    });
  });

  it('refuses to write an adapter that PEFT could not load', async () => {
    const folder = join(root, 'refused');
    const good = adapter('t5');
    const module = [...good.modules.values()][0]!;
    const withModule = (path: string, changes = {}) => ({
      ...good,
      modules: new Map([[path, { ...module, ...changes }]]),
    });
    await expect(writeAdapter(folder, withModule('qformer.q'))).rejects.toThrow(
      /"qformer\.q" is not part of the language model/,
    );
    await expect(writeAdapter(folder, withModule('language_model.encoder.k'))).rejects.toThrow(
      /not among target_modules/,
    );
    await expect(writeAdapter(folder, withModule(paths[0]!, { r: 8 }))).rejects.toThrow(
      /rank 8, but the configuration gives 4/,
    );
    await expect(writeAdapter(folder, withModule(paths[0]!, { inFeatures: 99 }))).rejects.toThrow(
      /lora_A\.weight": 24 elements/,
    );
    await writeFile(join(root, 'in-the-way'), '');
    await expect(writeAdapter(join(root, 'in-the-way'), good)).rejects.toThrow(
      /in-the-way: cannot be created/,
    );
  });

  it('keeps the old adapter when writing fails', async () => {
    const folder = join(root, 'kept');
    const old = adapter('t5');
    await writeAdapter(folder, old);
    const bad = adapter('t5');
    bad.modules.get(paths[2]!)!.a = new Float32Array(1);
    await expect(writeAdapter(folder, bad)).rejects.toThrow(DataError);
    expect(await readAdapter(folder)).toEqual(old);
  });
});

async function writeWeights(folder: string, tensors: Record<string, WritableTensor>): Promise<void> {
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), new Map(Object.entries(tensors)));
}

describe('bad adapters', () => {
  const stem = 'base_model.model.encoder.block.0.layer.0.SelfAttention.q';
  const a: WritableTensor = { dtype: 'F32', shape: [4, 2], data: new Float32Array(8) };
  const b: WritableTensor = { dtype: 'F32', shape: [3, 4], data: new Float32Array(12) };
  const A = `${stem}.lora_A.weight`;
  const B = `${stem}.lora_B.weight`;

  it.each<[string, Record<string, WritableTensor>, RegExp]>([
    ['nothing', {}, /holds no LoRA weights/],
    ['half a pair', { [A]: a }, /lora_A\.weight" has no lora_B beside it/],
    [
      'the same weight twice',
      { [A]: a, [B]: b, [`${stem}.lora_A.default.weight`]: a },
      /are the same weight/,
    ],
    [
      'another rank',
      { [A]: { ...a, shape: [2, 4] }, [B]: b },
      /lora_A \(2, 4\) and lora_B \(3, 4\), but .* gives it rank 4/,
    ],
    ['a vector', { [A]: { ...a, shape: [8] }, [B]: b }, /lora_A\.weight" has shape \[8\], expected a matrix/],
    [
      'integers',
      { [A]: { ...a, dtype: 'I32', data: new Int32Array(8) }, [B]: b },
      /is I32, expected F32, F16 or BF16/,
    ],
    [
      'NaN',
      { [A]: { ...a, data: new Float32Array(8).fill(Number.NaN, 5) }, [B]: b },
      /lora_A\.weight" has NaN at \[2, 1\]/,
    ],
    [
      'DoRA magnitudes',
      { [`${stem}.lora_magnitude_vector`]: a },
      /lora_magnitude_vector" is not a LoRA weight/,
    ],
    [
      'a module that is no target',
      { [A.replace('.q.', '.k.')]: a, [B.replace('.q.', '.k.')]: b },
      /adapts "encoder\.block\.0\.layer\.0\.SelfAttention\.k", which target_modules/,
    ],
    [
      'paths from two roots',
      {
        [A]: a,
        [B]: b,
        [A.replace('encoder', 'language_model.encoder')]: a,
        [B.replace('encoder', 'language_model.encoder')]: b,
      },
      /some paths start at the language model and some at the whole model/,
    ],
  ])('refuses %s', async (_, tensors, message) => {
    const folder = join(root, 'bad');
    await writeAdapter(folder, adapter('t5'));
    await writeWeights(folder, tensors);
    const error = await readAdapter(folder).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/adapter_model\.safetensors/);
    expect(error.message).toMatch(message);
  });

  const minimal = { peft_type: 'LORA', target_modules: ['q'] };
  it.each<[object, RegExp]>([
    [{ ...minimal, use_dora: true }, /x: use_dora is true, which is not supported/],
    [{ ...minimal, bias: 'all' }, /x: bias is "all"/],
    [{ ...minimal, modules_to_save: ['lm_head'] }, /x: modules_to_save is \["lm_head"\]/],
    [{ ...minimal, bias: 'lora_only' }, /x: bias is "lora_only"/],
    [{ ...minimal, lora_bias: true }, /x: lora_bias is true/],
    [
      { ...minimal, layer_replication: [[0, 2]] },
      /x: layer_replication is \[\[0,2\]\], which is not supported/,
    ],
    [{ ...minimal, megatron_config: { a: 1 } }, /x: megatron_config/],
    [{ ...minimal, trainable_token_indices: [3] }, /x: trainable_token_indices is \[3\]/],
    [{ ...minimal, target_parameters: ['experts.w'] }, /x: target_parameters/],
    [{ ...minimal, use_qalora: true }, /x: use_qalora is true/],
    [{ ...minimal, arrow_config: { top_k: 2 } }, /x: arrow_config/],
    [
      { ...minimal, some_future_option: 3 },
      /x: some_future_option is 3, a key that is not known here; set it to/,
    ],
    [{ ...minimal, some_future_option: 'on' }, /x: some_future_option is "on", a key that is not known/],
    [{ ...minimal, some_future_option: [0] }, /x: some_future_option is \[0\], a key that is not known/],
    ...['pissa_niter_16', 'olora', 'corda', 'loftq', 'lora_ga', 'some_future_init'].map(
      (init) =>
        [
          { ...minimal, init_lora_weights: init },
          new RegExp(`x: init_lora_weights "${init}" is not known to leave the base weights as they were`),
        ] as [object, RegExp],
    ),
    [{ ...minimal, rank_pattern: { '(': 2 } }, /x: "\(" is not a regular expression/],
    [{ target_modules: ['q'] }, /x: peft_type is undefined; only "LORA" is supported/],
    [{ ...minimal, peft_type: 'LOHA' }, /x: peft_type is "LOHA"; only "LORA" is supported/],
    [{ ...minimal, r: 0 }, /x: r: /],
    [{ ...minimal, target_modules: [] }, /x: target_modules: /],
    [{ peft_type: 'LORA', target_modules: null }, /x: target_modules: /],
  ])('refuses %j', (json, message) => {
    expect(() => parseLoraConfig(json, 'x')).toThrow(DataError);
    expect(() => parseLoraConfig(json, 'x')).toThrow(message);
  });

  it('takes PEFT’s defaults and ignores options that are off', () => {
    const off = {
      use_dora: false,
      lora_bias: false,
      modules_to_save: null,
      loftq_config: {},
      megatron_core: 'megatron.core',
      some_future_option: null,
      some_future_switch: false,
      some_future_list: [],
      some_future_text: '',
    };
    expect(parseLoraConfig({ ...minimal, ...off }, 'x')).toEqual({
      ...config,
      r: 8,
      alpha: 8,
      dropout: 0,
      targetModules: ['q'],
    });
  });
});

describe('keys that chose modules or first values', () => {
  it.each<[string, unknown]>([
    ['exclude_modules', '.*decoder.*'],
    ['exclude_modules', ['k', 'o']],
    ['layers_to_transform', [0, 11]],
    ['layers_to_transform', 0],
    ['layers_pattern', 'block'],
    ['fan_in_fan_out', true],
    ['init_lora_weights', false],
    ['init_lora_weights', 'gaussian'],
    ['init_lora_weights', 'eva'],
    ['eva_config', { rho: 2 }],
    ['loftq_config', { loftq_bits: 4 }],
    ['corda_config', { cache_file: 'x' }],
    ['ensure_weight_tying', true],
    ['task_type', 'SEQ_2_SEQ_LM'],
  ])('%s %j changes nothing of what is read', async (key, value) => {
    const folder = join(root, 'chosen');
    const written = adapter('t5');
    await writeAdapter(folder, written);
    const path = join(folder, 'adapter_config.json');
    const json = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...json, [key]: value }));
    expect((await readAdapter(folder)).modules).toEqual(written.modules);
  });

  it('are written again, so that PEFT gives further training the same modules', async () => {
    const chosen = { exclude_modules: '.*decoder.*', layers_to_transform: [0, 11], layers_pattern: 'block' };
    const folder = join(root, 'again');
    const json = { peft_type: 'LORA', r: 4, lora_alpha: 16, target_modules: ['q', 'v'], ...chosen };
    await writeAdapter(folder, adapter('t5', parseLoraConfig(json, 'x')));
    expect(JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject(chosen);
    expect((await readAdapter(folder)).config.selection).toEqual(chosen);
  });

  it.each(['.*\\.(q|v)', '(?i).*Q', '(?P<stack>encoder)\\..*', '(', 'all-linear', '.*(?>q)'])(
    'target_modules %j, a pattern of Python, is read over and written again',
    async (targetModules) => {
      const folder = join(root, 'pattern');
      const written = adapter('t5', { ...config, targetModules });
      await writeAdapter(folder, written);
      expect(await readAdapter(folder)).toEqual(written);
    },
  );
});

describe('a folder without adapter_model.safetensors', () => {
  async function holding(...names: string[]): Promise<string> {
    const folder = await mkdtemp(join(root, 'holding-'));
    for (const name of names) await writeFile(join(folder, name), '{}');
    return folder;
  }

  it.each(['adapter_model.bin', 'adapter_model.pt', 'adapter.ckpt', 'lora.pth'])(
    'that holds %s is told that this is a pickle, and how to convert it',
    async (name) => {
      const folder = await holding('adapter_config.json', '._adapter_model.safetensors', name);
      for (const path of [folder, join(folder, name)]) {
        const error = await readAdapter(path).catch((e) => e);
        expect(error).toBeInstanceOf(DataError);
        expect(error.message).toBe(
          `${join(folder, name)}: a Python pickle, which is not read; convert it with safetensors.torch.save_file or save the adapter again with PEFT 0.7 or newer`,
        );
      }
    },
  );

  it('is told what it lacks', async () => {
    const folder = await holding('training_args.bin', 'optimizer.pt', 'notes.txt');
    await expect(readAdapter(folder)).rejects.toThrow(/adapter_config\.json: no such file/);
    await expect(readAdapter(join(folder, 'notes.txt'))).rejects.toThrow(
      /notes\.txt: not a folder; expected/,
    );
    await expect(readAdapter(join(folder, 'none'))).rejects.toThrow(
      /none: no such folder; expected one with/,
    );
  });

  it('but with both reads the safetensors', async () => {
    const folder = await holding('adapter_model.bin');
    const written = adapter('t5');
    await writeAdapter(folder, written);
    expect(await readAdapter(folder)).toEqual(written);
  });
});

describe('targets and scaling', () => {
  it.each([
    ['encoder.block.0.layer.0.SelfAttention.q', ['q', 'v'], true],
    ['encoder.block.0.layer.0.SelfAttention.k', ['q', 'v'], false],
    ['encoder.seq', ['q'], false],
    ['q', ['q'], true],
    ['decoder.block.1.layer.1.EncDecAttention.q', ['EncDecAttention.q'], true],
    ['decoder.block.1.layer.0.SelfAttention.q', ['EncDecAttention.q'], false],
    ['encoder.block.3.layer.0.SelfAttention.q', '.*\\.(q|v)', true],
    ['encoder.block.3.layer.0.SelfAttention.q', 'SelfAttention.q', false],
    ['decoder.block.0.layer.2.DenseReluDense.wo', 'all-linear', true],
    ['lm_head', 'all-linear', false],
    ['language_model.lm_head', 'all-linear', false],
  ])('%s against %j: %s', (path, targets, expected) => {
    expect(isTarget(path, targets)).toBe(expected);
  });

  it('selects q and v of all 72 attentions of FlanT5-XL', () => {
    const all: string[] = [];
    for (let i = 0; i < 24; i++) {
      for (const name of ['q', 'k', 'v', 'o']) {
        all.push(`encoder.block.${i}.layer.0.SelfAttention.${name}`);
        all.push(`decoder.block.${i}.layer.0.SelfAttention.${name}`);
        all.push(`decoder.block.${i}.layer.1.EncDecAttention.${name}`);
      }
      all.push(`encoder.block.${i}.layer.1.DenseReluDense.wi_0`);
    }
    expect(selectTargets(all, ['q', 'v'])).toHaveLength(72 * 2);
    expect(() => selectTargets(all, ['query'])).toThrow(UsageError);
    expect(() => selectTargets(all, ['query'])).toThrow(
      /\["query"\] match none of the 312 Linear layers, such as encoder/,
    );
    expect(() => selectTargets(all, '(')).toThrow(/not a regular expression/);
  });

  it('scales by alpha / r or alpha / sqrt(r), with patterns', () => {
    expect(loraScaling(config, 'a.q')).toEqual({ r: 4, alpha: 16, scaling: 4 });
    expect(loraScaling({ ...config, useRslora: true }, 'a.q').scaling).toBe(8);
    const patterns = { ...config, rankPattern: { 'b.q': 2, '.*block\\.1\\..*': 8 }, alphaPattern: { q: 32 } };
    expect(loraScaling(patterns, 'a.b.q')).toEqual({ r: 2, alpha: 32, scaling: 16 });
    expect(loraScaling(patterns, 'ab.q')).toEqual({ r: 4, alpha: 32, scaling: 8 });
    expect(loraScaling(patterns, 'x.block.1.v')).toEqual({ r: 8, alpha: 16, scaling: 2 });
  });

  it.each([
    ['(?P<stack>encoder|decoder)\\..*\\.q', 32],
    ['\\Aencoder\\..*q\\Z', 32],
    ['(?P<a>q)(?P=a)?', 32],
    ['\\Adecoder\\..*', 16],
    ['\\\\A.*', 16],
  ])('reads %s as Python does', (pattern, alpha) => {
    expect(loraScaling({ ...config, alphaPattern: { [pattern]: 32 } }, 'encoder.block.0.q').alpha).toBe(
      alpha,
    );
  });
});

const tiny = sharedPath('reference/tiny-a/adapter_config.json');
describeWithShared('an adapter written by PEFT', ['reference/tiny-a/adapter_config.json'], () => {
  it('is read, and written again with the same tensors', async () => {
    const folder = join(root, 'tiny');
    const read = await readAdapter(dirname(tiny!));
    expect(read.base).toBe('t5');
    expect(read.config).toMatchObject({ r: 4, alpha: 16, dropout: 0, useRslora: false });
    expect(read.modules.size).toBe(18);
    for (const [path, { inFeatures, outFeatures, scaling }] of read.modules) {
      expect(path).toMatch(
        /^language_model\.(en|de)coder\.block\.\d\.layer\.[01]\.(Self|EncDec)Attention\.[qv]$/,
      );
      expect([inFeatures, outFeatures, scaling]).toEqual([64, 64, 4]);
    }
    await writeAdapter(folder, read);
    const name = 'adapter_model.safetensors';
    expect(await readFile(join(folder, name))).toEqual(await readFile(join(dirname(tiny!), name)));
    const ours = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'));
    const theirs = JSON.parse(await readFile(tiny!, 'utf8'));
    for (const key of Object.keys(ours)) {
      const sorted = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value);
      expect(sorted(ours[key]), key).toEqual(sorted(theirs[key]));
    }
  });

  it('is refused when its config names options we lack', async () => {
    const folder = join(root, 'dora');
    await cp(dirname(tiny!), folder, { recursive: true });
    const json = JSON.parse(await readFile(tiny!, 'utf8'));
    await rm(join(folder, 'adapter_config.json'));
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...json, use_dora: true }));
    await expect(readAdapter(folder)).rejects.toThrow(/adapter_config\.json: use_dora is true/);
  });
});
