/** The paper's two objectives, MTL and STL. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { resolveConfig } from '../../../src/config/load.js';
import type { Sample } from '../../../src/data/sample.js';
import { encodeText } from '../../../src/text/encode.js';
import { qaPrompt, reasoningTarget } from '../../../src/text/prompts.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { objectiveOf } from '../../../src/training/objectives/index.js';
import type { ObjectiveSettings } from '../../../src/training/objectives/objective.js';
import { mtl, stl } from '../../../src/training/objectives/supervised.js';
import { randomSample, randomText } from '../../text/support.js';
import { writeTinyTokenizer } from '../../text/tinyTokenizer.js';

const SHAPES = fileURLToPath(new URL('../../../weights/shapes', import.meta.url));

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-supervised-'));
  tokenizer = await Tokenizer.load(await writeTinyTokenizer(folder));
});
afterAll(() => rm(folder, { recursive: true }));

const CUES = { answer: 11, reasoning: 12 };

async function settings(...overrides: string[]): Promise<ObjectiveSettings> {
  const given = ['data.dataset=shapes', 'data.videos=videos', ...overrides];
  const { config } = await resolveConfig({ overrides: given });
  return { config, tokenizer };
}

/** Texts cut, without those of which none is. */
const cuts = (truncated: ReadonlyMap<string, number>) =>
  Object.fromEntries([...truncated].filter(([, count]) => count > 0));

const withEos = (text: string) => tokenizer.encode(text, { addEos: true });

/** The losses of the tasks, where each has the weight of the answer. */
const ofTasks = (weight: number) =>
  ['qa', 'open', 'caption', 'ground', 'grounded-choice'].map((name) => ({ name, weight }));

describe('answer and reasoning at once', () => {
  it('encode answer and reasoning apart', async () => {
    const sample = randomSample(new Rng('apart'));
    const { targets, truncated } = mtl(await settings()).encode([sample]);
    expect(targets).toEqual([
      {
        name: 'qa',
        rows: [[tokenizer.answerStart()[0], tokenizer.letterIds(5)[sample.answer!], tokenizer.eosId]],
        start: undefined,
        prompts: undefined,
      },
      { name: 'reasoning', rows: [withEos(sample.reasoning!)], start: undefined, prompts: undefined },
    ]);
    expect(cuts(truncated)).toEqual({});
  });

  it('leave the reasoning of a sample without any empty, and need an answer', async () => {
    const { reasoning: absent, ...without } = randomSample(new Rng('without'));
    expect(absent).toBeDefined();
    const objective = mtl(await settings());
    const spaces = { ...without, reasoning: '  ' };
    expect(objective.encode([without, spaces]).targets[1]!.rows).toEqual([[], []]);
    const { answer: hidden, ...blind } = without;
    expect(hidden).toBeDefined();
    expect(() => objective.encode([blind])).toThrow(/has no answer/);
    expect(() => objective.encode([blind])).toThrow(DataError);
  });

  it('weigh them by alpha and beta, and have no second target when beta is 0', async () => {
    const samples = [randomSample(new Rng('beta'))];
    const both = mtl(await settings('train.beta=0.3'));
    expect(both.losses).toEqual([...ofTasks(0.7), { name: 'reasoning', weight: 0.3 }]);
    const answers = mtl(await settings('train.beta=0'));
    expect(answers.losses).toEqual(ofTasks(1));
    expect(answers.encode(samples).targets).toEqual(both.encode(samples).targets.slice(0, 1));
  });

  it('count the texts they truncate', async () => {
    const red = (n: number) => Array.from({ length: n }, () => 'red').join(' ');
    const base = { question: red(5), options: ['red', 'blue'], answer: 0, reasoning: red(9) };
    const samples = [base, { ...base, reasoning: red(80) }, { ...base, reasoning: red(10) }].map(
      (overrides) => randomSample(new Rng('cut'), overrides),
    );
    const { targets, truncated } = mtl(await settings('text.maxReasoning=10')).encode(samples);
    expect(cuts(truncated)).toEqual({ 'reasoning texts (text.maxReasoning 10)': 2 });
    expect(targets[1]!.rows.map((row) => row.length)).toEqual([10, 10, 10]);
    for (const row of targets[1]!.rows) expect(row.at(-1)).toBe(tokenizer.eosId);
  });

  it('give the reasoning a prompt of its own, cut to the limit of prompts, when the recipe has one', async () => {
    const samples = ['a', 'b'].map((seed) => randomSample(new Rng(seed)));
    const limits = ['text.reasoningPrompt=Considering {question} {options}', 'text.maxPrompt=6'];
    const [answer, reasoning] = mtl(await settings(...limits)).encode(samples).targets;
    expect(answer).not.toHaveProperty('prompts');
    expect(reasoning!.prompts).toEqual(
      samples.map(
        (sample) => encodeText(tokenizer, qaPrompt(sample, 'Considering {question} {options}'), 6).ids,
      ),
    );
    expect(cuts(mtl(await settings(...limits)).encode(samples).truncated)).toEqual({
      'reasoning prompts (text.maxPrompt 6)': 2,
    });
  });

  it('may ask for the reasoning without the options', async () => {
    const sample = randomSample(new Rng('question'));
    const { targets } = mtl(await settings('text.reasoningPrompt=Considering {question}')).encode([sample]);
    expect(targets[1]!.prompts).toEqual([withEos(`Considering ${sample.question}`)]);
  });

  it('start each task with its cue', async () => {
    const objective = mtl({ ...(await settings()), cues: CUES });
    const { targets } = objective.encode([randomSample(new Rng('cues'))]);
    expect(targets.map(({ start }) => start)).toEqual([11, 12]);
  });
});

describe('one target', () => {
  const joined = (sample: Sample) => `${reasoningTarget(sample)} Option ${'ABCDE'[sample.answer!]}`;
  const joint = (...overrides: string[]) =>
    settings(
      ...['train.mode=stl', 'train.stlTarget=reasoning-answer', 'eval.scorer=generate'],
      ...['eval.maxNewTokens=300', ...overrides],
    );

  it('joins reasoning and answer as one text', async () => {
    const objective = stl(await joint());
    const rng = new Rng('joint');
    for (let i = 0; i < 50; i++) {
      const sample = randomSample(rng, { reasoning: randomText(rng, 1 + rng.int(30)) });
      const { targets } = objective.encode([sample]);
      expect(targets).toEqual([{ name: 'qa', rows: [withEos(joined(sample))], start: undefined }]);
    }
  });

  it('truncates the reasoning of a joint target, never its answer', async () => {
    const sample = randomSample(new Rng('cut'), { reasoning: randomText(new Rng('long'), 100) });
    const whole = withEos(joined(sample));
    const { targets, truncated } = stl(await joint('text.maxReasoning=40')).encode([sample]);
    const [row] = targets[0]!.rows;
    expect(row).toHaveLength(40);
    expect(row!.slice(-3)).toEqual(whole.slice(-3));
    expect(row!.slice(0, 37)).toEqual(whole.slice(0, 37));
    expect(cuts(truncated)).toEqual({ 'reasoning texts (text.maxReasoning 40)': 1 });
    const tight = stl(await joint('text.maxReasoning=2'));
    expect(() => tight.encode([sample])).toThrow(UsageError);
  });

  it('has both in tags, whatever the task, and an empty part where there is no reasoning', async () => {
    const given = await settings(
      ...['train.mode=stl', 'train.stlTarget=tagged', 'eval.scorer=generate'],
      'text.maxReasoning=16',
    );
    expect(() => stl(given)).toThrow(/^train\.stlTarget tagged: the tokenizer of /);
    const shapes = await Tokenizer.load(SHAPES);
    const objective = stl({ ...given, tokenizer: shapes });
    const choice = randomSample(new Rng('tagged'), { reasoning: 'the red cube moves', answer: 1 });
    const { reasoning: _, ...without } = choice;
    const open = { ...without, task: 'open' as const, options: [], answers: ['it moves'] };
    const long = { ...choice, reasoning: 'the red cube moves '.repeat(9) };
    const { targets, truncated } = objective.encode([choice, open, long]);
    expect(targets.map(({ name, rows }) => [name, rows.map((row) => shapes.decode(row))])).toEqual([
      [
        'qa',
        [
          '<think>the red cube moves</think> <answer>Option B</answer>',
          '',
          expect.stringMatching(/^<think>the red [a-z ]+<\/think> <answer>Option B<\/answer>$/),
        ],
      ],
      ['open', ['', '<think></think> <answer>it moves</answer>', '']],
    ]);
    expect(cuts(truncated)).toEqual({ 'reasoning texts (text.maxReasoning 16)': 1 });
  });

  it('is the answer alone unless the recipe asks for the reasoning, and never weighed', async () => {
    const sample = randomSample(new Rng('alone'));
    const objective = stl({ ...(await settings('train.mode=stl')), cues: CUES });
    const answer = mtl(await settings()).encode([sample]).targets[0]!.rows;
    expect(objective.encode([sample]).targets).toEqual([{ name: 'qa', rows: answer, start: 11 }]);
    for (const given of [await settings('train.mode=stl'), await joint()])
      expect(stl(given).losses).toEqual(ofTasks(1));
  });
});

it('a recipe chooses them by train.mode', async () => {
  for (const [mode, make] of [
    ['mtl', mtl],
    ['stl', stl],
  ] as const) {
    const given = await settings(`train.mode=${mode}`);
    expect(objectiveOf(given).losses).toEqual(make(given).losses);
  }
  const other = await settings();
  other.config.train.mode = 'none such';
  expect(() => objectiveOf(other)).toThrow('train.mode none such: no such objective');
});
