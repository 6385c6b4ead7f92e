/** The built-in teacher: which questions it is wrong about, and how it answers from frames. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { readAnnotations } from '../../src/data/annotations.js';
import type { Sample } from '../../src/data/sample.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { refine } from '../../src/reasoning/refine.js';
import { type EventsLine, makeShapes } from '../../src/shapes/dataset.js';
import { sampleFrames } from '../../src/shapes/render.js';
import type { Clip } from '../../src/shapes/scene.js';
import { ShapesTeacher, type TeacherReply } from '../../src/shapes/teacher.js';
import { encodeFrames } from './encodeFrames.js';
import { truthOf } from './oracle.js';
import { clausesOf } from './stepOracle.js';

let folder: string;
let clips: Map<string, Clip>;
let images: Map<string, Buffer[]>;
let samples: Sample[];
let teacher: ShapesTeacher;
let replies: { sample: Sample; clip: Clip; reply: TeacherReply }[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shapes-teacher-'));
  await makeShapes({ out: folder, seed: 11, train: 80, val: 12, test: 4 });
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as EventsLine);
  clips = new Map(events.map(({ video, clip }) => [video, clip]));
  images = new Map();
  for (const { video, clip } of events) images.set(video, await encodeFrames(sampleFrames(clip, 4)));
  ({ samples } = await readAnnotations({ dataset: 'shapes', file: join(folder, 'train.csv') }));
  teacher = await ShapesTeacher.open({ dataset: folder });
  replies = [];
  for (const sample of samples) {
    // As a prompt puts them, with a mark at the end.
    const options = sample.options.map((option) => `${option}.`);
    const reply = await teacher.answer(images.get(sample.video)!, `${sample.question}?`, options);
    replies.push({ sample, clip: clips.get(sample.video)!, reply });
  }
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('ShapesTeacher', () => {
  it('states the option it chose, knows whether it is right, and takes its questions at their word', () => {
    for (const { sample, clip, reply } of replies) {
      expect(predictedAnswer(reply.text, sample.options)).toBe(reply.chosen);
      expect(reply.correct).toBe(reply.chosen === sample.answer);
      expect(reply.correct).toBe(truthOf(clip, sample.question, sample.options[reply.chosen]!));
    }
  });

  it('is wrong about exactly its share of each split, with a larger share on the same questions and others', async () => {
    let before = new Set<string>();
    for (const errorRate of [0, 0.1, 0.325, 0.7]) {
      const own = await ShapesTeacher.open({ dataset: folder, errorRate });
      const mistakes = new Set<string>();
      for (const split of ['train', 'val']) {
        const file = join(folder, `${split}.csv`);
        const { samples: asked } = await readAnnotations({ dataset: 'shapes', file });
        const known = mistakes.size;
        for (const { id, video, question, options, answer } of asked) {
          const { chosen } = await own.answer(images.get(video)!.slice(0, 1), question, options);
          if (chosen !== answer) mistakes.add(id);
        }
        const wrong = mistakes.size - known;
        expect([split, errorRate, wrong]).toEqual([split, errorRate, Math.round(errorRate * asked.length)]);
      }
      expect([...before].filter((id) => !mistakes.has(id))).toEqual([]);
      before = mistakes;
    }
  });

  it('refuses a share beyond 0 to 1', async () => {
    for (const errorRate of [-0.1, 1.2, Number.NaN])
      await expect(ShapesTeacher.open({ dataset: folder, errorRate })).rejects.toThrow(RangeError);
  });

  it('leaves true steps of a right answer when its conclusion is refined away, one false clause of a wrong one', () => {
    const lengths: number[] = [];
    for (const { sample, clip, reply } of replies) {
      // Told to be right, refinement keeps the words of the ground truth.
      const settings = { ...sample, answer: sample.answer!, correct: true, predicted: reply.chosen };
      const { refined } = refine(reply.text, settings);
      const steps = refined
        .replace(/^Let us .*\n\n/, '')
        .split(/\n|(?<=[a-z]\.) /)
        .map((line) => line.replace(/^(\d\.|-) /, ''));
      const clauses = steps.flatMap((step) => clausesOf(clip, step, sample.question));
      const untrue = clauses.filter(({ holds }) => !holds).length;
      expect({ text: reply.text, untrue }).toEqual({ text: reply.text, untrue: reply.correct ? 0 : 1 });
      lengths.push(refined.split(/\s+/).length);
    }
    const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
    expect(mean).toBeGreaterThan(20);
    expect(mean).toBeLessThan(60);
    expect(Math.max(...lengths)).toBeLessThan(90);
  });

  it('says the same again, and something else with another seed', async () => {
    const again = await ShapesTeacher.open({ dataset: folder });
    const other = await ShapesTeacher.open({ dataset: folder, seed: 1 });
    let changed = 0;
    for (const { sample, reply } of replies.slice(0, 40)) {
      const shown = images.get(sample.video)!;
      expect(await again.answer(shown, sample.question, sample.options)).toEqual(reply);
      if ((await other.answer(shown, sample.question, sample.options)).text !== reply.text) changed++;
    }
    expect(changed).toBeGreaterThan(20);
  });

  it('numbers the frames it was given, whatever their number', async () => {
    const causal = replies.filter(({ sample, reply }) => sample.type === 'CW' && reply.correct).slice(0, 10);
    for (const { sample, clip } of causal) {
      for (const n of [1, 2, 8, 16]) {
        const shown = await encodeFrames(sampleFrames(clip, n));
        const { text } = await teacher.answer(shown, sample.question, sample.options);
        const numbers = [...text.matchAll(/frame (\d+)/g)].map((match) => Number(match[1]));
        expect(numbers.length).toBeGreaterThan(0);
        expect(Math.max(...numbers)).toBeLessThanOrEqual(n);
        expect(text).not.toMatch(/from frame (\d+) to frame \1\b/i);
      }
    }
  });

  it('refuses a question about another world, and other options than the world offers', async () => {
    const { video, question, options } = replies[0]!.sample;
    const shown = images.get(video)!;
    for (const [asked, offered] of [
      ['which animal is it?', ['a dog', 'a cat']],
      [question, ['a dog', 'a cat']],
      ['which animal is it?', options],
    ] as const)
      await expect(teacher.answer(shown, asked, offered)).rejects.toThrow(
        `"${asked.replace('?', '')}" with these options is no question about ${video} that I know`,
      );
  });

  it('names the folder that is no dataset', async () => {
    const nothing = ShapesTeacher.open({ dataset: join(folder, 'nothing') });
    await expect(nothing).rejects.toThrow(DataError);
    await expect(nothing).rejects.toThrow('not a complete shapes dataset');
    const broken = await mkdtemp(join(tmpdir(), 'shapes-broken-'));
    await writeFile(join(broken, 'shapes.json'), '{"settings": {"size": 64}}');
    await writeFile(join(broken, 'events.jsonl'), '{"video":');
    await expect(ShapesTeacher.open({ dataset: broken })).rejects.toThrow(
      `${broken}: not a complete shapes dataset`,
    );
    await rm(broken, { recursive: true });
  });
});
