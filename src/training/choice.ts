/** The samples that a run learns from, where its objective chooses among them before the first step. */
import { createHash } from 'node:crypto';
import { stopIfAborted } from '../base/errors.js';
import { createProgress, type Progress, say } from '../base/progress.js';
import { disposeVisual } from '../batches/batch.js';
import type { ClipThreads } from '../batches/clipThreads.js';
import type { Split } from '../batches/split.js';
import { cueTokens } from './cues.js';
import { objectiveOf } from './objectives/index.js';
import type { Candidates, Choice } from './objectives/objective.js';
import { resumption } from './run/folder.js';
import { fileHashes } from './run/provenance.js';
import type { TrainRequest } from './run.js';
import { attachTrial, type Base, openBuilder, type Trial } from './trial.js';

/**
 * Has the objective of a run choose. It sees a student of its own, as training begins: whatever it does there changes nothing
 * of the run.
 *
 * @throws Interrupted when the signal fires; what was found so far is kept
 */
export async function chooseSamples(
  { config, folder, label, signal }: TrainRequest,
  split: Split,
  base: Base,
  clips: ClipThreads,
): Promise<Choice> {
  const { tokenizer } = base;
  const objective = objectiveOf({ config, tokenizer, cues: cueTokens(config, tokenizer) });
  const onNotice = (line: string) => label && say(`${label}: ${line}`);
  let progress: Progress | undefined;
  let trial: Trial | undefined;
  const asked = async () => {
    trial = await attachTrial(base, config);
    const reading = { clips: clips.read, stored: clips.readStored };
    const options = { runFolder: folder, onWarning: onNotice, training: false, ...reading };
    return { student: trial.student, builder: openBuilder(trial, config, split, options) };
  };
  let opened: ReturnType<typeof asked> | undefined;
  const show: Candidates['show'] = async (chosen, use) => {
    opened ??= asked();
    const { student, builder } = await opened;
    const host = await builder.prepare(chosen);
    if (host.samples.length === 0) return undefined;
    const input = builder.input(host);
    try {
      return await use({ student, input, builder, samples: host.samples });
    } finally {
      disposeVisual(input);
    }
  };
  try {
    const { samples } = split;
    const chosen = await objective.choose?.({
      ...{ samples, folder, show, onNotice, origin: await originOf(config) },
      onProgress: (done, total) => {
        if (label) progress ??= createProgress({ label: `${label} survey`, total, unit: 'prompts' });
        progress?.tick(done);
        if (signal) stopIfAborted(signal, `${folder}: survey`);
      },
    });
    return chosen ?? { samples, metrics: {} };
  } finally {
    progress?.done();
    trial?.dispose();
    objective.dispose?.();
  }
}

/** Hash of all that what a student writes follows from. */
async function originOf(config: TrainRequest['config']): Promise<string> {
  const origin = [resumption(config), await fileHashes(config)];
  return createHash('sha256').update(JSON.stringify(origin)).digest('hex');
}
