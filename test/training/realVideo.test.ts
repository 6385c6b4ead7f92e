/**
 * Real input end to end: published NExT-QA rows with real clips under their video ids, decoded by ffmpeg, trained on
 * for two steps and evaluated; the frames are compared with a plain full decode of the same files.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSplit } from '../../src/batches/split.js';
import { resolveConfig } from '../../src/config/load.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { selectEngine } from '../../src/engine/engine.js';
import type { Prediction } from '../../src/evaluation/answers.js';
import { runPaths } from '../../src/training/run/folder.js';
import { train } from '../../src/training/train.js';
import { readFrames } from '../../src/video/frames.js';
import { probeVideo } from '../../src/video/probe.js';
import { sharedPath } from '../support/shared.js';
import { makeBase } from './support.js';

const annotations = sharedPath('data/nextqa/val.csv');
const clips = sharedPath('data/video');
const ffmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
const reason =
  !annotations || !clips ? 'SKIPPED: ../shared is not there' : ffmpeg ? '' : 'SKIPPED: no ffmpeg';

const FILES = ['flower.mp4', 'flower.webm', 'torchcodec_nasa_13013.mp4', 'torchcodec_h265_video.mp4'];
/** Of one clip, as published clips have several; each is decoded again for every step and evaluation. */
const QUESTIONS = 2;

describe.skipIf(reason !== '')(`published rows with real clips ${reason}`, () => {
  let folder: string;
  const at = (...parts: string[]) => join(folder, ...parts);
  const fileOf = new Map<string, string>();

  beforeAll(async () => {
    await selectEngine('auto');
    folder = mkdtempSync(join(tmpdir(), 'reasvqa-real-'));
    mkdirSync(at('videos'));
    const [header, ...rows] = readFileSync(annotations!, 'utf8').trim().split('\n') as [string, ...string[]];
    const chosen: string[] = [];
    const asked = new Map<string, number>();
    for (const row of rows) {
      const video = row.split(',')[0]!;
      asked.set(video, (asked.get(video) ?? 0) + 1);
      if (asked.get(video)! > QUESTIONS) continue;
      if (!fileOf.has(video)) {
        if (fileOf.size === FILES.length) continue;
        const name = FILES[fileOf.size]!;
        fileOf.set(video, at('videos', `${video}${extname(name)}`));
        copyFileSync(join(clips!, name), fileOf.get(video)!);
      }
      chosen.push(row);
    }
    writeFileSync(at('rows.csv'), `${[header, ...chosen].join('\n')}\n`);
    await makeBase(at('base'), 0.1);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const configOf = async (...overrides: string[]) =>
    (
      await resolveConfig({
        overrides: [
          'data.dataset=nextqa',
          `data.videos=${at('videos')}`,
          `data.train=${at('rows.csv')}`,
          `data.val=${at('rows.csv')}`,
          `model.base=${at('base')}`,
          'train.mode=stl',
          'train.epochs=1',
          ...overrides,
        ],
      })
    ).config;

  test('trains two steps and answers every question', async () => {
    const { samples } = await readAnnotations({ dataset: 'nextqa', file: at('rows.csv') });
    const batch = Math.floor(samples.length / 2);
    const config = await configOf(`train.batch=${batch}`);
    const result = await train({ config, folder: at('run'), engine: {} });
    expect(result.steps).toBe(2);
    expect(result.score?.total.count).toBe(samples.length);
    const lines = readFileSync(runPaths(at('run')).predictions, 'utf8')
      .trim()
      .split('\n');
    const predictions = lines.map((line) => JSON.parse(line) as Prediction);
    expect(predictions.map(({ id }) => id)).toEqual(samples.map(({ id }) => id));
    for (const { prediction, scores } of predictions) {
      expect(scores).toHaveLength(5);
      expect(scores!.every(Number.isFinite)).toBe(true);
      expect(prediction).toBe(scores!.indexOf(Math.max(...scores!)));
    }
  });

  test("the frames it sees are ffmpeg's, byte for byte", async () => {
    const config = await configOf();
    const { samples, paths } = await readSplit(config, config.data.val!, false);
    for (const [video, path] of fileOf) {
      expect(paths.get(video)).toBe(path);
      const { id } = samples.find((sample) => sample.video === video)!;
      const frames = await readFrames({ path, id, count: 4, mode: 'uniform' });
      const { times } = await probeVideo(path, id);
      const whole = execFileSync(
        'ffmpeg',
        [
          '-v',
          'error',
          '-threads',
          '1',
          '-i',
          path,
          '-vsync',
          'passthrough',
          '-pix_fmt',
          'rgb24',
          '-f',
          'rawvideo',
          '-',
        ],
        { maxBuffer: 2 ** 31 },
      );
      const size = frames.width * frames.height * 3;
      expect(whole.length / size).toBe(times.length);
      frames.indices.forEach((index, i) => {
        const expected = whole.subarray(index * size, (index + 1) * size);
        const actual = frames.data.subarray(i * size, (i + 1) * size);
        expect(Buffer.compare(expected, Buffer.from(actual))).toBe(0);
      });
    }
  });

  test('a broken clip stops the run by its name, or is left out when the user says so', async () => {
    const [video, path] = [...fileOf][0]!;
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 5000));
    try {
      const stop = train({ config: await configOf('train.batch=4'), folder: at('stops'), engine: {} });
      await expect(stop).rejects.toThrow(new RegExp(`${video}_\\d+: .*${video}`));
      const config = await configOf('train.batch=4', 'data.onBadVideo=skip');
      const { score } = await train({ config, folder: at('skips'), engine: {} });
      const { samples } = await readAnnotations({ dataset: 'nextqa', file: at('rows.csv') });
      expect(score?.total.count).toBe(samples.filter((sample) => sample.video !== video).length);
    } finally {
      writeFileSync(path, whole);
    }
  });
});
