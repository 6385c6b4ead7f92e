/** `reasvqa bench`: speed and memory of this machine. */
import { Argument, type Command, Option } from 'commander';
import { givenOrOwn } from '../base/packageFiles.js';
import type { EngineInfo } from '../engine/engine.js';
import type { CpuDevice, NativeDevice } from '../engine/native/addon.js';
import type { Recompute } from '../model/context.js';
import {
  type EngineChoice,
  fromCwd,
  type Io,
  integer,
  note,
  print,
  printJson,
  startEngine,
  withEngine,
} from './io.js';

/** What the benches (bench/speed, outside src) use of the library. */
export interface BenchLibrary {
  tf: typeof import('@tensorflow/tfjs-core');
  ops: typeof import('../ops/index.js');
  /** The native device that computes. */
  device(): NativeDevice | undefined;
  /** The native device when it is the CPU. */
  cpu(): CpuDevice | undefined;
  fallbackCounts: typeof import('../engine/native/fallback.js').fallbackCounts;
  resetFallbackCounts: typeof import('../engine/native/fallback.js').resetFallbackCounts;
  selectEngine: typeof import('../engine/engine.js').selectEngine;
  DataError: typeof import('../base/errors.js').DataError;
  UsageError: typeof import('../base/errors.js').UsageError;
  writeFileAtomic: typeof import('../base/files.js').writeFileAtomic;
  addAdapter: typeof import('../model/adapter.js').addAdapter;
  inferenceContext: typeof import('../model/context.js').inferenceContext;
  kindOf: typeof import('../model/registry.js').kindOf;
  selectTrainable: typeof import('../model/trainable.js').selectTrainable;
  Rng: typeof import('../base/random.js').Rng;
  bf16Parameters: typeof import('../model/precision.js').bf16Parameters;
  requirePrecision: typeof import('../model/precision.js').requirePrecision;
  withHalfProducts: typeof import('../ops/bf16.js').withHalfProducts;
  trainingContext: typeof import('../model/context.js').trainingContext;
  loadStudent: typeof import('../model/load.js').loadStudent;
  saveStudent: typeof import('../model/load.js').saveStudent;
  gradients: typeof import('../training/gradients.js').gradients;
  AdamW: typeof import('../training/optimizer.js').AdamW;
  readJson: typeof import('../weights/config.js').readJson;
}

export interface BenchOptions extends EngineChoice {
  workload: string;
  features: 'live' | 'cached';
  repeats: number;
  warmup: number;
  /** The bench's own number of steps unless given. */
  steps?: number;
  precision: 'f32' | 'bf16';
  /** Side of the large square product. */
  size?: number;
  recompute?: Recompute;
  verify?: boolean;
  kernels?: boolean;
  peer: boolean;
  save?: boolean;
  json?: boolean;
}

/** bench/speed/index.mjs */
interface BenchModule {
  runBench(given: {
    lib: BenchLibrary;
    name: string;
    options: BenchOptions;
    engine: EngineInfo;
    env: NodeJS.ProcessEnv;
    results: string;
    note: (line: string) => void;
  }): Promise<{ report: unknown; text: string }>;
}

const BENCHES = ['gemm', 'ops', 'train-step', 'decode', 'learn', 'load', 'memory'];

export function addBench(program: Command, io: Io): void {
  withEngine(program.command('bench'))
    .summary('measure speed and memory here')
    .description(
      'Measures the engine on the sizes of a workload file: gemm (matrix products), ops (overhead of small operations), train-step, decode (greedy, 64 tokens), learn (the loss of one batch, which must fall), load (reading a checkpoint), memory (peak and growth). With PEER_PYTHON set to a Python that has torch, transformers and peft, gemm, train-step, decode and memory also measure PyTorch on the same workload, pair by pair.',
    )
    .addArgument(new Argument('<bench>', 'what to measure').choices(BENCHES))
    .requiredOption(
      '--workload <file>',
      'workload file, for example bench/speed/workloads/small.json (required)',
    )
    .addOption(
      new Option(
        '--features <kind>',
        'live runs the vision model in every step, cached reads its kept features',
      )
        .choices(['live', 'cached'])
        .default('live'),
    )
    .option('--repeats <n>', 'measured runs; the median is reported', integer(1), 11)
    .option('--warmup <n>', 'runs before the measured ones', integer(0), 3)
    .option(
      '--steps <n>',
      'training steps of learn (default: 50) and of the growth that memory measures (default: 2000)',
      integer(1),
    )
    .addOption(
      new Option(
        '--precision <kind>',
        'precision of the frozen weights, and of the whole PyTorch peer; bf16 needs an engine that has it',
      )
        .choices(['f32', 'bf16'])
        .default('f32'),
    )
    .option('--size <n>', 'side of the large square product (default: 1024, on a fast GPU 8192)', integer(1))
    .addOption(
      new Option(
        '--recompute [part]',
        'gradient checkpointing as train.recompute has it: all blocks, or the light selection (default: off)',
      ).choices(['light']),
    )
    .option('--verify', "compare train-step's loss with that of the composed forms (default: off)")
    .option('--kernels', 'add the time inside each native function to train-step and decode (default: off)')
    .option('--no-peer', 'do not run PyTorch even when PEER_PYTHON is set (default: run it)')
    .option('--save', 'write the report to bench/speed/results of this folder (default: off)')
    .option('--json', 'print the report as JSON (default: off)')
    .action(async (name: string, given: BenchOptions) => {
      const options = { ...given, workload: givenOrOwn(io.cwd, given.workload) };
      const engine = await startEngine(io, options);
      // Outside src, since it is no part of the library: found beside dist.
      const url = new URL('../../bench/speed/index.mjs', import.meta.url);
      const { runBench } = (await import(url.href)) as BenchModule;
      const say = (line: string) => note(io, line);
      const lib = await loadLibrary();
      const { report, text } = await runBench({
        ...{ lib, name, options, engine, env: io.env, note: say },
        results: fromCwd(io, 'bench/speed/results'),
      });
      if (options.json) printJson(io, report);
      else print(io, text);
    });
}

/** The modules that the benches measure. */
export async function loadLibrary(): Promise<BenchLibrary> {
  const { currentDevice, currentEngine, selectEngine } = await import('../engine/engine.js');
  const { nativeDevice } = await import('../engine/native/load.js');
  const { fallbackCounts, resetFallbackCounts } = await import('../engine/native/fallback.js');
  const { DataError, UsageError } = await import('../base/errors.js');
  return {
    tf: await import('@tensorflow/tfjs-core'),
    ops: await import('../ops/index.js'),
    device: currentDevice,
    cpu: () => (currentEngine()?.name === 'native-cpu' ? nativeDevice() : undefined),
    fallbackCounts,
    resetFallbackCounts,
    selectEngine,
    DataError,
    UsageError,
    writeFileAtomic: (await import('../base/files.js')).writeFileAtomic,
    addAdapter: (await import('../model/adapter.js')).addAdapter,
    inferenceContext: (await import('../model/context.js')).inferenceContext,
    kindOf: (await import('../model/registry.js')).kindOf,
    selectTrainable: (await import('../model/trainable.js')).selectTrainable,
    Rng: (await import('../base/random.js')).Rng,
    bf16Parameters: (await import('../model/precision.js')).bf16Parameters,
    requirePrecision: (await import('../model/precision.js')).requirePrecision,
    withHalfProducts: (await import('../ops/bf16.js')).withHalfProducts,
    trainingContext: (await import('../model/context.js')).trainingContext,
    loadStudent: (await import('../model/load.js')).loadStudent,
    saveStudent: (await import('../model/load.js')).saveStudent,
    gradients: (await import('../training/gradients.js')).gradients,
    AdamW: (await import('../training/optimizer.js')).AdamW,
    readJson: (await import('../weights/config.js')).readJson,
  };
}
