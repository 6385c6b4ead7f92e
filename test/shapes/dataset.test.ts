/** A written dataset of the shapes world. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { taskOf } from '../../src/data/sample.js';
import {
  type EventsLine,
  makeShapes,
  type ShapesSummary,
  SPLITS,
  storyOf,
} from '../../src/shapes/dataset.js';
import { renderFrames } from '../../src/shapes/render.js';
import { SHAPES_TASKS } from '../../src/shapes/tasks/rows.js';
import { readFrames } from '../../src/video/frames.js';
import { VideoLocator } from '../../src/video/locate.js';
import { truthOf } from './oracle.js';

const SMALL = { seed: 5, train: 14, val: 6, test: 4, questionsPerClip: 3 };
let folder: string;
let out: string;
let summary: ShapesSummary;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shapes-dataset-'));
  out = join(folder, 'data');
  summary = await makeShapes({ ...SMALL, out });
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function hashes(root: string): Promise<Record<string, string>> {
  const names = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const files = names.map((entry) => join(entry.parentPath, entry.name)).sort();
  const pairs = await Promise.all(
    files.map(async (file) => [
      file.slice(root.length + 1),
      createHash('sha1')
        .update(await readFile(file))
        .digest('hex'),
    ]),
  );
  return Object.fromEntries(pairs);
}

async function eventsOf(root: string): Promise<EventsLine[]> {
  const text = await readFile(join(root, 'events.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('makeShapes', () => {
  it('writes three splits in the form of NExT-QA, with a video for each row', async () => {
    const locator = await VideoLocator.open(out);
    const truth = new Map((await eventsOf(out)).map((line) => [line.video, line]));
    for (const split of SPLITS) {
      const file = join(out, `${split}.csv`);
      expect((await readFile(file, 'utf8')).split('\n')[0]).toBe(
        'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4',
      );
      const { samples } = await readAnnotations({ dataset: 'shapes', file });
      expect(samples).toHaveLength(summary.questions[split]);
      expect(samples).toHaveLength(SMALL[split] * SMALL.questionsPerClip);
      expect(new Set(samples.map((sample) => sample.id)).size).toBe(samples.length);
      for (const { video, question, options, answer } of samples) {
        expect(await locator.find(video)).toBe(join(await realRoot(locator), 'videos', `${video}.webp`));
        const line = truth.get(video)!;
        expect(line.split).toBe(split);
        expect(options.map((option) => truthOf(line.clip, question, option)).indexOf(true)).toBe(answer);
      }
    }
    expect(summary.clips).toEqual({ train: 14, val: 6, test: 4 });
    expect(Object.values(summary.types).reduce((a, b) => a + b, 0)).toBe(summary.questions.train);
  });

  it('writes the frames that the events describe', async () => {
    for (const { video, clip } of await eventsOf(out)) {
      const path = join(out, 'videos', `${video}.webp`);
      const read = await sharp(path, { pages: -1 }).removeAlpha().raw().toBuffer();
      const all = Array.from({ length: clip.frames }, (_, i) => i);
      expect(Buffer.compare(read, renderFrames(clip, all).data)).toBe(0);
    }
  });

  it('describes every clip in captions.jsonl', async () => {
    const lines = (await readFile(join(out, 'captions.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(lines).toHaveLength(24);
    for (const { caption, frames } of lines) {
      expect(caption).toMatch(/ on a \w+ background\. .*\.$/);
      expect(frames).toHaveLength(4);
    }
  });

  it('gives the same bytes for the same seed and others for another', async () => {
    const again = join(folder, 'again');
    await makeShapes({ ...SMALL, out: again });
    expect(await hashes(again)).toEqual(await hashes(out));
    const other = join(folder, 'other');
    await makeShapes({ ...SMALL, seed: 6, out: other });
    const [a, b] = [await hashes(other), await hashes(out)];
    const equal = Object.keys(a).filter((name) => a[name] === b[name]);
    expect(equal).toEqual(['map_vid_vidorID.json']);
  });

  it('tells no story twice, so the splits share nothing', async () => {
    const many = join(folder, 'many');
    await makeShapes({
      seed: 1,
      train: 300,
      val: 100,
      test: 100,
      questionsPerClip: 1,
      frames: 8,
      size: 16,
      out: many,
    });
    const stories = (await eventsOf(many)).map((line) => storyOf(line.clip));
    expect(new Set(stories).size).toBe(500);
  });

  it('leaves a complete folder alone, and writes one again that is not or has other settings', async () => {
    const own = join(folder, 'own');
    const tiny = { seed: 2, train: 2, val: 1, test: 0, out: own };
    expect((await makeShapes(tiny)).reused).toBe(false);
    const progress: number[] = [];
    const reused = await makeShapes({ ...tiny, onProgress: (done) => progress.push(done) });
    expect([reused.reused, progress, reused.clips]).toEqual([true, [], { train: 2, val: 1, test: 0 }]);
    const before = await hashes(own);
    await writeFile(join(own, 'shapes.json'), '{"half": ');
    expect((await makeShapes({ ...tiny, onProgress: (done) => progress.push(done) })).reused).toBe(false);
    expect(progress).toEqual([1, 2, 3]);
    expect(await hashes(own)).toEqual(before);
    expect((await makeShapes({ ...tiny, train: 3 })).reused).toBe(false);
    await writeFile(join(own, 'videos', 'train-0001.webp.tmp-99'), 'half a clip');
    await writeFile(join(own, 'videos', 'holiday.mp4'), 'not ours');
    await makeShapes(tiny);
    const { 'videos/holiday.mp4': foreign, ...after } = await hashes(own);
    expect(foreign).toBeDefined();
    expect(after).toEqual(before);
  });

  it.each([
    ['train.csv', 'video,question\nholiday,why did the train-0001 stop\n'],
    ['train.csv', 'video,question\n'],
    ['val.jsonl', '{"id": "1", "video": "holiday"}\n'],
    ['captions.jsonl', '{"video": "holiday", "caption": "a beach"}\n'],
    ['map_vid_vidorID.json', '{"1": "1164/1"}\n'],
  ])('keeps a file of the same name that is of no shapes world: %s %j', async (name, text) => {
    const own = await mkdtemp(join(folder, 'owned-'));
    await writeFile(join(own, name), text);
    const tiny = { seed: 2, train: 1, val: 1, test: 0, tasks: ['choice', 'open'] as const, out: own };
    await expect(makeShapes(tiny)).rejects.toThrow(
      `${join(own, name)}: is of no shapes world, and would be replaced; move it away, or write to another folder`,
    );
    expect(await readdir(own)).toEqual([name]);
    expect(await readFile(join(own, name), 'utf8')).toBe(text);
  });

  it('never calls a mixture of two datasets complete, when it was stopped halfway', async () => {
    const mixed = join(folder, 'mixed');
    const first = { seed: 3, train: 3, val: 1, test: 1, out: mixed };
    await makeShapes(first);
    const before = await hashes(mixed);
    const stop = () => {
      throw new Error('stopped');
    };
    await expect(makeShapes({ ...first, seed: 4, onProgress: stop })).rejects.toThrow('stopped');
    expect((await makeShapes(first)).reused).toBe(false);
    expect(await hashes(mixed)).toEqual(before);
  });

  it('names the path when a file cannot be written, and does not call the folder complete', async () => {
    await writeFile(join(folder, 'file'), '');
    const under = join(folder, 'file', 'data');
    await expect(makeShapes({ ...SMALL, out: under })).rejects.toThrow(DataError);
    await expect(makeShapes({ ...SMALL, out: under })).rejects.toThrow(
      `${under}: the shapes dataset cannot be`,
    );
    const blocked = join(folder, 'blocked');
    const clip = join(blocked, 'videos', 'val-0003.webp');
    await mkdir(clip, { recursive: true });
    await expect(makeShapes({ ...SMALL, out: blocked })).rejects.toThrow(
      `${clip}: clip val-0003 could not be written`,
    );
    expect(await readdir(blocked)).toEqual(['videos']);
  });

  it('writes the csv, events and summary of a world without tasks as ever', async () => {
    const texts = [
      'train.csv',
      'val.csv',
      'test.csv',
      'events.jsonl',
      'captions.jsonl',
      'map_vid_vidorID.json',
    ];
    const hash = createHash('sha1');
    for (const name of texts) hash.update(await readFile(join(out, name)));
    // A study's worlds are made anew from their seed: a change here needs another WORLD_VERSION.
    expect(hash.digest('hex')).toBe('b1a1e46f8300d15f952bcfbc3eba4487668fd5d3');
    const settings = { version: 3, ...SMALL, frames: 16, size: 64 };
    const { clips, questions, types } = summary;
    expect(await readFile(join(out, 'shapes.json'), 'utf8')).toBe(
      `${JSON.stringify({ settings, clips, questions, types }, null, 2)}\n`,
    );
    expect((await readdir(out)).filter((name) => name.endsWith('.jsonl')).sort()).toEqual([
      'captions.jsonl',
      'events.jsonl',
    ]);
  });

  it('writes samples of every task as JSON lines, with a video for each, beside the same csv', async () => {
    const own = join(folder, 'tasks');
    const tasked = { ...SMALL, train: 6, val: 4, test: 2, out: own };
    const made = await makeShapes({ ...tasked, tasks: SHAPES_TASKS });
    const plain = join(folder, 'plain');
    await makeShapes({ ...tasked, out: plain });
    const locator = await VideoLocator.open(join(own, 'videos'));
    const times = new Map<string, number>();
    for (const split of SPLITS) {
      const csv = (root: string) => readFile(join(root, `${split}.csv`), 'utf8');
      expect(await csv(own)).toBe(await csv(plain));
      const { samples } = await readAnnotations({ dataset: 'jsonl', file: join(own, `${split}.jsonl`) });
      const counts = Object.values(made.samples!).map((count) => count[split]);
      expect(samples).toHaveLength(counts.reduce((a, b) => a + b, 0));
      const asked = await readAnnotations({ dataset: 'shapes', file: join(own, `${split}.csv`) });
      const choices = samples.filter((sample) => taskOf(sample) === 'choice');
      expect(choices.map(({ id, question, answer }) => [id, question, answer])).toEqual(
        asked.samples.map(({ id, question, answer }) => [id, `${question}?`, answer]),
      );
      for (const { video, duration } of samples) {
        const path = (await locator.find(video))!;
        if (!times.has(video)) {
          const all = await readFrames({ path, id: video, count: 1000, mode: 'uniform', pad: false });
          times.set(video, all.timestamps.at(-1)! + 1 / 8);
          expect(all.timestamps).toEqual(all.timestamps.map((_, i) => i / 8));
        }
        expect(times.get(video), video).toBe(duration);
      }
    }
    expect(made.chance!.map(({ task }) => task)).toEqual([
      'choice',
      'open',
      'ground',
      'grounded-choice',
      'grounded-choice',
      'dark',
      'mix',
    ]);
    expect(Object.keys(JSON.parse(await readFile(join(own, 'map_vid_vidorID.json'), 'utf8')))).toContain(
      'train-0000-dark',
    );
    expect((await makeShapes({ ...tasked, tasks: SHAPES_TASKS })).reused).toBe(true);
    // Without tasks again, nothing of them is left.
    await makeShapes(tasked);
    expect(await hashes(own)).toEqual(await hashes(plain));
  });

  it('refuses tasks and beats that there are not', async () => {
    const of = { out: join(folder, 'none'), seed: 1 };
    await expect(makeShapes({ ...of, tasks: ['sing' as 'mix'] })).rejects.toThrow(
      'shapes tasks: sing, expected',
    );
    await expect(makeShapes({ ...of, tasks: ['mix', 'mix'] })).rejects.toThrow('once at most');
    await expect(makeShapes({ ...of, beats: 8 })).rejects.toThrow('shapes: 8 beats, expected 4, or');
    await expect(makeShapes({ ...of, beats: 12 })).rejects.toThrow(
      '16 frames, expected a whole number of at least 48',
    );
    expect(await readdir(folder)).not.toContain('none');
  });

  it('refuses numbers that are none', async () => {
    await expect(makeShapes({ out, seed: 1, train: -1 })).rejects.toThrow('shapes train: -1');
    await expect(makeShapes({ out, seed: 1, val: 1.5 })).rejects.toThrow('shapes val: 1.5');
    await expect(makeShapes({ out: join(folder, 'short'), seed: 1, frames: 4 })).rejects.toThrow(
      'at least 8',
    );
  });
});

async function realRoot(locator: VideoLocator): Promise<string> {
  const { realpath } = await import('node:fs/promises');
  return realpath(locator.root);
}
