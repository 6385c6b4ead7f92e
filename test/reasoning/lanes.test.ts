/** How many requests servers get at once, and in which order. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Lane } from '../../src/reasoning/lane.js';
import { Lanes } from '../../src/reasoning/lanes.js';

describe('a lane', () => {
  /** Rounds of as many requests as the limit allows; the server takes `capacity` of them. */
  function rounds(capacity: number, most: number, count: number, byChance?: () => boolean) {
    const lane = new Lane(1);
    const sent: number[] = [];
    let busy = 0;
    for (let now = 1; now <= count; now++) {
      while (lane.inFlight < most && lane.isFree(now)) lane.inFlight++;
      const all = lane.inFlight;
      sent.push(all);
      for (let i = 0; i < all; i++) {
        if (byChance ? byChance() : i >= capacity) {
          busy++;
          lane.slowDown(now, byChance ? all : i + 1, now + 0.5);
        } else lane.speedUp();
        lane.inFlight--;
      }
    }
    return { sent, busy };
  }

  it('sends as much as it is given while nothing is wrong', () => {
    expect(rounds(99, 32, 20).sent).toEqual(Array(20).fill(32));
  });

  it.each([1, 2, 7, 16, 40])('finds a limit of %d and rarely passes it', (capacity) => {
    const { sent, busy } = rounds(capacity, 64, 400);
    const late = sent.slice(20);
    const mean = late.reduce((sum, n) => sum + n, 0) / late.length;
    expect(mean).toBeGreaterThan(0.75 * capacity);
    expect(mean).toBeLessThan(Math.max(capacity * 1.1, capacity + 1.01));
    expect(busy).toBeLessThan(0.3 * sent.reduce((sum, n) => sum + n, 0) + 64);
  });

  it('keeps its load where 3 % are turned away by chance', () => {
    const rng = new Rng('chance');
    const { sent } = rounds(0, 64, 400, () => rng.int(100) < 3);
    expect(sent.reduce((sum, n) => sum + n, 0) / sent.length).toBeGreaterThan(10);
  });

  it('is cut once for requests that were under way together, and never below one', () => {
    const lane = new Lane(1);
    for (let load = 10; load > 0; load--) lane.slowDown(1, load, 2);
    expect(lane.limit).toBe(7);
    for (let now = 3; now < 50; now++) lane.slowDown(now, 1, now + 0.5);
    expect(lane.limit).toBe(1);
    expect(lane.isFree(60)).toBe(true);
  });
});

describe('several lanes', () => {
  it('share requests by their weights', async () => {
    const all = [new Lane(1), new Lane(3)];
    const lanes = new Lanes(all);
    for (let i = 0; i < 40; i++) await lanes.acquire(undefined);
    expect(all.map((lane) => lane.inFlight)).toEqual([10, 30]);
  });

  it('prefer another one than that which failed, and take it when it is alone', async () => {
    const [first, second] = [new Lane(100), new Lane(1)];
    const lanes = new Lanes([first, second]);
    expect(await lanes.acquire(undefined, first)).toBe(second);
    second.pause(Number.POSITIVE_INFINITY);
    expect(await lanes.acquire(undefined, first)).toBe(first);
  });

  it('serve those who wait in their order, after a pause too, and drop those who gave up', async () => {
    const lane = new Lane(1);
    lane.limit = 1;
    const lanes = new Lanes([lane]);
    await lanes.acquire(undefined);
    const order: number[] = [];
    const waiting = [1, 2, 3].map((name) => {
      const controller = new AbortController();
      if (name === 2) setTimeout(() => controller.abort(new Error('gone')), 1);
      const served = lanes.acquire(controller.signal).then(() => order.push(name));
      return served.catch((error) => order.push(-name) && expect(error.message).toBe('gone'));
    });
    lane.pause(performance.now() + 20);
    lanes.release(lane);
    await waiting[1];
    await waiting[0];
    lanes.release(lane);
    await waiting[2];
    expect(order).toEqual([-2, 1, 3]);
    await expect(lanes.acquire(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
  });
});
