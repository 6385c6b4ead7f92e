import { describe, expect, it } from 'vitest';
import { Refusal } from '../../src/serve/http.js';
import { DeviceQueue } from '../../src/serve/queue.js';

/** Work that ends when it is told to. */
function held() {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { work: () => ended, end };
}

const never = new AbortController().signal;
const ignore = () => {};

describe('the queue of the device', () => {
  it('does one thing at a time, in order, and tells each its place', async () => {
    const queue = new DeviceQueue(10);
    const order: string[] = [];
    const jobs = ['a', 'b', 'c'].map((name) => {
      const job = held();
      const places: number[] = [];
      const done = queue.run(
        async () => {
          order.push(`${name} begins`);
          await job.work();
          order.push(`${name} ends`);
        },
        never,
        (place) => places.push(place),
      );
      return { ...job, places, done };
    });
    for (const { end, done } of jobs) {
      end();
      await done;
    }
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    expect(jobs.map(({ places }) => places)).toEqual([[0], [1, 0], [2, 1, 0]]);
  });

  it('refuses with 503 and a time to come again when as many wait as may', async () => {
    const queue = new DeviceQueue(2);
    const first = held();
    const running = queue.run(first.work, never, ignore);
    const waiting = [queue.run(async () => 1, never, ignore), queue.run(async () => 2, never, ignore)];
    const refused = queue.run(async () => 3, never, ignore);
    await expect(refused).rejects.toMatchObject({ status: 503, headers: { 'retry-after': /^[1-9]\d*$/ } });
    await expect(refused).rejects.toThrow(Refusal);
    first.end();
    await running;
    expect(await Promise.all(waiting)).toEqual([1, 2]);
    expect(await queue.run(async () => 4, never, ignore)).toBe(4);
  });

  it('lets one that is cancelled leave, and the others move up', async () => {
    const queue = new DeviceQueue(10);
    const first = held();
    const running = queue.run(first.work, never, ignore);
    const controller = new AbortController();
    let begun = false;
    const left = queue.run(
      async () => {
        begun = true;
      },
      controller.signal,
      ignore,
    );
    const places: number[] = [];
    const last = queue.run(
      async () => 'last',
      never,
      (place) => places.push(place),
    );
    controller.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect(places).toEqual([2, 1]);
    first.end();
    await running;
    expect(await last).toBe('last');
    expect(begun).toBe(false);
    await expect(queue.run(async () => 1, controller.signal, ignore)).rejects.toThrow('gone');
  });

  it('goes on after work that fails', async () => {
    const queue = new DeviceQueue(0);
    const failing = queue.run(() => Promise.reject(new Error('broken')), never, ignore);
    await expect(failing).rejects.toThrow('broken');
    expect(await queue.run(async () => 'next', never, ignore)).toBe('next');
  });
});
