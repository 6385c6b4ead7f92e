/**
 * A Slurm cluster of one machine, in a folder: munged, slurmctld and slurmd with their own key, socket, ports and state, so
 * that a Slurm of the system is left alone. The machine says it has four CPUs, since tasks of tests need little of one.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch'];
// Debian keeps daemons where a user's PATH does not lead.
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** Why no cluster can be started here, or undefined when one can. */
export const slurmMissing = missing();

function missing(): string | undefined {
  if (process.platform !== 'linux') return 'Slurm runs on Linux';
  const absent = PROGRAMS.filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`], { env: { PATH } }).status !== 0,
  );
  return absent.length > 0 ? `${absent.join(', ')} not installed (apt install slurm-wlm munge)` : undefined;
}

export interface Cluster {
  /** Runs one of Slurm's commands; resolves to what it printed. */
  run(program: string, ...words: string[]): Promise<string>;
  /** Ends its jobs and every process that it started. */
  stop(): Promise<void>;
}

/** Starts a cluster and makes it that of this process and its children (SLURM_CONF). */
export async function startCluster(folder: string): Promise<Cluster> {
  const daemons: ChildProcess[] = [];
  const start = (program: string, ...words: string[]) => {
    const daemon = spawn(program, words, { stdio: 'ignore', env: { ...process.env, PATH } });
    daemons.push(daemon);
    return daemon;
  };
  const stopDaemons = async () => {
    for (const daemon of daemons.reverse()) {
      const gone = new Promise((resolve) => daemon.once('exit', resolve));
      if (daemon.exitCode === null && daemon.kill()) await gone;
    }
  };
  const run = async (program: string, ...words: string[]) =>
    (await promisify(execFile)(program, words, { env: { ...process.env, PATH } })).stdout;
  try {
    const munge = join(folder, 'munge');
    await mkdir(munge, { recursive: true, mode: 0o700 });
    for (const name of ['state', 'spool']) await mkdir(join(folder, name));
    await writeFile(join(munge, 'key'), randomBytes(1024), { mode: 0o600 });
    const at = (name: string) => join(munge, name);
    const files = [`--key-file=${at('key')}`, `--pid-file=${at('pid')}`, `--log-file=${at('log')}`];
    start(
      'munged',
      '--foreground',
      '--force',
      `--socket=${at('socket')}`,
      `--seed-file=${at('seed')}`,
      ...files,
    );
    const conf = join(folder, 'slurm.conf');
    await writeFile(conf, await configuration(folder, at('socket')));
    process.env.SLURM_CONF = conf;
    start('slurmctld', '-D', '-f', conf);
    start('slurmd', '-D', '-f', conf, '-N', 'localhost');
    await becomesIdle(run, daemons, folder);
  } catch (error) {
    await stopDaemons();
    throw error;
  }
  const stop = async () => {
    await run('scancel', '--partition=small').catch(() => undefined);
    while ((await run('squeue', '--noheader').catch(() => '')).trim() !== '') await sleep(200);
    await stopDaemons();
    delete process.env.SLURM_CONF;
  };
  return { run, stop };
}

async function becomesIdle(
  run: Cluster['run'],
  daemons: readonly ChildProcess[],
  folder: string,
): Promise<void> {
  while (!/idle/.test(await run('sinfo', '--noheader', '--format=%t').catch(() => ''))) {
    if (daemons.some(({ exitCode }) => exitCode !== null)) throw new Error(await logsOf(folder));
    await sleep(100);
  }
}

async function logsOf(folder: string): Promise<string> {
  const names = ['munge/log', 'slurmctld.log', 'slurmd.log'];
  const texts = names.map((name) => readFile(join(folder, name), 'utf8').catch(() => ''));
  return `a daemon ended:\n${(await Promise.all(texts)).join('\n')}`;
}

async function configuration(folder: string, socket: string): Promise<string> {
  const { username } = userInfo();
  const [controllerPort, nodePort] = await freePorts();
  const settings = {
    ClusterName: 'test',
    SlurmctldHost: 'localhost(127.0.0.1)',
    SlurmctldPort: controllerPort,
    SlurmdPort: nodePort,
    SlurmUser: username,
    SlurmdUser: username,
    AuthType: 'auth/munge',
    // A requeued job waits as long as a credential lives, 120 s unless told otherwise; 5 is the least.
    AuthInfo: `socket=${socket},cred_expire=5`,
    StateSaveLocation: join(folder, 'state'),
    SlurmdSpoolDir: join(folder, 'spool'),
    SlurmctldPidFile: join(folder, 'slurmctld.pid'),
    SlurmdPidFile: join(folder, 'slurmd.pid'),
    SlurmctldLogFile: join(folder, 'slurmctld.log'),
    SlurmdLogFile: join(folder, 'slurmd.log'),
    ProctrackType: 'proctrack/linuxproc',
    TaskPlugin: 'task/none',
    JobAcctGatherType: 'jobacct_gather/none',
    AccountingStorageType: 'accounting_storage/none',
    MpiDefault: 'none',
    SelectType: 'select/cons_tres',
    SelectTypeParameters: 'CR_CPU',
    SchedulerParameters: 'sched_interval=1,bf_interval=1',
    KillWait: 300,
    SlurmdParameters: 'config_overrides',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [
    ...lines,
    `NodeName=localhost NodeAddr=127.0.0.1 NodeHostname=${hostname()} CPUs=4 State=UNKNOWN`,
    'PartitionName=small Nodes=localhost Default=YES State=UP',
    '',
  ].join('\n');
}

async function freePorts(): Promise<number[]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
