/** Settings of annotation files without a recipe. */
import { expect, it } from 'vitest';
import { fileSettings } from '../../src/config/defaults.js';
import { resolveConfig } from '../../src/config/load.js';
import { datasetNames } from '../../src/data/datasets/index.js';

it.each(datasetNames())('of %s are those that a recipe with nothing else gives', async (dataset) => {
  const { config } = await resolveConfig({
    overrides: [`data.dataset=${dataset}`, 'data.videos=.'],
    cwd: '/some/where',
  });
  const settings = fileSettings(dataset, '/some/where');
  expect(config).toMatchObject(settings);
  for (const key of ['map', 'reasoning', 'fps'] as const) expect(config.data[key]).toBeUndefined();
});

it('of an unknown dataset are a wrong use', () => {
  expect(() => fileSettings('mars', '/')).toThrow('unknown dataset "mars"');
});
