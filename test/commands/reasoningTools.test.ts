/** `reasvqa reasoning grade|stats|sample|explain` on the command line. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reasvqa } from './support.js';

let folder: string;
const run = (...argv: string[]) => reasvqa(['reasoning', ...argv], { cwd: folder });
const options = ['open the lid', 'wave', 'tie the shoe'];
const rows = [
  { id: 'a', question: 'Why?', options, reasoning: 'She kneels. The answer is C.', answer: 2 },
  { id: 'b', question: 'Why?', options, reasoning: 'She kneels. The answer is B.', answer: 2 },
  { id: 'c', question: 'Why?', options, reasoning: 'None of these fit.', answer: 2 },
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa reasoning '));
  await writeFile(join(folder, 'r.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await writeFile(
    join(folder, 'a.jsonl'),
    `${JSON.stringify({ id: 'a', video: 'v', question: 'Why?', options, answer: 2, type: 'CW' })}\n`,
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe('reasvqa reasoning', () => {
  it('grade writes a line for every row and prints the counts', async () => {
    const { code, stdout, stderr } = await run('grade', 'r.jsonl', '--out', 'g.jsonl', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ rows: 3, correct: 1, incorrect: 1, ungradable: 1 });
    const lines = (await readFile(join(folder, 'g.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).predicted)).toEqual([2, 1, null]);
    const text = await run('grade', 'r.jsonl', '--out', 'g.jsonl');
    expect(text.stdout).toContain('3 rows in g.jsonl\n');
    expect(text.stdout).toContain('ungradable                1  33.33 %');
  });
  it('stats prints accuracy, also by the types of annotations', async () => {
    const settings = ['data.dataset=jsonl', 'data.videos=.', 'data.train=a.jsonl'].flatMap((s) => [
      '--set',
      s,
    ]);
    const { code, stdout, stderr } = await run('stats', 'r.jsonl', ...settings);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^CW +1 +100\.00 % +100\.00 % +0\.00 % +0\.00 %$/m);
    expect(stdout).toMatch(/^all +3 +33\.33 % +33\.33 % +33\.33 % +33\.33 %$/m);
    const json = await run('stats', 'r.jsonl', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ unit: 'words', emptied: 0 });
  });
  it('sample prints rows of each class, or writes a page', async () => {
    const text = await run('sample', 'r.jsonl', '--class', 'ungradable');
    expect(text.stdout).toContain('ungradable: 1 of 1 rows\n');
    expect(text.stdout).not.toContain('correct:');
    const page = await run('sample', 'r.jsonl', '--html', 'p.html');
    expect(page.stdout).toMatch(/^p\.html: 3 rows, \d+ bytes\n$/);
    expect(await readFile(join(folder, 'p.html'), 'utf8')).toContain('<h2>incorrect: 1 of 1 rows</h2>');
  });
  it('a recipe of other questions is said to be one', async () => {
    const line = { id: 'z', video: 'v', question: 'Why?', options, answer: 2, type: 'CW' };
    await writeFile(join(folder, 'z.jsonl'), `${JSON.stringify(line)}\n`);
    await mkdir(join(folder, 'v'), { recursive: true });
    const settings = ['data.dataset=jsonl', 'data.videos=.', 'data.train=z.jsonl'];
    const other = settings.flatMap((setting) => ['--set', setting]);
    expect((await run('stats', 'r.jsonl', ...other)).stderr).toContain(
      "no row of r.jsonl has a type in the recipe's train split; name another --split or recipe\n",
    );
    expect((await run('sample', 'r.jsonl', ...other, '--html', 'p.html')).stderr).toContain(
      "no row drawn is in the recipe's train split, so the page has no frames",
    );
  });
  it('explain shows every sentence and the rule that removes it', async () => {
    const { stdout } = await run('explain', 'r.jsonl', 'b');
    expect(stdout).toBe(
      [
        'b: Why?',
        '  A. open the lid',
        '  B. wave  (predicted)',
        '  C. tie the shoe  (true)',
        'incorrect, read by phrase: The answer is B.',
        '  kept: She kneels.',
        '  removed by "states an answer": The answer is B.',
        '',
      ].join('\n'),
    );
  });
  it('nothing that a model wrote reaches the terminal as a command or a turn of direction', async () => {
    const evil = (text: string) => `\u202e${text}\u001b]0;x\u0007\u200b\u009b31m`;
    const row = {
      ...{ id: evil('e'), question: evil('Why?'), options: options.map(evil), answer: 2, type: evil('CW') },
      reasoning: `${evil('She kneels.')} The answer is C. ${evil('Done.')}`,
    };
    await writeFile(join(folder, 'e.jsonl'), `${JSON.stringify(row)}\n`);
    const ran = [
      await run('explain', 'e.jsonl', row.id),
      await run('explain', 'e.jsonl', row.id, '--json'),
      await run('explain', 'e.jsonl', evil('none')),
      await run('sample', 'e.jsonl'),
      await run('stats', 'e.jsonl'),
      await run('stats', 'e.jsonl', '--json'),
      await run('grade', 'e.jsonl', '--out', 'e-graded.jsonl'),
      await run('leak', 'e.jsonl', evil('none.jsonl')),
    ];
    for (const { stdout, stderr } of ran)
      expect(stdout + stderr).not.toMatch(/(?!\n)\p{Cc}|\p{Bidi_Control}|\u200b/u);
    expect(ran[0]!.stdout).toContain('A. \\u202eopen the lid\\u001b]0;x\\u0007\\u200b\\u009b31m');
    expect(JSON.parse(ran[1]!.stdout)).toMatchObject({ id: row.id, options: row.options });
    expect(JSON.parse(ran[5]!.stdout).types).toHaveProperty([row.type]);
  });
  it.each([
    [['explain', 'r.jsonl', 'z'], 3, 'no row has the id "z"'],
    [['grade', 'none.jsonl', '--out', 'g.jsonl'], 3, 'none.jsonl: no such file'],
    [['grade', 'r.jsonl'], 2, "required option '--out <file>' not specified"],
    [['grade', 'r.jsonl', '--out', 'r.jsonl'], 2, 'is one of the files that are read'],
    [
      ['sample', 'r.jsonl', '--class', 'good'],
      2,
      'Allowed choices are correct, incorrect, ungradable, unknown',
    ],
  ] as const)('%j ends with code %d', async (argv, expected, message) => {
    const { code, stderr } = await run(...argv);
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(message) });
  });
});
