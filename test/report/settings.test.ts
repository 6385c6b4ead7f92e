import { expect, it } from 'vitest';
import { resolveConfig } from '../../src/config/load.js';
import type { Run } from '../../src/report/runs.js';
import { differingKeys, groupRuns } from '../../src/report/settings.js';

async function run(label: string | undefined, ...overrides: string[]): Promise<Run> {
  const given = ['data.dataset=jsonl', 'data.videos=/v', 'data.train=/d/train.jsonl', ...overrides];
  const { config } = await resolveConfig({ overrides: given });
  return { config, label } as Run;
}

const named = async (...runs: Promise<Run>[]) =>
  groupRuns(await Promise.all(runs)).map(({ name, runs }) => [name, runs.length]);

it('makes one setting of runs that differ in their seed alone', async () => {
  const runs = [0, 0.5].flatMap((beta) =>
    [1, 2, 3].map((seed) =>
      run(undefined, `train.beta=${beta}`, `train.seed=${seed}`, `features.folder=/f${seed}`),
    ),
  );
  expect(await named(...runs)).toEqual([
    ['beta 0', 3],
    ['beta 0.5', 3],
  ]);
});

it('names settings by what differs, and not by what follows from it', async () => {
  const rates = [1, 2].map((rate) => run(undefined, `train.learningRate=${rate}`, 'train.beta=0.2'));
  expect(await named(...rates)).toEqual([
    ['learningRate 1', 1],
    ['learningRate 2', 1],
  ]);
});

it('names files by their own name, and leaves out where the data lies unless nothing else differs', async () => {
  const first = () => run(undefined, 'data.reasoning=/d/refined.jsonl');
  expect(await named(first(), run(undefined, 'data.reasoning=/d/raw.jsonl', 'data.videos=/w'))).toEqual([
    ['reasoning refined.jsonl', 1],
    ['reasoning raw.jsonl', 1],
  ]);
  expect(await named(first(), run(undefined, 'data.reasoning=/d/refined.jsonl', 'data.videos=/w'))).toEqual([
    ['videos v', 1],
    ['videos w', 1],
  ]);
});

it('takes the given labels, with what differs where two are the same, and a number where nothing tells', async () => {
  expect(await named(run('a', 'train.beta=0'), run('b', 'train.beta=1'))).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
  expect(await named(run('a', 'train.beta=0'), run('a', 'train.beta=1'))).toEqual([
    ['a, beta 0', 1],
    ['a, beta 1', 1],
  ]);
  expect(await named(run(undefined, 'data.videos=/x/v'), run(undefined, 'data.videos=/y/v'))).toEqual([
    ['videos v (1)', 1],
    ['videos v (2)', 1],
  ]);
});

it('names a report of one setting by its beta', async () => {
  expect(await named(run(undefined, 'train.beta=0.3'))).toEqual([['beta 0.3', 1]]);
});

it('lists the keys that differ in the order of the schema', async () => {
  const runs = await Promise.all([
    run(undefined, 'train.beta=0'),
    run(undefined, 'train.epochs=3', 'train.beta=1'),
  ]);
  expect(differingKeys(runs.map(({ config }) => config))).toEqual(['train.beta', 'train.epochs']);
});
