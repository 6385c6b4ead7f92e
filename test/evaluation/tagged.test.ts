/** A student that was taught to write in tags: what is read of its texts, and how it is asked without reasoning. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../src/batches/batch.js';
import { resolveConfig } from '../../src/config/load.js';
import type { Sample } from '../../src/data/sample.js';
import { answerInput } from '../../src/evaluation/modes.js';
import type { Encoded, GenerateOptions, Student } from '../../src/model/student.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

const BASE = fileURLToPath(new URL('../../weights/shapes', import.meta.url));
const common = { dataset: 'jsonl', video: 'a.mp4', type: 'all', question: 'what moves' };
const options = ['the cube', 'the ball', 'nothing'];
const SAMPLES: Record<string, Sample> = {
  choice: { ...common, id: 'c', options, answer: 1 },
  open: { ...common, id: 'o', task: 'open', options: [], answers: ['the ball'] },
  ground: { ...common, id: 'g', task: 'ground', options: [], spans: [[1, 2]], duration: 3 },
  grounded: { ...common, id: 'm', task: 'grounded-choice', options, answer: 1, spans: [[1, 2]], duration: 3 },
};

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(BASE);
});

/** The prediction of a student that writes one text, or another one behind what it is forced to begin with. */
async function answered(task: string, text: string, overrides: string[] = [], behind = 'Option A') {
  const { config } = await resolveConfig({
    overrides: [
      ...['data.dataset=jsonl', 'data.videos=.', `model.base=${BASE}`, 'text.maxReasoning=64'],
      ...['train.mode=stl', 'train.stlTarget=tagged', 'eval.scorer=generate', 'eval.maxNewTokens=64'],
      ...overrides,
    ],
  });
  const source = { load: async () => new Float32Array(), visual: () => ({}) as never };
  const builder = new BatchBuilder(config, tokenizer, source);
  const host = await builder.prepare([SAMPLES[task]!]);
  const before: string[] = [];
  const encoded = (): Encoded => ({ rows: 1, pick: encoded, repeat: encoded, dispose: () => undefined });
  const student = {
    encode: encoded,
    tokenScores: (_: Encoded, prefix: readonly number[], letters: ArrayLike<number>) => {
      before.push(tokenizer.decode(prefix));
      return [Array.from(letters, (__, option) => Number(option === 2))];
    },
    generate: (_: Encoded, { forced = [], maxNewTokens }: GenerateOptions) => {
      if (forced.length > 0) before.push(tokenizer.decode(forced));
      const rest = tokenizer.encode(forced.length > 0 ? behind : text, { addEos: false });
      return { ids: [[...forced, ...rest].slice(0, maxNewTokens)], logProbs: [] };
    },
  };
  const evaluator = {
    ...{ student: student as unknown as Student, tokenizer, builder, config },
    ...{ reasonsFirst: true, tagged: true },
  };
  const input = { visual: {} as never, frames: 1, prompts: host.prompts };
  return { prediction: answerInput(evaluator, host, input)[0]!, before };
}

const thought = 'Option C is not the one, the answer is A, 5 to 6';
const said = (answer: string) => `<think>${thought}</think> <answer>${answer}</answer>`;

describe('a text in tags', () => {
  it.each([
    ['choice', 'Option B', { prediction: 1 }],
    ['choice', 'B', { prediction: 1 }],
    ['open', 'the ball', { text: 'the ball' }],
    ['ground', '1 to 2 seconds', { span: [1, 2] }],
    ['grounded', 'Option B 1 to 2 seconds', { prediction: 1, span: [1, 2] }],
  ])('about %s is read by its answer %j alone', async (task, answer, expected) => {
    const { prediction } = await answered(task, said(answer));
    expect(prediction).toMatchObject(expected);
    expect(prediction).not.toHaveProperty('forced');
  });

  it.each(['<think>it is cut', said('nothing that is known'), ''])(
    'without an answer, %j, has the letters compared behind an opened one',
    async (text) => {
      const { prediction, before } = await answered('choice', text);
      expect(prediction).toMatchObject({ prediction: 2, forced: true });
      expect(before).toHaveLength(1);
      expect(before[0]!.endsWith('<answer>Option')).toBe(true);
      expect(before[0]!.startsWith(text.slice(0, 10))).toBe(true);
    },
  );

  it('gives its reasoning, and the answer without it behind an opened one', async () => {
    const mode = ['eval.mode=reason-then-answer'];
    const choice = await answered('choice', said('Option B'), mode);
    expect(choice.prediction).toMatchObject({
      prediction: 1,
      reasoning: expect.stringMatching(/^Option C is/),
    });
    expect(choice.prediction.reasoning).not.toMatch(/[<>]/);
    expect(choice.prediction.direct).toEqual({ prediction: 2 });
    expect(choice.before).toEqual(['<answer>Option']);
    const open = await answered('open', said('the ball'), mode, 'the cube</answer>');
    expect(open.prediction).toMatchObject({ text: 'the ball', direct: { text: 'the cube' } });
    expect(open.before).toEqual(['<answer>']);
  });
});
