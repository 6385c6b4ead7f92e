/** Every recipe that ships. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkForTraining, evaluationFile } from '../../src/config/checks.js';
import { CONFIG_KEYS } from '../../src/config/keys.js';
import { dumpConfig, resolveConfig } from '../../src/config/load.js';
import { jsonl } from '../../src/data/datasets/jsonl.js';
import { SHAPES_TASKS } from '../../src/shapes/tasks/rows.js';
import { resolveSweep } from '../../src/sweep/spec.js';
import { configDifference } from '../../src/training/run/folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bench = join(root, 'bench');
const DATASETS = ['nextqa', 'star', 'intentqa', 'shapes'];
const recipes = (await Promise.all(DATASETS.map((d) => readdir(join(bench, d)))))
  .flatMap((files, i) => files.map((file) => join(DATASETS[i]!, file)))
  .filter((file) => file.endsWith('.yaml'));

/** The value a dotted name leads to. */
function valueAt(config: object, name: string): unknown {
  return name.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], config);
}

describe('recipes', () => {
  it('cover the main result and table 5 of every dataset of the paper', () => {
    for (const dataset of ['nextqa', 'star', 'intentqa'])
      for (const name of ['reasvqa', 'qa', 'stl-correct', 'stl-all', 'mtl-correct', 'mtl-all'])
        expect(recipes).toContain(join(dataset, `${name}.yaml`));
    expect(recipes).toContain(join('shapes', 'base.yaml'));
  });

  it('cover table 3 of every dataset of the paper, as the model that is published speaks', async () => {
    for (const dataset of ['nextqa', 'star', 'intentqa'])
      for (const size of ['0.5b', '7b'])
        for (const name of ['qa', 'reasvqa']) {
          const recipe = join(bench, dataset, `llava-${size}-${name}.yaml`);
          const { config } = await resolveConfig({ recipe });
          expect(config.model.base).toBe(`llava-hf/llava-onevision-qwen2-${size}-ov-hf`);
          expect(config.model.train).toEqual(['multi_modal_projector', 'lora']);
          expect(config.model.lora.targets).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj']);
          expect(config.text.template).toMatch(/\n\{choices\}\nAnswer with the option's letter/);
          expect(config.video.prefix).toBe(false);
        }
  });

  it('ask the published student as lmms-eval does', async () => {
    for (const size of ['0.5b', '7b']) {
      const { config } = await resolveConfig({
        recipe: join(bench, 'nextqa', `llava-${size}-zero-shot.yaml`),
      });
      expect(config.text.template).toBe('{question}\n{choices}');
      expect(config.video).toMatchObject({ frames: 32, sampling: 'ends', prefix: false });
      expect(config.data.addPunctuation).toBe(false);
      expect(config.eval).toMatchObject({ scorer: 'lmms-eval', split: 'test', maxNewTokens: 1024 });
    }
  });

  it('draw figure 4 on every dataset and figure 3 where the paper has it', async () => {
    for (const dataset of DATASETS) expect(recipes).toContain(join(dataset, 'figure4.yaml'));
    for (const dataset of ['nextqa', 'star', 'shapes'])
      expect(recipes).toContain(join(dataset, 'figure3.yaml'));
    for (const file of recipes.filter((each) => /figure\d/.test(each))) {
      const { trials, figure } = await resolveSweep({ recipe: join(bench, file) });
      expect(figure).toBe(Number(/figure(\d)/.exec(file)![1]));
      // Three seeds of everything, and every trial another run.
      expect(new Set(trials.map(({ config }) => config.train.seed)).size).toBe(3);
      expect(new Set(trials.map(({ identity }) => identity)).size).toBe(trials.length);
    }
  });

  it('of VITAL each start from the stage before, and look again from the third on', async () => {
    const recipe = async (file: string) => (await resolveConfig({ recipe: join(bench, file) })).config;
    const stages = await Promise.all([1, 2, 3, 4].map((stage) => recipe(`shapes/vital-${stage}.yaml`)));
    expect(stages.map(({ model: { adapter } }) => adapter && relative(root, adapter))).toEqual([
      join('weights', 'shapes', 'students', 'answers'),
      ...[1, 2, 3].map((stage) => join('runs', `shapes-vital-${stage}`)),
    ]);
    expect(stages.map(({ train }) => train.mode)).toEqual(['stl', 'rl', 'stl', 'rl']);
    expect(stages.map(({ train }) => train.looks)).toEqual([0, 0, 1, 0]);
    expect(stages.map((config) => config.eval.looks)).toEqual([0, 0, 2, 2]);
    for (const rl of [stages[3]!, await recipe('nextqa/vital.yaml')].map(({ train }) => train.rl)) {
      expect(rl).toMatchObject({
        group: 8,
        beta: 0.01,
        dgrpo: true,
        format: 'add',
        looks: 2,
        filter: 'vital',
      });
      expect(rl.rewards).toMatchObject({ format: 1, choice: 1, iou: 1, tool: 1 });
    }
  });

  it.each(['shapes', 'nextqa'])(
    'of VersaVid-R1 on %s start from their cold start, which teaches the form',
    async (dataset) => {
      const recipe = (name: string) => resolveConfig({ recipe: join(bench, dataset, `${name}.yaml`) });
      const [{ config: cold }, { config }] = [await recipe('versavid-cold'), await recipe('versavid')];
      expect(relative(root, config.model.adapter!)).toBe(join('runs', `${dataset}-versavid-cold`));
      expect(cold.model.train).toEqual(['lora']);
      expect(cold.train).toMatchObject({ mode: 'stl', stlTarget: 'tagged' });
      expect(config.train.rl).toMatchObject({
        group: 8,
        beta: 0,
        loss: 'grpo',
        format: 'multiply',
        temperature: dataset === 'shapes' ? 0.5 : 1,
      });
      expect(config.train.rl.rewards).toMatchObject({ format: 1, choice: 1 });
    },
  );

  it('train each system whole on shapes, stage after stage, and make its data', async () => {
    const resolved = async (name: string) => resolveSweep({ recipe: join(bench, 'shapes', `${name}.yaml`) });
    const versavid = await resolved('versavid-r1');
    expect(versavid.trials.map(({ id, startsFrom }) => [id, startsFrom])).toEqual([
      ['cold', undefined],
      ['supervised', 'cold'],
      ['rewards', 'cold'],
    ]);
    const vital = await resolved('vital');
    expect(vital.trials.map(({ id, startsFrom }) => [id, startsFrom])).toEqual([
      ['stage-1', undefined],
      ...[2, 3, 4].map((stage) => [`stage-${stage}`, `stage-${stage - 1}`]),
    ]);
    for (const { trials, world } of [versavid, vital]) {
      expect(new Set(trials.map(({ config }) => config.data.train)).size).toBe(1);
      expect(world?.tasks?.length).toBeGreaterThan(1);
    }
  });

  it('compare learning from rewards with as many steps of supervised training, from the same students', async () => {
    const { trials, world } = await resolveSweep({ recipe: join(bench, 'shapes', 'rewards.yaml') });
    expect(world).toEqual((await resolveSweep({ recipe: join(bench, 'shapes', 'vital.yaml') })).world);
    const first = trials.filter(({ config }) => config.train.seed === 1);
    expect(first.map(({ arm, startsFrom }) => [arm, startsFrom])).toEqual([
      ['cold', undefined],
      ...['supervised', 'supervised high', 'grpo', 'dgrpo', 'looks cold'].map((arm) => [arm, 'cold-seed-1']),
      ...['supervised', 'supervised high', 'grpo', 'dgrpo'].map((arm) => [
        `looks ${arm}`,
        'looks-cold-seed-1',
      ]),
    ]);
    const of = (arm: string) => first.find((trial) => trial.arm === arm)!.config;
    for (const looks of ['', 'looks ']) {
      const [grpo, dgrpo] = [of(`${looks}grpo`), of(`${looks}dgrpo`)];
      expect(configDifference(grpo, dgrpo, ['model.adapter'])).toBe('train.rl.dgrpo was false, is now true');
      // A lesson of looking again has two turns, each a row.
      for (const high of ['', ' high'])
        expect(of(`${looks}supervised${high}`).train).toMatchObject({ epochs: 1, batch: looks ? 16 : 8 });
      expect(grpo.train).toMatchObject({ epochs: 1, batch: 8, rl: { filter: 'none', looks: looks ? 2 : 0 } });
      expect(of(`${looks}supervised`).eval.looks).toBe(grpo.eval.looks);
    }
  });

  it('train all tasks at once on shapes beside choices alone, which read the same questions', async () => {
    const { trials, world } = await resolveSweep({ recipe: join(bench, 'shapes', 'tasks.yaml') });
    expect(trials.map(({ arm, config }) => [arm, config.data.dataset, config.train.seed])).toEqual(
      [1, 2, 3]
        .flatMap((seed) => [['choice only', 'shapes', seed]])
        .concat([1, 2, 3].map((seed) => ['mixed', 'jsonl', seed])),
    );
    expect(world?.tasks).toEqual(SHAPES_TASKS);
    // The marks that the lines of tasks have.
    for (const { config } of trials) expect(config.data.addPunctuation).toBe(true);
  });

  it('train all tasks at once from a student that knows the events, and change nothing else', async () => {
    const resolved = async (name: string) => resolveSweep({ recipe: join(bench, 'shapes', `${name}.yaml`) });
    const [fresh, known] = [await resolved('tasks'), await resolved('tasks-known')];
    expect(known.world).toEqual(fresh.world);
    expect(known.trials.map(({ id }) => id)).toEqual(fresh.trials.map(({ id }) => id));
    for (const [i, { config }] of known.trials.entries()) {
      expect(relative(root, config.model.adapter!)).toBe(join('weights', 'shapes', 'students', 'answers'));
      expect(configDifference(config, fresh.trials[i]!.config, ['model.adapter', 'model.lora'])).toBe(
        undefined,
      );
    }
  });

  it.each(recipes)('%s is valid, complete and short', async (file) => {
    const resolved = await resolveConfig({ recipe: join(bench, file), sweep: true });
    const { config, sources, warnings } = resolved;
    expect(warnings).toEqual([]);
    expect(() => checkForTraining(config)).not.toThrow();
    expect(evaluationFile(config)).toBeTruthy();
    // Other tasks than choice are in JSON lines, and the spans of NExT-QA are another data set's.
    const own = file.split(/[/\\]/)[0]!;
    const others: Record<string, string> = { shapes: jsonl.name, nextqa: 'nextgqa' };
    expect([own, others[own]]).toContain(config.data.dataset);
    // Data lie in the checkout's data folder whatever folder the command runs in.
    expect(relative(root, config.data.videos).split(/[/\\]/)[0]).toBe('data');
    for (const { name, default: fallback } of CONFIG_KEYS)
      if (sources[name] !== 'default' && fallback !== undefined)
        expect(valueAt(config, name), `${name} repeats its default`).not.toEqual(fallback);
  });

  it.each(recipes)('%s says what it reproduces and how to run it', async (file) => {
    const text = await readFile(join(bench, file), 'utf8');
    const head = text.split('\n').filter((line) => line.startsWith('#'));
    const name = basename(file, '.yaml');
    const dataset = file.split(/[/\\]/)[0]!;
    const run = name === 'base' ? dataset : `${dataset}-${name}`;
    // A sweep may be inherited.
    const extended = /^extends: (.+)$/m.exec(text)?.[1];
    const from = extended ? await readFile(join(bench, dirname(file), extended), 'utf8') : '';
    const command = /^sweep:/m.test(text + from)
      ? 'sweep'
      : name.endsWith('zero-shot')
        ? 'evaluate'
        : 'train';
    const folder = { sweep: ` --sweep runs/${run}`, train: ` --run runs/${run}`, evaluate: '' }[command];
    expect(head.join('\n')).toMatch(/paper/i);
    expect(head.join('\n')).toContain('# GPU: ');
    expect(head.at(-1)).toBe(`# Run: npx reasvqa ${command} bench/${file.replaceAll('\\', '/')}${folder}`);
  });

  it.each(recipes)('%s survives a dump', async (file) => {
    const { config } = await resolveConfig({ recipe: join(bench, file), sweep: true });
    expect(dumpConfig(config)).not.toContain('undefined');
  });
});
