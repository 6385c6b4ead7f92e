/**
 * What the tensorflow engine is measured beside: native-cpu, and the same step in plain tfjs-node code, one run of each
 * in turn; and how much of its time is the price of calling TensorFlow.
 */
import { fileURLToPath } from 'node:url';
import { Peer, takeTurns } from './peer.mjs';
import { secondsPerCall } from './statistics.mjs';

const peers = fileURLToPath(new URL('./peers/', import.meta.url));

/** What {@link besides} starts, by the name that the report gives its numbers. */
const BESIDE = {
  nativeCpu: ({ workload, features, threads }) => [
    ...[`${peers}engine.mjs`, '--engine', 'native-cpu', '--workload', workload],
    ...['--features', features, '--threads', threads],
  ],
  plain: ({ workload, features }) => [`${peers}tfjsNode.mjs`, '--workload', workload, '--features', features],
};

/**
 * Runs the step `repeats` times beside both peers.
 *
 * @param {import('./index.mjs').BenchRun} run
 * @param {() => number} step one step of ours, returns its milliseconds
 * @returns times and ratios (theirs / ours) of each peer, and the processor seconds they took
 */
export async function besides({ options, engine, note }, step) {
  const given = {
    workload: options.workload,
    features: options.features,
    threads: String(engine.threads),
  };
  const env = { ...process.env, TF_NUM_INTRAOP_THREADS: given.threads };
  /** @type {Peer[]} */
  const open = [];
  try {
    for (const command of Object.values(BESIDE)) {
      const peer = await Peer.open([process.execPath, ...command(given)], env);
      note(`beside it: ${peer.name}`);
      open.push(peer);
    }
    for (let i = 0; i < options.warmup; i++) for (const peer of open) await peer.run();
    const measured = await takeTurns(open, options.repeats, step);
    const cpuSeconds = open.reduce((sum, peer) => sum + peer.cpuSeconds, 0);
    const names = Object.keys(BESIDE);
    return { beside: Object.fromEntries(measured.map((each, i) => [names[i], each])), cpuSeconds };
  } finally {
    for (const peer of open) peer.close();
  }
}

/**
 * Calls into TensorFlow in one step, and the share of its time that they cost before computing anything: each as
 * much as an addition of two numbers.
 *
 * @param {typeof import('@tensorflow/tfjs-core')} tf
 * @param {() => number} step
 */
export function operationShare(tf, step) {
  const backend = /** @type {any} */ (tf.backend());
  const { binding } = backend;
  let calls = 0;
  backend.binding = Object.create(binding, {
    executeOp: {
      value: (...given) => {
        calls++;
        return binding.executeOp(...given);
      },
    },
  });
  let ms;
  try {
    ms = step();
  } finally {
    backend.binding = binding;
  }
  const us = overheadUs(tf);
  return { operations: calls, overheadUs: us, share: (calls * us) / 1000 / ms };
}

const BATCH = 200;

/** Microseconds of an addition of two scalars, result freed. */
function overheadUs(tf) {
  const [a, b] = [tf.scalar(1), tf.scalar(2)];
  const seconds = secondsPerCall(
    () => {
      for (let i = 0; i < BATCH; i++) tf.add(a, b).dispose();
    },
    { samples: 15, sampleMs: 5 },
  );
  tf.dispose([a, b]);
  return (1e6 * seconds) / BATCH;
}
