import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { UsageError } from '../../../src/base/errors.js';
import { kubernetesJob } from '../../../src/sweep/emit/kubernetes.js';
import { type EmitOptions, mountFolders, objectName } from '../../../src/sweep/emit/plan.js';
import { skyTask } from '../../../src/sweep/emit/sky.js';
import type { Sweep } from '../../../src/sweep/folder.js';

const AWKWARD = `/home/me/runs/it's "$(HOME)" & 4`;

/** Four trials of which the first is done. */
function emission(options: EmitOptions = {}, folder = '/data/runs/figure4') {
  const config = {
    data: { videos: '/data/nextqa/videos', train: '/data/nextqa/train.csv' },
    model: { base: 'org/name', tokenizer: '/weights/tokenizer' },
  };
  const trials = ['a', 'b', 'c', 'd'].map((id) => ({ id, config }));
  const sweep = { folder, trials } as unknown as Sweep;
  return { sweep, trials: sweep.trials.slice(1), engine: { engine: 'native-cuda' }, options };
}

const FILLED = { image: 'registry/reasvqa:1', volume: ['files', 'weights'] };

/** Runs the words of a container's command with `reasvqa` printing its arguments, one a line. */
function argumentsOf(command: string[], env: Record<string, string>): string[] {
  const [program, ...words] = command;
  // The shell's own function would not survive exec.
  const text = words.map((word) => word.replace('exec reasvqa', "printf '%s\\n'").replaceAll('$$(', '$('));
  return execFileSync(program!, text, { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' })
    .trim()
    .split('\n');
}

describe('a Kubernetes job', () => {
  const job = (options?: EmitOptions, folder?: string) => parse(kubernetesJob(emission(options, folder)));

  it.each(['/data/runs/figure4', AWKWARD])('trains the lines of the plan that are not done: %s', (folder) => {
    const { spec } = job({}, folder);
    expect([spec.completionMode, spec.completions, spec.parallelism]).toEqual(['Indexed', 3, 3]);
    const [{ command, args }] = spec.template.spec.containers;
    const lines = [0, 1, 2].map((index) =>
      argumentsOf([...command, ...args], { JOB_COMPLETION_INDEX: String(index) }),
    );
    expect(lines).toEqual(
      ['2', '3', '4'].map((line) => ['sweep', 'trial', folder, '--index', line, '--engine', 'native-cuda']),
    );
  });

  it('tries again after a checkpoint, gives up on what trying does not mend, and goes on with the others', () => {
    const { spec } = job();
    const exits = spec.podFailurePolicy.rules.filter((rule: object) => 'onExitCodes' in rule);
    expect(
      exits.map((rule: { action: string; onExitCodes: { values: number[] } }) => [
        rule.action,
        rule.onExitCodes.values,
      ]),
    ).toEqual([
      ['Ignore', [75]],
      ['FailIndex', [2, 3, 4]],
    ]);
    expect(exits[0].onExitCodes.containerName).toBe(spec.template.spec.containers[0].name);
    // A policy needs pods that are not restarted in place.
    expect(spec.template.spec.restartPolicy).toBe('Never');
    expect([spec.backoffLimitPerIndex, spec.maxFailedIndexes]).toEqual([1, 3]);
  });

  it('asks for GPUs, cores and memory', () => {
    const { spec } = job({ gres: 'gpu:h100:2', cpusPerTask: 8, mem: '64G', maxParallel: 2 });
    expect(spec.parallelism).toBe(2);
    expect(spec.template.spec.containers[0].resources).toEqual({
      requests: { cpu: '8', memory: '64Gi' },
      limits: { cpu: '8', memory: '64Gi', 'nvidia.com/gpu': '2' },
    });
  });

  it('mounts what the recipes name at the same paths; what is not given is marked', () => {
    const { containers, volumes } = job(FILLED).spec.template.spec;
    expect(containers[0].volumeMounts).toEqual([
      { mountPath: '/data', name: 'files-1' },
      { mountPath: '/weights', name: 'files-2' },
    ]);
    expect(volumes.map((v: { persistentVolumeClaim: object }) => v.persistentVolumeClaim)).toEqual([
      { claimName: 'files' },
      { claimName: 'weights' },
    ]);
    expect(containers[0].image).toBe('registry/reasvqa:1');
    expect(kubernetesJob(emission(FILLED))).not.toContain('To fill in');
    expect(kubernetesJob(emission())).toMatch(
      /To fill in:\n# {3}image .*\n# {3}claimName claim-1 .*\/data at.*\n.*claim-2/,
    );
  });
});

describe('a SkyPilot task', () => {
  it.each(['/data/runs/figure4', AWKWARD])('trains the line that its job is given: %s', (folder) => {
    const { run, envs } = parse(skyTask(emission({}, folder)));
    expect(envs).toEqual({ TRIAL: null });
    expect(argumentsOf(['sh', '-c', run], { TRIAL: '3' })).toEqual([
      'sweep',
      'trial',
      folder,
      '--index',
      '3',
      '--engine',
      'native-cuda',
    ]);
  });

  it('is launched once a trial, and again after a checkpoint', () => {
    const text = skyTask(emission());
    expect(text).toMatch(/^# .*for trial in 2 3 4; do sky jobs launch .*--env TRIAL=\$trial FILE; done$/m);
    expect(parse(text).resources.job_recovery.recover_on_exit_codes).toEqual([75]);
  });

  it('asks for GPUs, cores and memory, and keeps files in volumes or buckets', () => {
    const task = parse(
      skyTask(
        emission({
          image: 'i',
          gres: 'gpu:H100:1',
          cpusPerTask: 8,
          mem: '64G',
          volume: ['s3://lab/data', 'weights'],
        }),
      ),
    );
    expect(task.resources).toMatchObject({
      image_id: 'docker:i',
      accelerators: 'H100:1',
      cpus: '8+',
      memory: '64+',
    });
    expect(task.file_mounts).toEqual({ '/data': { source: 's3://lab/data', mode: 'MOUNT_CACHED' } });
    expect(task.volumes).toEqual({ '/weights': 'weights' });
  });
});

describe('both', () => {
  it.each([
    [{ gres: 'tmpdisk:1' }, /--gres tmpdisk:1: expected GPUs/],
    [{ mem: 'much' }, /--mem much: expected a size/],
  ])('refuse %j', (options, message) => {
    for (const emit of [kubernetesJob, skyTask]) {
      expect(() => emit(emission(options))).toThrow(UsageError);
      expect(() => emit(emission(options))).toThrow(message);
    }
  });

  it('refuse a folder with a line break', () => {
    for (const emit of [kubernetesJob, skyTask])
      expect(() => emit(emission({}, '/data/a\nb'))).toThrow(UsageError);
  });

  it.each([
    ['500', 1],
    ['2048', 2],
    ['1500M', 2],
    ['1T', 1024],
  ])('read --mem %s as Slurm does: %i GiB', (mem, gibibytes) => {
    expect(parse(skyTask(emission({ mem }))).resources.memory).toBe(`${gibibytes}+`);
  });

  it.each([
    ['/runs/Figure 4 (new)', 'reasvqa-figure-4-new'],
    ['/runs/β', 'reasvqa'],
    [`/runs/${'x'.repeat(80)}`, `reasvqa-${'x'.repeat(40)}`],
  ])('name %s so that a cluster takes it: %s', (folder, name) => {
    expect(objectName(folder)).toBe(name);
  });

  it.each<[string, string[]]>([
    ['/runs/a', ['/runs', '/data', '/weights']],
    ['/data/nextqa/a', ['/data/nextqa', '/weights']],
    ['/sweep', ['/sweep', '/data/nextqa', '/weights']],
  ])('mount what holds the sweep %s and its files: %j', (folder, folders) => {
    expect(mountFolders(emission({}, folder)).sort()).toEqual(
      folders.map((path) => (path === '/data' ? '/data/nextqa' : path)).sort(),
    );
  });
});
