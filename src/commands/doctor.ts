/** `reasvqa doctor`: which engine runs here and what is missing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { EngineError, messageOf, UsageError } from '../base/errors.js';
import type { CudaInfo } from '../engine/native/addon.js';
import type { EngineReport } from '../engine/report.js';
import {
  type EngineChoice,
  engineOptions,
  fromCwd,
  type Io,
  print,
  printJson,
  table,
  withEngine,
} from './io.js';

export function addDoctor(program: Command, io: Io): void {
  withEngine(program.command('doctor'))
    .summary('say which engine runs here and what is missing')
    .description(
      'Starts the engine and prints what it runs on, versions, memory, and what is missing with how to get it. The exit code is 0 when an engine runs.',
    )
    .option('--json', 'print the report as JSON (default: off)')
    .addOption(
      new Option(
        '--fix <engine>',
        "first set the engine up: tensorflow (tools/setup-tensorflow.sh) installs TensorFlow.js's Node package and builds its binding (default: none)",
      ).choices(['tensorflow']),
    )
    .option(
      '--python <program>',
      'with --fix tensorflow: a Python that has tensorflow or tensorflow_cpu (default: none)',
    )
    .option(
      '--libtensorflow <folder>',
      'with --fix tensorflow: a folder with include and lib (default: none)',
    )
    .option('--gpu', 'with --fix tensorflow: install the GPU package (default: off)')
    .action((options: DoctorOptions) => doctor(io, options));
}

interface DoctorOptions extends EngineChoice {
  json?: boolean;
  fix?: 'tensorflow';
  python?: string;
  libtensorflow?: string;
  gpu?: boolean;
}

async function doctor(io: Io, options: DoctorOptions): Promise<void> {
  const { fix, python, libtensorflow, gpu } = options;
  if (fix) {
    await setUpTensorflow(io, options);
    // After a set-up the report is about the engine that was set up.
    if (options.engine === 'auto') options.engine = fix;
  } else if (python !== undefined || libtensorflow !== undefined || gpu)
    throw new UsageError('--python, --libtensorflow and --gpu belong to --fix tensorflow');
  const { selectEngine } = await import('../engine/engine.js');
  const { engineReport } = await import('../engine/report.js');
  // The report matters most when the engine cannot start, so it is printed first and the error follows.
  const failure = await selectEngine(
    options.engine as Parameters<typeof selectEngine>[0],
    engineOptions(options),
  ).then(
    () => undefined,
    (error: unknown) => error,
  );
  const report = engineReport();
  if (options.json) printJson(io, failure ? { ...report, error: messageOf(failure) } : report);
  else print(io, reportTable(report));
  if (failure) throw failure;
}

function gpuText(gpu: CudaInfo): string {
  const gibibytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  return (
    `${gpu.name} (${gpu.index} of ${gpu.count}), compute capability ${gpu.capability}, ` +
    `${gibibytes(gpu.freeMemory)} GiB free of ${gibibytes(gpu.totalMemory)}, driver for CUDA ${gpu.driver}, ` +
    `NVRTC ${gpu.nvrtc} (${gpu.nvrtcPath}), cuBLASLt ${gpu.cublasLt} (${gpu.cublasLtPath}), ` +
    `compiled kernels in ${gpu.kernelCache}`
  );
}

/** Runs tools/setup-tensorflow.sh, which says on stderr what it does and why it stops. */
async function setUpTensorflow(io: Io, { python, libtensorflow, gpu }: DoctorOptions): Promise<void> {
  const script = fileURLToPath(new URL('../../tools/setup-tensorflow.sh', import.meta.url));
  const given = [
    ...(python === undefined ? [] : ['--python', python.includes('/') ? fromCwd(io, python) : python]),
    ...(libtensorflow === undefined ? [] : ['--libtensorflow', fromCwd(io, libtensorflow)]),
    ...(gpu ? ['--gpu'] : []),
  ];
  const child = spawn(script, given, { env: io.env, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.setEncoding('utf8').on('data', (text: string) => io.stderr.write(text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return;
  const failed = '--fix tensorflow: not set up, for the reason above';
  throw code === 2 ? new UsageError(failed) : new EngineError(failed);
}

function reportTable({
  engine,
  addon,
  cpu,
  gpu,
  memory,
  versions,
  tensorflow,
  tools,
  kernels,
  missing,
}: EngineReport): string {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const rows: [string, string][] = [
    ['engine', engine?.description ?? 'none'],
    ...(engine?.reason ? [['passed over', engine.reason] as [string, string]] : []),
    ['addon', addon.loaded ? addon.path : `not loaded: ${addon.error}`],
    ['cpu', `${cpu.model}, ${cpu.cores} cores${cpu.instructionSet ? `, ${cpu.instructionSet}` : ''}`],
    ['gpu', gpu.found ? gpuText(gpu.found) : `none: ${gpu.missing}`],
    ['memory', `${gigabytes(memory.free)} free of ${gigabytes(memory.total)}`],
    ['versions', `Node ${versions.node}, TensorFlow.js ${versions.tfjs}, ${versions.platform}`],
    ['kernels', `${kernels.native.length} native`],
    [
      'tensorflow',
      tensorflow
        ? `${tensorflow.name} ${tensorflow.version} in ${tensorflow.folder}${tensorflow.built ? '' : ', without its binary'}`
        : 'not installed; reasvqa doctor --fix tensorflow sets it up',
    ],
    ...Object.entries(tools).map(([name, version]): [string, string] => [name, version ?? 'not found']),
    ...missing.map(({ what, effect, how }): [string, string] => ['missing', `${what}: ${effect}; ${how}`]),
  ];
  return table(rows);
}
