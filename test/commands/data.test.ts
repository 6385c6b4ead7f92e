/** `data check`, `score` and `refine` on the command line. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reasvqa } from './support.js';

let folder: string;
const run = (...argv: string[]) => reasvqa(argv, { cwd: folder });

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const row = (video: string, qid: number, answer: number, type = 'CW') =>
  `${video},4,8,8,why,${answer},${qid},${type},one,two,three,four,five`;

/** A folder of four small frames, the simplest video there is. */
async function writeVideo(name: string): Promise<void> {
  const path = join(folder, 'videos', name);
  await mkdir(path, { recursive: true });
  for (let i = 0; i < 4; i++)
    await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 60 * i, g: 0, b: 0 } } })
      .png()
      .toFile(join(path, `${i}.png`));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa data '));
  await writeVideo('v1');
  await writeVideo('v2');
  await writeFile(join(folder, 'train.csv'), [HEADER, row('v1', 0, 1), row('v2', 1, 4, 'TN'), ''].join('\n'));
  await writeFile(join(folder, 'bad.csv'), [HEADER, row('v1', 0, 9), row('gone', 1, 2), ''].join('\n'));
  await writeFile(
    join(folder, 'recipe.yaml'),
    'data: { dataset: nextqa, videos: videos, train: train.csv }\n',
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe('data check', () => {
  it('counts sound rows', async () => {
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', '--decode');
    expect(code).toBe(0);
    expect(stdout).toContain('train: 2 samples of 2 videos in');
    expect(stdout).toContain(', 0 problems');
  });

  it('lists every problem of every split, exit code 3', async () => {
    const { code, stdout, stderr } = await run('data', 'check', 'recipe.yaml', '--set', 'data.val=bad.csv');
    expect(code).toBe(3);
    expect(stderr).toBe('reasvqa: 2 problems in the data\n');
    expect(stdout).toMatch(/bad\.csv:2: answer: expected .*, got .*9/);
    expect(stdout).toContain('gone_1: no video in');
  });

  it('says how to get a published file that is missing', async () => {
    const { stdout } = await run('data', 'check', 'recipe.yaml', '--set', 'data.train=sub/train.csv');
    const out = join(folder, 'sub');
    expect(stdout).toContain(
      `${join(out, 'train.csv')}: no such file; reasvqa data fetch nextqa --out ${out} downloads it\n`,
    );
  });

  it('continues after a missing file or folder', async () => {
    const set = ['--set', 'data.train=none.csv', '--set', 'data.val=bad.csv', '--set', 'data.videos=none'];
    const { code, stdout, stderr } = await run('data', 'check', 'recipe.yaml', ...set);
    expect(code).toBe(3);
    expect(stderr).toBe('reasvqa: 4 problems in the data\n');
    expect(stdout).toMatch(/none\.csv: no such file\n/);
    expect(stdout).toMatch(/bad\.csv:2: answer: expected .*, got .*9/);
    expect(stdout.match(/none: no such video folder\n/g)).toHaveLength(2);
    expect(stdout).toContain('val: 1 samples of 1 videos in');
  });

  it('warns of reasoning that is still to be written; one that cannot be read is a problem', async () => {
    const check = (file: string) => run('data', 'check', 'recipe.yaml', '--set', `data.reasoning=${file}`);
    const before = await check('none/refined.jsonl');
    expect(before.code).toBe(0);
    expect(before.stdout).toMatch(
      /^warning: .*refined\.jsonl: no such file yet; reasvqa generate and refine/m,
    );
    expect(before.stdout).toContain(', 0 problems, 1 warnings');
    const unreadable = await check('videos');
    expect(unreadable.code).toBe(3);
    expect(unreadable.stdout).toContain(', 1 problems\n');
  });

  it('cuts clips in seconds from folders of frames at the rate of data.fps', async () => {
    const sample = {
      ...{ id: 'a', video: 'v1', question: 'why?', options: ['one', 'two'], answer: 0 },
      ...{ start: 0.1, end: 0.15 },
    };
    await writeFile(join(folder, 'clips.jsonl'), `${JSON.stringify(sample)}\n`);
    const set = ['--set', 'data.dataset=jsonl', '--set', 'data.train=clips.jsonl', '--decode'];
    const without = await run('data', 'check', 'recipe.yaml', ...set);
    expect(without.code).toBe(3);
    expect(without.stdout).toContain('a folder of frames has none; set data.fps');
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', ...set, '--set', 'data.fps=20');
    expect(stdout).toContain(', 0 problems');
    expect(code).toBe(0);
  });

  it('names every sample whose video lies outside the folder', async () => {
    const rows = [row('../a', 0, 1), row('gone', 1, 2), row('/b', 2, 3), ''];
    await writeFile(join(folder, 'outside.csv'), [HEADER, ...rows].join('\n'));
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', '--set', 'data.train=outside.csv');
    expect(code).toBe(3);
    expect(stdout).toContain('../a_0: video "../a": the path leaves the data root');
    expect(stdout).toContain('/b_2: video "/b": the path leaves the data root');
    expect(stdout).toContain('gone_1: no video in');
    expect(stdout).toContain(', 3 problems\n');
  });

  it('says that a video is a Git LFS pointer, and once which order of frames was taken', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`;
    await writeFile(join(folder, 'videos', 'pointer.mp4'), pointer);
    for (const video of ['t1', 't2']) {
      await writeVideo(video);
      for (const [from, to] of ['0.25', '0.5', '0.75', '1'].entries())
        await rename(
          join(folder, 'videos', video, `${from}.png`),
          join(folder, 'videos', video, `${to}.png`),
        );
    }
    const rows = [row('pointer', 0, 1), row('t1', 1, 2), row('t2', 2, 3), row('pointer', 3, 4), ''];
    await writeFile(join(folder, 'pointers.csv'), [HEADER, ...rows].join('\n'));
    const set = ['--set', 'data.train=pointers.csv', '--decode'];
    const { code, stdout, stderr } = await run('data', 'check', 'recipe.yaml', ...set);
    expect(code).toBe(3);
    for (const id of ['pointer_0', 'pointer_3'])
      expect(stdout).toMatch(
        new RegExp(`pointers\\.csv:\\d+: ${id}: .*pointer\\.mp4: a Git LFS pointer, .* git lfs pull$`, 'm'),
      );
    expect(stdout).toContain(', 2 problems\n');
    expect(
      stderr.match(/read as decimals, not versions: in t1 0\.25\.png comes before 0\.5\.png\n/g),
    ).toHaveLength(1);
  });

  it('lists every line of reasoning that is wrong', async () => {
    const lines = [
      '{"id":"v1_0","reasoning":"r","correct":true}',
      '{"id":"x","reasoning":"r","correct":null}',
      '7',
    ];
    await writeFile(join(folder, 'reasoning.jsonl'), lines.join('\n'));
    const set = ['--set', 'data.reasoning=reasoning.jsonl'];
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', ...set);
    expect(code).toBe(3);
    expect(stdout).toContain(
      'reasoning.jsonl:2: id: expected the id of a sample in the annotations, got "x"\n',
    );
    expect(stdout).toContain('reasoning.jsonl:3: json: expected one JSON object, got 7\n');
  });

  it('without annotations there is nothing to check, exit code 2', async () => {
    const { code, stderr } = await run('data', 'check', 'recipe.yaml', '--set', 'data.train=null');
    expect(code).toBe(2);
    expect(stderr).toBe(
      'reasvqa: data.train, data.val, data.test: all missing; the recipe has no annotations to check\n',
    );
  });

  it('finds a broken video only when it decodes', async () => {
    await mkdir(join(folder, 'videos/v3'), { recursive: true });
    await writeFile(join(folder, 'videos/v3/0.png'), 'not a picture');
    await writeFile(join(folder, 'broken.csv'), [HEADER, row('v3', 0, 1), ''].join('\n'));
    const set = ['--set', 'data.train=broken.csv'];
    expect((await run('data', 'check', 'recipe.yaml', ...set)).code).toBe(0);
    const { code, stdout } = await run('data', 'check', 'recipe.yaml', ...set, '--decode', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)[0].problems).toHaveLength(1);
    expect(JSON.parse(stdout)[0].problems[0]).toContain('v3');
  });
});

describe('score', () => {
  const argv = ['score', '--dataset', 'nextqa', '--annotations', 'train.csv', '--predictions', 'p.json'];

  it('prints two decimals, or JSON', async () => {
    await writeFile(
      join(folder, 'p.json'),
      JSON.stringify({ v1_0: { prediction: 1, answer: 1 }, v2_1: { prediction: 0, answer: 4 } }),
    );
    expect((await run(...argv)).stdout).toMatch(/^total +50\.00 +1 \/ 2$/m);
    expect(JSON.parse((await run(...argv, '--json')).stdout).total).toEqual({
      correct: 1,
      count: 2,
      accuracy: 50,
    });
    await writeFile(join(folder, 'rows.txt'), '0\n');
    expect((await run(...argv, '--subset', 'rows.txt')).stdout).toMatch(/^total +100\.00 +1 \/ 1$/m);
  });

  it('a missing prediction is exit code 3', async () => {
    await writeFile(join(folder, 'p.json'), '{}');
    const { code, stdout, stderr } = await run(...argv);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain('no prediction for 2 of 2');
  });
});

describe('refine', () => {
  it('writes reasoning without its conclusion', async () => {
    const generated = {
      id: 'v1_0',
      question: 'why',
      options: ['one', 'two'],
      reasoning: 'A ball rolls to the left. ###Answer: B',
      predicted: 1,
      answer: 1,
      correct: true,
    };
    await writeFile(join(folder, 'generated.jsonl'), `${JSON.stringify(generated)}\n`);
    const { code, stdout } = await run('refine', 'generated.jsonl', '--out', 'refined.jsonl');
    expect(code).toBe(0);
    expect(stdout).toContain('1 of 1 samples keep reasoning, 0 have nothing left\n');
    const written = JSON.parse(await readFile(join(folder, 'refined.jsonl'), 'utf8'));
    expect(written).toMatchObject({ id: 'v1_0', correct: true });
    expect(written.reasoning.trim()).toBe('A ball rolls to the left.');
    const checked = await run('data', 'check', 'recipe.yaml', '--set', 'data.reasoning=refined.jsonl');
    expect(checked.code).toBe(0);
  });
});
