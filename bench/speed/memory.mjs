/**
 * Resident memory of the training step: its peak without recomputation, with some and with all, each in a process of its own (a
 * process's peak never falls again), and its growth over thousands of steps in this one.
 */
import { spawn } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { median } from './statistics.mjs';
import { TrainingStep } from './trainStep.mjs';

const PEAK_STEPS = 6;
const GROWTH_STEPS = 2000;
/**
 * The median over this many steps is compared, each after a garbage collection: V8's heap swings by tens of MB. Only in
 * the two windows, since a heap that is collected after every step stays smaller than one that trains.
 */
const WINDOW = 10;
const FIRST = 100;

/** @param {import('./index.mjs').BenchRun} run @param {import('./workload.mjs').Workload} workload */
export async function benchMemory({ lib, options, note, cli, openPeer }, workload) {
  const { features, precision, steps = GROWTH_STEPS } = options;
  const step = ['train-step', ...childOptions(options), '--repeats', String(PEAK_STEPS), '--warmup', '1'];
  note('peak of a training step');
  const plain = await childReport(cli, step);
  note('peak with light recomputation');
  const light = await childReport(cli, [...step, '--recompute', 'light']);
  note('peak with recomputation');
  const recompute = await childReport(cli, [...step, '--recompute']);
  const peer = await peerPeak(openPeer, note);
  note(`growth over ${steps} steps`);
  return {
    features,
    peaks: { plain: plain.memory, light: light.memory, recompute: recompute.memory },
    growth: await growth(lib, workload, { features, precision }, steps),
    peer: peer && {
      ...peer,
      ratio: shareOf(plain.memory, peer),
      lightRatio: shareOf(light.memory, peer),
      recomputeRatio: shareOf(recompute.memory, peer),
    },
  };
}

/** Our peak as a share of the peer's: of the GPU's memory when the peer ran on one, else of the process's. */
const shareOf = (ours, { maxResident, maxDevice }) =>
  maxDevice === undefined ? ours.maxResident / maxResident : ours.peak / maxDevice;

/** What a child measures with: this run's own choices. */
function childOptions({ workload, features, precision, engine, threads, device, gpuMemory }) {
  const given = { threads, device, 'gpu-memory': gpuMemory };
  return [
    ...['--workload', workload, '--features', features, '--precision', precision, '--engine', engine],
    ...Object.entries(given).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    ),
  ];
}

async function peerPeak(openPeer, note) {
  const peer = await openPeer('train-step');
  if (!peer) return null;
  try {
    note('peak of the peer');
    let answer;
    for (let i = 0; i < PEAK_STEPS + 1; i++) answer = await peer.run();
    const { maxResident, maxDevice } = answer;
    return { name: peer.name, maxResident, maxDevice };
  } finally {
    peer.close();
  }
}

/** Runs a bench with --json in a process of its own and returns its report. */
function childReport([command, ...first], given) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...given, '--json', '--no-peer'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`bench ${given[0]} failed: ${errors.trim().split('\n').at(-1)}`));
    });
  });
}

/** Runs training steps and compares the resident set early on with that at the end. */
async function growth(lib, workload, options, steps) {
  const training = await TrainingStep.open(lib, workload, options);
  const resident = new Float64Array(steps);
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  const ends = windowEnds(steps);
  for (let i = 0; i < steps; i++) {
    training.run();
    if (ends.some((end) => i >= end - WINDOW && i < end)) collectGarbage();
    resident[i] = process.memoryUsage.rss();
  }
  training.dispose();
  return growthOf(resident);
}

/** The steps after which the two windows end. @returns {[number, number]} */
const windowEnds = (steps) => [Math.min(FIRST, steps), steps];

/** @param {Float64Array} resident bytes after each step */
export function growthOf(resident) {
  const [from, steps] = windowEnds(resident.length);
  const at = (end) => median(resident.subarray(Math.max(0, end - WINDOW), end));
  const start = at(from);
  const end = at(steps);
  return { from, steps, start, end, percent: (100 * (end - start)) / start };
}
