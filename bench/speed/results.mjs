/** Kept results: bench/results/<date>-<bench>-<precision, unless f32>-<engine, unless native-cpu>-<machine>.json. */
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';

/** What the numbers were measured on. */
export function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown CPU',
    cores: os.availableParallelism(),
    memory: os.totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/**
 * Watches how many cores other processes keep busy meanwhile: their work slows what is measured.
 *
 * @returns {(ownSeconds: number) => number} given the processor seconds of children, the cores others used
 */
export function watchOthers() {
  const busy = () =>
    os.cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;
  const own = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const start = { time: performance.now(), busy: busy(), own: own() };
  return (childSeconds) => {
    const others = busy() - start.busy - (own() - start.own) - childSeconds;
    return Math.max(0, others / ((performance.now() - start.time) / 1000));
  };
}

/**
 * @param {{ date: string, bench: string, features?: string, workload: string, precision?: string,
 *   engine?: { name: string }, machine: ReturnType<typeof machine> }} report
 */
export function resultName({ date, bench, features, workload, precision, engine, machine: { cpu, cores } }) {
  const slug = (text) =>
    text
      .toLowerCase()
      .replace(/\((r|tm)\)/g, '')
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '');
  // native-cpu and f32, those of most results, are not named.
  const other = engine && engine.name !== 'native-cpu' ? engine.name : undefined;
  const what = [bench, features, workload, precision === 'f32' ? undefined : precision, other]
    .filter(Boolean)
    .join('-');
  return `${date.slice(0, 10)}-${slug(what)}-${slug(`${cpu} ${cores} cores`)}.json`;
}

/**
 * @param {import('../../src/commands/bench.js').BenchLibrary} lib
 * @param {string} folder
 * @returns {Promise<string>} the file's path
 */
export async function saveResult(lib, folder, report) {
  await mkdir(folder, { recursive: true });
  const path = join(folder, resultName(report));
  await lib.writeFileAtomic(path, `${JSON.stringify(report, null, 2)}\n`);
  return path;
}
