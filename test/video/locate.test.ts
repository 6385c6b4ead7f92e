/** Finding the videos of samples. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
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

  test('a video named without extension has one of the rarer extensions', async () => {
    const rarer = ['flv', 'wmv', 'mpeg', '3gp', 'm2ts', 'ogv', 'vob', 'rmvb', 'h264', 'HEVC'];
    await put(...rarer.map((extension) => `${extension}-clip.${extension}`), 'text.csv', 'sound.mp3');
    const locator = await VideoLocator.open(root);
    for (const extension of rarer)
      expect(await locator.find(`${extension}-clip`)).toBe(join(root, `${extension}-clip.${extension}`));
    expect(await locator.find('text')).toBeUndefined();
    expect(await locator.find('sound')).toBeUndefined();
  });

  test.each([
    ['two rarer extensions', ['v.wmv', 'v.flv'], 'v', '"v.flv" and "v.wmv"'],
    ['three of them', ['v.wmv', 'v.flv', 'v.3gp'], 'v', '"v.3gp", "v.flv" and "v.wmv"'],
    ['one extension in two cases', ['v.mp4', 'v.MP4', 'v.avi'], 'v', '"v.MP4" and "v.mp4"'],
    ['two other cases than the one named', ['v.Mp4', 'v.MP4'], 'v.mp4', '"v.MP4" and "v.Mp4"'],
    [
      'two Unicode forms other than the one named',
      ['e\u0323\u0302.mp4', '\u1eb9\u0302.mp4'],
      '\u1ec7.mp4',
      '"e\\u0323\\u0302.mp4" and "\\u1eb9\\u0302.mp4"',
    ],
  ])('%s is an error that names them', async (_, files, video, names) => {
    await put(...files);
    const locator = await VideoLocator.open(root);
    await expect(locator.find(video)).rejects.toThrow(`${names} fit equally well; name one in full`);
    for (const file of files) expect(await locator.find(file)).toBe(join(root, file));
  });

  test('a common extension goes before a rarer one, and so does a folder', async () => {
    await put('a.flv', 'a.mp4', 'b.wmv');
    await mkdir(join(root, 'b'));
    const locator = await VideoLocator.open(root);
    expect(await locator.find('a')).toBe(join(root, 'a.mp4'));
    expect(await locator.find('b')).toBe(join(root, 'b'));
  });

  test('names that differ in Unicode form, or in the case of the extension, are the same video', async () => {
    const forms = (text: string) => [text.normalize('NFC'), text.normalize('NFD')];
    for (const text of ['café.mp4', 'Müller.webm', 'Việt Nam.avi', '한국어.mkv', 'ガ.mp4'])
      for (const [video, file] of [forms(text), forms(text).reverse()] as [string, string][]) {
        await put(file);
        const find = async (name: string) => (await VideoLocator.open(root)).find(name);
        expect(await find(video)).toBe(join(root, file));
        expect(await find(video.replace(/\.\w+$/, ''))).toBe(join(root, file));
        expect(await find(video.replace(/\.\w+$/, (extension) => extension.toUpperCase()))).toBe(
          join(root, file),
        );
        // Beside it the very name wins.
        await put(video);
        expect(await find(video)).toBe(join(root, video));
        expect(await find(file)).toBe(join(root, file));
        await Promise.all([video, file].map((name) => rm(join(root, name))));
      }
    await put('a.MP4');
    const locator = await VideoLocator.open(root);
    expect(await locator.find('a.mp4')).toBe(join(root, 'a.MP4'));
    // The case of the rest of a name tells videos apart.
    expect(await locator.find('A.mp4')).toBeUndefined();
  });

  test('folders on the way, and folders of frames, may differ in Unicode form', async () => {
    const [nfc, nfd] = ['é', 'é'.normalize('NFD')] as [string, string];
    await mkdir(join(root, nfd, nfd), { recursive: true });
    await put(`${nfd}/a.mp4`, `${nfd}/${nfd}/b.mp4`);
    const locator = await VideoLocator.open(root);
    expect(await locator.find(`${nfc}/a`)).toBe(join(root, nfd, 'a.mp4'));
    expect(await locator.find(`${nfc}/${nfc}/b.mp4`)).toBe(join(root, nfd, nfd, 'b.mp4'));
    expect(await locator.find(`${nfc}/${nfc}`)).toBe(join(root, nfd, nfd));
    expect(await locator.find(`${nfc}/c`)).toBeUndefined();
    expect(await locator.find(`${nfc}x/a`)).toBeUndefined();
  });

  test('hidden files and those of the system are no videos', async () => {
    await put('._clip.mp4', 'clip.mp4', '._lone.mp4', '.hidden.mp4', '._dot.MP4', 'dot.mp4', 'Thumbs.db');
    await mkdir(join(root, '@eaDir'));
    const locator = await VideoLocator.open(root);
    expect(await locator.find('clip')).toBe(join(root, 'clip.mp4'));
    expect(await locator.find('dot')).toBe(join(root, 'dot.mp4'));
    for (const video of ['lone', '._lone', '._lone.mp4', '.hidden', '.hidden.mp4', '@eaDir', 'Thumbs.db'])
      expect(await locator.find(video), video).toBeUndefined();
  });

  test('a Git LFS pointer counts as missing, and says what to do', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12345\n`;
    await put('whole.mp4', 'gone.mp4');
    for (const name of ['a.mp4', 'b.mkv', 'c.gif']) await writeFile(join(root, name), pointer);
    await writeFile(join(root, 'large.mp4'), pointer + 'x'.repeat(2000));
    const videos = ['a', 'b', 'c', 'whole', 'none', 'large'];
    const samples = videos.map((video) => ({ id: `${video}_1`, video }));
    const { paths, missing } = await (await VideoLocator.open(root)).locate(samples);
    expect([...paths.keys()]).toEqual(['whole', 'large']);
    expect(missing.map(({ id }) => id)).toEqual(['a_1', 'b_1', 'c_1', 'none_1']);
    const reason = `${join(root, 'b.mkv')}: a Git LFS pointer, not the video; fetch it with git lfs pull`;
    expect(missing[1]?.reason).toBe(reason);
    expect(missingVideosError(root, missing.slice(1), 6).message).toContain(`none_1 (b_1: ${reason}); add`);
  });

  test.skipIf(process.platform === 'win32')('a pipe counts as missing, and is named', async () => {
    execFileSync('mkfifo', [join(root, 'pipe.mp4')]);
    const { paths, missing } = await (await VideoLocator.open(root)).locate([{ id: 'q', video: 'pipe' }]);
    expect(paths.size).toBe(0);
    expect(missing).toEqual([{ id: 'q', reason: `${join(root, 'pipe.mp4')}: neither a file nor a folder` }]);
  });

  test('an order of frames that is a guess is said once', async () => {
    const folders = { a: ['0.5.png', '1.png'], b: ['0.25.png', '0.5.png'], c: ['1.9.jpg', '1.10.jpg'] };
    for (const [name, files] of Object.entries(folders)) {
      await mkdir(join(root, name));
      await put(...files.map((file) => `${name}/${file}`));
    }
    const noticesOf = async (...videos: string[]) =>
      (await (await VideoLocator.open(root)).locate(videos.map((video) => ({ id: video, video })))).notices;
    const begin = `${root}: frames named by numbers with a point are read as`;
    expect(await noticesOf('a')).toEqual([]);
    expect(await noticesOf('a', 'b', 'c', 'b')).toEqual([
      `${begin} decimals, not versions: in b 0.25.png comes before 0.5.png`,
    ]);
    expect(await noticesOf('c')).toEqual([
      `${begin} versions, not decimals: in c 1.9.jpg comes before 1.10.jpg`,
    ]);
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
    expect(missing.slice(0, 3)).toEqual(
      ['v0_0', 'v0_1', 'v3_0'].map((id) => ({ id, reason: `no video in ${root}` })),
    );
    expect(missingVideosError(root, missing, samples.length).message).toBe(
      `${root}: no video for 2000 of 6000 samples: v0_0, v0_1, v3_0, v3_1, v6_0, and 1995 more; add the files, or leave these samples out with --on-bad-video skip`,
    );
    expect(missingVideosError(root, missing.slice(0, 1), 1).message).toMatch(
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
