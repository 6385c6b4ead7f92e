/** The survey before the first step: refusal, filters, and what is kept of it. */
import { mkdirSync } from 'node:fs';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, Interrupted, UsageError } from '../../../../src/base/errors.js';
import type { Sample } from '../../../../src/data/sample.js';
import { Scorer } from '../../../../src/rewards/index.js';
import type { Candidates } from '../../../../src/training/objectives/objective.js';
import { Survey, type SurveySettings } from '../../../../src/training/objectives/rl/survey.js';
import type { Asked, Completions, Writer } from '../../../../src/training/objectives/rl/writer.js';

let scratch: string;
let folders = 0;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-survey-'));
});
afterAll(() => rm(scratch, { recursive: true }));

const SETTINGS: SurveySettings = {
  ...{ survey: 4, filter: 'none', captionVariance: 0.2, wellFormed: 0.95 },
  ...{ group: 2, seed: 1, batch: 2 },
};

const sample = (id: string): Sample => ({
  ...{ id, dataset: 'shapes', video: id, question: 'what?', type: 'what' },
  ...{ options: ['x', 'y'], answer: 0 },
});
const SAMPLES = ['easy', 'hard', 'half', 'other', 'easy2', 'half2'].map(sample);

const RIGHT = '<think>it moves</think> <answer>Option A</answer>';
const WRONG = '<think></think> <answer>Option B</answer>';

/** Texts of the two completions by the beginning of the id. */
const TEXTS: Record<string, string[]> = {
  ...{ easy: [RIGHT, RIGHT], hard: [WRONG, WRONG] },
  ...{ half: [RIGHT, WRONG], other: [WRONG, RIGHT] },
};

/** A survey by a student whose completions are given, and what it was asked and said. */
function surveyed({
  settings = {},
  texts = TEXTS,
  weights = { format: 1, choice: 1 },
  folder = join(scratch, String(folders++)),
  stopAfter = Number.POSITIVE_INFINITY,
  candidates = {},
}: {
  settings?: Partial<SurveySettings>;
  texts?: Record<string, string[]>;
  weights?: Record<string, number>;
  folder?: string;
  stopAfter?: number;
  candidates?: Partial<Candidates>;
} = {}) {
  mkdirSync(folder, { recursive: true });
  const scorer = new Scorer({ weights, format: 'multiply', iouRange: [0, 1] });
  const asked: string[] = [];
  const said: string[] = [];
  const writer = {
    write: async ({ samples }: Asked): Promise<Completions> => {
      asked.push(...samples.map(({ id }) => id));
      const all = samples.flatMap((each) =>
        texts[each.id.replace(/\d$/, '')]!.map((text) => ({ sample: each, text })),
      );
      const scored = await Promise.all(all.map((one) => scorer.score(one)));
      return { texts: all.map(({ text }) => text), scored, rows: [], cut: [] };
    },
  } as unknown as Writer;
  let batches = 0;
  const choose = () =>
    new Survey({ ...SETTINGS, ...settings }, writer, scorer).choose({
      ...{ samples: SAMPLES, folder, origin: 'one' },
      show: (samples, use) => use({ samples } as unknown as Asked),
      onProgress: () => {
        if (++batches > stopAfter) throw new Interrupted('stopped');
      },
      onNotice: (line) => said.push(line),
      ...candidates,
    });
  return { choose, asked, said, folder, file: join(folder, 'survey.jsonl') };
}

describe('a survey', () => {
  it('asks some prompts and tells pass@1, pass@k and the share of the form', async () => {
    const { choose, asked, said } = surveyed({ settings: { survey: 6 } });
    const { samples, metrics } = await choose();
    expect(samples).toEqual(SAMPLES);
    expect(asked.toSorted()).toEqual(SAMPLES.map(({ id }) => id).toSorted());
    // Two of two, twice; none; one of two, three times.
    expect(metrics['rl/pass_1']).toBeCloseTo((2 + 0 + 1.5) / 6, 12);
    expect(metrics['rl/pass_2']).toBeCloseTo(5 / 6, 12);
    expect(metrics['rl/well_formed']).toBe(1);
    expect(said).toEqual([
      'survey of 6 prompts, 2 completions each: pass@1 58.3 %, pass@2 83.3 %, well-formed 100.0 %',
    ]);
  });

  it('asks as many prompts as the recipe says, the same ones for the same seed, and none for 0', async () => {
    const some = async (settings: Partial<SurveySettings>) => {
      const { choose, asked } = surveyed({ settings });
      await choose();
      return asked;
    };
    const first = await some({ survey: 3 });
    expect(first).toHaveLength(3);
    expect(await some({ survey: 3 })).toEqual(first);
    expect(await some({ survey: 0 })).toEqual([]);
  });

  it('tells its progress before the first prompt and after every batch, so that a rate counts all of them', async () => {
    const told: [number, number][] = [];
    const onProgress = (done: number, total: number) => told.push([done, total]);
    await surveyed({ settings: { survey: 3, batch: 2 }, candidates: { onProgress } }).choose();
    expect(told).toEqual([
      [0, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  it('says so where no reward applies, and leaves no number', async () => {
    const { choose, said } = surveyed({ weights: { rouge: 1 } });
    const { samples, metrics } = await choose();
    expect(samples).toEqual(SAMPLES);
    expect(metrics).toEqual({});
    expect(said[0]).toMatch(/no reward of content applies$/);
  });

  it('goes on where clips cannot be read', async () => {
    const { choose, said } = surveyed({ candidates: { show: async () => undefined } });
    expect((await choose()).samples).toEqual(SAMPLES);
    expect(said[0]).toMatch(/^survey of 4 prompts/);
  });
});

describe('a student that cannot write the form', () => {
  const broken = { ...TEXTS, hard: ['Option B', '<think>cut'], easy: [RIGHT, 'the red\u0000 '] };

  it('is refused with the share, an example and what to do', async () => {
    const settings = { survey: 6 };
    const { choose, file } = surveyed({ texts: broken, settings });
    await expect(choose()).rejects.toThrow(UsageError);
    const again = surveyed({ texts: broken, settings });
    await expect(again.choose()).rejects.toThrow(
      /^train\.rl\.wellFormed: 66\.7 % of the completions of 6 prompts have the format, at least 95\.0 % .*: "(Option B|the red\\u0000 )"\. Teach the format first, or longer: .*stlTarget=tagged.*model\.adapter=COLD/,
    );
    // The student that comes back is another one, and is asked again.
    await expect(readFile(file)).rejects.toThrow();
  });

  it('is refused by the first prompts, not after all that a filter asks', async () => {
    const texts = Object.fromEntries(Object.keys(TEXTS).map((id) => [id, ['Option A', 'Option B']]));
    const { choose, asked } = surveyed({ texts, settings: { survey: 2, filter: 'vital' } });
    await expect(choose()).rejects.toThrow(/^train\.rl\.wellFormed: 0\.0 % of the completions of 2 prompts/);
    expect(asked).toHaveLength(2);
  });

  it('begins where the recipe lowers the share, and where no form is rewarded', async () => {
    await surveyed({ texts: broken, settings: { survey: 6, wellFormed: 0.5 } }).choose();
    await surveyed({ texts: broken, settings: { survey: 6, wellFormed: 0 } }).choose();
    await surveyed({ texts: broken, weights: { choice: 1 } }).choose();
  });
});

describe('a filter', () => {
  it("of VITAL leaves out what is all right or all wrong, in the samples' own order, with counts", async () => {
    const { choose, asked, said } = surveyed({ settings: { filter: 'vital', survey: 1 } });
    const { samples, metrics } = await choose();
    expect(samples.map(({ id }) => id)).toEqual(['half', 'other', 'half2']);
    expect(asked).toHaveLength(6);
    expect(metrics['rl/kept']).toBe(0.5);
    expect(said[1]).toBe('3 of 6 prompts are kept (train.rl.filter vital): 2 all right, 1 all wrong');
  });

  it('of VersaVid-R1 keeps what is all wrong', async () => {
    const { choose } = surveyed({ settings: { filter: 'versavid' } });
    expect((await choose()).samples.map(({ id }) => id)).toEqual(['hard', 'half', 'other', 'half2']);
  });

  it('that leaves nothing ends with the counts', async () => {
    const texts = { ...TEXTS, half: [RIGHT, RIGHT], other: [WRONG, WRONG] };
    const { choose } = surveyed({ texts, settings: { filter: 'vital' } });
    await expect(choose()).rejects.toThrow(UsageError);
    const again = surveyed({ texts, settings: { filter: 'vital' } });
    await expect(again.choose()).rejects.toThrow(
      /^train\.rl\.filter vital: leaves none of 6 prompts \(4 all right, 2 all wrong\)/,
    );
  });

  it('leaves out what no reward judges, and what cannot be read', async () => {
    const { choose } = surveyed({ weights: { rouge: 1 }, settings: { filter: 'vital' } });
    await expect(choose()).rejects.toThrow(/\(6 not judged\)/);
  });
});

describe('findings', () => {
  const settings = { filter: 'vital' } as const;

  it('are read by a run that continues, which asks nothing again', async () => {
    const first = surveyed({ settings });
    const chosen = await first.choose();
    const second = surveyed({ settings, folder: first.folder });
    expect(await second.choose()).toEqual(chosen);
    expect(second.asked).toEqual([]);
    expect(second.said).toEqual(first.said);
  });

  it.each([0, 1, 2])(
    'are the same where the survey was stopped after %i batches and a line was cut',
    async (n) => {
      const whole = surveyed({ settings });
      const chosen = await whole.choose();
      const cut = surveyed({ settings, stopAfter: n });
      await expect(cut.choose()).rejects.toThrow(Interrupted);
      await appendFile(cut.file, '{"id":"ha');
      const rest = surveyed({ settings, folder: cut.folder });
      expect(await rest.choose()).toEqual(chosen);
      expect(rest.asked).toEqual(whole.asked.slice(2 * n));
      expect(await readFile(rest.file, 'utf8')).toBe(await readFile(whole.file, 'utf8'));
    },
  );

  it('are asked again where half a batch is there', async () => {
    const whole = surveyed({ settings });
    const chosen = await whole.choose();
    const lines = (await readFile(whole.file, 'utf8')).split('\n');
    const half = surveyed({ settings });
    await writeFile(half.file, `${lines.slice(0, 4).join('\n')}\n`);
    expect(await half.choose()).toEqual(chosen);
    expect(half.asked).toEqual(whole.asked.slice(2));
  });

  it('of another student or recipe are not used', async () => {
    const first = surveyed({ settings });
    await first.choose();
    const other = surveyed({ settings, folder: first.folder, candidates: { origin: 'two' } });
    await other.choose();
    expect(other.asked).toHaveLength(6);
  });

  it('that are none are told with their line', async () => {
    for (const line of ['{"id":1}', 'no', 'null', '{"id":"a","solved":3}']) {
      const { choose, file } = surveyed({ settings });
      await writeFile(file, `{"origin":"one"}\n${line}\n`);
      await expect(choose()).rejects.toThrow(DataError);
      await expect(surveyed({ settings, folder: join(file, '..') }).choose()).rejects.toThrow(
        /survey\.jsonl:2: expected a finding of a survey/,
      );
    }
  });
});
