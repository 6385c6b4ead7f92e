/** Training for a few steps on one batch, dropout on: the loss must fall, or the bench fails. */
import { median } from './statistics.mjs';
import { TrainingStep } from './trainStep.mjs';

const STEPS = 50;
/**
 * Means of this many steps at either end are compared, the last ones under the dropout masks of the first ones: fresh
 * masks alone move the mean of five steps of tiny.json by up to 0.27 of 4.7, and nothing learned would pass as learning.
 */
const WINDOW = 5;

/** @param {import('./index.mjs').BenchRun} run @param {import('./workload.mjs').Workload} workload */
export async function benchLearn({ lib, options, note }, workload) {
  const { features, recompute, precision, steps = STEPS } = options;
  if (steps < 2 * WINDOW) {
    throw new lib.UsageError(
      `--steps ${steps}: learn compares the first ${WINDOW} with the last ${WINDOW} steps; use at least ${2 * WINDOW}`,
    );
  }
  const training = await TrainingStep.open(lib, workload, { features, recompute, precision });
  try {
    lib.resetFallbackCounts();
    note(`${steps} steps on one batch`);
    const runs = Array.from({ length: steps }, (_, i) => {
      training.step = i < steps - WINDOW ? i : i - (steps - WINDOW);
      return training.run();
    });
    return {
      features,
      precision,
      steps,
      ms: median(runs.map(({ times }) => times.total)),
      ...fallOf(runs.map(({ loss }) => loss)),
      fallbacks: lib.fallbackCounts(),
    };
  } finally {
    training.dispose();
  }
}

/**
 * How the loss fell.
 *
 * @param {number[]} losses of at least two windows of steps
 * @throws Error when a loss is not finite, or the last ones are not below the first ones
 */
export function fallOf(losses) {
  const bad = losses.findIndex((loss) => !Number.isFinite(loss));
  if (bad >= 0) throw new Error(`learn: the loss of step ${bad + 1} of ${losses.length} is ${losses[bad]}`);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const firstMean = mean(losses.slice(0, WINDOW));
  const lastMean = mean(losses.slice(-WINDOW));
  if (!(lastMean < firstMean)) {
    throw new Error(
      `learn: the loss does not fall: ${firstMean} over the first ${WINDOW} of ${losses.length} steps, ${lastMean} over the last ${WINDOW}; try --engine native-cpu, which tells the engine from the workload`,
    );
  }
  return {
    firstLoss: losses[0],
    lastLoss: losses.at(-1),
    firstMean,
    lastMean,
    losses: losses.flatMap((loss, i) => ((i + 1) % 5 === 0 ? [{ step: i + 1, loss }] : [])),
  };
}
