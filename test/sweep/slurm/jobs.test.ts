import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError, EngineError, ReasVqaError, UsageError } from '../../../src/base/errors.js';
import { recordFailure, type Sweep, trialState, trialStates } from '../../../src/sweep/folder.js';
import { readJobs, settleJobs, writeJobs } from '../../../src/sweep/slurm/jobs.js';
import { slurmExecutor } from '../../../src/sweep/slurm/submit.js';
import { reasvqa } from '../../commands/support.js';
import { makeWorld, type World } from '../../training/support.js';
import { planBetas } from '../smallSweep.js';

let scratch: string;
let world: World;
let sweep: Sweep;
let sweeps = 0;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa jobs '));
  world = await makeWorld(join(scratch, 'world'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(scratch, { recursive: true });
});

/** The PATH has these programs alone, each a line of shell, beside a shell's own. */
async function withPrograms(programs: Record<string, string>): Promise<void> {
  const folder = join(scratch, `bin-${sweeps++}`);
  await mkdir(folder);
  for (const [name, body] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${body}\n`);
    await chmod(join(folder, name), 0o755);
  }
  vi.stubEnv('PATH', folder);
}

beforeEach(async () => {
  sweep = await planBetas(world, join(scratch, `${sweeps++}`, 'sweep'), [0, 0.5, 0.8]);
});

async function submit(): Promise<string[]> {
  const said: string[] = [];
  const { signal } = new AbortController();
  const say = (line: string) => void said.push(line);
  await slurmExecutor()({ sweep, trials: sweep.trials, engine: { engine: 'auto' }, signal, say });
  return said;
}

/** sbatch that accepts arrays as jobs 12, 12, ... and keeps their scripts. */
const ACCEPTING = {
  squeue: ':',
  sbatch: 'while read -r line; do echo "$line"; done >> "$0.scripts"; echo 12',
};

describe('submitting', () => {
  it('without sbatch is refused in clear words, with exit code 4', async () => {
    await withPrograms({});
    const refused = submit();
    await expect(refused).rejects.toBeInstanceOf(EngineError);
    await expect(refused).rejects.toThrow(
      /squeue is not on the PATH: run this on a login node .* --emit slurm/,
    );
  });

  it.each([
    [
      'a refusal',
      'sbatch: error: Batch job submission failed: Invalid qos',
      UsageError,
      /refused the job: Batch/,
    ],
    [
      'no controller',
      'sbatch: error: Unable to contact slurm controller (connect failure)',
      EngineError,
      /is it up/,
    ],
  ])('tells %s in the words of Slurm and keeps what is known', async (_, message, kind, expected) => {
    await withPrograms({ ...ACCEPTING, sbatch: `echo '${message}' >&2; exit 1` });
    await recordFailure(sweep.trials[1]!, new DataError('no data'));
    const refused = submit();
    await expect(refused).rejects.toBeInstanceOf(kind);
    await expect(refused).rejects.toThrow(expected);
    expect(await readJobs(sweep.folder)).toEqual([]);
    expect((await trialState(sweep.trials[1]!)).error).toEqual({ message: 'no data', exitCode: 3 });
  });

  it('remembers the job, and takes back failures that are tried again', async () => {
    await withPrograms(ACCEPTING);
    await recordFailure(sweep.trials[1]!, new DataError('no data'));
    expect((await submit())[0]).toBe(`job 12: 3 trials; output in ${join(sweep.folder, 'slurm')}`);
    expect(await readJobs(sweep.folder)).toMatchObject([{ job: '12', tasks: [1, 2, 3] }]);
    expect((await trialStates(sweep)).map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
  });

  it('leaves out what is in the queue: from here, or from a script that was submitted by hand', async () => {
    await writeJobs(sweep.folder, [{ job: '7', submitted: 'before', tasks: [1] }]);
    const lines = [
      '7|1|RUNNING|/elsewhere',
      `8|3|PENDING|${sweep.folder}`,
      '9|2|RUNNING|/other/sweep',
      '10|N/A|PENDING|/x',
    ];
    await withPrograms({
      ...ACCEPTING,
      squeue: `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}`,
    });
    const said = await submit();
    expect(said[0]).toBe('2 trials wait or run already, in job 7, 8');
    expect((await readJobs(sweep.folder)).at(-1)).toMatchObject({ job: '12', tasks: [2] });
  });

  it('does not submit where the queue cannot be read', async () => {
    await withPrograms({ ...ACCEPTING, squeue: "echo 'squeue: error: Socket timed out' >&2; exit 1" });
    await expect(submit()).rejects.toThrow(/squeue: Socket timed out/);
    expect(await readJobs(sweep.folder)).toEqual([]);
  });

  it('goes on without a collecting job where Slurm refuses one', async () => {
    const refuse = 'case "$line" in "#SBATCH --dependency="*) echo no >&2; exit 1;; esac';
    const sbatch = `while read -r line; do ${refuse}; done; echo 12`;
    await withPrograms({ ...ACCEPTING, sbatch });
    const said = await submit();
    expect(said[1]).toMatch(/the collecting job was not submitted .* reasvqa sweep collect/);
  });

  it('takes the job back when it cannot be remembered', async () => {
    await withPrograms({ ...ACCEPTING, scancel: 'echo "$@" > "$0.called"' });
    await mkdir(join(sweep.folder, 'slurm.json'));
    await expect(submit()).rejects.toBeInstanceOf(DataError);
    expect(await readFile(join(process.env.PATH!, 'scancel.called'), 'utf8')).toBe('12\n');
  });
});

describe('tasks that left the queue without a result', () => {
  it.each([
    ['killed for memory', { sacct: 'echo OUT_OF_MEMORY' }, /Slurm task 12_1 was killed for memory .*--mem/],
    ['over its time', { sacct: 'echo TIMEOUT' }, /reached its time limit .*--time/],
    ['cancelled', { sacct: "echo 'CANCELLED by 1000'" }, /was cancelled/],
    [
      'known to the controller alone',
      { sacct: 'exit 1', scontrol: 'echo "JobId=3 JobState=NODE_FAIL Reason=None"' },
      /lost with its node/,
    ],
    ['known to nobody', {}, /ended without a result or a reason; its output: .*12_1\.log/],
  ])('have failed: %s', async (_, programs, message) => {
    await writeJobs(sweep.folder, [{ job: '12', submitted: 'before', tasks: [1, 2] }]);
    await withPrograms({ squeue: "echo '12|2|RUNNING|/x'", ...programs });
    const queued = await settleJobs(sweep);
    expect([...queued.keys()]).toEqual(['beta-0.5']);
    const [first, second, third] = await trialStates(sweep);
    expect(first!.error!.message).toMatch(message);
    expect([second!.state, third!.state], 'it runs; it was never submitted').toEqual(['waiting', 'waiting']);
  });

  it('keep the reason that they gave', async () => {
    await writeJobs(sweep.folder, [{ job: '12', submitted: 'before', tasks: [1] }]);
    await withPrograms({ squeue: ':', sacct: 'echo FAILED' });
    await recordFailure(sweep.trials[0]!, new ReasVqaError('its own', 3));
    await settleJobs(sweep);
    expect((await trialState(sweep.trials[0]!)).error!.message).toBe('its own');
  });

  it('are not looked for where nothing was submitted, or the queue cannot be read', async () => {
    await withPrograms({});
    expect((await settleJobs(sweep)).size).toBe(0);
    await writeJobs(sweep.folder, [{ job: '12', submitted: 'before', tasks: [1] }]);
    await expect(settleJobs(sweep)).rejects.toBeInstanceOf(EngineError);
    expect((await trialState(sweep.trials[0]!)).state).toBe('waiting');
  });

  it('cannot be found by a damaged slurm.json, which is named', async () => {
    await writeFile(join(sweep.folder, 'slurm.json'), '{"version":1,"jobs":[{"job":12}]}');
    await expect(settleJobs(sweep)).rejects.toThrow(/slurm\.json: damaged/);
  });
});

describe('reasvqa sweep', () => {
  it('status shows where trials stand in the queue, and on another machine what the folder says', async () => {
    await writeJobs(sweep.folder, [{ job: '12', submitted: 'before', tasks: [1, 2, 3] }]);
    await withPrograms({ squeue: "echo '12|2|RUNNING|/x'", sacct: 'echo OUT_OF_MEMORY' });
    const shown = await reasvqa(['sweep', 'status', sweep.folder]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^beta-0 +failed +Slurm task 12_1 was killed for memory/m);
    expect(shown.stdout).toMatch(/^beta-0\.5 +waiting +Slurm 12_2 RUNNING$/m);
    await withPrograms({});
    const away = await reasvqa(['sweep', 'status', sweep.folder]);
    expect([away.code, away.stderr]).toEqual([0, expect.stringContaining('squeue is not on the PATH')]);
  });

  const request = () => [
    'sweep',
    join(world.folder, 'recipe.yaml'),
    '--sweep',
    sweep.folder,
    '--set',
    'train.alpha=null',
    '--set',
    'train.beta=0,0.5,0.8',
  ];

  it.each([
    ['slurm', /^#SBATCH --array=1-3$/m],
    ['k8s', /^ {2}completions: 3$/m],
    ['sky', /for trial in 1 2 3;/],
  ])('--emit %s prints the file and runs nothing', async (scheduler, expected) => {
    await withPrograms({});
    const { code, stdout } = await reasvqa([...request(), '--emit', scheduler]);
    expect(code).toBe(0);
    expect(stdout).toMatch(expected);
    expect((await trialStates(sweep)).map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
  });

  it.each([
    [['--executor', 'slurm'], 4, /squeue is not on the PATH/],
    [['--executor', 'slurm', '--halving'], 2, /--halving: only the executor shared/],
    [['--executor', 'local', '--devices', '0,x'], 2, /Expected numbers of GPUs/],
    [['--emit', 'k8s', '--mem', 'much'], 2, /--mem much: expected a size/],
    [['--emit', 'pbs'], 2, /--emit/],
  ])('%j is refused', async (words, exit, message) => {
    await withPrograms({});
    const { code, stderr } = await reasvqa([...request(), ...words]);
    expect(stderr).toMatch(message);
    expect(code).toBe(exit);
  });
});
