import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowNumbers } from '../../src/data/atpHard.js';
import { reasvqa } from '../commands/support.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atp-hard-'));
});
afterAll(() => rm(folder, { recursive: true }));

const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const row = (video: string, qid: number, question = `why ${qid}`, last = 'e') =>
  `${video},4,8,8,${question},1,${qid},CW,a,b,c,d,${last}`;

async function file(name: string, ...rows: string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, [HEADER, ...rows, ''].join('\n'));
  return path;
}

describe('the rows of ATP-hard', () => {
  it('are found by video, question and options, in the order of the whole file', async () => {
    const all = await file('val.csv', row('v1', 0), row('v1', 1), row('v2', 0), row('v2', 1, 'why 1', 'x'));
    // Other numbers of questions are other files' business.
    const some = await file('hard.csv', row('v2', 9, 'why 1', 'x'), row('v1', 7, 'why 0'));
    expect(await rowNumbers(all, some)).toEqual([0, 3]);
  });

  it('of two questions with the same text are told apart by their numbers', async () => {
    const all = await file('val.csv', row('v1', 0, 'why'), row('v1', 1, 'why'));
    expect(await rowNumbers(all, await file('hard.csv', row('v1', 1, 'why')))).toEqual([1]);
    await expect(rowNumbers(all, await file('hard.csv', row('v1', 2, 'why')))).rejects.toThrow('v1_2 is not');
  });

  it.each([
    ['another split', [row('v9', 0)], 'question v9_0 is not in'],
    ['other options', [row('v1', 0, 'why 0', 'x')], 'question v1_0 is not in'],
    ['a row twice', [row('v1', 0), row('v1', 5, 'why 0')], 'question v1_5 is there twice'],
  ])('of %s are an error that names the question', async (_, rows, message) => {
    const all = await file('val.csv', row('v1', 0), row('v1', 1));
    const some = await file('hard.csv', ...rows);
    await expect(rowNumbers(all, some)).rejects.toThrow(`${some}: ${message}`);
  });

  it('are written by the command, one a line', async () => {
    await file('val.csv', row('v1', 0), row('v1', 1), row('v1', 2));
    await file('hard.csv', row('v1', 2), row('v1', 0));
    const argv = ['data', 'atp-hard', 'val.csv', 'hard.csv', '--out', 'rows.txt'];
    expect(await reasvqa(argv, { cwd: folder })).toMatchObject({ code: 0, stdout: '2 rows in rows.txt\n' });
    expect(await readFile(join(folder, 'rows.txt'), 'utf8')).toBe('0\n2\n');
    const missing = await reasvqa(['data', 'atp-hard', 'none.csv', 'hard.csv', '--out', 'x'], {
      cwd: folder,
    });
    expect(missing).toMatchObject({ code: 3, stderr: expect.stringContaining('none.csv: no such file') });
  });
});

const PUBLISHED = ['val.csv', 'nextqa-atphard.csv', 'atp-hard-indices.derived.txt'].map(
  (name) => `data/nextqa/${name}`,
);
describeWithShared('row numbers of the published csv', PUBLISHED, () => {
  it('are the 2,269 known ones', async () => {
    const [all, some, known] = PUBLISHED.map((path) => sharedPath(path)!) as [string, string, string];
    const rows = await rowNumbers(all, some);
    expect(rows).toHaveLength(2269);
    expect(rows.join('\n')).toBe((await readFile(known, 'utf8')).trim());
  });
});
