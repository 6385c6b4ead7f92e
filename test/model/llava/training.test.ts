/** LLaVA-OneVision from a recipe to an answer: a random checkpoint in the published layout is trained, evaluated and asked. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/base/errors.js';
import { readAnnotations } from '../../../src/data/annotations.js';
import { ask } from '../../../src/evaluation/ask.js';
import { loadAdapter, saveAdapter } from '../../../src/model/adapter.js';
import { loadStudent } from '../../../src/model/load.js';
import { openAsked } from '../../../src/training/asked.js';
import { evaluateRun } from '../../../src/training/evaluateRun.js';
import { runPaths } from '../../../src/training/run/folder.js';
import { readMetrics } from '../../../src/training/run/metrics.js';
import { train } from '../../../src/training/train.js';
import { openTrial } from '../../../src/training/trial.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';
import { makeWorld, type World, worldConfig } from '../../training/support.js';
import { withFile } from '../../weights/fixtures.js';
import { useFastEngine } from '../support.js';
import { spokenJson, writeCheckpoint } from './support.js';

let scratch: string;
let world: World;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-llava-'));
  world = { ...(await makeWorld(scratch)), base: join(scratch, 'llava') };
  await writeCheckpoint(world.base);
});
afterAll(() => rm(scratch, { recursive: true }));

const config = (...overrides: string[]) =>
  worldConfig(
    world,
    'train.epochs=1',
    'train.batch=6',
    'text.maxPrompt=300',
    'text.maxReasoning=12',
    ...overrides,
  );

describe('a recipe on LLaVA-OneVision', () => {
  it("takes its architecture's template, layers and groups where it names none", async () => {
    const { model, text, video } = await config();
    expect(model.train).toEqual(['multi_modal_projector', 'lora']);
    expect(model.lora.targets).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj']);
    expect(text.template).toMatch(/^\{question\}\n\{choices\}\nAnswer with the option's letter/);
    expect(video.prefix).toBe(false);
    expect((await config('model.lora.targets=[q_proj]')).model.lora.targets).toEqual(['q_proj']);
  });

  it('trains on both losses with stored features, evaluates the best checkpoint, and answers about a video', async () => {
    const before = tf.memory().numTensors;
    const folder = join(scratch, 'run');
    const resolved = await config();
    const result = await train({ config: resolved, folder, engine: {} });
    expect(result.score).not.toBeNull();
    expect(tf.memory().numTensors).toBe(before);
    const lines = readMetrics(folder).filter((line) => 'train/loss' in line);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      const [qa, reasoning] = ['qa', 'reasoning'].map((name) => line[`train/loss_${name}`] as number);
      expect(line['train/loss']).toBeCloseTo(0.2 * qa! + 0.8 * reasoning!, 4);
    }
    const { samples } = await readAnnotations({ dataset: 'shapes', file: resolved.data.val! });
    const { answered, score } = await evaluateRun({
      ...{ paths: runPaths(folder), config: resolved, file: resolved.data.val! },
    });
    expect(answered).toBe(samples.length);
    expect(score!.total).toEqual(result.score!.total);

    const asked = await openAsked({ run: folder });
    const { video, question, options } = samples[0]!;
    const file = (await readdir(resolved.data.videos)).find((name) => name.startsWith(video))!;
    const path = join(resolved.data.videos, file);
    const answer = await ask(asked, { video: path, question, options, reason: true });
    expect(answer.scores).toHaveLength(options.length);
    expect(answer.text).toBe(options[answer.option!]);
    expect(typeof answer.reasoning).toBe('string');
    expect(typeof (await ask(asked, { video: path, question })).text).toBe('string');
    asked.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('trains the reasoning before the answer as one text, and reads the answer off it', async () => {
    const overrides = ['train.mode=stl', 'train.stlTarget=reasoning-answer', 'eval.scorer=generate'];
    const folder = join(scratch, 'stl');
    const result = await train({ config: await config(...overrides), folder, engine: {} });
    expect(result.score).not.toBeNull();
  });

  it('refuses the tokenizer of another model before it sees a video', async () => {
    const base = join(scratch, 'other-words');
    await writeCheckpoint(base, { json: spokenJson({}, { video_token_index: 450 }) });
    const message = /<video> is token 452, but video_token_index of .*other-words\/config\.json is 450/;
    const request = { folder: join(scratch, 'no-run'), engine: {} };
    await expect(train({ ...request, config: await config(`model.base=${base}`) })).rejects.toThrow(message);
    await expect(openAsked({ model: base })).rejects.toThrow(message);
  });

  it('refuses more frames than the model has positions, by name', async () => {
    const base = join(scratch, 'short');
    await writeCheckpoint(base, { json: spokenJson({ max_position_embeddings: 60 }) });
    const request = { folder: join(scratch, 'long-run'), engine: {} };
    const error = await train({ ...request, config: await config(`model.base=${base}`) }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/positions; the model has 60 \(text_config\.max_position_embeddings\)/);
  });
});

it('texts behind the last position are told in an evaluation and in an answer', async () => {
  const base = join(scratch, 'tight');
  await writeCheckpoint(base, { json: spokenJson({ max_position_embeddings: 140 }) });
  const long = ['eval.scorer=generate', 'eval.maxNewTokens=30', 'features.cache=false', `model.base=${base}`];
  const resolved = await config(...long);
  const notices: string[] = [];
  const onNotice = (line: string) => notices.push(line);
  await evaluateRun({ config: resolved, file: resolved.data.val!, limit: 2, onNotice });
  const message = /go(es)? on to \d+ tokens, and the model has 140 positions \(text_config\.max_position_emb/;
  expect(notices.filter((line) => message.test(line))).toHaveLength(1);
  const asked = await openAsked({ model: base, overrides: ['text.maxReasoning=100'] });
  const [file] = await readdir(resolved.data.videos);
  const question = { video: join(resolved.data.videos, file!), question: 'what moves', options: ['a', 'b'] };
  expect((await ask(asked, question)).notice).toBeUndefined();
  expect((await ask(asked, { ...question, reason: true })).notice).toMatch(message);
  asked.dispose();
});

describe('an adapter of LLaVA-OneVision', () => {
  it('is written for the whole model, and read back under either key form', async () => {
    const folder = join(scratch, 'run');
    const trial = await openTrial(await config('features.cache=false', 'model.lora.targets=[q_proj]'));
    const lora = [...trial.student.module.parameters()].find(({ name }) => name.endsWith('lora_B.weight'))!;
    lora.set(tf.ones(lora.shape));
    const out = join(folder, 'adapter');
    await saveAdapter(trial.student, trial.adapter!, out);
    trial.dispose();
    const json = JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8'));
    expect(json.auto_mapping.base_model_class).toBe('LlavaOnevisionForConditionalGeneration');
    const pattern = new RegExp(`^(?:${json.target_modules})$`);
    expect(pattern.test('model.language_model.layers.0.self_attn.q_proj')).toBe(true);
    expect(pattern.test('model.vision_tower.encoder.layers.0.self_attn.q_proj')).toBe(false);

    const path = join(out, 'adapter_model.safetensors');
    const tensors = await withFile(path, async (file) => {
      const found: [string, { dtype: 'F32'; shape: number[]; data: Float32Array }][] = [];
      for (const name of file.names) {
        const { shape, data } = await file.read(name);
        found.push([name, { dtype: 'F32', shape, data: data as Float32Array }]);
      }
      return found;
    });
    expect(tensors.map(([name]) => name)).toContain(
      'base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight',
    );
    const under = async (rename: (name: string) => string) => {
      const copy = await mkdtemp(join(scratch, 'adapter-'));
      await writeFile(
        join(copy, 'adapter_config.json'),
        JSON.stringify({ ...json, target_modules: ['q_proj'] }),
      );
      await writeSafetensors(
        join(copy, 'adapter_model.safetensors'),
        new Map(tensors.map(([name, tensor]) => [rename(name), tensor])),
      );
      const { student } = await loadStudent(world.base);
      try {
        const loaded = await loadAdapter(student, copy);
        if (loaded.base === 'blip2') expect(loaded.config.targetModules).toBe(json.target_modules);
        const names = [...student.module.parameters()].map(({ name }) => name);
        return names.filter((name) => name.includes('lora_')).sort();
      } finally {
        student.dispose();
      }
    };
    const same = await under((name) => name);
    expect(same[0]).toBe('model.language_model.layers.0.self_attn.q_proj.lora_A.weight');
    const older = (name: string) =>
      name.replace('model.model.language_model.', 'model.language_model.model.');
    expect(await under(older)).toEqual(same);
    expect(await under((name) => name.replace('model.model.language_model.', 'model.'))).toEqual(same);
    const sight = under((name) => name.replace('language_model.layers', 'vision_tower.encoder.layers'));
    await expect(sight).rejects.toThrow(DataError);
    await expect(sight).rejects.toThrow(/vision_tower.*adapters of the vision tower are not supported/);
  });
});
