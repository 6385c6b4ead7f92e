/**
 * The benches behind `npm run bench`. They use the compiled library through `lib` (src/commands/bench.ts passes it),
 * so that tests can run them on the sources.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchDecode } from './decode.mjs';
import { benchGemm } from './gemm.mjs';
import { benchLearn } from './learn.mjs';
import { benchLoad } from './load.mjs';
import { benchMemory } from './memory.mjs';
import { benchOps } from './ops.mjs';
import { Peer } from './peer.mjs';
import { machine, saveResult, watchOthers } from './results.mjs';
import { format } from './tables.mjs';
import { benchTrainStep } from './trainStep.mjs';
import { readWorkload } from './workload.mjs';

/**
 * @typedef {import('../../src/commands/bench.js').BenchLibrary} BenchLibrary
 * @typedef {import('../../src/commands/bench.js').BenchOptions} BenchOptions
 * @typedef {import('../../src/engine/engine.js').EngineInfo} EngineInfo
 * @typedef {{
 *   lib: BenchLibrary,
 *   options: BenchOptions,
 *   engine: EngineInfo,
 *   note: (line: string) => void,
 *   cli: string[],
 *   openPeer: (bench: string, more?: string[]) => Promise<Peer | undefined>,
 * }} BenchRun
 */

const BENCHES = {
  gemm: benchGemm,
  ops: benchOps,
  'train-step': benchTrainStep,
  decode: benchDecode,
  learn: benchLearn,
  load: benchLoad,
  memory: benchMemory,
};

/** Cores that other processes may use without a warning. */
const QUIET = 0.2;

const speed = fileURLToPath(new URL('.', import.meta.url));
const RESULTS = join(speed, 'results');
const CLI = [process.execPath, join(speed, '../../tools/reasvqa.mjs'), 'bench'];

/**
 * Runs one bench.
 *
 * @param {{ lib: BenchLibrary, name: keyof typeof BENCHES, options: BenchOptions, engine: EngineInfo,
 *   env: NodeJS.ProcessEnv, note: (line: string) => void, results?: string, cli?: string[] }} given `results`: where
 *   kept reports go; `cli`: what starts a bench in a process of its own
 * @returns the report, and as a table for people
 */
export async function runBench({ lib, name, options, engine, env, note, results = RESULTS, cli = CLI }) {
  const workload = await readWorkload(lib, options.workload);
  /** @type {Peer[]} */
  const peers = [];
  const run = {
    lib,
    options,
    engine,
    note,
    cli,
    openPeer: async (what, more = []) => {
      const peer = await openPeer({ lib, what, more, options, engine, env, note });
      if (peer) peers.push(peer);
      return peer;
    },
  };
  const others = watchOthers();
  const measured = await BENCHES[name](run, workload);
  // The processes of memory report no processor time; what they measure does not depend on it.
  const otherCores =
    name === 'memory'
      ? undefined
      : others(peers.reduce((sum, peer) => sum + peer.cpuSeconds, measured.cpuSeconds ?? 0));
  if (otherCores > QUIET)
    note(`other processes used ${otherCores.toFixed(1)} cores meanwhile: times are too long`);
  const report = {
    bench: name,
    date: new Date().toISOString(),
    workload: workload.name,
    engine: { name: engine.name, isa: engine.isa, threads: engine.threads },
    precision: options.precision,
    machine: machine(),
    ...(otherCores === undefined ? {} : { otherCores }),
    ...measured,
  };
  if (options.save) note(`saved: ${await saveResult(lib, results, report)}`);
  return { report, text: format(report) };
}

/** Starts PyTorch on the same workload, when there is one to start. */
async function openPeer({ lib, what, more, options, engine, env, note }) {
  if (!options.peer) return undefined;
  const python = env.PEER_PYTHON;
  if (!python) {
    note(
      'no peer: set PEER_PYTHON to a Python that has torch, transformers and peft to compare with PyTorch',
    );
    return undefined;
  }
  const script = join(speed, 'peers/pytorch.py');
  const threads = String(engine.threads);
  const given = [
    ...['--workload', options.workload, '--features', options.features, '--threads', threads],
    ...['--precision', options.precision, ...more],
    // The number that we have: CUDA_VISIBLE_DEVICES hides the same GPUs from both.
    ...(engine.name === 'native-cuda'
      ? ['--device', `cuda:${options.device ?? (env.REASVQA_GPU || 0)}`]
      : []),
  ];
  note(`starting the peer: ${python}`);
  try {
    const peer = await Peer.open([python, script, what, ...given, '--driven'], {
      ...env,
      OMP_NUM_THREADS: threads,
    });
    note(`peer: ${peer.name}`);
    return peer;
  } catch (error) {
    throw new lib.UsageError(
      `PEER_PYTHON=${python}: the peer cannot run (${error.message}); it needs torch, transformers and peft, or leave it out with --no-peer`,
    );
  }
}
