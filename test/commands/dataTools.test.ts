/** `data stats` and `data check` of files, and `data check --against`, on the command line. */
import { copyFile, link, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { reasvqa } from './support.js';

let folder: string;
const run = (...argv: string[]) => reasvqa(argv, { cwd: folder });
const stats = async (...argv: string[]) => JSON.parse((await run('data', 'stats', ...argv, '--json')).stdout);

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const row = (video: string, qid: number, answer: number, type = 'CW', question = 'why does it run') =>
  `${video},4,8,8,${question},${answer},${qid},${type},one,two words,three,four,five`;
const TOKENIZER = join(import.meta.dirname, '../../weights/shapes');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa tools '));
  const rows = [row('v1', 0, 1), row('v1', 1, 4, 'TP'), row('v2', 0, 4, 'DO', 'what')];
  await writeFile(join(folder, 'a.csv'), [HEADER, ...rows, ''].join('\n'));
  await writeFile(
    join(folder, 'b.csv'),
    [HEADER, row('v1', 0, 1), row('v3', 0, 2, 'TN', 'Why  does IT run?'), ''].join('\n'),
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe('data stats', () => {
  it('counts samples, videos, types, groups, options and answers', async () => {
    const found = await stats('--dataset', 'nextqa', 'a.csv');
    expect(found).toMatchObject({
      dataset: 'nextqa',
      samples: 3,
      videos: 2,
      types: { CW: 1, CH: 0, TP: 1, DO: 1 },
      groups: { Cau: 1, Tem: 1, Des: 1 },
      options: { 5: 3 },
      answers: [0, 1, 0, 0, 2],
      withoutAnswer: 0,
      unit: 'words',
      lengths: { question: { count: 3, mean: 3, median: 4, max: 4 }, option: { count: 15, max: 2 } },
    });
    expect(found).not.toHaveProperty('cut');
  });

  it('counts several files together, and ids that they share', async () => {
    const found = await stats('--dataset', 'nextqa', 'a.csv', 'b.csv');
    expect(found).toMatchObject({ samples: 5, videos: 3, repeatedIds: 1 });
    expect(found.files.map(({ samples }: { samples: number }) => samples)).toEqual([3, 2]);
  });

  it('counts tokens, and what the limits cut, with a tokenizer', async () => {
    const argv = ['--dataset', 'nextqa', 'a.csv', '--tokenizer', TOKENIZER];
    const { lengths, cut, unit } = await stats(...argv);
    expect(unit).toBe('tokens');
    const limits = (limit: number) => stats(...argv, '--set', `text.maxPrompt=${limit}`);
    expect(cut[0]).toMatchObject({ key: 'text.maxPrompt', limit: 128 });
    expect((await limits(lengths.prompt.max)).cut[0].count).toBe(0);
    expect((await limits(lengths.prompt.max - 1)).cut[0].count).toBeGreaterThan(0);
    expect((await limits(1)).cut[0].count).toBe(3);
  });

  it('counts the splits of a recipe one by one, the reasoning of training with them', async () => {
    const recipe = 'data: { dataset: nextqa, videos: ., train: a.csv, val: b.csv, reasoning: r.jsonl }\n';
    await writeFile(join(folder, 'recipe.yaml'), recipe);
    const reasoning = { id: 'v1_0', reasoning: 'It sees a ball.', correct: true };
    await writeFile(join(folder, 'r.jsonl'), `${JSON.stringify(reasoning)}\n`);
    const [train, val] = await stats('recipe.yaml', '--tokenizer', TOKENIZER, '--set', 'text.maxReasoning=3');
    expect(train).toMatchObject({ split: 'train', samples: 3, reasoning: 1, cut: [{}, { count: 1 }] });
    expect(val).toMatchObject({ split: 'val', samples: 2, reasoning: 0, cut: [{}, { count: 0 }] });

    const before = await run('data', 'stats', 'recipe.yaml', '--json', '--set', 'data.reasoning=none.jsonl');
    expect(before.code).toBe(0);
    expect(before.stderr).toMatch(/^warning: .*none\.jsonl: no such file yet; /m);
    expect(JSON.parse(before.stdout)[0]).toMatchObject({ samples: 3, reasoning: 0 });
  });

  it('prints tables, and names the unit', async () => {
    const { code, stdout } = await run('data', 'stats', '--dataset', 'nextqa', 'a.csv');
    expect(code).toBe(0);
    expect(stdout).toContain('3 samples of 2 videos\n');
    expect(stdout).toMatch(/^TP +1 +33\.33 %$/m);
    expect(stdout).toMatch(/^Tem +1 +33\.33 %$/m);
    expect(stdout).toContain('length in words');
  });

  it('counts the sound rows of a file with bad ones, exit code 3', async () => {
    await writeFile(join(folder, 'bad.csv'), [HEADER, row('v1', 0, 1), row('v1', 1, 9), ''].join('\n'));
    const { code, stdout, stderr } = await run('data', 'stats', '--dataset', 'nextqa', 'bad.csv');
    expect(code).toBe(3);
    expect(stdout).toContain('1 samples of 1 videos\n');
    expect(stderr).toMatch(/bad\.csv:3: answer: expected .*problems in all: 1;/);
  });

  it.each([
    [['a.csv'], 'a.csv: annotation files need --dataset, one of nextqa, '],
    [['--dataset', 'nextqa'], 'name at least one annotation file'],
    [['--dataset', 'mars', 'a.csv'], 'unknown dataset "mars"'],
    [['one.yaml', 'two.yaml'], 'two.yaml: annotation files need --dataset'],
  ])('of %j is a wrong use, exit code 2', async (argv, message) => {
    const { code, stderr } = await run('data', 'stats', ...argv);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('data check of files', () => {
  const check = (...argv: string[]) => run('data', 'check', '--dataset', 'nextqa', ...argv);

  it('looks for no video unless a folder is given, and then names file and line', async () => {
    expect((await check('a.csv')).stdout).toBe(
      `3 samples of 2 videos in ${join(folder, 'a.csv')}, 0 problems\n`,
    );
    await mkdir(join(folder, 'videos', 'v1'), { recursive: true });
    await copyFile(join(folder, 'a.csv'), join(folder, 'outside.mp4'));
    await symlink(join(folder, 'outside.mp4'), join(folder, 'videos', 'link.mp4'));
    const rows = [
      row('v1', 0, 1),
      row('../outside', 1, 1),
      row('link', 2, 1),
      row('gone', 3, 1),
      row('/etc', 4, 1),
    ];
    await writeFile(join(folder, 'paths.csv'), [HEADER, ...rows, ''].join('\n'));
    const { code, stdout } = await check('paths.csv', '--videos', 'videos');
    expect(code).toBe(3);
    const place = (line: number) => `${join(folder, 'paths.csv')}:${line}: `;
    expect(stdout).toContain(`${place(3)}../outside_1: video "../outside": the path leaves the data root`);
    expect(stdout).toMatch(/paths\.csv:4: link_2: .*is a link that leaves the data root/);
    expect(stdout).toContain(`${place(5)}gone_3: no video in`);
    expect(stdout).toContain(`${place(6)}/etc_4: video "/etc": the path leaves the data root`);
    expect(stdout).not.toContain(place(2).concat('v1_0: no'));
  });

  it('warns of equal options, which are no problem', async () => {
    const equal = row('v1', 0, 2).replace('one', 'Three ');
    await writeFile(join(folder, 'equal.csv'), [HEADER, equal, ''].join('\n'));
    const { code, stdout } = await check('equal.csv');
    expect(code).toBe(0);
    expect(stdout).toContain('equal.csv:2: v1_0: options 0 and 2 are equal, "three", the right answer\n');
    expect(stdout).toContain(', 0 problems, 1 warnings\n');
  });

  it.each([
    ['an empty file', '', 'got an empty file'],
    ['semicolons', `${HEADER}\n${row('v', 0, 1)}\n`.replaceAll(',', ';'), 'separated by semicolons'],
    ['tabs', `${HEADER}\n${row('v', 0, 1)}\n`.replaceAll(',', '\t'), 'separated by tabs'],
    ['CR alone', `${HEADER}\n${row('v', 0, 1)}\n`.replaceAll('\n', '\r'), 'its lines end in CR alone'],
    ['CR alone within a row', `${HEADER}\n${row('v', 0, 1)}\r\r\n`, 'a4: expected line ends of LF or CRLF'],
    [
      'a NUL byte',
      `${HEADER}${' '.repeat(2000)}\n${row('v\0', 0, 1)}\n`,
      ':2: row: expected text, got a NUL byte',
    ],
    ['a web page', '<html>', 'got a web page'],
    ['no file', undefined, 'no such file'],
  ])('names %s', async (_, text, message) => {
    await rm(join(folder, 'x.csv'), { force: true });
    if (text !== undefined) await writeFile(join(folder, 'x.csv'), text);
    const { code, stdout } = await check('x.csv');
    expect(code).toBe(3);
    expect(stdout).toContain(message);
    expect(stdout).toMatch(/, 1 problems\n$/);
  });

  it('prints JSON', async () => {
    const { stdout } = await check('bad.csv', '--json');
    expect(JSON.parse(stdout)).toEqual([
      {
        file: join(folder, 'bad.csv'),
        samples: 1,
        videos: 1,
        problems: [expect.stringContaining('bad.csv:3: answer')],
        warnings: [],
      },
    ]);
  });

  it('counts what other files share, by video, by question and by both', async () => {
    const { code, stdout } = await check('b.csv', '--against', 'a.csv', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).leakage).toEqual({
      samples: 2,
      byVideo: { samples: 1, videos: 1 },
      byQuestion: { samples: 2 },
      byBoth: { samples: 1 },
      examples: [
        {
          place: `${join(folder, 'b.csv')}:2: v1_0`,
          other: `${join(folder, 'a.csv')}:2`,
          question: 'why does it run',
        },
      ],
    });
    const questions = [{ id: 'q', video: 'clips/v1.mp4', question: 'WHY does it run.', options: ['a', 'b'] }];
    await writeFile(join(folder, 'c.jsonl'), questions.map((line) => JSON.stringify(line)).join('\n'));
    const other = await check('a.csv', '--against', 'c.jsonl', '--against-dataset', 'jsonl');
    expect(other.stdout).toContain('by video: 2 samples of 1 videos\n');
    expect(other.stdout).toContain('by both: 2 samples, such as\n');
  });
});

describe('an output that is an input', () => {
  const text = () => readFile(join(folder, 'a.csv'), 'utf8');

  it.each(['its own name', 'another spelling', 'a link', 'a second name'])(
    'by %s is refused, and stays',
    async (how) => {
      const before = await text();
      await rm(join(folder, 'again'), { force: true });
      if (how === 'a link') await symlink('a.csv', join(folder, 'again'));
      if (how === 'a second name') await link(join(folder, 'a.csv'), join(folder, 'again'));
      const out = { 'its own name': 'a.csv', 'another spelling': 'videos/../a.csv' }[how] ?? 'again';
      await mkdir(join(folder, 'videos'), { recursive: true });
      for (const argv of [
        ['data', 'convert', 'b.csv', 'a.csv', '--from', 'nextqa', '--to', 'jsonl', '--out', out],
        ['data', 'atp-hard', 'a.csv', 'a.csv', '--out', out],
      ]) {
        const { code, stderr } = await run(...argv);
        expect(code).toBe(2);
        expect(stderr).toContain(': is one of the files that are read; name another output file');
      }
      expect(await text()).toBe(before);
    },
  );
});

describeWithShared('published files', ['data/nextqa/val.csv'], () => {
  const shared = (path: string) => sharedPath(`data/${path}`)!;

  it('have the counts that their authors state', async () => {
    expect(await stats('--dataset', 'nextqa', shared('nextqa/val.csv'))).toMatchObject({
      samples: 4996,
      videos: 570,
      groups: { Cau: 2607, Tem: 1612, Des: 777 },
    });
    expect(await stats('--dataset', 'nextqa', shared('nextqa/nextqa-atphard.csv'))).toMatchObject({
      samples: 2269,
      groups: { Cau: 1334, Tem: 935, Des: 0 },
    });
    expect(await stats('--dataset', 'intentqa', shared('intentqa/val.csv'))).toMatchObject({ samples: 2044 });
    expect(await stats('--dataset', 'star', shared('star/sevila_val.json'))).toMatchObject({
      samples: 7098,
      types: { Interaction: 2398, Sequence: 3586, Prediction: 624, Feasibility: 490 },
    });
  });

  it("share 276 questions on 73 videos: IntentQA's and NExT-QA's validation splits", async () => {
    const argv = ['data', 'check', '--dataset', 'intentqa', shared('intentqa/val.csv'), '--json'];
    const against = ['--against', shared('nextqa/val.csv'), '--against-dataset', 'nextqa'];
    const { leakage } = JSON.parse((await run(...argv, ...against)).stdout);
    expect(leakage).toMatchObject({
      byVideo: { samples: 276, videos: 73 },
      byQuestion: { samples: 283 },
      byBoth: { samples: 276 },
    });
  });
});
