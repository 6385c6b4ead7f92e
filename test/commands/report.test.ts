import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { makeReportWorld, planTrials, type ReportWorld, writeRun } from '../report/support.js';
import { reasvqa } from './support.js';

let cwd: string;
let world: ReportWorld;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'commands-report-'));
  world = await makeReportWorld(cwd);
  for (const beta of [0, 0.8]) await writeRun(world, join(cwd, 'runs', `beta-${beta}`), { beta });
});
afterAll(() => rm(cwd, { recursive: true }));

describe('reasvqa report', () => {
  it('writes one file about several runs, by default into the first folder', async () => {
    const ran = await reasvqa(['report', 'runs/beta-0', 'runs/beta-0.8', '--reasoning', '0'], { cwd });
    const out = join(cwd, 'runs', 'beta-0', 'report.html');
    expect(ran).toEqual({
      code: EXIT.done,
      stdout: expect.stringMatching(new RegExp(`^${out}  0\\.\\d+ MB, 2 runs, \\d+ examples\n$`)),
      stderr: '',
    });
    expect(await readFile(out, 'utf8')).toContain('</html>');
  });

  it('says for programs what it wrote, and for people what it went on without', async () => {
    await planTrials(world, join(cwd, 'sweep'));
    const trial = join(cwd, 'sweep', 'trials', 'beta-0-seed-1');
    await writeRun(world, trial, { done: false });
    const argv = ['report', 'sweep', '--out', 'out/r.html', '--examples', '5', '--reasoning', '0', '--json'];
    const ran = await reasvqa(argv, { cwd });
    expect(ran.code).toBe(EXIT.done);
    const notices = [
      expect.stringMatching(/sweep: 3 of 4 trials have not begun/),
      expect.stringMatching(/sweep: 1 of 4 trials are not finished/),
    ];
    const said = JSON.parse(ran.stdout);
    expect(said).toMatchObject({
      out: join(cwd, 'out', 'r.html'),
      runs: 1,
      settings: ['beta 0.8'],
      examples: 5,
      notices,
    });
    expect(ran.stderr.split('\n').filter(Boolean)).toEqual(
      said.notices.map((line: string) => `warning: ${line}`),
    );
  });

  it.each<[string, string[], number, RegExp]>([
    ['no folder', [], EXIT.usage, /missing required argument/],
    ['a folder that is neither', ['data'], EXIT.data, /data: is neither a run folder .* nor a sweep folder/],
    ['a folder that is not there', ['none'], EXIT.data, /none: no such folder; give the folder/],
    ['a file', ['data/val.csv'], EXIT.data, /val\.csv: is a file/],
    ['a number that is none', ['runs/beta-0', '--examples', 'all'], EXIT.usage, /--examples/],
    [
      'texts that are not there',
      ['runs/beta-0', '--reasoning', '0', '--raw', 'no.jsonl'],
      EXIT.data,
      /no\.jsonl/,
    ],
  ])('refuses %s in one line', async (_, argv, code, message) => {
    const ran = await reasvqa(['report', ...argv], { cwd });
    expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('reasvqa runs', () => {
  it('prints a line a folder, below runs unless another path is given', async () => {
    const ran = await reasvqa(['runs'], { cwd });
    expect(ran.code).toBe(EXIT.done);
    const [head, ...lines] = ran.stdout.trimEnd().split('\n');
    expect(head).toMatch(/^folder +state +accuracy +beta +seed +engine +hours$/);
    expect(lines).toEqual([
      expect.stringMatching(/^runs\/beta-0 +done +\d+\.\d\d +0 +1 +native-cpu +0\.01$/),
      expect.stringMatching(/^runs\/beta-0\.8 +done +\d+\.\d\d +0\.8 +1 +native-cpu +0\.01$/),
    ]);
    const json = await reasvqa(['runs', 'runs/beta-0', '--json'], { cwd });
    expect(JSON.parse(json.stdout)).toMatchObject([
      { folder: join(cwd, 'runs', 'beta-0'), state: 'done', beta: [0] },
    ]);
  });

  it('says when there is none, and when there is no such folder', async () => {
    await mkdir(join(cwd, 'empty'));
    expect(await reasvqa(['runs', 'empty'], { cwd })).toEqual({
      code: EXIT.done,
      stdout: '',
      stderr: 'no run or sweep folder below empty\n',
    });
    expect(await reasvqa(['runs', 'none'], { cwd })).toMatchObject({ code: EXIT.data, stdout: '' });
  });
});
