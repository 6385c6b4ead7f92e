/** Workloads and options for the tests of the benches. */
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
