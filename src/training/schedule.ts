/** The schedule of the learning rate over a run. */
export interface ScheduleSettings {
  schedule: 'cosine-epoch' | 'cosine-step' | 'constant';
  learningRate: number;
  minLearningRate: number;
  warmupSteps: number;
  warmupLearningRate: number;
}

/**
 * Learning rate of one optimizer step.
 *
 * `cosine-epoch` is LAVIS's LinearWarmupCosineLRScheduler (common/optims.py): linear warm-up within epoch 0, then
 * constant; from epoch 1 the cosine of epoch / epochs, constant within an epoch. Unlike LAVIS, a warm-up longer than
 * epoch 0 goes on instead of jumping. `cosine-step` warms up the same way, then follows the cosine by steps.
 * `constant` only warms up.
 *
 * @param step 0-based optimizer step of the whole run.
 */
export function learningRateAt(
  settings: ScheduleSettings,
  step: number,
  stepsPerEpoch: number,
  epochs: number,
): number {
  const { learningRate: peak, minLearningRate: floor, warmupSteps } = settings;
  if (step < warmupSteps) {
    const start = settings.warmupLearningRate;
    return Math.min(peak, start + ((peak - start) * step) / warmupSteps);
  }
  if (settings.schedule === 'constant') return peak;
  const progress =
    settings.schedule === 'cosine-epoch'
      ? Math.floor(step / stepsPerEpoch) / epochs
      : (step - warmupSteps) / Math.max(1, epochs * stepsPerEpoch - warmupSteps);
  return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)));
}
