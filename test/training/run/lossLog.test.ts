/** The log of losses. */
import { describe, expect, it } from 'vitest';
import { ReasVqaError } from '../../../src/base/errors.js';
import type { PendingLosses } from '../../../src/training/gradients.js';
import type { LossValues } from '../../../src/training/objectives/objective.js';
import { LossLog, MOST_UNREAD } from '../../../src/training/run/lossLog.js';

/** Losses that note in `events` what happens to them. */
function pending(values: LossValues, events: string[]): PendingLosses {
  return {
    read: () => {
      events.push(`read ${values.loss}`);
      return values;
    },
    dispose: () => events.push(`dispose ${values.loss}`),
  };
}

const place = (step: number) => ({ step, epoch: 1, samples: [`clip_${step}`, 'other'] });
const of = (loss: number, reasoning?: number): LossValues => ({
  loss,
  parts: { qa: loss / 2, ...(reasoning === undefined ? {} : { reasoning }) },
});

describe('the log of losses', () => {
  it('reads nothing before somebody asks, and everything once', () => {
    const events: string[] = [];
    const log = new LossLog();
    log.add(pending(of(2, 5), events), place(1));
    log.add(pending(of(4), events), place(2));
    expect(log.last).toBeUndefined();
    expect(events).toEqual([]);
    log.settle();
    log.add(pending(of(6), events), place(3));
    expect(events).toEqual(['read 2', 'read 4']);
    expect(log.take()).toEqual({ loss: 4, parts: { qa: 2, reasoning: 5 } });
    expect(events).toEqual(['read 2', 'read 4', 'read 6']);
    expect(log.last).toEqual({ loss: 4, parts: { qa: 2, reasoning: 5 } });
  });

  it('reads by itself when many wait', () => {
    const events: string[] = [];
    const log = new LossLog();
    for (let i = 0; i < MOST_UNREAD; i++) log.add(pending(of(i), events), place(i));
    expect(events).toEqual([]);
    log.add(pending(of(MOST_UNREAD), events), place(MOST_UNREAD));
    expect(events).toHaveLength(MOST_UNREAD + 1);
    expect(log.take().loss).toBe(MOST_UNREAD / 2);
    expect(events).toHaveLength(MOST_UNREAD + 1);
  });

  it('begins anew after each line, without the task that no batch had', () => {
    const log = new LossLog();
    log.add(pending(of(2, 5), []), place(1));
    log.take();
    log.add(pending(of(8), []), place(2));
    expect(log.take()).toEqual({ loss: 8, parts: { qa: 4 } });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'stops at %d with the step, the epoch and the samples of the batch that had it',
    (loss) => {
      const events: string[] = [];
      const log = new LossLog();
      log.add(pending(of(1), events), place(1));
      log.add(pending(of(loss), events), place(2));
      log.add(pending(of(3), events), place(3));
      expect(() => log.take()).toThrow(
        new ReasVqaError(
          `loss is ${loss} at step 2 (epoch 1), samples clip_2, other; nothing of this step was saved; lower train.learningRate or set train.clipNorm=1`,
          1,
        ),
      );
      log.dispose();
      expect(events).toEqual(['read 1', `read ${loss}`, 'dispose 3']);
    },
  );
});
