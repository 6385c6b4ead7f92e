/**
 * Runs the trials of a plan on this machine, one process a GPU, or one on the CPU.
 *
 * A process is this package's own command, `sweep trial`. Its output goes to log.txt in the trial's folder; lines of
 * progress are passed on. It stops by itself, with a checkpoint, when the process that started it is gone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError, EXIT, Interrupted, messageOf, UsageError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { isHeld } from '../base/lock.js';
import type { EngineChoice, Execution, Executor } from './executor.js';
import { clearFailure, type PlannedTrial, trialState } from './folder.js';
import { type End, engineArguments, ownCommand } from './process.js';
import { logOf, recordEnd, recordQuietly } from './trial.js';

/** How often, and how long apart in ms, a trial that another process holds is asked for again. */
const HELD_TRIES = 20;
const HELD_WAIT = 3000;

export interface LocalOptions {
  /** Numbers of the GPUs to use; default all that native-cuda sees. */
  devices?: readonly number[];
  /** Runs `reasvqa` with arguments; tests give their own, and their own patience. */
  command?: readonly string[];
  heldWait?: number;
}

/** @throws UsageError for devices that the engine does not have, EngineError when the GPUs cannot be counted */
export function localExecutor({
  devices,
  command = ownCommand(),
  heldWait = HELD_WAIT,
}: LocalOptions = {}): Executor {
  return async (execution) => {
    const { trials, signal, sweep, say } = execution;
    const places = await placesOf(execution.engine, devices, command);
    let waiting = [...trials];
    for (let tries = 0; waiting.length > 0 && !signal.aborted && tries < HELD_TRIES; tries++) {
      if (tries > 0) await sleep(heldWait, undefined, { signal }).catch(() => undefined);
      waiting = await runAll(waiting, places, command, execution);
    }
    if (signal.aborted)
      throw new Interrupted(
        `${sweep.folder}: stopped; trials that had begun have a checkpoint; run the same command again to continue`,
      );
    for (const { id, folder } of waiting)
      say(`${id}: another process is training in ${folder}; it is left to that one`);
  };
}

/** Runs trials, one at each place at a time. @returns those that another process holds */
async function runAll(
  trials: readonly PlannedTrial[],
  places: readonly EngineChoice[],
  command: readonly string[],
  execution: Execution,
): Promise<PlannedTrial[]> {
  const queue = [...trials];
  const held: PlannedTrial[] = [];
  const work = async (place: EngineChoice) => {
    for (let trial = queue.shift(); trial && !execution.signal.aborted; trial = queue.shift())
      if (!(await runTrial(trial, place, command, execution))) held.push(trial);
  };
  await Promise.all(places.map(work));
  return held;
}

/** @returns false when another process holds the trial's folder */
async function runTrial(
  trial: PlannedTrial,
  place: EngineChoice,
  command: readonly string[],
  { sweep, say, signal }: Execution,
): Promise<boolean> {
  let end: End;
  try {
    await makeFolder(trial.folder);
    if (await isHeld(trial.folder)) return false;
    // It may have been finished by who held it.
    if ((await trialState(trial)).state === 'done') return true;
    await clearFailure(trial);
    const words = ['sweep', 'trial', sweep.folder, trial.id, ...engineArguments(place)];
    end = await runChild([...command, ...words], trial, signal, say);
  } catch (error) {
    await recordQuietly(trial, error);
    say(`${trial.id}: failed: ${messageOf(error)}`);
    return true;
  }
  if (end.code === EXIT.done || (signal.aborted && stoppedCleanly(end))) return true;
  if (stoppedCleanly(end)) return false;
  say(`${trial.id}: failed: ${await recordEnd(trial, end, logOf(trial))}`);
  return true;
}

/** With a checkpoint, or before there was anything to save; or never begun, since the folder was held. */
const stoppedCleanly = ({ code, signal }: End) => code === EXIT.interrupted || signal === 'SIGTERM';

async function runChild(
  [program, ...words]: string[],
  trial: PlannedTrial,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<End> {
  // Over the fourth, a channel, the child sees when this process is gone.
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  const log = createWriteStream(logOf(trial), { flags: 'a' });
  log.on('error', (error) => say(`${trial.id}: ${logOf(trial)} could not be written (${error.message})`));
  for (const output of [child.stdout, child.stderr] as Readable[]) {
    output.on('data', (text) => log.writable && log.write(text));
    createInterface({ input: output }).on('line', (line) => {
      if (line.startsWith(trial.id)) say(line);
    });
  }
  try {
    if (signal.aborted) stop();
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { code, signal: killedBy };
  } finally {
    signal.removeEventListener('abort', stop);
    log.end();
  }
}

async function placesOf(
  engine: EngineChoice,
  devices: readonly number[] | undefined,
  command: readonly string[],
): Promise<EngineChoice[]> {
  if (devices) return placesGiven(engine, devices, command);
  // Without a GPU's number native-cuda is what `auto` takes only where memory of one is asked for.
  const onGpu =
    engine.engine === 'native-cuda' || (engine.engine === 'auto' && engine.gpuMemory !== undefined);
  if (!onGpu || engine.device !== undefined || process.env.REASVQA_GPU) return [engine];
  const count = await countGpus(command);
  return Array.from({ length: count }, (_, device) => ({ ...engine, device }));
}

async function placesGiven(
  engine: EngineChoice,
  devices: readonly number[],
  command: readonly string[],
): Promise<EngineChoice[]> {
  if (!['auto', 'native-cuda', 'tensorflow'].includes(engine.engine))
    throw new UsageError(`--devices: ${engine.engine} has no GPUs; use --engine native-cuda`);
  if (engine.device !== undefined) throw new UsageError('--devices and --device: give one of them');
  const twice = devices.find((device, i) => devices.indexOf(device) !== i);
  if (twice !== undefined) throw new UsageError(`--devices: GPU ${twice} is there twice`);
  if (engine.engine !== 'tensorflow') {
    const count = await countGpus(command);
    const missing = devices.find((device) => device >= count);
    if (missing !== undefined)
      throw new EngineError(`--devices: GPU ${missing} is not there; this machine has 0 to ${count - 1}`);
  }
  return devices.map((device) => ({ ...engine, device }));
}

/** Asks a process of its own, which gives the memory it takes of a GPU back. */
async function countGpus([program, ...words]: readonly string[]): Promise<number> {
  const arguments_ = [...words, 'doctor', '--engine', 'native-cuda', '--json'];
  const child = spawn(program!, arguments_, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  try {
    const report = JSON.parse(text) as {
      gpu: { found?: { count: number }; missing?: string };
      error?: string;
    };
    if (report.gpu.found && report.error === undefined) return report.gpu.found.count;
    throw new EngineError(report.error ?? report.gpu.missing ?? 'no GPU was found');
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('the GPUs could not be counted: reasvqa doctor --engine native-cuda says why', {
      cause: error,
    });
  }
}
