/** result.json: written last, a run that has it is done. */
import { copyFile } from 'node:fs/promises';
import { writeFileAtomic } from '../base/files.js';
import { peakDeviceMemory } from '../engine/engine.js';
import { meritText } from '../evaluation/splitScore.js';
import { bestOf, identity, type RunResult, readEvaluations, readRunInfo } from './run/folder.js';
import type { Run } from './run.js';

/** Loads nothing: the best checkpoint stays on disk. Writes predictions.jsonl and, last, result.json. */
export async function writeResult({
  config,
  paths,
  state,
  optimizer,
  loader,
  metrics,
}: Run): Promise<RunResult> {
  const evaluations = await readEvaluations(paths);
  const best = bestOf(evaluations);
  if (best) await copyFile(paths.predictionsOf(best.epoch), paths.predictions);
  metrics.flush();
  const samples = config.train.epochs * loader.samplesPerEpoch;
  const { engine, sha256 } = await readRunInfo(paths);
  const result: RunResult = {
    bestEpoch: best?.epoch ?? config.train.epochs - 1,
    bestStep: best?.step ?? state.step,
    score: best?.score ?? null,
    last: evaluations.at(-1)?.score ?? null,
    ...(best?.tasks && { tasks: best.tasks }),
    ...(best?.direct && { direct: best.direct }),
    epochs: config.train.epochs,
    steps: state.step,
    seconds: state.seconds,
    samplesPerSecond: samples / state.seconds,
    ...peakMemory(),
    trainableParameters: optimizer.parameters.reduce((sum, p) => sum + p.size, 0),
    beta: config.train.mode === 'stl' ? 0 : config.train.beta,
    seed: config.train.seed,
    ...{ engine, sha256 },
    config: identity(config),
  };
  await writeFileAtomic(paths.result, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

function peakMemory(): Pick<RunResult, 'peakMemoryBytes' | 'peakGpuBytes'> {
  const gpu = peakDeviceMemory();
  // Node gives kilobytes.
  return {
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    ...(gpu === undefined ? {} : { peakGpuBytes: gpu }),
  };
}

export function describeResult({ score, tasks, bestEpoch, seconds, samplesPerSecond }: RunResult): string {
  const speed = `${seconds.toFixed(0)} s of training, ${samplesPerSecond.toFixed(1)} samples/s`;
  if (!score && !tasks) return `done, ${speed}`;
  return `best ${meritText({ score, tasks })} (epoch ${bestEpoch + 1}), ${speed}`;
}
