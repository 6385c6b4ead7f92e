import * as fs from 'node:fs/promises';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataError } from '../../src/errors.js';
import { missingVideosError, VideoLocator } from '../../src/video/locate.js';
import { sharedPath } from '../support/shared.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, readdir: vi.fn(real.readdir) };
});

let folder: string;
let root: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-locate-'));
  root = join(folder, 'root');
  await mkdir(join(root, '0101'), { recursive: true });
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const put = (...names: string[]) => Promise.all(names.map((name) => writeFile(join(root, name), '')));

describe('VideoLocator', () => {
  test('exact path, known extension in any case, folder of images, nothing', async () => {
    await put('a.mp4', 'b.WEBM', 'c.txt', '0101/d.mkv', 'e.tar.gif');
    await mkdir(join(root, 'frames'));
    const locator = await VideoLocator.open(root);
    const found = async (video: string) => (await locator.find(video))?.slice(root.length + 1);
    expect(await found('a.mp4')).toBe('a.mp4');
    expect(await found('a')).toBe('a.mp4');
    expect(await found('b')).toBe('b.WEBM');
    expect(await found('c')).toBeUndefined();
    expect(await found('0101/d')).toBe('0101/d.mkv');
    expect(await found('./0101/../0101/d.mkv')).toBe('0101/d.mkv');
    expect(await found('e.tar')).toBe('e.tar.gif');
    expect(await found('frames')).toBe('frames');
    expect(await found('nowhere/x')).toBeUndefined();
    expect(await found('a.mp4/x')).toBeUndefined();
  });

  test('of several files the first known extension wins, and a folder comes last', async () => {
    await mkdir(join(root, 'v'));
    const locate = async () => (await VideoLocator.open(root)).find('v');
    expect(await locate()).toBe(join(root, 'v'));
    await put('v.webp', 'v.avi');
    expect(await locate()).toBe(join(root, 'v.avi'));
    await put('v.mp4');
    expect(await locate()).toBe(join(root, 'v.mp4'));
  });

  test('the map gives the path of an id; it is found in the root or named', async () => {
    await put('0101/2909445186.mp4');
    await writeFile(
      join(folder, 'map.json'),
      '{"2909445186": "0101/2909445186", "1": "0101/none", "2": "../x"}',
    );
    const named = await VideoLocator.open(root, { mapFile: join(folder, 'map.json') });
    expect(await named.find('2909445186')).toBe(join(root, '0101/2909445186.mp4'));
    expect(await named.find('1')).toBeUndefined();
    await expect(named.find('2')).rejects.toThrow('leaves the data root');
    expect(await (await VideoLocator.open(root)).find('2909445186')).toBeUndefined();
    await writeFile(join(root, 'map_vid_vidorID.json'), '{"2909445186": "0101/2909445186"}');
    expect(await (await VideoLocator.open(root)).find('2909445186')).toBe(join(root, '0101/2909445186.mp4'));
  });

  test.each(['../secret', '..', '0101/../../secret', '/etc/passwd', 'a\0b'])(
    '%j leaves the root',
    async (video) => {
      await writeFile(join(folder, 'secret.mp4'), '');
      const locator = await VideoLocator.open(root);
      await expect(locator.find(video)).rejects.toThrow(DataError);
      await expect(locator.find(video)).rejects.toThrow(/leaves the data root/);
    },
  );

  test('links: inside is fine, outside is an error, dangling is missing; the root itself may be a link', async () => {
    await put('a.mp4');
    await writeFile(join(folder, 'secret.mp4'), '');
    await mkdir(join(folder, 'root-beside'));
    await writeFile(join(folder, 'root-beside/x.mp4'), '');
    await symlink(join(root, 'a.mp4'), join(root, 'inside.mp4'));
    await symlink(join(folder, 'secret.mp4'), join(root, 'outside.mp4'));
    await symlink(join(folder, 'root-beside'), join(root, 'linked'));
    await symlink(join(root, 'gone.mp4'), join(root, 'dangling.mp4'));
    await symlink(root, join(folder, 'alias'));
    for (const base of [root, join(folder, 'alias')]) {
      const locator = await VideoLocator.open(base);
      expect(await locator.find('inside')).toBe(join(base, 'inside.mp4'));
      expect(await locator.find('dangling')).toBeUndefined();
      await expect(locator.find('outside')).rejects.toThrow(/is a link that leaves the data root/);
      await expect(locator.find('linked/x')).rejects.toThrow(/is a link that leaves the data root/);
    }
  });

  test('lists the samples whose video is missing, and each folder once for thousands of videos', async () => {
    const ids = Array.from({ length: 3000 }, (_, i) => `v${i}`);
    await put(...ids.filter((_, i) => i % 3 > 0).map((id) => `${id}.mp4`));
    const locator = await VideoLocator.open(root);
    vi.mocked(fs.readdir).mockClear();
    const samples = ids.flatMap((video) => [0, 1].map((qid) => ({ id: `${video}_${qid}`, video })));
    const { paths, missing } = await locator.locate(samples);
    expect(vi.mocked(fs.readdir).mock.calls.length).toBe(1);
    expect(paths.size).toBe(2000);
    expect(missing).toHaveLength(2000);
    expect(missing.slice(0, 3)).toEqual(['v0_0', 'v0_1', 'v3_0']);
    expect(missingVideosError('data', missing, samples.length).message).toBe(
      'data: no video for 2000 of 6000 samples: v0_0, v0_1, v3_0, v3_1, v6_0, and 1995 more; add the files, or leave these samples out with --on-bad-video skip',
    );
    expect(missingVideosError('data', ['v0_0'], 1).message).toMatch(
      /name their folder with --set data\.videos/,
    );
  });

  test('a root or map that is not there or not right', async () => {
    await expect(VideoLocator.open(join(folder, 'none'))).rejects.toThrow(/none: no such video folder/);
    await put('file');
    await expect(VideoLocator.open(join(root, 'file'))).rejects.toThrow(/not a folder/);
    const mapFile = join(folder, 'map.json');
    for (const [text, message] of [
      ['{"a": 1}', 'at "a"'],
      ['["a"]', 'expected {"video id"'],
      ['{\n"a"', 'map.json:2: json: expected an object of video ids'],
    ] as const) {
      await writeFile(mapFile, text);
      await expect(VideoLocator.open(root, { mapFile })).rejects.toThrow(message);
    }
  });
});

const map = sharedPath('data/nextqa/map_vid_vidorID.json');
test.skipIf(!map)('the published NExT-QA map, 10,000 entries (needs ../shared)', async () => {
  await put('0101/2909445186.mp4');
  const locator = await VideoLocator.open(root, { mapFile: map as string });
  expect(await locator.find('2909445186')).toBe(join(root, '0101/2909445186.mp4'));
});
