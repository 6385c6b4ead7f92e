/** Answer modes, with a scripted student: what it is asked, in which order, and what becomes of its texts. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { BatchBuilder, type HostBatch } from '../../src/batches/batch.js';
import { resolveConfig } from '../../src/config/load.js';
import type { Sample } from '../../src/data/sample.js';
import type { Evaluator, Prediction } from '../../src/evaluation/answers.js';
import { answerInput } from '../../src/evaluation/modes.js';
import type { Encoded, GenerateOptions, Student, StudentInput, TokenRows } from '../../src/model/student.js';
import { answerMarkIds } from '../../src/text/tasks/task.js';
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
const REASONING = 'the ball moves to the left';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(BASE);
});

/** What the student was asked for. */
interface Asked {
  prompts: string[];
  /** Text that letters were compared after, or that its own text had to begin with. */
  before: string;
  scored: boolean;
  limit?: number;
}

/**
 * A student that knows the answer (the second option, the ball, second 1 to 2) only behind its reasoning, and else is wrong.
 * What it writes follows from what its text has to begin with and from the token that it must not begin with.
 *
 * @param whole what it writes where nothing is said about the beginning
 */
function scripted(whole?: string): { student: Student; asked: Asked[]; live: () => number } {
  const asked: Asked[] = [];
  let open = 0;
  const encodedOf = (prompts: TokenRows): Encoded & { prompts: TokenRows } => {
    open++;
    return {
      prompts,
      rows: prompts.length,
      pick: (row) => encodedOf([prompts[row]!]),
      repeat: (times) => encodedOf(prompts.flatMap((row) => Array<readonly number[]>(times).fill(row))),
      dispose: () => void open--,
    };
  };
  const textsOf = (encoded: Encoded) =>
    (encoded as ReturnType<typeof encodedOf>).prompts.map((ids) => tokenizer.decode(ids));
  const student = {
    encode: ({ prompts }: StudentInput) => encodedOf(prompts),
    tokenScores: (encoded: Encoded, prefix: readonly number[], letters: ArrayLike<number>) => {
      const prompts = textsOf(encoded);
      const before = tokenizer.decode(prefix);
      asked.push({ prompts, before, scored: true });
      const reasoned = (i: number) => `${prompts[i]} ${before}`.includes(REASONING);
      return prompts.map((_, i) =>
        Array.from(letters, (__, option) => Number(option === (reasoned(i) ? 1 : 0))),
      );
    },
    generate: (encoded: Encoded, given: GenerateOptions) => {
      const prompts = textsOf(encoded);
      const before = tokenizer.decode(given.forced ?? []);
      asked.push({ prompts, before, scored: false, limit: given.maxNewTokens });
      const ids = prompts.map((prompt) => {
        const text =
          given.notFirst !== undefined
            ? REASONING
            : whole !== undefined && before === ''
              ? whole
              : answerTo(prompt, `${prompt} ${before}`.includes(REASONING));
        return [...(given.forced ?? []), ...tokenizer.encode(text, { addEos: false })].slice(
          0,
          given.maxNewTokens,
        );
      });
      return { ids, logProbs: [] };
    },
  };
  return { student: student as unknown as Student, asked, live: () => open };
}

function answerTo(prompt: string, reasoned: boolean): string {
  if (prompt.includes('seconds')) return reasoned ? '1.0 to 2.0 seconds' : '2.0 to 3.0 seconds';
  return reasoned ? 'the ball' : 'the cube';
}

/** @param whole of a student that was taught to reason first: the text that it writes */
async function answeredBy(whole: string | undefined, task: string, ...overrides: string[]) {
  const own = ['data.dataset=jsonl', 'data.videos=.', `model.base=${BASE}`];
  const { config } = await resolveConfig({ overrides: [...own, ...overrides] });
  const source = { load: async () => new Float32Array(), visual: () => ({}) as never };
  const builder = new BatchBuilder(config, tokenizer, source);
  const host: HostBatch = await builder.prepare([SAMPLES[task]!]);
  const { student, asked, live } = scripted(whole);
  const evaluator: Evaluator = { student, tokenizer, builder, config, reasonsFirst: whole !== undefined };
  const input = { visual: {} as never, frames: 1, prompts: host.prompts };
  const [prediction] = answerInput(evaluator, host, input);
  expect(live()).toBe(0);
  return { prediction: prediction as Prediction, asked };
}

const answered = (task: string, ...overrides: string[]) => answeredBy(undefined, task, ...overrides);

const WRONG: Record<string, object> = {
  choice: { prediction: 0 },
  open: { text: 'the cube' },
  ground: { span: [2, 3], text: '2.0 to 3.0 seconds' },
  grounded: { prediction: 0, span: [2, 3] },
};
const RIGHT: Record<string, object> = {
  choice: { prediction: 1 },
  open: { text: 'the ball' },
  ground: { span: [1, 2], text: '1.0 to 2.0 seconds' },
  grounded: { prediction: 1, span: [1, 2] },
};

describe.each(Object.keys(SAMPLES))('a sample of %s', (task) => {
  it('answers alone by default', async () => {
    const { prediction } = await answered(task);
    expect(prediction).toMatchObject(WRONG[task]!);
    expect(prediction).not.toHaveProperty('reasoning');
    expect(prediction).not.toHaveProperty('direct');
  });

  it('keeps its answer where the reasoning comes after it', async () => {
    const { prediction } = await answered(task, 'eval.mode=answer-then-reason');
    expect(prediction).toMatchObject({ ...WRONG[task], reasoning: REASONING });
    expect(prediction).not.toHaveProperty('direct');
  });

  it.each(['reason-then-answer', 'two-stage'])(
    'answers behind its reasoning by %s, the direct answer beside',
    async (mode) => {
      const { prediction } = await answered(task, `eval.mode=${mode}`);
      expect(prediction).toMatchObject({ ...RIGHT[task], reasoning: REASONING, direct: WRONG[task] });
    },
  );
});

describe('one pass', () => {
  it('continues the reasoning in the decoder, under the question alone', async () => {
    const { asked } = await answered('choice', 'eval.mode=reason-then-answer');
    const last = asked.at(-1)!;
    expect(last.before).toBe(`${REASONING} Option`);
    expect(last.prompts[0]).not.toContain(REASONING);
  });

  it('marks where a written answer begins, and gives it the room of an answer behind the reasoning', async () => {
    const { asked } = await answered('ground', 'eval.mode=reason-then-answer', 'text.maxAnswer=20');
    const last = asked.at(-1)!;
    expect(last.before).toBe(`${REASONING} Answer:`);
    const forced = tokenizer.encode(REASONING, { addEos: false }).length + answerMarkIds(tokenizer).length;
    expect(last.limit).toBe(forced + 20);
  });
});

describe('a student that reasons first', () => {
  it.each([
    ['choice', `${REASONING} Option B`, 'letter'],
    ['choice', `${REASONING} Option B`, 'generate'],
    ['open', `${REASONING} Answer: the ball`, 'generate'],
    ['ground', `${REASONING} Answer: 1.0 to 2.0 seconds`, 'generate'],
  ])('writes its reasoning and answer to %s once: "%s" (%s)', async (task, whole, scorer) => {
    const overrides = ['eval.mode=reason-then-answer', `eval.scorer=${scorer}`];
    const { prediction, asked } = await answeredBy(whole, task, ...overrides);
    expect(prediction).toMatchObject({ ...RIGHT[task], reasoning: REASONING });
    expect(asked.filter(({ scored, before }) => !scored && before === '')).toHaveLength(1);
  });

  it('has its letters compared behind a text that names no option', async () => {
    const { prediction } = await answeredBy(REASONING, 'choice', 'eval.mode=reason-then-answer');
    expect(prediction).toMatchObject({ ...RIGHT.choice, forced: true, reasoning: REASONING });
  });
});

describe('two stages', () => {
  it('put the reasoning behind the prompt', async () => {
    const { asked } = await answered('choice', 'eval.mode=two-stage');
    const last = asked.at(-1)!;
    expect(last.before).toBe('Option');
    expect(last.prompts[0]!.endsWith(REASONING)).toBe(true);
    expect(last.prompts[0]).toContain('what moves');
  });

  it('give the prompt the room of both', async () => {
    const { asked } = await answered(
      'choice',
      'eval.mode=two-stage',
      'text.maxPrompt=60',
      'text.maxReasoning=40',
    );
    expect(asked.at(-1)!.prompts[0]!.endsWith(REASONING)).toBe(true);
  });
});
