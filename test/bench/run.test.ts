/** Every bench from options to report, on tiny.json. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watchKernels, watchTape } from '../../bench/speed/counters.mjs';
import { Decoding } from '../../bench/speed/decode.mjs';
import { runBench } from '../../bench/speed/index.mjs';
import { fallOf } from '../../bench/speed/learn.mjs';
import { growthOf } from '../../bench/speed/memory.mjs';
import { tapeTime } from '../../bench/speed/ops.mjs';
import { resultName, saveResult, watchOthers } from '../../bench/speed/results.mjs';
import { TrainingStep } from '../../bench/speed/trainStep.mjs';
import { readWorkload } from '../../bench/speed/workload.mjs';
import { UsageError } from '../../src/base/errors.js';
import { type BenchLibrary, type BenchOptions, loadLibrary } from '../../src/commands/bench.js';
import { type EngineInfo, selectEngine } from '../../src/engine/engine.js';
import * as ops from '../../src/ops/index.js';
import { benchOptions, workloadPath } from './support.js';

let lib: BenchLibrary;
let engine: EngineInfo;
let folder: string;
beforeAll(async () => {
  lib = await loadLibrary();
  engine = await selectEngine('auto');
  folder = await mkdtemp(join(tmpdir(), 'reasvqa bench '));
});
afterAll(() => rm(folder, { recursive: true }));

/** A program that ignores its arguments. */
async function program(name: string, code: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!${process.execPath}\n${code}`);
  await chmod(path, 0o755);
  return path;
}

async function run(name: string, options: Partial<BenchOptions> = {}, more: object = {}) {
  const notes: string[] = [];
  const note = (line: string) => notes.push(line);
  const given = { lib, name, options: benchOptions(options), engine, env: {}, note, ...more };
  // biome-ignore lint/suspicious/noExplicitAny: reports are read field by field
  return { ...((await runBench(given as never)) as { report: any; text: string }), notes };
}

describe('train-step', () => {
  it.each(['live', 'cached'] as const)('reports time, phases and memory, %s features', async (features) => {
    const before = tf.memory().numTensors;
    const { report, text } = await run('train-step', { features, verify: true, kernels: true });
    expect(report).toMatchObject({ bench: 'train-step', workload: 'tiny', features, steps: 2, peer: null });
    const { vision, forward, backward, update } = report.phases;
    for (const part of [vision, forward, backward, update]) expect(part).toBeGreaterThan(0);
    expect(report.samplesPerSecond * report.ms).toBeCloseTo(2000, 6);
    expect(report.gflops * report.ms * 1e6).toBeCloseTo(report.flops.total, 0);
    expect(report.flops.vision > 0).toBe(features === 'live');
    expect(report.loss).toBeGreaterThan(0);
    expect(report.tapeOperations).toBeGreaterThan(100);
    expect(report.memory.maxResident).toBeGreaterThan(1e7);
    expect(report.fallbacks).toEqual({});
    expect(report.verified.lossDifference).toBeLessThan(1e-4);
    expect(report.verified.gradientNormDifference).toBeLessThan(1e-3);
    expect(text).toContain('samples/s');
    expect(tf.memory().numTensors).toBe(before);
  });

  it('runs a decoder-only student, with the losses of the composed forms', async () => {
    const { report } = await run('train-step', { workload: workloadPath('tiny-decoder'), verify: true });
    expect(report).toMatchObject({ workload: 'tiny-decoder', steps: 2, fallbacks: {} });
    expect(report.gflops * report.ms * 1e6).toBeCloseTo(report.flops.total, 0);
    expect(report.verified.lossDifference).toBeLessThan(1e-4);
  });

  it('follows the same losses with recomputation, with less memory', async () => {
    const plain = await run('train-step', { repeats: 3 });
    const recompute = await run('train-step', { repeats: 3, recompute: true });
    expect(recompute.report.recompute).toBe(true);
    expect(recompute.report.loss).toBeCloseTo(plain.report.loss, 4);
    if (lib.device()) expect(recompute.report.memory.peak).toBeLessThan(0.9 * plain.report.memory.peak);
  });

  it('refuses a fused loss that is not the composed one', async () => {
    const { linear } = lib.ops;
    const broken = { ...lib, ops: { ...lib.ops, setFused: () => true, linear } };
    const verify = TrainingStep.prototype.verify;
    TrainingStep.prototype.verify = () => ({
      fusedLoss: 1,
      composedLoss: 1.001,
      lossDifference: 1e-3,
      gradientNormDifference: 0,
    });
    try {
      await expect(run('train-step', { verify: true }, { lib: broken })).rejects.toThrow(
        'fused loss 1, composed loss 1.001',
      );
    } finally {
      TrainingStep.prototype.verify = verify;
    }
  });
});

describe('the other benches', () => {
  it('decode runs to the last token without one fall-back', async () => {
    const { report, text } = await run('decode', { kernels: true });
    const { functions, ms, native, javascript } = report.kernels ?? { functions: [] };
    if (lib.device()) {
      expect(functions.find((each: { name: string }) => each.name === 'attention').calls).toBe(2 + 64 * 4);
      expect(native + javascript).toBeCloseTo(ms, 6);
      expect(report.memory.peak).toBeGreaterThan(report.memory.inUse);
      expect(text).toMatch(/memory: engine \d+ MB at most/);
    }
    expect(report).toMatchObject({ runs: 2, rows: 2, tokens: 64, fallbacks: {}, peer: null });
    expect(report.tokensPerSecond * report.ms).toBeCloseTo(1000 * 2 * 64, 3);
    expect(text).toContain('tokens/s');
    const decoding = await Decoding.open(lib, await readWorkload(lib, workloadPath('tiny')));
    expect(decoding.run().rows.map((row: number[]) => row.length)).toEqual([64, 64]);
    decoding.dispose();
    const decoder = await run('decode', { workload: workloadPath('tiny-decoder') });
    expect(decoder.report).toMatchObject({ runs: 2, rows: 2, tokens: 64, fallbacks: {} });
  });

  it('gemm measures every shape on every instruction set and puts back the one in use', async () => {
    const isa = lib.cpu()?.isa();
    const { report, text } = await run('gemm', { repeats: 1 });
    for (const { shapes } of report.results) {
      expect(shapes.length).toBeGreaterThan(12);
      for (const { gflops, roof } of shapes) {
        expect(gflops).toBeGreaterThan(0);
        expect(roof).toBeGreaterThan(0);
      }
    }
    if (isa) expect(report.results[0].isa).toBe(lib.cpu()?.bestIsa());
    expect(lib.cpu()?.isa()).toBe(isa);
    expect(text).toContain('1024 x 1024 x 1024');
  });

  it('ops measures single operations and a tape', async () => {
    const before = tf.memory().numTensors;
    const { report } = await run('ops');
    expect(report.operations.length).toBeGreaterThan(8);
    expect(report.largestUs).toBeGreaterThanOrEqual(report.medianUs);
    expect(report.tape.ms).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a tape has as many operations as it says', () => {
    const tape = watchTape(tf);
    tapeTime({ tf, ops }, 25, 1);
    tape.stop();
    // The first pass alone is counted; constants are no operations, saved copies are.
    expect(tape.seen.operations).toBeGreaterThanOrEqual(25);
  });

  it('memory runs the step in processes of its own', async () => {
    const child = await program(
      'bench',
      `const given = process.argv.slice(2);
       const factor = given.includes('light') ? 1.5 : given.includes('--recompute') ? 1 : 2;
       console.log(JSON.stringify({ memory: { maxResident: factor * 1e8, peak: 1e6, inUse: 1e5 }, given }));`,
    );
    const peer = await program('python', PEER);
    const { report, text } = await run(
      'memory',
      { peer: true, features: 'cached', steps: 4 },
      { cli: [child], env: { ...process.env, PEER_PYTHON: peer } },
    );
    expect(report.peaks.plain.maxResident).toBe(2e8);
    expect(report.peaks.light.maxResident).toBe(1.5e8);
    expect(report.peaks.recompute.maxResident).toBe(1e8);
    expect(report.peer).toMatchObject({ name: 'fake', ratio: 0.5, lightRatio: 0.375, recomputeRatio: 0.25 });
    expect(report.growth).toMatchObject({ from: 4, steps: 4, percent: 0 });
    expect(text).toContain('50 %');
    // On a GPU its memory is what counts.
    const onGpu = await program('gpu', PEER.replace('"maxResident"', '"maxDevice": 2e6, "maxResident"'));
    const options = { peer: true, steps: 4, precision: 'bf16', device: 1, gpuMemory: 2 ** 31 } as const;
    const more = { cli: [child], env: { ...process.env, PEER_PYTHON: onGpu } };
    const { report: gpu } = lib.device()
      ? await run('memory', options, more)
      : { report: { peer: { ratio: 0.5 } } };
    expect(gpu.peer.ratio).toBe(0.5);
    const broken = await program('broken', 'console.error("x\\nreasvqa: out of memory"); process.exit(4)');
    await expect(run('memory', {}, { cli: [broken] })).rejects.toThrow('reasvqa: out of memory');
  });
});

describe('learn', () => {
  it('reports the losses of steps on one batch, which fall', async () => {
    const before = tf.memory().numTensors;
    const { report, text } = await run('learn', { features: 'cached' });
    expect(report).toMatchObject({
      bench: 'learn',
      workload: 'tiny',
      precision: 'f32',
      steps: 50,
      fallbacks: {},
    });
    expect(report.losses.map(({ step }: { step: number }) => step)).toEqual([
      5, 10, 15, 20, 25, 30, 35, 40, 45, 50,
    ]);
    expect(report.losses.at(-1).loss).toBe(report.lastLoss);
    expect(report.lastMean).toBeLessThan(report.firstMean - 0.05);
    expect(report.ms).toBeGreaterThan(0);
    expect(text).toContain('50 steps of');
    expect(text).toContain(report.firstLoss.toFixed(4));
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes as many steps as it is given, live, but not too few to compare', async () => {
    const { report } = await run('learn', { steps: 12 });
    expect(report).toMatchObject({ features: 'live', steps: 12 });
    expect(report.losses).toHaveLength(2);
    const failure = run('learn', { steps: 9 });
    await expect(failure).rejects.toThrow(UsageError);
    await expect(failure).rejects.toThrow(
      '--steps 9: learn compares the first 5 with the last 5 steps; use at least 10',
    );
  });

  it('fails when nothing is learned, although the dropout of every step is another', async () => {
    class Idle extends lib.AdamW {
      override update(): number {
        return 0;
      }
    }
    const failure = run('learn', { features: 'cached', steps: 12 }, { lib: { ...lib, AdamW: Idle } });
    const mean = String.raw`(\d\.\d+) over the first 5 of 12 steps, \1 over the last 5`;
    await expect(failure).rejects.toThrow(new RegExp(`does not fall: ${mean}`));
  });

  it('fails when the loss stays, rises or is not finite', () => {
    const flat = Array<number>(10).fill(2);
    expect(() => fallOf(flat)).toThrow(
      'the loss does not fall: 2 over the first 5 of 10 steps, 2 over the last 5',
    );
    expect(() => fallOf(flat.map((loss, i) => loss + i))).toThrow('does not fall');
    expect(() => fallOf(flat.with(6, Number.NaN))).toThrow('learn: the loss of step 7 of 10 is NaN');
    expect(fallOf(flat.map((loss, i) => loss - i / 10))).toMatchObject({ firstLoss: 2, firstMean: 1.8 });
  });

  it('refuses bf16 on an engine that has none, before it computes', async () => {
    await selectEngine('cpu');
    for (const name of ['learn', 'train-step', 'decode', 'gemm', 'load'])
      await expect(run(name, { precision: 'bf16' }), name).rejects.toThrow(
        /^--precision bf16: the engine cpu .* use f32/,
      );
    await selectEngine('auto');
  });
});

describe('with frozen weights in bf16', () => {
  it('every bench that has a model or a product measures it so', async (context) => {
    if (!lib.device()) return context.skip('the engine here has no bf16');
    const options = { precision: 'bf16', size: 96 } as const;
    const { report: step, text } = await run('train-step', { ...options, verify: true });
    expect(step.verified.lossDifference).toBeLessThan(1e-4);
    const { report: f32 } = await run('train-step', { size: 96 });
    expect(Math.abs(step.loss - f32.loss)).toBeLessThan(0.05);
    expect(step.memory.inUse).toBeLessThan(f32.memory.inUse);
    expect(step.floor.times).toBeCloseTo(step.gflops ? step.floor.gflops / step.gflops : 0, 6);
    expect(text).toMatch(/live features, bf16: .*\n(.*\n)*of the floor +[\d.]+/);
    expect((await run('decode', options)).text).toContain('2 rows, 64 tokens, bf16');
    const { report: gemm, text: products } = await run('gemm', options);
    expect(gemm).toMatchObject({ square: { side: 96 }, peer: null, precision: 'bf16' });
    expect(products).toMatch(/^96 x 96 x 96, bf16: [\d.]+ GFLOP\/s$/);
  });

  it('load reads its checkpoint back, and leaves neither tensors nor files', async () => {
    const before = tf.memory().numTensors;
    const files = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('reasvqa-load-'));
    const there = await files();
    for (const precision of ['f32', 'bf16'] as const) {
      if (precision === 'bf16' && !lib.device()) continue;
      const { report, text } = await run('load', { precision });
      expect(report.bytes).toBeGreaterThan(9e4);
      expect(report.bytesPerSecond * report.seconds).toBeCloseTo(report.bytes, 3);
      expect(text).toContain(`kept as ${precision}`);
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(await files()).toEqual(there);
  });
});

const PEER = `console.log('{"ready": true, "name": "fake"}');
require('readline').createInterface({ input: process.stdin })
  .on('line', () => console.log('{"ms": 1e6, "maxResident": 4e8}'));`;

describe('peers', () => {
  it('are compared when PEER_PYTHON names one', async () => {
    const env = { ...process.env, PEER_PYTHON: await program('peer', PEER) };
    for (const bench of ['train-step', 'decode']) {
      const { report, text } = await run(bench, { peer: true }, { env });
      expect(report.peer).toMatchObject({ name: 'fake', ms: 1e6 });
      expect(report.peer.ratio.median).toBeGreaterThan(100);
      expect(text).toMatch(/fake: 1000000\.0 ms; ours is [\d.]+ times as fast \(median of 2 pairs/);
    }
  });

  it('are told what to measure: precision, the GPU, the side of the square', async () => {
    const told = await program('told', PEER.replace('"fake"', '"\' + process.argv.slice(2).join(" ") + \'"'));
    const env = { ...process.env, PEER_PYTHON: told };
    const asked = (bench: string, options: Partial<BenchOptions>, more: object = {}) =>
      run(bench, { peer: true, ...options }, { env, ...more }).then(({ report }) => report.peer.name);
    expect(await asked('gemm', { size: 64, repeats: 1 })).toMatch(
      /^\S+pytorch\.py gemm --workload .* --precision f32 --size 64 --driven$/,
    );
    const gpu = { engine: { ...engine, name: 'native-cuda' } };
    expect(await asked('decode', { device: 3 }, gpu)).toMatch(/ decode .* --device cuda:3 --driven$/);
    expect(await asked('decode', {}, { ...gpu, env: { ...env, REASVQA_GPU: '2' } })).toContain(
      '--device cuda:2',
    );
  });

  it('are left out with a word when none is named', async () => {
    const { report, notes } = await run('decode', { peer: true });
    expect(report.peer).toBe(null);
    expect(notes.join()).toContain('set PEER_PYTHON');
    expect((await run('decode', { peer: false })).notes.join()).not.toContain('PEER_PYTHON');
  });

  it('that cannot start are the user to correct', async () => {
    const PEER_PYTHON = await program('without', `console.error("No module named 'peft'"); process.exit(1)`);
    const failure = run('decode', { peer: true }, { env: { ...process.env, PEER_PYTHON } });
    await expect(failure).rejects.toThrow(UsageError);
    await expect(failure).rejects.toThrow("No module named 'peft'");
  });
});

describe('hooks', () => {
  it('leave the engine and the addon as they were', () => {
    const engineBefore = Object.keys(tf.engine());
    const tape = watchTape(tf);
    const { grads, value } = tf.variableGrads(() => tf.sum(tf.square(weight)) as tf.Scalar, [weight]);
    tf.dispose([value, ...Object.values(grads)]);
    tape.stop();
    expect(tape.seen.forwardEnd).toBeGreaterThan(0);
    expect(Object.keys(tf.engine())).toEqual(engineBefore);
  });

  it('time each function of the addon', () => {
    const addon = { twice: (x: number) => 2 * x, isa: () => 'x', params: 3, idle: () => 0 };
    const before = { ...addon };
    const watch = watchKernels(addon);
    expect([addon.twice(4), addon.twice(5), addon.isa()]).toEqual([8, 10, 'x']);
    watch.stop();
    expect(addon).toEqual(before);
    expect(watch.kernels).toEqual([{ name: 'twice', calls: 2, ms: expect.any(Number) }]);
  });

  let weight: tf.Variable;
  beforeAll(() => {
    weight = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
  });
});

describe('results', () => {
  const machine = { cpu: 'Intel(R) Xeon(R) CPU @ 2.20GHz', cores: 2 };
  const report = {
    date: '2026-01-31T10:00:00.000Z',
    bench: 'train-step',
    features: 'live',
    workload: 'my load',
  };

  it('have date, bench and machine in their name', () => {
    expect(resultName({ ...report, machine } as never)).toBe(
      '2026-01-31-train-step-live-my-load-intel-xeon-cpu-2-20ghz-2-cores.json',
    );
  });

  it('are whole files', async () => {
    const results = join(folder, 'results');
    const path = await saveResult(lib, results, { ...report, machine } as never);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject(report);
    expect(await readdir(results)).toHaveLength(1);
  });

  it('know how many cores others kept busy', async () => {
    const busy = (milliseconds: number) => {
      const end = performance.now() + milliseconds;
      while (performance.now() < end);
    };
    const others = watchOthers();
    busy(400);
    const ownWork = others(0);
    // A second core is spoken for when its work is a child's.
    const child = spawn(process.execPath, ['-e', `const end = Date.now() + 600; while (Date.now() < end);`]);
    const withChild = watchOthers();
    await new Promise((resolve) => child.on('close', resolve));
    const counted = withChild(0);
    expect(counted).toBeGreaterThan(0.1);
    expect(others(0.6)).toBeLessThan(others(0));
    expect(ownWork).toBeGreaterThanOrEqual(0);
  });

  it('of growth compare the median of ten steps with that of the last ten', () => {
    const steps = Float64Array.from({ length: 300 }, (_, i) => (i < 100 ? 100 : 102));
    // A spike of the garbage collector.
    steps[299] = 500;
    expect(growthOf(steps)).toEqual({ from: 100, steps: 300, start: 100, end: 102, percent: 2 });
  });
});
