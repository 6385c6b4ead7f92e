/** Evaluation after an epoch (eval.everyEpochs): what it scores on the validation split chooses the best checkpoint. */

import { writeFileAtomic } from '../base/files.js';
import { createProgress, say } from '../base/progress.js';
import { evaluateTogether, type SplitEvaluation } from '../evaluation/split.js';
import { meritText, scalarsOf } from '../evaluation/splitScore.js';
import { keepCheckpoints } from './run/checkpoint.js';
import { bestOf, readEvaluations } from './run/folder.js';
import { attempt, type Cohort, going, interrupted, type Run } from './run.js';

/** Evaluates each run after the epoch that it has just completed, unless that is done; videos are read once for all. */
export async function finishEvaluations(cohort: Cohort): Promise<void> {
  const due: Run[] = [];
  for (const run of going(cohort)) if (await attempt(run, () => isDue(run))) due.push(run);
  if (due.length === 0) return;
  const { split } = due[0]!.validation!;
  const { label, signal } = cohort;
  const progress = label
    ? createProgress({
        label: `${label} evaluation ${due[0]!.state.epoch}`,
        total: split.samples.length,
        unit: 'questions',
      })
    : undefined;
  const evaluations = await evaluateTogether(
    due.map(({ validation }) => validation!.evaluator),
    split.samples,
    {
      onProgress: (done) => {
        progress?.tick(done);
        if (signal?.aborted) throw interrupted(cohort);
      },
      onNotice: (line) => label && say(`${label}: ${line}`),
      learned: [...due[0]!.samples.values()],
    },
  );
  progress?.done(evaluations.map(({ scores }) => meritText(scores!)).join('; '));
  for (const [i, run] of due.entries()) await attempt(run, () => record(run, evaluations[i]!));
}

async function isDue({ state, paths, validation, config, untilEpoch }: Run): Promise<boolean> {
  const epoch = state.epoch - 1;
  if (!validation || state.batch > 0 || epoch < 0) return false;
  if (state.epoch % config.eval.everyEpochs > 0 && state.epoch < untilEpoch) return false;
  return !(await readEvaluations(paths)).some((e) => e.epoch === epoch);
}

async function record(run: Run, { predictions, skipped, scores }: SplitEvaluation): Promise<void> {
  const { paths, state, metrics } = run;
  const epoch = state.epoch - 1;
  const lines = predictions.map((prediction) => `${JSON.stringify(prediction)}\n`);
  await writeFileAtomic(paths.predictionsOf(epoch), lines.join(''));
  metrics.scalar(state.step, { epoch, ...scalarsOf(scores!) });
  const evaluations = [...(await readEvaluations(paths)), { epoch, step: state.step, ...scores!, skipped }];
  await writeFileAtomic(paths.evaluations, `${JSON.stringify(evaluations, null, 2)}\n`);
  await keepCheckpoints(paths.checkpoints, [bestOf(evaluations)!.step, state.step]);
}

/** Says once how many texts were cut to their limit. */
export function tellCuts({ label, builder }: Pick<Run, 'label' | 'builder'>): void {
  const line = label && builder.cutNotice();
  if (line) say(`${label}: ${line}`);
}
