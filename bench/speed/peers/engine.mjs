/**
 * Our own training step on another engine, in a process of its own: what `--engine tensorflow` is compared with.
 *
 *   node bench/speed/peers/engine.mjs --engine native-cpu --workload FILE [--features live|cached] [--threads N]
 *
 * Speaks the protocol of speed/peer.mjs.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { loadLibrary } from '../../../dist/commands/bench.js';
import { selectEngine } from '../../../dist/engine/engine.js';
import { TrainingStep } from '../trainStep.mjs';
import { readWorkload } from '../workload.mjs';

const { engine, workload, features, threads } = parseArgs({
  options: {
    engine: { type: 'string' },
    workload: { type: 'string' },
    features: { type: 'string', default: 'live' },
    threads: { type: 'string' },
  },
}).values;

const say = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);
const { description } = await selectEngine(engine, threads === undefined ? {} : { threads: Number(threads) });
const lib = await loadLibrary();
const training = await TrainingStep.open(lib, await readWorkload(lib, workload), { features });
const trainable = training.trainable.reduce((sum, parameter) => sum + parameter.size, 0);
say({ ready: true, name: description, trainable });
for await (const _ of createInterface({ input: process.stdin })) {
  const { times, loss } = training.run();
  const { user, system } = process.cpuUsage();
  const maxResident = process.resourceUsage().maxRSS * 1024;
  say({ ms: times.total, loss, cpuSeconds: (user + system) / 1e6, maxResident });
}
