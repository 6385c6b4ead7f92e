/** Values of keys that registries hold: those registered after the schema was loaded count. */
import { describe, expect, it } from 'vitest';
import { configKey } from '../../src/config/keys.js';
import { resolveConfig } from '../../src/config/load.js';
import { datasetNames, datasetOf, registerDataset } from '../../src/data/datasets/index.js';
import { blip2 } from '../../src/model/blip2/kind.js';
import { registerStudent } from '../../src/model/registry.js';

const resolve = (...overrides: string[]) =>
  resolveConfig({ overrides: ['data.dataset=nextqa', 'data.videos=v', ...overrides] });

describe('a student that is registered late', () => {
  it('adds its groups to model.train', async () => {
    const set = 'model.train=[toy_projector, lora]';
    await expect(resolve(set)).rejects.toThrow('--set model.train: expected qformer |');
    registerStudent({ ...blip2, modelType: 'toy', groups: ['toy_projector'] });
    expect((await resolve(set)).config.model.train).toEqual(['toy_projector', 'lora']);
    const values =
      'qformer | query_tokens | language_projection | post_layernorm | multi_modal_projector | image_newline | toy_projector | lora | all';
    expect(configKey('model.train')?.type).toBe(`list of ${values}`);
    await expect(resolve('model.train=[toy_projecter]')).rejects.toThrow(
      `--set model.train: expected ${values}, got "toy_projecter" (did you mean toy_projector?)`,
    );
    await expect(resolve('model.train=toy_projector')).rejects.toThrow(
      `--set model.train: expected list of ${values}, got "toy_projector" (write [toy_projector])`,
    );
  });
});

describe('a dataset that is registered late', () => {
  it('is a value of data.dataset', async () => {
    const builtIn = datasetNames().join(' | ');
    const set = 'data.dataset=late';
    await expect(resolve(set)).rejects.toThrow(`--set data.dataset: expected ${builtIn}, got "late"`);
    registerDataset({ ...datasetOf('star'), name: 'late', addPunctuation: true });
    expect((await resolve(set)).config.data).toMatchObject({ dataset: 'late', addPunctuation: true });
    expect(configKey('data.dataset')?.type).toBe(`${builtIn} | late`);
  });
});

describe('a value that is no name', () => {
  it.each(['5', 'null', '[nextqa]', 'true', '""', 'constructor'])('%s is refused once', async (value) => {
    const error = await resolveConfig({ overrides: [`data.dataset=${value}`, 'data.videos=v'] }).catch(
      (e) => e,
    );
    expect(error.message).toMatch(/^(--set )?data\.dataset: (missing; )?expected nextqa \| star/);
    expect(error.message.split('data.dataset')).toHaveLength(2);
  });
});
