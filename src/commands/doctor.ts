import type { Command } from 'commander';
import type { CudaInfo } from '../engine/native/addon.js';
import type { EngineReport } from '../engine/report.js';
import { messageOf } from '../errors.js';
import { type EngineChoice, engineOptions, type Io, print, printJson, table, withEngine } from './io.js';

export function addDoctor(program: Command, io: Io): void {
  withEngine(program.command('doctor'))
    .summary('say which engine runs here and what is missing')
    .description(
      'Starts the engine and prints what it runs on, versions, memory, and what is missing with how to get it. The exit code is 0 when an engine runs.',
    )
    .option('--json', 'print the report as JSON (default: off)')
    .action((options: EngineChoice & { json?: boolean }) => doctor(io, options));
}

async function doctor(io: Io, options: EngineChoice & { json?: boolean }): Promise<void> {
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

function reportTable({
  engine,
  addon,
  cpu,
  gpu,
  memory,
  versions,
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
    ...Object.entries(tools).map(([name, version]): [string, string] => [name, version ?? 'not found']),
    ...missing.map(({ what, effect, how }): [string, string] => ['missing', `${what}: ${effect}; ${how}`]),
  ];
  return table(rows);
}
