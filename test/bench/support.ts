/** Workloads and options for the tests of the benches. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from '../../src/commands/bench.js';

/** Path of a workload that ships. */
export function workloadPath(name: string): string {
  return fileURLToPath(new URL(`../../bench/speed/workloads/${name}.json`, import.meta.url));
}

/** A workload file's content, to change. */
// biome-ignore lint/suspicious/noExplicitAny: a JSON file that tests damage on purpose
export function workloadJson(name: string): any {
  return JSON.parse(readFileSync(workloadPath(name), 'utf8'));
}

/** Options of a bench that is over in a moment. */
export function benchOptions(options: Partial<BenchOptions> = {}): BenchOptions {
  return {
    workload: workloadPath('tiny'),
    features: 'live',
    engine: 'auto',
    repeats: 2,
    warmup: 1,
    precision: 'f32',
    peer: false,
    ...options,
  };
}

const command = fileURLToPath(new URL('../../tools/reasvqa.mjs', import.meta.url));

/**
 * Two training steps in bf16 on the CUDA shim that computes nothing (CUDA_SHIM_HOLLOW), after one to warm up, in a process of
 * their own. Its settings are those of test/support/cuda.ts, which the caller has imported.
 */
export function hollowStep(workload: string, ...options: string[]) {
  const args = ['bench', 'train-step', '--engine', 'native-cuda', '--workload', workloadPath(workload)];
  const measure = ['--precision', 'bf16', '--repeats', '2', '--warmup', '1', '--no-peer', '--json'];
  const env = {
    ...process.env,
    CUDA_SHIM_HOLLOW: '1',
    CUDA_SHIM_MEMORY: String(80 * 2 ** 30),
    REASVQA_CUDA_NO_CACHE: '',
  };
  return spawnSync(process.execPath, [command, ...args, ...measure, ...options], { encoding: 'utf8', env });
}
