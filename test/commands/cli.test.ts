/** The command line: help, wrong usage, exit codes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/commands/program.js';
import { reasvqa } from './support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa cli '));
  await writeFile(join(folder, 'bad.yaml'), 'data:\n  dataset: nextqa\n  videos: v\ntrain:\n  betta: 1\n');
  await writeFile(
    join(folder, 'good.yaml'),
    'data:\n  dataset: nextqa\n  videos: v\ntrain:\n  mode: stl\n  beta: 0.4\n',
  );
});
afterAll(() => rm(folder, { recursive: true }));

const run = (...argv: string[]) => reasvqa(argv, { cwd: folder });

function* commands(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* commands(child);
}

const io = { stdout: { write: () => true }, stderr: { write: () => true }, cwd: '/', env: {} };
const program = await buildProgram(io, '0');
const all = [...commands(program)];
const pathOf = (command: Command): string[] =>
  command.parent ? [...pathOf(command.parent), command.name()] : [];

describe('help', () => {
  it.each(all.map((command) => [pathOf(command).join(' ')]))('reasvqa %s --help', async (path) => {
    const { code, stdout, stderr } = await run(...path.split(' ').filter(Boolean), '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: reasvqa/);
  });

  it('has a command that is named alone as it is among all', async () => {
    for (const command of program.commands) {
      const { commands: alone } = await buildProgram(io, '0', command.name());
      expect(alone.map((each) => each.name())).toEqual([command.name()]);
      expect(alone[0]!.helpInformation()).toBe(command.helpInformation());
    }
    for (const named of ['--help', 'help', 'tarin', 'constructor'])
      expect((await buildProgram(io, '0', named)).commands).toHaveLength(program.commands.length);
  });

  it('documents every option with its default', () => {
    for (const command of all)
      for (const option of command.options) {
        const name = `${pathOf(command).join(' ')} ${option.flags}`;
        if (option.long === '--version') continue;
        const described =
          option.defaultValue !== undefined || /\((required|default: .+)\)$/.test(option.description);
        expect(described, name).toBe(true);
        expect(option.mandatory, name).toBe(option.description.endsWith('(required)'));
      }
  });

  it('says the version and the exit codes', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run('--help')).stdout).toContain('75 interrupted');
  });
});

it.each(['EACCES', 'ENOSPC', 'ELOOP', 'EIO'])(
  'a file that the system refuses is named, exit code 3: %s',
  async (code) => {
    const refused = Object.assign(new Error(`${code}: refused`), { code, path: '/data/x' });
    const stdout = {
      write: () => {
        throw refused;
      },
    };
    expect(await reasvqa(['--version'], { stdout })).toMatchObject({
      code: 3,
      stderr: `reasvqa: /data/x: cannot be used (${code}: refused)\n`,
    });
    const other = { write: () => expect.fail('a fault of the program') };
    expect(await reasvqa(['--version'], { stdout: other })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^reasvqa: unexpected: a fault of the program /),
    });
  },
);

describe('wrong usage is one line and exit code 2', () => {
  it.each([
    [['scroe'], "reasvqa: unknown command 'scroe' (Did you mean score?)\n"],
    [['weights', 'shwo'], "reasvqa: unknown command 'shwo' (Did you mean show?)\n"],
    [['weights', 'show', '--jsn', 'x'], "reasvqa: unknown option '--jsn' (Did you mean --json?)\n"],
    [['weights', 'show'], "reasvqa: missing required argument 'path'\n"],
    [
      ['weights', 'show', 'a', 'b'],
      /^reasvqa: too many arguments for 'show'. Expected 1 argument but got 2.*\n$/,
    ],
    [['refine', 'in.jsonl'], "reasvqa: required option '--out <file>' not specified\n"],
    [
      ['shapes', 'make', '--out', 'x', '--frames', '3'],
      "reasvqa: option '--frames <n>' argument '3' is invalid. Expected a whole number, at least 8.\n",
    ],
    [
      ['shapes', 'teacher', '--data', 'x', '--error-rate', '2'],
      "reasvqa: option '--error-rate <share>' argument '2' is invalid. Expected a number from 0 to 1.\n",
    ],
    [['config', 'absent.yaml'], 'reasvqa: absent.yaml: no such recipe\n'],
    [['config', 'bad.yaml'], 'reasvqa: bad.yaml:5:3 train.betta: unknown key (did you mean beta?)\n'],
    [
      ['config', 'good.yaml', '--set', 'train.bta=1'],
      'reasvqa: --set train.bta: unknown key (did you mean beta?)\n',
    ],
    [
      ['refine', 'x', '--out', 'y', '--ground-truth', 'all'],
      'reasvqa: --ground-truth all: expected phrase, words, keep\n',
    ],
    [
      ['data', 'check', 'good.yaml', '--on-bad-video', 'maybe'],
      /--set data.onBadVideo: expected error \| skip/,
    ],
    [
      ['generate', 'good.yaml', '--teacher', 'http://x/v1', '--model', 'm', '--out', 'o', '--split', 'dev'],
      'reasvqa: --split dev: expected train, val, test\n',
    ],
    [
      ['generate', 'good.yaml', '--teacher', 'http://x/v1', '--model', 'm', '--out', 'o'],
      /data.train: missing/,
    ],
  ])('%j', async (argv, expected) => {
    const { code, stdout, stderr } = await run(...argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const said = stderr.split('\n').filter((line) => !line.includes('has no effect'));
    if (typeof expected === 'string') expect(said.join('\n')).toBe(expected);
    else expect(said.join('\n')).toMatch(expected);
    expect(said).toHaveLength(2);
  });

  it('no command at all prints help', async () => {
    const { code, stderr, stdout } = await run();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: reasvqa/);
  });
});

describe('errors', () => {
  it('of the data are exit code 3', async () => {
    const { code, stderr } = await run('weights', 'show', 'absent.safetensors');
    expect(code).toBe(3);
    expect(stderr).toMatch(/^reasvqa: .*absent\.safetensors.*\n$/);
    expect(stderr.trim()).not.toContain('\n');
  });

  it('that are unexpected are one line, with the stack on demand', async () => {
    const broken = {
      write: () => {
        throw new TypeError('first line\nsecond line');
      },
    };
    const { code, stderr } = await reasvqa(['config', '--keys'], { cwd: folder, stdout: broken });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'reasvqa: unexpected: first line second line (REASVQA_DEBUG=1 shows where; please report it)\n',
    );
    const debug = await reasvqa(['config', '--keys'], {
      stdout: broken,
      env: { REASVQA_DEBUG: '1' },
    });
    expect(debug.stderr).toContain('cli.test.ts');
  });
});

describe('config', () => {
  it('prints every key with its source, warnings on stderr', async () => {
    const { code, stdout, stderr } = await run('config', 'good.yaml', '--set', 'train.seed=7');
    expect(code).toBe(0);
    expect(stdout).toContain('train.seed: 7  # --set train.seed\n');
    expect(stdout).toContain('train.beta: 0.4  # good.yaml:6:3\n');
    expect(stdout).toContain('train.epochs: 10  # default\n');
    expect(stdout).toMatch(/# sha256 [0-9a-f]{64}\n$/);
    expect(stderr).toBe('reasvqa: good.yaml:6:3 train.beta: has no effect with train.mode stl\n');
  });

  it('prints JSON and the table of keys', async () => {
    const { config, hash } = JSON.parse((await run('config', 'good.yaml', '--json')).stdout);
    expect(config.data.videos).toBe(join(folder, 'v'));
    expect(hash).toHaveLength(64);
    expect((await run('config', '--keys')).stdout).toContain('| `train.beta` | number in [0, 1] | `0.8` |');
  });
});
