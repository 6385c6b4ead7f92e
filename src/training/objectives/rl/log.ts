/** What became of the completions of each batch: values for lines of metrics, and rules that end training. */

import { applies } from '../../../rewards/combine.js';
import type { Scored } from '../../../rewards/index.js';
import { meanOf, shareWithoutSpread } from './advantages.js';

/** The completions of one batch, those of a sample after each other. */
export interface Batch {
  group: number;
  scored: readonly Scored[];
  /** Tokens of each completion, the end included. */
  lengths: readonly number[];
  /** Whether each was cut at the largest length. */
  cut: readonly boolean[];
  /** Mean divergence from the reference; absent without one. */
  kl?: number | undefined;
  /** Mean -log p of the tokens. */
  entropy: number;
}

/** Batches that a checkpoint keeps: the last `line` of them came since the last line, the last `window` in the present window. */
export interface PendingBatches {
  batches: readonly Batch[];
  line: number;
  window: number;
  /** Of the window. */
  updates: number;
}

/** Updates over which the rules look. */
export const WINDOW = 20;

/** Where training ends: see the keys `train.rl.stop*`. */
export interface StopRules {
  stopNoSpread: number;
  stopKl: number;
  stopFormat: number;
}

/** Values of a metrics line by name. */
type Values = Record<string, number>;

export class BatchLog {
  private sinceLine: Batch[] = [];
  private sinceWindow: Batch[] = [];
  private updates = 0;

  constructor(private readonly rules: StopRules) {}

  add(batch: Batch): void {
    this.sinceLine.push(batch);
    this.sinceWindow.push(batch);
  }

  /** What came since the last line and in the present window, for a checkpoint. */
  pending(): PendingBatches {
    const { sinceLine, sinceWindow, updates } = this;
    // Both end with the last batch: the shorter one is the end of the longer.
    const batches = sinceLine.length > sinceWindow.length ? sinceLine : sinceWindow;
    return { batches, line: sinceLine.length, window: sinceWindow.length, updates };
  }

  /** Goes on from what a checkpoint kept. */
  restore({ batches, line, window, updates }: PendingBatches): void {
    const last = (count: number) => batches.slice(batches.length - count);
    [this.sinceLine, this.sinceWindow, this.updates] = [last(line), last(window), updates];
  }

  /** Means over the batches since the last call. */
  take(): Values {
    const values = valuesOf(this.sinceLine);
    this.sinceLine = [];
    return values;
  }

  /**
   * Counts an update. Windows end at multiples of 20 updates and are judged when all of them were seen: a run that a checkpoint
   * without {@link pending} continues in the middle of one does not judge it.
   *
   * @returns why training should not go on
   */
  update(step: number): string | undefined {
    this.updates++;
    if (step % WINDOW !== 0) return undefined;
    const reason = this.updates < WINDOW ? undefined : reasonToStop(valuesOf(this.sinceWindow), this.rules);
    this.updates = 0;
    this.sinceWindow = [];
    return reason;
  }
}

/** Values of some batches; a reward that applied to no completion is absent. */
export function valuesOf(batches: readonly Batch[]): Values {
  if (batches.length === 0) return {};
  const scored = batches.flatMap((batch) => batch.scored);
  const lengths = batches.flatMap((batch) => batch.lengths);
  const mean = (name: string, values: readonly (number | null | undefined)[]): Values => {
    const known = values.filter((value): value is number => applies(value));
    return known.length > 0 ? { [`rl/${name}`]: meanOf(known) } : {};
  };
  const rewards = scored.map(({ reward }) => reward);
  const names = Object.keys(scored[0]?.values ?? {});
  return {
    ...mean('reward', rewards),
    ...Object.assign(
      {},
      ...names.map((name) =>
        mean(
          `reward_${name}`,
          scored.map(({ values }) => values[name]),
        ),
      ),
    ),
    ...mean(
      'unrewarded',
      rewards.map((reward) => (applies(reward) ? 0 : 1)),
    ),
    ...mean(
      'no_spread',
      batches.map((batch) =>
        shareWithoutSpread(
          batch.scored.map(({ reward }) => reward),
          batch.group,
        ),
      ),
    ),
    ...mean(
      'kl',
      batches.map(({ kl }) => kl),
    ),
    ...mean(
      'entropy',
      batches.map(({ entropy }) => entropy),
    ),
    ...mean('length', lengths),
    'rl/length_min': Math.min(...lengths),
    'rl/length_max': Math.max(...lengths),
    ...mean(
      'cut',
      batches.flatMap(({ cut }) => cut.map(Number)),
    ),
  };
}

/** Why training should end, from the values of a window. */
export function reasonToStop(
  values: Values,
  { stopNoSpread, stopKl, stopFormat }: StopRules,
): string | undefined {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const over = `over the last ${WINDOW} updates`;
  const { 'rl/no_spread': noSpread, 'rl/kl': kl, 'rl/reward_format': form } = values;
  if (noSpread !== undefined && noSpread > stopNoSpread) {
    const unrewarded = values['rl/unrewarded'] ?? 0;
    const reward = values['rl/reward'];
    const detail = [
      ...(reward === undefined ? [] : [`the mean reward is ${reward.toFixed(3)}`]),
      ...(unrewarded > 0 ? [`no reward applies to ${percent(unrewarded)} of the completions`] : []),
    ];
    return `${percent(noSpread)} of the groups have equal rewards ${over} (${detail.join(', ')}), so nearly nothing is learned; give it samples that are neither solved nor hopeless, or raise train.rl.stopNoSpread from ${stopNoSpread}`;
  }
  if (kl !== undefined && stopKl > 0 && kl > stopKl)
    return `the KL divergence from the student as training began is ${kl.toFixed(3)} ${over}; lower train.learningRate, raise train.rl.beta, or raise train.rl.stopKl from ${stopKl}`;
  if (form !== undefined && form < stopFormat)
    return `${percent(form)} of the completions have the format ${over}; teach the format with train.mode stl first, raise train.rl.rewards.format, or lower train.rl.stopFormat from ${stopFormat}`;
  return undefined;
}
