/** The answers of a mixed batch as targets: one a task, each counting by its samples' share. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/load.js';
import type { Config } from '../../../src/config/schema.js';
import type { Sample } from '../../../src/data/sample.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { mtl, stl } from '../../../src/training/objectives/supervised.js';

const BASE = fileURLToPath(new URL('../../../weights/shapes', import.meta.url));
const common = { dataset: 'jsonl', video: 'a.mp4', type: 'all', question: 'what moves' };
const options = ['the cube', 'the ball'];
const choice = (id: string): Sample => ({ ...common, id, options, answer: 1 });
const ground: Sample = { ...common, id: 'g', task: 'ground', options: [], spans: [[1, 2.5]], duration: 3 };
const caption: Sample = { ...common, id: 'c', task: 'caption', options: [], captions: ['the ball moves'] };

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(BASE);
});

async function configOf(...overrides: string[]): Promise<Config> {
  const own = ['data.dataset=jsonl', 'data.videos=.', `model.base=${BASE}`];
  return (await resolveConfig({ overrides: [...own, ...overrides] })).config;
}

describe('a mixed batch', () => {
  it('has one target a task, with rows of its samples alone', async () => {
    const config = await configOf('train.beta=0');
    const { losses, encode } = mtl({ config, tokenizer });
    const { targets } = encode([choice('a'), ground, choice('b'), caption]);
    expect(targets.map(({ name }) => name)).toEqual(['qa', 'caption', 'ground']);
    expect(targets.map(({ rows }) => rows.map(({ length }) => length > 0))).toEqual([
      [true, false, true, false],
      [false, false, false, true],
      [false, true, false, false],
    ]);
    expect(targets.map(({ share }) => share)).toEqual([0.5, 0.25, 0.25]);
    expect(targets.every(({ name }) => losses.some((loss) => loss.name === name && loss.weight === 1))).toBe(
      true,
    );
  });

  it('weighs tasks by train.taskWeights', async () => {
    const config = await configOf(
      'train.beta=0',
      'train.taskWeights.ground=2',
      'train.taskWeights.caption=0',
    );
    const { targets } = mtl({ config, tokenizer }).encode([choice('a'), ground, choice('b'), caption]);
    expect(targets.map(({ share }) => share)).toEqual([0.5, 0, 0.5]);
  });

  it('has the reasoning beside the answers of every task', async () => {
    const config = await configOf('train.beta=0.4');
    const reasoned = { ...ground, reasoning: 'the ball moves' };
    const { targets } = mtl({ config, tokenizer }).encode([choice('a'), reasoned]);
    expect(targets.map(({ name }) => name)).toEqual(['qa', 'ground', 'reasoning']);
    expect(targets[2]!.rows.map(({ length }) => length > 0)).toEqual([false, true]);
    expect(targets[2]!.share).toBeUndefined();
  });

  it('tells how many captions were cut', async () => {
    const config = await configOf('train.beta=0', 'text.maxAnswer=9');
    const long = { ...caption, captions: ['the ball moves '.repeat(3000)] };
    const { targets, truncated } = mtl({ config, tokenizer }).encode([long, caption]);
    expect(truncated.get('answers (text.maxAnswer 9)')).toBe(1);
    expect(targets[0]!.rows[0]).toHaveLength(9);
  });
});

describe('a batch of choices', () => {
  it('is learned as if there were no other tasks', async () => {
    const config = await configOf('train.beta=0');
    const samples = [choice('a'), choice('b')];
    const expected = samples.map(({ answer }) => tokenizer.answerIds(answer!));
    expect(mtl({ config, tokenizer }).encode(samples).targets).toEqual([
      { name: 'qa', rows: expected, start: undefined },
    ]);
    const single = await configOf('train.mode=stl');
    expect(stl({ config: single, tokenizer }).encode(samples).targets).toEqual([
      { name: 'qa', rows: expected, start: undefined },
    ]);
  });
});

describe('reasoning before the answer', () => {
  it('ends in the answer of each task', async () => {
    const config = await configOf(
      ...[
        'train.mode=stl',
        'train.stlTarget=reasoning-answer',
        'eval.scorer=generate',
        'eval.maxNewTokens=256',
      ],
    );
    const samples = [choice('a'), ground, caption].map((sample) => ({
      ...sample,
      reasoning: 'the cube stops',
    }));
    const { targets } = stl({ config, tokenizer }).encode(samples);
    const texts = targets.map(({ rows }) => tokenizer.decode(rows.find((row) => row.length > 0)!));
    expect(texts).toEqual([
      'the cube stops Option B',
      'the cube stops Answer: the ball moves',
      'the cube stops Answer: 1.0 to 2.5 seconds',
    ]);
  });
});

describe('a recipe without tasks', () => {
  it('resolves to what it was: no key of tasks is in it, and the default mode is written like none', async () => {
    const config = await configOf();
    expect(config.eval).not.toHaveProperty('mode');
    expect(config.train).not.toHaveProperty('taskWeights');
    expect(config.text).not.toHaveProperty('prompts');
    expect(config.text).not.toHaveProperty('maxAnswer');
    expect(await configOf('eval.mode=answer')).toEqual(config);
  });

  it.each([
    ['text.prompts.ground=When', 'text.prompts.ground: must contain {question}'],
    [
      'text.prompts.open={question} {frames}',
      'has {frames}; only {question}, {options}, {choices} and {duration}',
    ],
    ['text.prompts.grounded-choice={question}', 'must contain {options}'],
    ['text.prompts.choice=x', 'unknown key'],
    ['train.taskWeights.ground=-1', 'expected number, at least 0'],
    ['eval.mode=think', 'expected answer | answer-then-reason | reason-then-answer | two-stage'],
  ])('refuses %s', async (override, message) => {
    await expect(configOf(override)).rejects.toThrow(message);
  });
});
