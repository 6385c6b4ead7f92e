/** Reading a checkpoint: a folder in Hugging Face's layout with bf16 weights, from page cache onto the engine. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './statistics.mjs';
import { makeStudent } from './student.mjs';

/** @param {import('./index.mjs').BenchRun} run @param {import('./workload.mjs').Workload} workload */
export async function benchLoad({ lib, options, note }, workload) {
  const { repeats, warmup, precision } = options;
  const folder = await mkdtemp(join(tmpdir(), 'reasvqa-load-'));
  try {
    note('writing a checkpoint of random weights');
    const { student } = await makeStudent(lib, workload, 0, precision);
    await lib.saveStudent(student, folder, {}, 'BF16');
    student.dispose();
    const groups = student.kind.defaultGroups;
    const bytes = await sizeOf(folder);
    note(`reading its ${Math.round(bytes / 1e6)} MB ${repeats} times`);
    const seconds = [];
    for (let i = 0; i < warmup + repeats; i++) {
      const start = performance.now();
      const loaded = await lib.loadStudent(folder, { precision, groups });
      lib.device()?.synchronize();
      if (i >= warmup) seconds.push((performance.now() - start) / 1000);
      loaded.student.dispose();
    }
    return { runs: repeats, bytes, seconds: median(seconds), bytesPerSecond: bytes / median(seconds) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes of a folder's weights. */
async function sizeOf(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((a, b) => a + b, 0);
}
