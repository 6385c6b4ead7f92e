/** A written dataset of the shapes world. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { readAnnotations } from '../../src/data/annotations.js';
import {
  type EventsLine,
  makeShapes,
  type ShapesSummary,
  SPLITS,
  storyOf,
} from '../../src/shapes/dataset.js';
import { renderFrames } from '../../src/shapes/render.js';
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
    const tiny = { seed: 2, train: 2, val: 1, test: 1, out: own };
    expect((await makeShapes(tiny)).reused).toBe(false);
    const progress: number[] = [];
    const reused = await makeShapes({ ...tiny, onProgress: (done) => progress.push(done) });
    expect([reused.reused, progress, reused.clips]).toEqual([true, [], { train: 2, val: 1, test: 1 }]);
    const before = await hashes(own);
    await writeFile(join(own, 'shapes.json'), '{"half": ');
    expect((await makeShapes({ ...tiny, onProgress: (done) => progress.push(done) })).reused).toBe(false);
    expect(progress).toEqual([1, 2, 3, 4]);
    expect(await hashes(own)).toEqual(before);
    expect((await makeShapes({ ...tiny, train: 3 })).reused).toBe(false);
    await writeFile(join(own, 'videos', 'train-0001.webp.tmp-99'), 'half a clip');
    await writeFile(join(own, 'videos', 'holiday.mp4'), 'not ours');
    await makeShapes(tiny);
    const { 'videos/holiday.mp4': foreign, ...after } = await hashes(own);
    expect(foreign).toBeDefined();
    expect(after).toEqual(before);
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
