import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { readSplit } from '../../src/batches/split.js';
import type { Sample } from '../../src/data/sample.js';
import type { Prediction } from '../../src/evaluation/answers.js';
import { ask, type Question } from '../../src/evaluation/ask.js';
import { evaluate, writeReasoning } from '../../src/evaluation/evaluate.js';
import type { Asked } from '../../src/evaluation/watched.js';
import { loadStudent } from '../../src/model/load.js';
import { callTurn } from '../../src/text/lessons.js';
import { encodeTurn } from '../../src/text/looking.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { train } from '../../src/training/train.js';
import { loadRun, type TrainedRun } from '../../src/training/trained.js';
import { openBuilder } from '../../src/training/trial.js';
import { readDuration, readFrames } from '../../src/video/frames.js';
import { useFastEngine } from '../model/support.js';
import { makeWorld, type World, worldConfig } from '../training/support.js';

const CLIP = fileURLToPath(new URL('../../bench/shapes/clip.webp', import.meta.url));

let scratch: string;
let world: World;
let run: TrainedRun;
let samples: Sample[];
let paths: Map<string, string>;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-ask-'));
  world = await makeWorld(join(scratch, 'world'));
  const folder = join(scratch, 'run');
  await train({ config: await worldConfig(world, 'train.epochs=1', 'text.maxReasoning=12'), folder });
  run = await loadRun(folder);
  ({ samples, paths } = await readSplit(run.config, run.config.data.val!, false));
});
afterAll(async () => {
  run.dispose();
  await rm(scratch, { recursive: true });
});

const questionOf = ({ video, question, options }: Sample): Question => ({
  video: paths.get(video)!,
  question,
  options,
});

/** What evaluation says about samples, with the run's recipe changed. */
async function evaluated(
  asked: Asked & TrainedRun,
  samples: readonly Sample[],
): Promise<{ predictions: Prediction[]; reasoning: string[] }> {
  const options = { runFolder: scratch, onWarning: () => undefined, training: false };
  const builder = openBuilder(asked, asked.config, { paths }, options);
  const { predictions } = await evaluate({ ...asked, builder }, samples);
  const written = await writeReasoning({ ...asked, builder }, samples, 12);
  return { predictions, reasoning: written.map(({ text }) => text) };
}

describe('ask, where eval.looks lets the student look again', () => {
  const looking = (...texts: string[]) => {
    const student = Object.create(run.student) as typeof run.student;
    student.generate = () => ({ ids: [encodeTurn(run.tokenizer, texts.shift()!)], logProbs: [] });
    return { ...run, student, config: { ...run.config, eval: { ...run.config.eval, looks: 1 } } };
  };
  const ANSWER = '<think>seen</think> <answer>the circle</answer>';

  it('shows it the frames of its span, and tells the frames of both turns', async () => {
    const asked = looking(callTurn([0.2, 1.6]), ANSWER);
    const answer = await ask(asked, { video: CLIP, question: 'what moves', reason: true });
    expect(answer).toMatchObject({
      ...{ text: 'the circle', reasoning: 'let us look at the frames seen' },
      turns: [{ shown: [0.2, 1.6], frames: [0.5, 1.5] }, { frames: [0.375, 1.125] }],
    });
  });

  it('answers calls for what lies in its clip', async () => {
    const asked = looking(callTurn([0.2, 1.6]), ANSWER);
    const { turns } = await ask(asked, { video: CLIP, question: 'what moves', start: 0.5, end: 2 });
    expect(turns![0]!.result).toContain('the start must be at least 0.5');
    expect(turns![1]!.frames).toEqual(turns![0]!.frames);
  });

  it('refuses frames, which have no others', async () => {
    const video = { data: new Uint8Array(12), n: 1, height: 2, width: 2 };
    await expect(ask(looking(ANSWER), { video, question: 'what moves' })).rejects.toThrow(UsageError);
  });
});

describe('ask', () => {
  it.each([
    ['letters compared', []],
    ['text written and read', ['eval.scorer=generate', 'eval.maxNewTokens=6']],
    ['a second prompt for reasoning', ['text.reasoningPrompt=Why? {question}']],
    ['three frames and no prefix', ['video.frames=3', 'video.prefix=false']],
  ])('answers one question as evaluation answers it among others: %s', async (_, overrides) => {
    const changed = await loadRun(run.paths.folder, overrides);
    const { predictions, reasoning } = await evaluated(changed, samples);
    for (const [i, sample] of samples.entries()) {
      const answer = await ask(changed, { ...questionOf(sample), reason: true });
      const { prediction, scores, text = sample.options[prediction!] } = predictions[i]!;
      expect(answer.option).toBe(prediction);
      expect(answer.text).toBe(text);
      expect(answer.reasoning).toBe(reasoning[i]);
      expect(answer.scores?.length).toBe(scores?.length);
      for (const [k, score] of (scores ?? []).entries()) expect(answer.scores![k]).toBeCloseTo(score, 3);
    }
    changed.dispose();
  });

  it.each(['open', 'caption', 'ground', 'grounded-choice'] as const)(
    'answers a question of task %s as evaluation does',
    async (task) => {
      const { video, question, options: given } = questionOf(samples[0]!);
      const options = task === 'grounded-choice' ? [...given!] : [];
      const duration = await readDuration({ path: video as string, id: 'clip' });
      const sample: Sample = { ...samples[0]!, task, options, duration };
      const { predictions } = await evaluated(run, [sample]);
      const { prediction, text, span = null } = predictions[0]!;
      const answer = await ask(run, { video, question, task, ...(options.length > 0 && { options }) });
      expect(answer.text).toBe(prediction === undefined ? text : options[prediction]);
      if (task.startsWith('ground')) expect(answer).toMatchObject({ span, duration });
      else expect(answer).not.toHaveProperty('span');
    },
  );

  it('reasons only when asked to', async () => {
    expect(await ask(run, questionOf(samples[0]!))).not.toHaveProperty('reasoning');
  });

  it('takes frames as they come, as many as there are', async () => {
    const question = questionOf(samples[0]!);
    const path = question.video as string;
    const frames = await readFrames({ path, id: 'clip', count: 2, mode: 'uniform' });
    expect(await ask(run, { ...question, video: frames })).toEqual(await ask(run, question));
    const more = await readFrames({ path, id: 'clip', count: 3, mode: 'uniform' });
    const three = { ...run, config: { ...run.config, video: { ...run.config.video, frames: 3 } } };
    expect(await ask(run, { ...question, video: more })).toEqual(await ask(three, question));
  });

  it('sees only the clip between start and end', async () => {
    const question = questionOf(samples[0]!);
    const path = question.video as string;
    const clip = { start: 0, end: 0.4 };
    const frames = await readFrames({ path, id: 'clip', count: 2, mode: 'uniform', ...clip });
    const asked = await ask(run, { ...question, ...clip });
    expect(asked).toEqual(await ask(run, { ...question, video: frames }));
    expect(asked).not.toEqual(await ask(run, question));
  });

  it('writes an answer where there are no options', async () => {
    const { options: _, ...open } = questionOf(samples[0]!);
    const answer = await ask(run, { ...open, reason: true });
    expect(Object.keys(answer).sort()).toEqual(['reasoning', 'text']);
    expect(typeof answer.text).toBe('string');
    const other = await ask(run, {
      ...open,
      question: 'which of the many colours does the last circle have',
    });
    expect([answer.text, other.text].join('')).not.toBe('');
  });

  it('takes a student without a run, with the defaults of a recipe', async () => {
    const { student } = await loadStudent(world.base);
    const tokenizer = await Tokenizer.load(world.base);
    const question = questionOf(samples[0]!);
    const { option, scores } = await ask({ student, tokenizer }, question);
    expect(scores).toHaveLength(question.options!.length);
    expect(scores![option!]).toBe(Math.max(...scores!));
    student.dispose();
  });

  it.each<[string, Partial<Question>, RegExp]>([
    ['no question', { question: ' ' }, /^question: /],
    ['one option', { options: ['yes'] }, /^options: expected 2 to 26, got 1/],
    ['two equal options', { options: ['it fell', 'it grew', ' it fell'] }, /^options: A and C are the same$/],
    ['an empty option', { options: ['yes', ' '] }, /^options: option B has no text/],
    ['a task that is not known', { task: 'dance' as never }, /^task: expected one of choice, open, /],
    ['options of a description', { task: 'caption' }, /^options: expected none where task is caption/],
    ['a choice from nothing', { task: 'grounded-choice', options: undefined }, /^options: expected 2 to 26/],
    ['27 options', { options: Array.from({ length: 27 }, (_, i) => `${i}`) }, /got 27/],
    ['a start before the video', { start: -1 }, /^start: .*got -1/],
    ['an end that is no number', { end: Number.NaN }, /^end: .*got NaN/],
    ['an end before the start', { start: 2, end: 1 }, /^end: .*more than start, 2 s, got 1 s/],
    [
      'frames that are cut short',
      { video: { data: new Uint8Array(11), n: 1, height: 2, width: 2 } },
      /got 11/,
    ],
    ['no frames', { video: { data: new Uint8Array(0), n: 0, height: 2, width: 2 } }, /at least one frame/],
    [
      'seconds of frames',
      { video: { data: new Uint8Array(12), n: 1, height: 2, width: 2 }, start: 1 },
      /^start and end: /,
    ],
  ])('refuses %s', async (_, change, message) => {
    const asking = ask(run, { ...questionOf(samples[0]!), ...change });
    await expect(asking).rejects.toThrow(UsageError);
    await expect(asking).rejects.toThrow(message);
  });

  it('names a video that is not there, whatever the recipe does about missing ones', async () => {
    const lenient = {
      ...run,
      config: { ...run.config, data: { ...run.config.data, onBadVideo: 'skip' as const } },
    };
    const asking = ask(lenient, { ...questionOf(samples[0]!), video: join(scratch, 'none.mp4') });
    await expect(asking).rejects.toThrow(DataError);
    await expect(asking).rejects.toThrow(/none\.mp4: no such video/);
  });
});
