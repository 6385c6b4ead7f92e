/** The learning rate over a run. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { learningRateAt, type ScheduleSettings } from '../../src/training/schedule.js';

const PAPER: ScheduleSettings = {
  schedule: 'cosine-epoch',
  learningRate: 3e-5,
  minLearningRate: 0,
  warmupSteps: 1000,
  warmupLearningRate: 1e-8,
};

/** LAVIS's LinearWarmupCosineLRScheduler, restated: epoch 0 warms up linearly, later epochs follow the cosine. */
function lavis(settings: ScheduleSettings, epoch: number, stepInEpoch: number, epochs: number): number {
  const { learningRate: peak, minLearningRate: floor, warmupSteps, warmupLearningRate: start } = settings;
  if (epoch === 0) return Math.min(peak, start + ((peak - start) * stepInEpoch) / Math.max(warmupSteps, 1));
  return (peak - floor) * 0.5 * (1 + Math.cos((Math.PI * epoch) / epochs)) + floor;
}

describe('the learning rate', () => {
  it("is LAVIS's for the paper's recipe and for random ones", () => {
    const rng = new Rng('schedule');
    for (let round = 0; round < 100; round++) {
      const epochs = 1 + rng.int(12);
      const stepsPerEpoch = 1 + rng.int(2000);
      const settings: ScheduleSettings =
        round === 0
          ? PAPER
          : {
              schedule: 'cosine-epoch',
              learningRate: rng.float() + 0.1,
              minLearningRate: rng.float() * 0.1,
              // LAVIS divides by max(steps, 1): without warm-up it begins at the start rate for one step.
              warmupSteps: 1 + rng.int(stepsPerEpoch),
              warmupLearningRate: rng.float() * 0.1,
            };
      const perEpoch = round === 0 ? 4266 : stepsPerEpoch;
      for (let probe = 0; probe < 50; probe++) {
        const [epoch, step] = [rng.int(epochs), rng.int(perEpoch)];
        const actual = learningRateAt(settings, epoch * perEpoch + step, perEpoch, epochs);
        expect(actual).toBeCloseTo(lavis(settings, epoch, step, epochs), 12);
      }
    }
  });

  it('begins at the warm-up rate and reaches the peak after exactly the warm-up', () => {
    expect(learningRateAt(PAPER, 0, 4266, 10)).toBe(1e-8);
    expect(learningRateAt(PAPER, 500, 4266, 10)).toBeCloseTo((1e-8 + 3e-5) / 2, 12);
    expect(learningRateAt(PAPER, 999, 4266, 10)).toBeLessThan(3e-5);
    expect(learningRateAt(PAPER, 1000, 4266, 10)).toBe(3e-5);
    expect(learningRateAt(PAPER, 4265, 4266, 10)).toBe(3e-5);
    expect(learningRateAt(PAPER, 4266, 4266, 10)).toBeCloseTo(3e-5 * 0.5 * (1 + Math.cos(Math.PI / 10)), 12);
  });

  it('continues to warm up when the warm-up is longer than an epoch', () => {
    const rates = Array.from({ length: 1000 }, (_, step) => learningRateAt(PAPER, step, 100, 20));
    expect(rates).toEqual([...rates].sort((a, b) => a - b));
    expect(rates[999]).toBeCloseTo(3e-5 * 0.999, 8);
    expect(learningRateAt(PAPER, 1000, 100, 20)).toBeCloseTo(1.5e-5, 12);
  });

  it('is the peak at once without warm-up', () => {
    for (const schedule of ['cosine-epoch', 'cosine-step', 'constant'] as const)
      expect(learningRateAt({ ...PAPER, schedule, warmupSteps: 0 }, 0, 10, 3)).toBe(3e-5);
  });

  it('falls at every step of cosine-step, from the peak towards the floor', () => {
    const settings: ScheduleSettings = {
      ...PAPER,
      schedule: 'cosine-step',
      warmupSteps: 7,
      minLearningRate: 1e-6,
    };
    const rates = Array.from({ length: 60 }, (_, step) => learningRateAt(settings, step, 20, 3));
    expect(rates[7]).toBe(3e-5);
    for (let step = 8; step < 60; step++) expect(rates[step]!).toBeLessThan(rates[step - 1]!);
    expect(rates[59]!).toBeGreaterThan(1e-6);
    expect(learningRateAt(settings, 60, 20, 3)).toBeCloseTo(1e-6, 15);
    expect(learningRateAt(settings, 1000, 20, 3)).toBeCloseTo(1e-6, 15);
  });

  it('stays at the peak when constant', () => {
    const settings: ScheduleSettings = { ...PAPER, schedule: 'constant', warmupSteps: 3 };
    expect(Array.from({ length: 5 }, (_, i) => learningRateAt(settings, 3 + 50 * i, 5, 2))).toEqual(
      Array(5).fill(3e-5),
    );
  });

  it('never leaves [0, peak] and is never NaN, whatever the lengths', () => {
    const rng = new Rng('edges');
    for (let round = 0; round < 500; round++) {
      const settings: ScheduleSettings = {
        schedule: rng.pick(['cosine-epoch', 'cosine-step', 'constant'] as const),
        learningRate: 1,
        minLearningRate: rng.float(),
        warmupSteps: rng.int(30),
        warmupLearningRate: rng.float(),
      };
      const rate = learningRateAt(settings, rng.int(60), 1 + rng.int(10), 1 + rng.int(4));
      expect(rate).toBeGreaterThanOrEqual(0);
      expect(rate).toBeLessThanOrEqual(1);
    }
  });
});
