import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { holdFolder } from '../../src/base/lock.js';
import { recordFailure, recordHalved } from '../../src/sweep/folder.js';
import { listRuns } from '../../src/sweep/list.js';
import { writeJobs } from '../../src/sweep/slurm/jobs.js';
import { makeReportWorld, planTrials, type ReportWorld, writeRun } from '../report/support.js';

let scratch: string;
let world: ReportWorld;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'list-'));
  world = await makeReportWorld(scratch);
});
afterAll(() => rm(scratch, { recursive: true }));

let root: string;
let problems: string[];
beforeEach(async () => {
  root = await mkdtemp(join(scratch, 'runs-'));
  problems = [];
});

const list = (path = root) => listRuns(path, (line) => problems.push(line));
/** Folder and state of everything below the root. */
const states = async () =>
  (await list()).map(({ folder, state, trials }) =>
    [relative(root, folder), state, ...(trials ? [`${trials.done}/${trials.total}`] : [])].join(' '),
  );
const onLinux = process.platform === 'linux';

describe('runs', () => {
  it('that are done say what came out and what it cost', async () => {
    await writeRun(world, join(root, 'a'), { beta: 0.5, seed: 7 });
    const [run] = await list();
    const { score } = JSON.parse(await readFile(join(root, 'a', 'result.json'), 'utf8'));
    expect(run).toEqual({
      ...{
        folder: join(root, 'a'),
        kind: 'run',
        state: 'done',
        beta: [0.5],
        seed: [7],
        engine: ['native-cpu'],
      },
      accuracy: (100 * score.total.correct) / score.total.count,
      hours: 0.01,
    });
  });

  it('that are not done say what their files tell', async () => {
    await writeRun(world, join(root, 'a'), { beta: 0.2, seed: 3, done: false });
    const checkpoint = join(root, 'a', 'checkpoints', 'step-00000006');
    await writeFile(join(checkpoint, 'state.json'), '{"seconds":1800}');
    await writeRun(world, join(root, 'b'), {
      done: false,
      evaluated: 0,
      overrides: ['train.mode=stl', 'train.reasoningSet=all'],
    });
    await rm(join(root, 'b', 'checkpoints', 'step-00000006'), { recursive: true });
    const [a, b] = await list();
    expect(a).toMatchObject({ state: 'stopped', beta: [0.2], seed: [3], engine: ['native-cpu'], hours: 0.5 });
    expect(a!.accuracy).toBeGreaterThan(0);
    await writeFile(join(checkpoint, 'state.json'), '{"seconds"');
    expect((await list())[0]).toMatchObject({ state: 'unreadable' });
    expect(problems).toEqual([
      `${join(checkpoint, 'state.json')}: not the state of a checkpoint; remove its folder`,
    ]);
    expect(b).toMatchObject({ state: 'waiting', beta: [0], accuracy: null, hours: null });
  });

  it.runIf(onLinux)('that are held are running', async () => {
    await writeRun(world, join(root, 'a'), { done: false });
    const letGo = await holdFolder(join(root, 'a'));
    expect(await states()).toEqual(['a running']);
    letGo();
    expect(await states()).toEqual(['a stopped']);
  });

  it('are found at any depth and at the path itself, sorted by the numbers in their names', async () => {
    for (const name of ['run-10', 'run-9', 'deep/er/run', 'run-9-b']) await writeRun(world, join(root, name));
    expect(await states()).toEqual(['deep/er/run done', 'run-9 done', 'run-9-b done', 'run-10 done']);
    expect(await list(join(root, 'run-9'))).toHaveLength(1);
  });

  it('are not looked for inside runs, in hidden folders and behind links', async () => {
    await writeRun(world, join(root, 'a'));
    await writeRun(world, join(root, 'a', 'checkpoints', 'inner'));
    await writeRun(world, join(root, '.hidden', 'b'));
    await symlink(root, join(root, 'link'));
    expect(await states()).toEqual(['a done']);
  });

  it('need more than a config.yaml', async () => {
    await mkdir(join(root, 'mine'));
    await writeFile(join(root, 'mine', 'config.yaml'), 'x: 1');
    expect(await list()).toEqual([]);
  });
});

describe('sweeps', () => {
  it('count their trials, and are followed by those that have begun', async () => {
    const trials = await planTrials(world, join(root, 'sweep'));
    expect(await states()).toEqual(['sweep waiting 0/4']);
    await writeRun(world, trials[0]!.folder, { config: trials[0]!.config, beta: 0, seed: 1, accuracy: 0.9 });
    await recordFailure(trials[1]!, new DataError('no data'));
    expect(await states()).toEqual([
      'sweep stopped 1/4',
      'sweep/trials/beta-0-seed-1 done',
      'sweep/trials/beta-0-seed-2 failed',
    ]);
    const [sweep] = await list();
    expect(sweep).toMatchObject({
      kind: 'sweep',
      beta: [0, 0.8],
      seed: [1, 2],
      engine: ['native-cpu'],
      hours: 0.01,
    });
  });

  it('are stopped once a trial has begun that nobody works on, unless Slurm has them', async () => {
    const trials = await planTrials(world, join(root, 'sweep'));
    // Killed before its first checkpoint.
    await mkdir(trials[2]!.folder, { recursive: true });
    expect((await states())[0]).toBe('sweep stopped 0/4');
    await writeJobs(join(root, 'sweep'), [
      { job: '12', submitted: '2026-01-01T00:00:00Z', tasks: [1, 2, 3, 4] },
    ]);
    expect((await states())[0]).toBe('sweep waiting 0/4');
  });

  it('are done, failed or running as their trials are', async () => {
    const trials = await planTrials(world, join(root, 'sweep'));
    for (const { folder, config, settings } of trials.slice(1))
      await writeRun(world, folder, { config, beta: settings['train.beta'] as number });
    await recordFailure(trials[0]!, new DataError('no data'));
    expect((await states())[0]).toBe('sweep failed 3/4');
    if (onLinux) {
      const letGo = await holdFolder(trials[0]!.folder);
      expect((await states())[0]).toBe('sweep running 3/4');
      letGo();
    }
    await recordHalved(trials[0]!, { epoch: 1, accuracy: 20 });
    expect((await states()).slice(0, 2)).toEqual(['sweep done 4/4', 'sweep/trials/beta-0-seed-1 halved']);
    await writeRun(world, trials[0]!.folder, { config: trials[0]!.config });
    expect((await states()).slice(0, 2)).toEqual(['sweep done 4/4', 'sweep/trials/beta-0-seed-1 done']);
  });
});

it('names folders that are damaged, and goes on', async () => {
  for (const name of ['a', 'b', 'c']) await writeRun(world, join(root, name));
  await writeFile(join(root, 'b', 'result.json'), '{"score":');
  await planTrials(world, join(root, 'd'));
  await writeFile(join(root, 'd', 'plan.jsonl'), 'none\n');
  expect(await states()).toEqual(['a done', 'b unreadable', 'c done', 'd unreadable']);
  expect(problems.sort()).toEqual([
    expect.stringContaining(`${join(root, 'b', 'result.json')}: damaged`),
    expect.stringContaining(`${join(root, 'd', 'plan.jsonl')}:1: not a trial`),
  ]);
});

it('needs a folder that is there', async () => {
  await expect(list(join(root, 'none'))).rejects.toThrow('none: no such folder');
  await writeFile(join(root, 'file'), '');
  await expect(list(join(root, 'file'))).rejects.toThrow('file: is not a folder');
});
