/** `reasvqa ask` and `serve` on the model and the clip that ship. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownFile } from '../../src/base/packageFiles.js';
import { ask } from '../../src/evaluation/ask.js';
import { openAsked } from '../../src/training/asked.js';
import { reasvqa } from './support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa ask '));
});
afterAll(() => rm(folder, { recursive: true }));

const run = (...argv: string[]) => reasvqa(argv, { cwd: folder });
const CLIP = 'bench/shapes/clip.webp';
const OPTIONS = ['the blue object touched it', 'the green object touched it'];

describe('reasvqa ask', () => {
  it('answers with probabilities, reasoning and frames, as the library does', async () => {
    const { code, stdout, stderr } = await run('ask', CLIP, 'why?', '--options', ...OPTIONS, '--json');
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^engine: .*\nmodel: weights\/shapes with students\/reasoning \(it knows the shapes world only\)\n$/,
    );
    const report = JSON.parse(stdout);
    const student = await openAsked({});
    const question = { video: ownFile(CLIP), question: 'why?', options: OPTIONS, reason: true };
    const { option, reasoning, scores } = await ask(student, question);
    student.dispose();
    expect(report).toEqual({
      question: 'why?',
      answer: 'AB'[option!],
      options: OPTIONS.map((text, i) => ({ letter: 'AB'[i], text, probability: expect.any(Number) })),
      reasoning,
      frames: [2, 6, 10, 14].map((index) => ({ index, seconds: index / 8 })),
    });
    const [a, b] = report.options.map(({ probability }: { probability: number }) => probability);
    expect(Math.log(a / b)).toBeCloseTo(scores![0]! - scores![1]!, 4);
    expect(a + b).toBeCloseTo(1, 6);
  });

  it('answers many questions about a video, those of a file too, a line each', async () => {
    const file = join(folder, 'questions.jsonl');
    const lines = [
      { id: 'a', question: 'which one?', options: ['one', 'two', 'three'] },
      { question: 'what else?' },
    ];
    await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
    const given = ['why?', 'how?', '--questions', 'questions.jsonl', '--no-reasoning', '--json'];
    const { code, stdout } = await run('ask', CLIP, ...given, '--options', 'x', 'y');
    expect(code).toBe(0);
    const reports = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports.map(({ question, options }) => [question, options?.length])).toEqual([
      ['why?', 2],
      ['how?', 2],
      ['which one?', 3],
      ['what else?', undefined],
    ]);
    for (const report of reports) expect(report).not.toHaveProperty('reasoning');
  });

  it('says when something happens, and describes', async () => {
    const file = join(folder, 'tasks.jsonl');
    const lines = [{ task: 'caption' }, { task: 'ground', question: 'when?' }];
    await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
    const given = ['when?', '--ground', '--options', 'x', 'y', '--questions', 'tasks.jsonl'];
    const { code, stdout } = await run('ask', CLIP, ...given, '--no-reasoning', '--json');
    expect(code).toBe(0);
    const reports = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports.map(({ question, options }) => [question, options?.length])).toEqual([
      ['when?', 2],
      ['Describe what happens in the video.', undefined],
      ['when?', undefined],
    ]);
    expect(reports.map((report) => 'span' in report)).toEqual([true, false, true]);
    expect(reports[0].duration).toBe(2);
  });

  it('refuses a description with options, and two tasks at once', async () => {
    const both = await run('ask', CLIP, 'x', '--caption', '--ground');
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('--caption and --ground') });
    const choosing = await run('ask', CLIP, '--caption', '--options', 'x', 'y');
    expect(choosing).toMatchObject({ code: 2, stderr: expect.stringContaining('expected none') });
  });

  it('shows people the options with bars, the reasoning and the frames', async () => {
    const { stdout } = await run('ask', CLIP, 'why?', '--options', ...OPTIONS);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('why?');
    expect(lines.slice(1, 3).filter((line) => line.startsWith('> '))).toHaveLength(1);
    for (const [i, text] of OPTIONS.entries())
      expect(lines[i + 1]).toMatch(new RegExp(`^[> ] ${'AB'[i]}  ${text} +[█░]{20} +\\d+\\.\\d %$`));
    expect(lines[3]).toMatch(/^reasoning: /);
    expect(lines[4]).toBe('frames: 2 (0.25 s), 6 (0.75 s), 10 (1.25 s), 14 (1.75 s)');
  });

  it('shows each option on a line of its own, and gives the terminal nothing to obey', async () => {
    const { stdout } = await run('ask', CLIP, 'why\u001b[2J?', '--options', 'a\nb', 'c', '--no-reasoning');
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines.slice(0, 2)).toEqual(['why [2J?', expect.stringMatching(/^. A {2}a b /)]);
  });

  it('writes the reasoning on a terminal as it comes, and the same text in the end', async () => {
    const written: string[] = [];
    const stdout = { write: (text: string) => written.push(text), isTTY: true };
    expect(
      (await reasvqa(['ask', CLIP, 'why?', '--options', ...OPTIONS], { cwd: folder, stdout })).code,
    ).toBe(0);
    expect(written.length).toBeGreaterThan(10);
    expect(written.join('')).toBe((await run('ask', CLIP, 'why?', '--options', ...OPTIONS)).stdout);
  });

  it('writes the frames that it saw as pictures', async () => {
    await run('ask', CLIP, 'why?', '--no-reasoning', '--save-frames', 'out/frames', '--end', '1');
    const names = await readdir(join(folder, 'out/frames'));
    for (const name of names) expect(name).toMatch(/^clip-00000[0-8]\.png$/);
    expect(names).toHaveLength(4);
    const { width, height } = await sharp(join(folder, 'out/frames', names[0]!)).metadata();
    expect([width, height]).toEqual([64, 64]);
  });

  it('says what of a long question was not read', async () => {
    const { code, stdout, stderr } = await run('ask', CLIP, 'why '.repeat(300), '--no-reasoning', '--json');
    expect([code, JSON.parse(stdout).notice]).toEqual([0, expect.stringMatching(/more than 128 tokens/)]);
    expect(stderr).toMatch(/\nwarning: .*text\.maxPrompt/);
  });
});

describe('reasvqa ask refuses', () => {
  const many = Array.from({ length: 27 }, (_, i) => `${i}`);
  it.each<[string, string[], number, RegExp]>([
    ['no question', [CLIP], 2, /no question: expected one in quotes/],
    ['an empty question', [CLIP, ' '], 2, /question: expected text/],
    ['one option', [CLIP, 'why?', '--options', 'x'], 2, /expected 2 to 26, got 1/],
    ['27 options', [CLIP, 'why?', '--options', ...many], 2, /expected 2 to 26, got 27/],
    ['more options than its letters', [CLIP, 'why?', '--options', ...many.slice(0, 6)], 2, /2 to 5, got 6/],
    [
      'an address',
      ['https://a.b/c.mp4', 'why?'],
      2,
      /^reasvqa: https:\/\/a\.b\/c\.mp4: an address; download/,
    ],
    ['a question of a megabyte', [CLIP, 'a'.repeat(2 ** 20)], 2, /at most 10000 characters/],
    ['an end before the start', [CLIP, 'why?', '--start', '2', '--end', '1'], 2, /end: expected more/],
    ['a start that is no number', [CLIP, 'why?', '--start', 'x'], 2, /Expected a number/],
    ['a video that is not there', ['none.mp4', 'why?'], 3, /none\.mp4: no such video/],
    ['a clip past the end', [CLIP, 'why?', '--start', '99'], 3, /starts at 99 s/],
    ['a web page', ['page.mp4', 'why?'], 3, /page\.mp4: /],
    ['a run that is none', [CLIP, 'why?', '--run', '.'], 3, /not a run folder/],
    ['a run without a checkpoint', [CLIP, 'why?', '--run', 'run'], 3, /has no checkpoint yet; train first/],
    ['a run and a model', [CLIP, 'why?', '--run', 'run', '--model', 'x'], 2, /give --run, or --model/],
    ['an adapter alone', [CLIP, 'why?', '--adapter', 'x'], 2, /--adapter with --model/],
    ['a model that is not there', [CLIP, 'why?', '--model', 'x/y'], 3, /x\/y: no such folder of weights/],
    [
      'a model that was not fetched',
      [CLIP, 'why?', '--model', 'Salesforce/blip2-flan-t5-xl'],
      3,
      /weights fetch blip2-flan-t5-xl/,
    ],
    ['a key that is not known', [CLIP, 'why?', '--set', 'video.frame=3'], 2, /video\.frame/],
    ['a file without questions', [CLIP, '--questions', 'page.mp4'], 3, /web page/],
    ['a bad line', [CLIP, '--questions', 'bad.jsonl'], 3, /bad\.jsonl:2: options: .*2 to 26, got 1/],
    ['a folder that is a file', [CLIP, 'why?', '--save-frames', 'page.mp4/x'], 2, /--save-frames/],
  ])('%s', async (_, argv, code, message) => {
    await mkdir(join(folder, 'run'), { recursive: true });
    await writeFile(join(folder, 'run/config.yaml'), 'data:\n  dataset: jsonl\n  videos: .\n');
    await writeFile(join(folder, 'page.mp4'), '<!doctype html>');
    const lines = ['{"question": "a?"}', '{"question": "b?", "options": ["x"]}'];
    await writeFile(join(folder, 'bad.jsonl'), lines.join('\n'));
    const ran = await run('ask', ...argv);
    expect({ code: ran.code, stdout: ran.stdout }).toEqual({ code, stdout: '' });
    const last = ran.stderr.trimEnd().split('\n').at(-1);
    expect(last).toMatch(/^reasvqa: /);
    expect(last).toMatch(message);
  });
});

describe('reasvqa serve', () => {
  it('says that its port is in use before it reads a model', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await run('serve', '--port', String(port));
    other.close();
    expect(code).toBe(2);
    expect(stderr).toBe(
      `reasvqa: port ${port} of 127.0.0.1 is in use; choose another with --port, or 0 for a free one\n`,
    );
  });
});
