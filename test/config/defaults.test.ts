/** Settings of annotation files without a recipe. */
import { expect, it } from 'vitest';
import { fileSettings } from '../../src/config/defaults.js';
import { resolveConfig } from '../../src/config/load.js';
import { askSettings } from '../../src/config/settings.js';
import { datasetNames } from '../../src/data/datasets/index.js';
import { kindOfBase } from '../../src/model/registry.js';

it.each(datasetNames())('of %s are those that a recipe with nothing else gives', async (dataset) => {
  const { config } = await resolveConfig({
    overrides: [`data.dataset=${dataset}`, 'data.videos=.'],
    cwd: '/some/where',
  });
  const settings = fileSettings(dataset, '/some/where');
  expect(config).toMatchObject(settings);
  for (const key of ['map', 'reasoning', 'fps'] as const) expect(config.data[key]).toBeUndefined();
});

it.each(['weights/shapes', 'llava-onevision-0.5b'])(
  'of questions to %s are those that a recipe with nothing else gives',
  async (base) => {
    const cwd = process.cwd();
    const overrides = ['data.dataset=jsonl', 'data.videos=.', `model.base=${base}`];
    const { data, video, text, eval: evaluation } = (await resolveConfig({ overrides, cwd })).config;
    const kind = (await kindOfBase(base))!;
    expect(askSettings(kind)).toEqual({ data, video, text, eval: evaluation });
  },
);

it('of an unknown dataset are a wrong use', () => {
  expect(() => fileSettings('mars', '/')).toThrow('unknown dataset "mars"');
});
