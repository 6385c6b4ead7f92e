/** The shapes world that a sweep makes: what lies in its folder already. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Interrupted } from '../../src/base/errors.js';
import { resolveConfig } from '../../src/config/load.js';
import { makeClips, makeWorldOf } from '../../src/sweep/world.js';
import { reasvqa } from '../commands/support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sweep-world-'));
});
afterAll(() => rm(folder, { recursive: true }));

const { signal } = new AbortController();
const SIZE = { clips: 2, others: 1 };

it.each(['not JSON', '', 'null', '[]', '{"settings": 3}', '{"mine": {}}'])(
  'a shapes.json that is not of a world is named and kept: %j',
  async (text) => {
    const file = join(folder, 'shapes.json');
    await writeFile(file, text);
    const files = { videos: 'videos', train: 'train.csv', reasoning: 'refined.jsonl' };
    const { config } = await resolveConfig({
      overrides: [
        'data.dataset=shapes',
        ...Object.entries(files).map(([key, name]) => `data.${key}=${JSON.stringify(join(folder, name))}`),
      ],
    });
    await expect(makeWorldOf(config, SIZE, signal)).rejects.toThrow(
      `${file}: does not describe a shapes world; remove this file to have the world written again, or use another folder`,
    );
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['shapes.json']);
  },
);

it('stops after the next clip when it is told to', async () => {
  const out = join(folder, 'stopped');
  const stopped = makeClips(
    { folder: out, seed: 'x', signal: AbortSignal.abort() },
    { clips: 50, others: 1 },
  );
  await expect(stopped).rejects.toThrow(Interrupted);
  await expect(stopped).rejects.toThrow(`${out}: interrupted; run the same command again to continue`);
  expect((await readdir(join(out, 'videos'))).length).toBeLessThan(50);
});

it('has JSON lines of its tasks, and no teacher where no reasoning is read', async () => {
  const out = join(folder, 'tasks');
  const { config } = await resolveConfig({
    overrides: ['data.dataset=shapes', 'data.videos=videos', `data.train=${join(out, 'train.csv')}`],
  });
  const size = { ...SIZE, tasks: ['choice', 'caption', 'mix'] as const, questions: 1 };
  await makeWorldOf(config, size, signal);
  const names = await readdir(out);
  expect(names).toEqual(expect.arrayContaining(['train.csv', 'train.jsonl', 'val.jsonl', 'shapes.json']));
  expect(names).not.toContain('generated.jsonl');
  const tasks = (await readFile(join(out, 'train.jsonl'), 'utf8')).match(/"task":"[a-z]+"/g)!;
  expect(tasks.filter((task) => task.includes('choice'))).toHaveLength(2);
  await makeWorldOf(config, size, signal);
  for (const other of [
    { ...size, questions: 2 },
    { ...size, tasks: ['choice', 'ground'] as const },
    { ...size, clips: 3 },
    { ...size, frames: 64, beats: 12 },
  ])
    await expect(makeWorldOf(config, other, signal)).rejects.toThrow(
      `${out}: holds another shapes world (seed shapes, 2 training clips, 1 to validate, 1 questions a clip, 16 frames and 4 beats, tasks choice, caption, mix); remove the folder`,
    );
});

it('is made by sweep plan, since a trial alone does not', async () => {
  const out = join(folder, 'planned');
  const recipe = join(folder, 'planned.yaml');
  const data = [
    'dataset: shapes',
    ...['train', 'val'].map((split) => `${split}: ${join(out, `${split}.csv`)}`),
  ];
  await writeFile(
    recipe,
    `data: { ${[...data, `videos: ${join(out, 'videos')}`].join(', ')} }
model: { base: ${resolve('weights/shapes')} }
train: { beta: 0 }
sweep: { seeds: 2, world: { clips: 2, others: 1, tasks: [choice, caption] } }
`,
  );
  const { code, stderr } = await reasvqa(['sweep', 'plan', recipe, '--sweep', join(folder, 'swept')]);
  expect(code, stderr).toBe(0);
  expect(await readdir(out)).toEqual(expect.arrayContaining(['train.csv', 'val.csv', 'shapes.json']));
});

it('has long clips for a recipe that reads their JSON lines, and reasoning for one that has choices besides', async () => {
  const recipe = async (out: string, ...more: string[]) =>
    (
      await resolveConfig({
        overrides: [
          'data.dataset=jsonl',
          `data.videos=${join(out, 'videos')}`,
          `data.train=${join(out, 'train.jsonl')}`,
          ...more,
        ],
      })
    ).config;
  const long = join(folder, 'long');
  const size = {
    ...SIZE,
    tasks: ['ground', 'grounded-choice'] as const,
    questions: 1,
    frames: 64,
    beats: 12,
  };
  await makeWorldOf(await recipe(long), size, signal);
  const { settings } = JSON.parse(await readFile(join(long, 'shapes.json'), 'utf8'));
  expect(settings).toMatchObject({ frames: 64, beats: 12 });
  await makeWorldOf(await recipe(long), size, signal);

  const told = join(folder, 'told');
  const reasoning = join(told, 'refined.jsonl');
  const tasks = ['choice', 'caption'] as const;
  await makeWorldOf(
    await recipe(told, `data.reasoning=${reasoning}`),
    { ...SIZE, tasks, questions: 1 },
    signal,
  );
  const ids = (text: string) =>
    new Set(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).id),
    );
  const [lines, texts] = [
    await readFile(join(told, 'train.jsonl'), 'utf8'),
    await readFile(reasoning, 'utf8'),
  ];
  expect(ids(texts).size).toBe(2);
  expect([...ids(texts)].every((id) => ids(lines).has(id))).toBe(true);

  await expect(makeWorldOf(await recipe(long), SIZE, signal)).rejects.toThrow(
    'sweep.world: makes data of the shapes world (data.dataset shapes; with sweep.world.tasks also jsonl), and data.dataset is jsonl',
  );
});
