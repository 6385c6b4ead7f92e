import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError, Interrupted, UsageError } from '../../src/base/errors.js';
import { holdFolder } from '../../src/base/lock.js';
import { selectEngine } from '../../src/engine/engine.js';
import type { EngineChoice } from '../../src/sweep/executor.js';
import { type Sweep, trialState, trialStates } from '../../src/sweep/folder.js';
import { type LocalOptions, localExecutor } from '../../src/sweep/local.js';
import { ownCommand } from '../../src/sweep/process.js';
import { missing } from '../../src/sweep/run.js';
import { train } from '../../src/training/train.js';
import { nativeMissing } from '../model/support.js';
import { learned, makeWorld, type World } from '../training/support.js';
import { hasCheckpoint, planBetas, processOf } from './smallSweep.js';

let scratch: string;
let world: World;
let sweeps = 0;
beforeAll(async () => {
  await selectEngine(nativeMissing ? 'wasm' : 'native-cpu', { threads: 1 });
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa local '));
  world = await makeWorld(join(scratch, 'world'));
});
afterAll(() => rm(scratch, { recursive: true }));

/** A sweep with a parent folder of its own: trials of others are not taken over. */
const newSweep = (betas: number[], ...settings: string[]) =>
  planBetas(world, join(scratch, `${sweeps++}`, 'sweep'), betas, ...settings);

const ENGINE: EngineChoice = nativeMissing ? { engine: 'wasm' } : { engine: 'native-cpu', threads: 1 };

interface Given extends LocalOptions {
  engine?: EngineChoice;
  signal?: AbortSignal;
}

/** Runs what is missing; resolves to the lines that were said. */
async function run(sweep: Sweep, given: Given = {}): Promise<string[]> {
  const { engine = ENGINE, signal = new AbortController().signal, ...options } = given;
  const said: string[] = [];
  const trials = missing(await trialStates(sweep));
  await localExecutor(options)({ sweep, trials, engine, signal, say: (line) => said.push(line) });
  return said;
}

const states = async (sweep: Sweep) => (await trialStates(sweep)).map(({ state }) => state);

/** Until something happened that other processes do. */
async function until(happened: () => Promise<boolean>): Promise<void> {
  while (!(await happened())) await sleep(20);
}

/** Long enough to be met on the way. */
const LONG = ['train.epochs=6', 'train.checkpointEverySteps=1'];

describe('trials in processes of their own', () => {
  it('equal runs of their own; progress is passed on and everything logged', async () => {
    const sweep = await newSweep([0, 0.5]);
    const said = await run(sweep);
    expect(await states(sweep)).toEqual(['done', 'done']);
    for (const { id, folder, config } of sweep.trials) {
      const alone = join(scratch, 'alone', id);
      await train({ config, folder: alone });
      expect(await learned(folder)).toEqual(await learned(alone));
      expect(said.filter((line) => line.startsWith(`${id}: best accuracy`))).toHaveLength(1);
      expect(await readFile(join(folder, 'log.txt'), 'utf8')).toMatch(/^engine: /m);
    }
    expect(
      said.every((line) => /^beta-0(\.5)?[: ]/.test(line)),
      said.join('\n'),
    ).toBe(true);
    expect(await run(sweep), 'nothing is left to do').toEqual([]);
  });

  it('that are interrupted save a checkpoint; those that are killed have failed; the same call goes on', async () => {
    const sweep = await newSweep([0.5], ...LONG);
    const stop = new AbortController();
    const stopped = run(sweep, { signal: stop.signal });
    await until(() => hasCheckpoint(sweep, 0));
    stop.abort();
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    expect(await states(sweep)).toEqual(['stopped']);

    const { id, folder, config } = sweep.trials[0]!;
    const running = run(sweep);
    await until(async () => (await processOf(sweep, id)) !== undefined);
    process.kill((await processOf(sweep, id))!, 'SIGKILL');
    const said = await running;
    const { state, error } = await trialState(sweep.trials[0]!);
    expect([state, error!.exitCode]).toEqual(['failed', 1]);
    expect(error!.message).toMatch(
      /was killed \(SIGKILL\), which is what the system does when memory runs out/,
    );
    expect(said).toContain(`${id}: failed: ${error!.message}`);

    await run(sweep);
    expect(await states(sweep)).toEqual(['done']);
    await train({ config, folder: join(scratch, 'undisturbed') });
    expect(await learned(folder)).toEqual(await learned(join(scratch, 'undisturbed')));
  });

  it.skipIf(process.platform !== 'linux')('stop with a checkpoint when the sweep is killed', async () => {
    const sweep = await newSweep([0.5], ...LONG, 'train.epochs=500');
    const id = sweep.trials[0]!.id;
    const script = join(scratch, 'parent.mjs');
    // What the executor does, by a process that can be killed: a child with a channel.
    const words = [...ownCommand(), 'sweep', 'trial', sweep.folder, id, '--engine', ENGINE.engine];
    await writeFile(
      script,
      `import { spawn } from 'node:child_process';
      const [program, ...words] = ${JSON.stringify(words)};
      spawn(program, words, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });`,
    );
    const parent = spawn(process.execPath, [script], { stdio: 'ignore' });
    await until(() => hasCheckpoint(sweep, 0));
    parent.kill('SIGKILL');
    await until(async () => (await processOf(sweep, id)) === undefined);
    expect(await states(sweep)).toEqual(['stopped']);
  });

  it.skipIf(process.platform !== 'linux')(
    'are left to another process that trains in their folder',
    async () => {
      const sweep = await newSweep([0.5]);
      const { folder, id } = sweep.trials[0]!;
      await mkdir(folder, { recursive: true });
      const release = await holdFolder(folder);
      try {
        const said = await run(sweep, { command: await fakeCommand(''), heldWait: 1 });
        expect(said).toEqual([`${id}: another process is training in ${folder}; it is left to that one`]);
      } finally {
        release();
      }
      expect(await states(sweep)).toEqual(['waiting']);
    },
  );
});

/** Stands for `reasvqa`: `doctor` finds `gpus` GPUs, or none for 0; `sweep trial` runs the body. */
async function fakeCommand(body: string, gpus = 0): Promise<string[]> {
  const script = join(scratch, `fake-${sweeps++}.mjs`);
  const report = { gpu: gpus > 0 ? { found: { count: gpus } } : { missing: 'no NVIDIA driver' } };
  await writeFile(
    script,
    `import { writeFileSync } from 'node:fs';
    const [name, , folder, id, ...words] = process.argv.slice(2);
    if (name === 'doctor') console.log(JSON.stringify(${JSON.stringify(report)}));
    else { ${body} }`,
  );
  return [process.execPath, script];
}

describe('the end of a process', () => {
  it.each([
    [
      'an exit code',
      'process.exit(7)',
      /ended with exit code 7 and without a reason; its output: .*log\.txt/,
    ],
    ['a signal', "process.kill(process.pid, 'SIGABRT')", /was ended by SIGABRT/],
  ])('by %s is a failure that is told, and stops no other trial', async (_, body, message) => {
    const sweep = await newSweep([0, 0.5]);
    const command = await fakeCommand(`if (id === 'beta-0') ${body}; else console.log(id + ': working');`);
    expect(await run(sweep, { command })).toEqual([expect.stringMatching(message), 'beta-0.5: working']);
    const found = await trialState(sweep.trials[0]!);
    expect([found.state, found.error?.exitCode]).toEqual(['failed', 1]);
    expect(found.error!.message).toMatch(message);
  });

  it('of a program that is not there is a failure of each trial', async () => {
    const sweep = await newSweep([0, 0.5]);
    const said = await run(sweep, { command: [join(scratch, 'nothing')] });
    expect(said).toEqual(
      ['beta-0', 'beta-0.5'].map((id) => expect.stringMatching(`^${id}: failed: .*ENOENT`)),
    );
    expect(await states(sweep)).toEqual(['failed', 'failed']);
  });

  it('is told where its output cannot be kept', async () => {
    const sweep = await newSweep([0.5]);
    await mkdir(join(sweep.trials[0]!.folder, 'log.txt'), { recursive: true });
    const said = await run(sweep, { command: await fakeCommand("console.log(id + ': working')") });
    expect(said).toContain('trial: working');
    expect(said.join('\n')).toMatch(/log\.txt could not be written \(EISDIR/);
  });

  it('is told where not even the folder can be made', async () => {
    const sweep = await newSweep([0.5]);
    await rm(join(sweep.folder, 'trials'), { recursive: true });
    await writeFile(join(sweep.folder, 'trials'), 'in the way');
    expect(await run(sweep, { command: await fakeCommand('') })).toEqual([
      expect.stringMatching(/^trial: failed: E(NOTDIR|EXIST)/),
    ]);
  });
});

describe('the GPUs of a machine', () => {
  /** The devices that trials were started on, after a run on a machine with some GPUs. */
  async function devices(gpus: number, given: Given): Promise<string[]> {
    const sweep = await newSweep([0, 0.3, 0.5, 0.8]);
    const place = "console.log(id + ': ' + words.join(' '));";
    const said = await run(sweep, { ...given, command: await fakeCommand(place, gpus) });
    const used = said.map((line) => /--device (\d+)/.exec(line)?.[1] ?? 'none');
    return [...new Set(used)].sort();
  }

  const CUDA = { engine: 'native-cuda' };
  it.each<[string, number, Given, string[]]>([
    ['all, on native-cuda', 2, { engine: CUDA }, ['0', '1']],
    ['all, when memory of one is asked for', 2, { engine: { engine: 'auto', gpuMemory: 1e9 } }, ['0', '1']],
    ['the one that is named', 2, { engine: { ...CUDA, device: 1 } }, ['1']],
    ['those that are named', 3, { engine: { engine: 'auto' }, devices: [0, 2] }, ['0', '2']],
    ['none, without one being asked for', 2, { engine: { engine: 'auto' } }, ['none']],
    ['none, on native-cpu', 2, { engine: { engine: 'native-cpu' } }, ['none']],
  ])('that are used: %s', async (_, gpus, given, used) => {
    expect(await devices(gpus, given)).toEqual(used);
  });

  it.each<[string, number, Given, typeof UsageError | typeof EngineError, RegExp]>([
    ['of another engine', 2, { engine: { engine: 'wasm' }, devices: [0] }, UsageError, /wasm has no GPUs/],
    [
      'named in two ways',
      2,
      { engine: { ...CUDA, device: 0 }, devices: [1] },
      UsageError,
      /give one of them/,
    ],
    ['named twice', 2, { engine: CUDA, devices: [1, 1] }, UsageError, /GPU 1 is there twice/],
    [
      'that are not there',
      2,
      { engine: CUDA, devices: [1, 2] },
      EngineError,
      /GPU 2 is not there; .* 0 to 1/,
    ],
    ['of a machine without', 0, { engine: CUDA }, EngineError, /no NVIDIA driver/],
  ])('that are refused: %s', async (_, gpus, given, kind, message) => {
    const refused = devices(gpus, given);
    await expect(refused).rejects.toBeInstanceOf(kind);
    await expect(refused).rejects.toThrow(message);
  });
});
