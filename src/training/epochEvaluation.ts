/** Evaluation after an epoch: accuracy on the validation split chooses the best checkpoint. */

import { writeFileAtomic } from '../base/files.js';
import { createProgress, say } from '../base/progress.js';
import type { BatchBuilder } from '../batches/batch.js';
import { evaluateSplit } from '../evaluation/split.js';
import { keepCheckpoints } from './run/checkpoint.js';
import { bestOf, readEvaluations } from './run/folder.js';
import { interrupted, type Run } from './run.js';

/** Evaluates the epoch that the state has just completed, unless that is done. */
export async function finishEvaluation(run: Run): Promise<void> {
  const { state, paths, validation, label, metrics } = run;
  const epoch = state.epoch - 1;
  const earlier = await readEvaluations(paths);
  if (!validation || state.batch > 0 || epoch < 0 || earlier.some((e) => e.epoch === epoch)) return;
  const { evaluator, split } = validation;
  const progress = label
    ? createProgress({
        label: `${label} evaluation ${epoch + 1}`,
        total: split.samples.length,
        unit: 'questions',
      })
    : undefined;
  const { predictions, skipped, score } = await evaluateSplit(evaluator, split.samples, {
    onProgress: (done) => {
      progress?.tick(done);
      if (run.signal?.aborted) throw interrupted(run);
    },
    onNotice: (line) => label && say(`${label}: ${line}`),
  });
  progress?.done(`accuracy ${score!.total.accuracy.toFixed(2)} %`);
  const lines = predictions.map((prediction) => `${JSON.stringify(prediction)}\n`);
  await writeFileAtomic(paths.predictionsOf(epoch), lines.join(''));
  metrics.scalar(state.step, { epoch, 'val/accuracy': score!.total.accuracy });
  const evaluations = [...earlier, { epoch, step: state.step, score: score!, skipped }];
  await writeFileAtomic(paths.evaluations, `${JSON.stringify(evaluations, null, 2)}\n`);
  await keepCheckpoints(paths.checkpoints, [bestOf(evaluations)!.step, state.step]);
}

/** Says once how many texts were cut to their limit. */
export function tellCuts({ label }: Pick<Run, 'label'>, builder: BatchBuilder): void {
  const line = label && builder.cutNotice();
  if (line) say(`${label}: ${line}`);
}
