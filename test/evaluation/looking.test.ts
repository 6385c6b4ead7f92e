/** Looking again in evaluation, with a scripted student: what it is given in every turn, and what becomes of what it writes. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { BatchBuilder } from '../../src/batches/batch.js';
import { resolveConfig } from '../../src/config/load.js';
import type { Sample } from '../../src/data/sample.js';
import type { Evaluator, Prediction } from '../../src/evaluation/answers.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import type { Encoded, GenerateOptions, Student, StudentInput } from '../../src/model/student.js';
import { callText, encodeTurn } from '../../src/text/looking.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { trajectoriesOf } from '../../src/training/trajectories.js';

const BASE = fileURLToPath(new URL('../../weights/shapes', import.meta.url));
const options = ['the circle', 'the square', 'nothing'];
const common = { dataset: 'jsonl', video: 'a.webp', type: 'all', question: 'when did it move', duration: 16 };
const sampleOf = (id: string, more: Partial<Sample> = {}): Sample => ({
  ...{ ...common, id, task: 'ground' as const, options: [], spans: [[4, 6]] as const },
  ...(more as object),
});
const CALL = callText([3, 6]);
const GOOD = `<think>look</think> ${CALL}`;
const ANSWER = '<think>seen</think> <answer>4.0 to 6.0 seconds</answer>';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(BASE);
});

interface Encoding extends Encoded {
  clips: string[];
  prompts: string[];
}

/**
 * Evaluates with a student that writes its script, one list of turns a sample. A clip is the name of its sample and its bounds.
 *
 * @param fails bounds of clips that cannot be read
 */
async function evaluated(
  samples: readonly Sample[],
  script: Record<string, readonly string[]>,
  { overrides = [], fails = [] }: { overrides?: string[]; fails?: string[] } = {},
) {
  const settings = {
    ...{ 'data.dataset': 'jsonl', 'data.videos': '.', 'model.base': BASE, 'train.mode': 'stl' },
    ...{ 'train.stlTarget': 'tagged', 'eval.scorer': 'generate', 'eval.maxNewTokens': 256, 'eval.looks': 2 },
  };
  const { config } = await resolveConfig({
    overrides: [...Object.entries(settings).map(([key, value]) => `${key}=${value}`), ...overrides],
  });
  const names: string[] = [];
  const given: { clips: string[]; prompts: string[] }[] = [];
  const turns = new Map<string, number>();
  let open = 0;
  const source = {
    load: async ({ id, start, end, look }: Sample) => {
      const name = `${id} ${start ?? ''}-${end ?? ''}${look?.perSecond ? ` at ${look.perSecond}` : ''}`;
      if (fails.includes(name)) throw new DataError(`${id}: broken`);
      names.push(name);
      return Float32Array.of(names.length - 1);
    },
    visual: (clips: readonly Float32Array[]) => {
      open++;
      const shown = clips.map(([at]) => names[at!]!);
      return { features: { shown, dispose: () => void open-- } } as never;
    },
    times: async ({ start = 0, end = 16 }: Sample) => [start, end],
  };
  const encodedOf = (clips: string[], prompts: string[]): Encoding => {
    open++;
    return {
      ...{ clips, prompts, rows: clips.length },
      pick: (row) => encodedOf([clips[row]!], [prompts[row]!]),
      repeat: () => {
        throw new Error('not asked for');
      },
      dispose: () => void open--,
    };
  };
  const student = {
    encode: ({ visual, prompts }: StudentInput) => {
      const { shown } = visual.features as unknown as { shown: string[] };
      const texts = prompts.map((row) => tokenizer.decode(row));
      given.push({ clips: shown, prompts: texts });
      return encodedOf(shown, texts);
    },
    generate: (encoded: Encoded, { forced }: GenerateOptions) => {
      expect(forced).toBeUndefined();
      const ids = (encoded as Encoding).clips.map((clip) => {
        const [id] = clip.split(' ') as [string];
        const turn = turns.get(id) ?? 0;
        turns.set(id, turn + 1);
        return encodeTurn(tokenizer, script[id]![turn]!);
      });
      return { ids, logProbs: [] };
    },
    tokenScores: (encoded: Encoded) => (encoded as Encoding).clips.map(() => [0, 2, 1]),
  } as unknown as Student;
  const builder = new BatchBuilder(config, tokenizer, source);
  const evaluator: Evaluator = { student, tokenizer, builder, config, tagged: true, reasonsFirst: true };
  const { predictions } = await evaluate(evaluator, samples);
  expect(open).toBe(0);
  return { predictions, given, config };
}

describe('a student that looks again', () => {
  it('is given the frames of its span, their times before the question and its thoughts behind it', async () => {
    const { predictions, given } = await evaluated([sampleOf('a')], { a: [GOOD, ANSWER] });
    expect(given.map(({ clips }) => clips)).toEqual([['a -'], ['a 3-6 at 2']]);
    const [first, second] = given.map(({ prompts }) => prompts[0]!);
    expect(second).toBe(`Video clip from 3.00 to 6.00 seconds. ${first} look`);
    expect(predictions).toEqual([
      {
        ...{ id: 'a', type: 'all', task: 'ground', span: [4, 6], text: '4.0 to 6.0 seconds' },
        turns: [
          {
            text: GOOD,
            call: [3, 6],
            result: 'Video clip from 3.00 to 6.00 seconds.',
            shown: [3, 6],
            frames: [0, 16],
          },
          { text: ANSWER, frames: [3, 6] },
        ],
      },
    ]);
  });

  it('shares batches with others as long as they go on', async () => {
    const { predictions, given } = await evaluated(
      ['a', 'b', 'c'].map((id) => sampleOf(id)),
      {
        ...{ a: [ANSWER], b: [GOOD, GOOD.replace('3.00', '2.00'), ANSWER] },
        c: ['<think>x</think> <tool_call>three five</tool_call>', ANSWER],
      },
    );
    expect(given.map(({ clips }) => clips)).toEqual([
      ['a -', 'b -', 'c -'],
      ['b 3-6 at 2', 'c -'],
      ['b 2-6 at 2'],
    ]);
    expect(given[1]!.prompts[1]).toContain('The call failed: the call is no JSON');
    expect(predictions.map(({ id, span }) => [id, span])).toEqual([
      ['a', [4, 6]],
      ['b', [4, 6]],
      ['c', [4, 6]],
    ]);
  });

  it('names no span where it only ever calls, and calls count as answered twice', async () => {
    const { predictions, config } = await evaluated([sampleOf('a')], { a: [GOOD, GOOD, GOOD] });
    const [{ span, text, turns }] = predictions as [Prediction];
    expect({ span, text }).toEqual({ span: undefined, text: '' });
    expect(turns!.map(({ result }) => result)).toEqual([
      ...Array(2).fill('Video clip from 3.00 to 6.00 seconds.'),
      'The call failed: no further call is answered, 2 at most.',
    ]);
    const rl = { ...config.train.rl, rewards: { tool: 1, format: 1, iou: 1 }, format: 'add' as const };
    const [trajectory] = await trajectoriesOf({ rl }, [sampleOf('a')], predictions, () => undefined);
    expect(trajectory).toEqual({
      id: 'a',
      turns,
      answer: '',
      rewards: { tool: 1, format: 0, iou: 0, total: 1 },
    });
  });

  it.each(['', 'the circle', '<think>a</think>', '<answer></answer>'])(
    'that writes %j is asked to choose by letter',
    async (text) => {
      const choice = { task: 'choice' as const, options, answer: 1, spans: [[4, 6]] as Sample['spans'] & {} };
      const { predictions } = await evaluated([sampleOf('a', choice)], { a: [text] });
      expect(predictions[0]).toMatchObject({ prediction: 1, scores: [0, 2, 1], forced: true });
      expect(predictions[0]!.turns).toHaveLength(1);
    },
  );

  it('chooses in its answer', async () => {
    const choice = { task: 'choice' as const, options, answer: 2 };
    const { predictions } = await evaluated([sampleOf('a', choice)], {
      a: [GOOD, '<think>A</think> <answer>Option C</answer>'],
    });
    expect(predictions[0]).toMatchObject({ prediction: 2, answer: 2 });
    expect(predictions[0]!.forced).toBeUndefined();
  });

  it('is read alike with looks and without, also where it writes no tag', async () => {
    const samples = [
      sampleOf('span'),
      sampleOf('choice', { task: undefined, options, answer: 1 }),
      sampleOf('open', { task: 'open', answers: ['it fell'] }),
    ];
    const script = { span: ['4.0 to 6.0 seconds'], choice: ['Option C'], open: ['it fell'] };
    const read = async (looks: number) => {
      const { predictions } = await evaluated(samples, script, { overrides: [`eval.looks=${looks}`] });
      return predictions.map(({ turns: _, ...own }) => own);
    };
    const [without, looking] = [await read(0), await read(2)];
    expect(looking).toEqual(without);
    expect(looking).toMatchObject([{ span: [4, 6] }, { prediction: 2 }, { text: 'it fell' }]);
  });

  it('is told of frames that cannot be read where videos may be left out, and sees the first ones', async () => {
    const given = await evaluated(
      [sampleOf('a'), sampleOf('b')],
      { a: [GOOD, ANSWER], b: [GOOD, ANSWER] },
      {
        overrides: ['data.onBadVideo=skip'],
        fails: ['a 3-6 at 2'],
      },
    );
    expect(given.given[1]!.clips).toEqual(['a -', 'b 3-6 at 2']);
    expect(given.given[1]!.prompts[0]).toContain('The call failed: these frames cannot be read.');
    const broken = evaluated([sampleOf('a')], { a: [GOOD, ANSWER] }, { fails: ['a 3-6 at 2'] });
    await expect(broken).rejects.toThrow('a: broken');
  });
});

describe('a control', () => {
  it('looks at the true span in place of the student, once', async () => {
    const { given, predictions } = await evaluated(
      [sampleOf('a')],
      { a: [GOOD, ANSWER] },
      { overrides: ['eval.look=oracle'] },
    );
    expect(given.map(({ clips }) => clips)).toEqual([['a -'], ['a 4-6 at 2']]);
    // The student's own call comes second, and is one too many.
    expect(predictions[0]!.turns!.map(({ result }) => result)).toEqual([
      'Video clip from 4.00 to 6.00 seconds.',
      'The call failed: no further call is answered, 1 at most.',
    ]);
  });

  it('looks at a span as long, the same one every time', async () => {
    const looked = async (id: string) => {
      const { predictions } = await evaluated(
        [sampleOf(id)],
        { [id]: [ANSWER] },
        { overrides: ['eval.look=random'] },
      );
      return predictions[0]!.turns![0]!.shown!;
    };
    const spans = [await looked('a'), await looked('b'), await looked('c')];
    for (const [start, end] of spans) expect(end - start).toBeCloseTo(2, 9);
    expect(new Set(spans.map(([start]) => start)).size).toBeGreaterThan(1);
    expect(await looked('a')).toEqual(spans[0]);
  });

  it.each(['oracle', 'random'])('by %s has no look without a true span', async (look) => {
    const open = { task: 'open' as const, answers: ['the circle'], spans: undefined as never };
    const { predictions, given } = await evaluated(
      [sampleOf('a', open), sampleOf('b', open)],
      { a: ['<think>x</think> <answer>the circle</answer>'], b: [GOOD] },
      { overrides: [`eval.look=${look}`] },
    );
    expect(given).toHaveLength(1);
    expect(predictions.map(({ text }) => text)).toEqual(['the circle', '']);
    expect(predictions[1]!.turns![0]!.result).toContain('0 at most');
  });
});

describe('the keys of looking again', () => {
  const resolved = (...overrides: string[]) =>
    resolveConfig({
      overrides: [
        'data.dataset=jsonl',
        'data.videos=.',
        `model.base=${BASE}`,
        'eval.scorer=generate',
        ...overrides,
      ],
    });

  it.each<[string, string[]]>([
    ['eval.looks', ['eval.looks=1']],
    ['eval.looks', ['eval.looks=3']],
    ['eval.look', ['eval.look=nobody']],
    ['train.looks', ['train.looks=1', 'train.mode=stl']],
    ['train.looks', ['train.looks=2']],
    [
      'eval.mode',
      [
        'train.mode=stl',
        'train.stlTarget=tagged',
        'eval.maxNewTokens=256',
        'eval.looks=1',
        'eval.mode=two-stage',
      ],
    ],
  ])('%s is refused with %j', async (key, overrides) => {
    await expect(resolved(...overrides)).rejects.toThrow(key);
  });

  it('are told where they do nothing', async () => {
    const { warnings } = await resolved('eval.look=oracle', 'video.lookFps=4');
    expect(warnings.join('\n')).toMatch(/eval\.look: .*eval\.looks is 0[\s\S]*video\.lookFps/);
  });
});
