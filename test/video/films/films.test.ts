/** Dark and mixed films of any videos: what they show, and what is refused. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readAnnotations } from '../../../src/data/annotations.js';
import type { BuildRequest, BuildSummary } from '../../../src/video/films/build.js';
import { buildDark } from '../../../src/video/films/dark.js';
import { buildMix } from '../../../src/video/films/mix.js';
import { readFrames } from '../../../src/video/frames.js';
import { probeVideo } from '../../../src/video/probe.js';
import { ffmpeg, hasEncoder } from '../support/ffmpeg.js';

/** Films that ffmpeg makes; of the others what it would be asked for is written in their place. */
const REAL = /(?:dark real.dark-00003|mix real.mix-0000[12]|stopped.dark-00002)\.mkv$/;
/** A process a film is dear: what was probed once, by file and not by name, is not probed again. */
vi.mock('../../../src/video/probe.js', async (original) => {
  const actual = await original<typeof import('../../../src/video/probe.js')>();
  const known = new Map<string, ReturnType<typeof actual.probeVideo>>();
  const probeVideo: typeof actual.probeVideo = async (path, ...rest) => {
    const { ino, size, mtimeMs } = await stat(path);
    const key = `${ino} ${size} ${mtimeMs}`;
    if (!known.has(key)) known.set(key, actual.probeVideo(path, ...rest));
    return known.get(key)!;
  };
  return { ...actual, probeVideo };
});
vi.mock('../../../src/video/films/encode.js', async (original) => {
  const actual = await original<typeof import('../../../src/video/films/encode.js')>();
  const encodeVideo: typeof actual.encodeVideo = async (path, encoding, use) =>
    REAL.test(path.replaceAll('/videos/', '.'))
      ? actual.encodeVideo(path, encoding, use)
      : writeFile(path, encoding.args.join(' '));
  return { ...actual, encodeVideo };
});

let root: string;
const at = (...names: string[]) => join(root, ...names);
let number = 0;
/** Dark films of three videos, made once. */
let dark: BuildSummary;
const VIDEOS = ['red', 'more/blue.mkv', 'uneven'];

/** Runs a builder on lines of JSON; each call has a folder of its own unless one is given. */
async function run(
  build: (request: BuildRequest) => Promise<BuildSummary>,
  lines: readonly unknown[],
  given: Partial<BuildRequest> = {},
): Promise<BuildSummary> {
  const own = number++;
  const annotations = at(`in-${own}.jsonl`);
  await writeFile(annotations, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return build({
    ...{ videos: at('videos'), annotations, out: at(`out-${own}`), seed: '1', skipBad: false },
    signal: new AbortController().signal,
    ...given,
  });
}

const samplesOf = async ({ file }: BuildSummary) =>
  (await readAnnotations({ dataset: 'jsonl', file })).samples;

/** Mean red, green and blue of each frame. */
async function coloursOf(path: string): Promise<{ time: number; rgb: number[] }[]> {
  const { data, n, width, height, timestamps } = await readFrames({
    path,
    id: 'film',
    count: 1000,
    mode: 'uniform',
    pad: false,
  });
  const pixels = width * height;
  return Array.from({ length: n }, (_, i) => {
    const rgb = [0, 0, 0];
    for (let p = i * pixels * 3; p < (i + 1) * pixels * 3; p++) rgb[p % 3]! += data[p]! / pixels;
    return { time: timestamps[i]!, rgb };
  });
}

const isBlack = ({ rgb }: { rgb: number[] }) => Math.max(...rgb) < 20;
const isRed = ({ rgb: [r, , b] }: { rgb: number[] }) => r! > 2 * b!;

const darkLines = () => VIDEOS.map((video) => ({ video, events: EVENTS }));
const EVENTS = [
  { start: 0.5, end: 1.5, text: 'it begins' },
  { start: 1.5, end: 2.25, text: ' it ends ' },
];
const ask = (id: string, video: string, question = `what of ${id}`) => ({
  id,
  video,
  task: 'open',
  question,
  answers: [id],
});

const missing = ['libx264', 'ffv1'].filter((encoder) => !hasEncoder(encoder));

describe.skipIf(missing.length > 0)(
  `films${missing.length > 0 ? ` (SKIPPED: no ${missing.join(', ')})` : ''}`,
  () => {
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'films '));
      await mkdir(at('videos', 'more'), { recursive: true });
      const still = (colour: string, rate: number) => [
        ...['-f', 'lavfi', '-i', `color=${colour}:size=33x24:rate=${rate}`],
      ];
      const to = (input: number, seconds: number, path: string, filter = 'null') => [
        ...['-map', `${input}:v`, '-vf', filter, '-t', String(seconds), '-c:v', 'ffv1', path],
      ];
      ffmpeg(
        ...[...still('red', 8), ...still('blue', 12)],
        ...to(0, 6, at('videos', 'red.mkv')),
        ...to(1, 5, at('videos', 'more', 'blue.mkv')),
        // Every second frame is left out after a second, and the first one is late.
        ...to(0, 3, at('videos', 'uneven.mkv'), "select='lt(n,8)+mod(n,2)',setpts=PTS+0.5/TB"),
      );
      dark = await run(buildDark, darkLines(), { out: at('dark real') });
      await writeFile(at('videos', 'broken.mkv'), 'no video');
      await mkdir(at('videos', 'folder'));
      await writeFile(at('videos', 'folder', '1.png'), '');
    });
    afterAll(() => rm(root, { recursive: true, force: true }));

    describe('dark', () => {
      it('hide the frames of one event, and ask what happens in them', async () => {
        expect(dark).toMatchObject({ samples: 3, films: 3, made: 3, skipped: [] });
        const samples = await samplesOf(dark);
        expect(samples.map(({ id, task, type }) => [id, task, type])).toEqual(
          VIDEOS.map((video) => [`${video}_dark`, 'open', 'dark']),
        );
        for (const [i, { video, answers, duration, question }] of samples.entries()) {
          const source = ['red.mkv', 'more/blue.mkv', 'uneven.mkv'][i]!;
          const table = await probeVideo(at('videos', source), 'source', new AbortController().signal);
          const times = [...table.times];
          const event = EVENTS.find(({ text }) => text.trim() === answers![0])!;
          const hidden = times.flatMap((time, j) => (time >= event.start && time < event.end ? [j] : []));
          const film = join(dark.file, '..', 'videos', `${video}.mkv`);
          if (source === 'uneven.mkv') {
            const frames = await coloursOf(film);
            for (const [j, time] of times.entries()) expect(frames[j]!.time).toBeCloseTo(time, 2);
            expect(frames.flatMap((frame, j) => (isBlack(frame) ? [j] : []))).toEqual(hidden);
            expect(frames).toHaveLength(times.length);
          } else expect(await readFile(film, 'utf8')).toContain(`'between(n,${hidden[0]},${hidden.at(-1)})'`);
          expect(duration).toBeGreaterThan(times.at(-1)!);
          expect(question).toMatch(/black/);
        }
      });

      it('are the same again, go on where they stopped, and hide something else for another seed', async () => {
        const lines = darkLines();
        const out = at('dark real');
        const text = await readFile(dark.file, 'utf8');
        const film = join(out, 'videos', 'dark-00003.mkv');
        const bytes = await readFile(film);
        await rm(dark.file);
        await rm(film);
        await writeFile(join(out, 'videos', 'dark-00001.mkv.part'), 'half a film');
        const { mtimeMs } = await stat(join(out, 'videos', 'dark-00001.mkv'));
        expect(await run(buildDark, lines, { out })).toMatchObject({ films: 3, made: 1 });
        expect((await stat(join(out, 'videos', 'dark-00001.mkv'))).mtimeMs).toBe(mtimeMs);
        expect(await readFile(film)).toEqual(bytes);
        expect(await readFile(dark.file, 'utf8')).toBe(text);
        expect((await readdir(join(out, 'videos'))).sort()).toEqual([
          'dark-00001.mkv',
          'dark-00002.mkv',
          'dark-00003.mkv',
        ]);
        await expect(run(buildDark, lines, { out, seed: '2' })).rejects.toThrow(
          'holds what was built with another seed',
        );
        // One of two events each: these seeds draw both.
        const answers = new Set<string>();
        for (const seed of ['2', '3', '4']) {
          const [sample] = await samplesOf(await run(buildDark, [lines[0]], { seed }));
          answers.add(sample!.answers![0]!);
        }
        expect(answers.size).toBe(2);
      });

      it('stop when they are told to, and leave no half film', async () => {
        const controller = new AbortController();
        const lines = darkLines().slice(0, 2);
        const onProgress = () => controller.abort();
        const out = at('stopped');
        await expect(run(buildDark, lines, { out, onProgress, signal: controller.signal })).rejects.toThrow(
          'interrupted',
        );
        const left = await readdir(join(out, 'videos'));
        expect(left.filter((name) => !name.endsWith('.mkv'))).toEqual([]);
        expect(await run(buildDark, lines, { out })).toMatchObject({ samples: 2, made: 2 - left.length });
      });

      it.each<[string, unknown[], string]>([
        [
          'an event after the end',
          [{ video: 'red', events: [{ start: 7, end: 9, text: 'x' }] }],
          ':1: events: expected events inside the video (6.00 s), got 7 to 9 s',
        ],
        [
          'overlapping events',
          [{ video: 'red', events: [EVENTS[0], { start: 1, end: 2, text: 'x' }] }],
          ':1: events: expected events that do not overlap, got 0.5 to 1.5 s and 1 to 2 s',
        ],
        [
          'a reversed event',
          [{ video: 'red', events: [{ start: 2, end: 1, text: 'x' }] }],
          ':1: events[0]: expected seconds, 0 <= start < end, got {"start":2,"end":1}',
        ],
        [
          'an empty event',
          [{ video: 'red', events: [{ start: 2, end: 2, text: 'x' }] }],
          'events[0]: expected seconds',
        ],
        [
          'a negative time',
          [{ video: 'red', events: [{ start: -1, end: 2, text: 'x' }] }],
          'events[0]: expected seconds',
        ],
        [
          'a time that is text',
          [{ video: 'red', events: [{ start: '0:01', end: 2, text: 'x' }] }],
          'events[0]: expected seconds',
        ],
        [
          'an event without text',
          [{ video: 'red', events: [{ start: 1, end: 2, text: ' ' }] }],
          'events[0].text: expected a text, got " "',
        ],
        ['an event that is none', [{ video: 'red', events: [null] }], 'events[0]: expected seconds'],
        ['no events', [{ video: 'red', events: [] }], ':1: events: expected at least one event, got []'],
        ['a video without events', [{ video: 'red' }], 'events: expected at least one event, got nothing'],
        [
          'an event of the whole video',
          [{ video: 'red', events: [{ start: 0, end: 6, text: 'x' }] }],
          'expected an event that has a frame and leaves another to see',
        ],
        [
          'an event between two frames',
          [{ video: 'red', events: [{ start: 0.01, end: 0.02, text: 'x' }] }],
          'expected an event that has a frame',
        ],
        [
          'a video twice',
          [
            { video: 'red', events: EVENTS },
            { video: 'red', events: EVENTS },
          ],
          ':2: video: expected a video once, got "red" again (first on line 1)',
        ],
        [
          'an unknown key',
          [{ video: 'red', event: [] }],
          ':1: event: expected video and events, got an unknown key',
        ],
        ['an empty file', [], ':1: rows: expected at least one video, got an empty file'],
        ['a missing video', [{ video: 'none', events: EVENTS }], 'no video for 1 of 1 samples: none'],
        ['a broken video', [{ video: 'broken', events: EVENTS }], 'broken: '],
        ['a folder of images', [{ video: 'folder', events: EVENTS }], 'folder: '],
        [
          'a path that leaves the folder',
          [{ video: '../x', events: EVENTS }],
          'the path leaves the data root',
        ],
      ])('name %s', async (_, lines, message) => {
        await expect(run(buildDark, lines)).rejects.toThrow(message);
      });

      it('leave bad videos out where they may, and say which', async () => {
        const lines = ['broken', 'red', 'none'].map((video) => ({ video, events: EVENTS }));
        const { samples, skipped } = await run(buildDark, lines, { skipBad: true });
        expect([samples, skipped.map(({ id }) => id).sort()]).toEqual([1, ['broken', 'none']]);
        await expect(run(buildDark, [lines[0]], { skipBad: true })).rejects.toThrow(
          'nothing to build: 1 video',
        );
      });
    });

    describe('mixed', () => {
      it('lay pieces of 1.5 to 2 s of both videos alternately, at the size and rate of the one asked about, of the part that a sample states', async () => {
        const summary = await run(
          buildMix,
          [
            ask('a', 'red'),
            { ...ask('d', 'red', 'and of a part'), start: 1, end: 3 },
            ask('b', 'more/blue'),
            ask('c', 'red', 'and what else'),
          ],
          { out: at('mix real') },
        );
        expect(summary).toMatchObject({ samples: 4, films: 3, made: 3 });
        const samples = await samplesOf(summary);
        expect(samples.map(({ id, video, answers }) => [id, video, answers![0]])).toEqual([
          ['a_mix', 'mix-00001', 'a'],
          ['c_mix', 'mix-00001', 'c'],
          ['d_mix', 'mix-00002', 'd'],
          ['b_mix', 'mix-00003', 'b'],
        ]);
        // Of the part alone, two seconds.
        const { duration, start, end } = samples[2]!;
        expect([duration, start, end]).toEqual([2 + 5, undefined, undefined]);
        const part = await coloursOf(join(summary.file, '..', 'videos', 'mix-00002.mkv'));
        expect([part.length, part.filter(isRed).length]).toEqual([8 * 7, 16]);
        const film = await coloursOf(join(summary.file, '..', 'videos', 'mix-00001.mkv'));
        expect(film).toHaveLength(8 * (6 + 5));
        expect(film.every(({ time }, i) => Math.abs(time - i / 8) < 0.002)).toBe(true);
        expect(samples[0]!.duration).toBe(11);
        const runs: [boolean, number][] = [];
        for (const frame of film) {
          const red = isRed(frame);
          if (runs.at(-1)?.[0] === red) runs.at(-1)![1]++;
          else runs.push([red, 1]);
        }
        expect(runs.filter(([red]) => red).reduce((sum, [, length]) => sum + length, 0)).toBe(48);
        // 12 to 16 frames a piece; where one video has a piece more, two of the other are not joined.
        for (const [, length] of runs.slice(0, -1)) expect([12, 13, 14, 15, 16]).toContain(length);
        expect(runs.length).toBeGreaterThanOrEqual(5);
      });

      it.each<[string, unknown[], string]>([
        [
          'a single video',
          [ask('a', 'red'), ask('b', 'red')],
          'one video alone (red); a mix needs questions about two or more',
        ],
        [
          'a video without a question',
          [ask('a', 'red'), { id: 'b', video: 'more/blue', task: 'open', answers: ['b'] }],
          ':2: question: expected a text, got nothing',
        ],
        [
          'a caption',
          [ask('a', 'red'), { id: 'b', video: 'more/blue', task: 'caption', captions: ['b'] }],
          ':2: task: expected choice or open: a question about one of two videos, got caption',
        ],
        [
          'the same question of both',
          [ask('a', 'red', 'Who?'), ask('b', 'more/blue', 'who? ')],
          ':1: question: expected another video without a question of the same words, got 1 other videos, none of them so',
        ],
        [
          'a part beyond the end',
          [{ ...ask('a', 'red'), start: 9 }, ask('b', 'more/blue')],
          'from 9 s there is nothing to mix, the video ends at 6.00 s',
        ],
        ['a missing video', [ask('a', 'red'), ask('b', 'none')], 'no video for 1 of 2 samples: none'],
      ])('name %s', async (_, lines, message) => {
        await expect(run(buildMix, lines)).rejects.toThrow(message);
      });
    });

    it('are built in the same folder once their annotations are mended', async () => {
      const out = at('mended');
      await expect(run(buildDark, [{ video: 'red', events: [] }], { out })).rejects.toThrow(
        'at least one event',
      );
      expect(await run(buildDark, [{ video: 'red', events: EVENTS }], { out })).toMatchObject({ made: 1 });
    });

    it('belong to one request: another builder does not write into the folder', async () => {
      const out = at('dark real');
      await expect(run(buildMix, [ask('a', 'red'), ask('b', 'more/blue')], { out })).rejects.toThrow(
        'use another --out folder',
      );
      await cp(at('videos', 'red.mkv'), at('file'));
      await expect(run(buildMix, [ask('a', 'red')], { out: at('file', 'x') })).rejects.toThrow(
        'cannot be written',
      );
    });
  },
);
