/** Training for a few steps on one batch, dropout on: the loss must fall, or the bench fails. */
import { median } from './statistics.mjs';
import { TrainingStep } from './trainStep.mjs';

const STEPS = 50;
/** Means of this many steps at either end are compared: dropout alone moves a step's loss by several percent. */
const WINDOW = 5;
/**
 * Ten times the recipes' rate. With theirs, 50 steps lower the loss of tiny.json by less than dropout moves it (seed 1:
 * 4.631 to 4.634); with this one by 0.4 to 0.6 on each of three seeds.
 */
const LEARNING_RATE = 3e-4;

/** @param {import('./index.mjs').BenchRun} run @param {import('./workload.mjs').Workload} workload */
export async function benchLearn({ lib, options, note }, workload) {
  const { features, recompute, precision, steps = STEPS } = options;
  if (steps < 2 * WINDOW) {
    throw new lib.UsageError(
      `--steps ${steps}: learn compares the first ${WINDOW} with the last ${WINDOW} steps; use at least ${2 * WINDOW}`,
    );
  }
  const training = new TrainingStep(lib, workload, {
    features,
    recompute,
    precision,
    learningRate: LEARNING_RATE,
  });
  try {
    lib.resetFallbackCounts();
    note(`${steps} steps on one batch`);
    const runs = Array.from({ length: steps }, () => training.run());
    return {
      features,
      precision,
      learningRate: LEARNING_RATE,
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
