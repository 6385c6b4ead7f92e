/** Clips with a limit of frames a second, and when the frames of a clip are shown; the clip that ships lasts 2 s at 8 frames a second. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { readClipTimes } from '../../src/video/clip.js';
import { type FrameRequest, readFrames, readFrameTimes } from '../../src/video/frames.js';

const path = fileURLToPath(new URL('../../bench/shapes/clip.webp', import.meta.url));
const request = (count: number, more: Partial<FrameRequest> = {}): FrameRequest => ({
  ...{ path, id: 'q', count, mode: 'uniform', start: 0, end: 2 },
  ...more,
});

describe('frames of a span', () => {
  it.each<[string, number, number | undefined, number[]]>([
    ['no limit', 4, undefined, [2, 6, 10, 14]],
    ['a limit that is not reached', 4, 2, [2, 6, 10, 14]],
    ['half as many, each twice', 4, 1, [4, 4, 12, 12]],
    ['one at least', 4, 0.1, [8, 8, 8, 8]],
    ['a number that does not divide', 5, 1, [4, 4, 4, 12, 12]],
    ['as many as two a second of two', 8, 2, [2, 2, 6, 6, 10, 10, 14, 14]],
  ])('with %s', async (_, count, perSecond, indices) => {
    const frames = await readFrames(request(count, { perSecond }));
    expect(frames.indices).toEqual(indices);
    expect(frames.n).toBe(count);
    expect(await readFrameTimes(request(count, { perSecond }))).toEqual(frames.timestamps);
  });

  it('are given once without padding', async () => {
    const { indices } = await readFrames(request(4, { perSecond: 1, pad: false }));
    expect(indices).toEqual([4, 12]);
  });

  it('are drawn within the limit', async () => {
    const { indices } = await readFrames(request(4, { perSecond: 1, mode: 'random', rng: new Rng('a') }));
    expect(indices[0]).toBe(indices[1]);
    expect(indices[2]).toBe(indices[3]);
    expect(indices[0]).toBeLessThan(8);
    expect(indices[2]).toBeGreaterThanOrEqual(8);
  });

  it('have no limit in a clip without bounds', async () => {
    const { end: _, ...open } = request(4, { perSecond: 1 });
    expect((await readFrames(open)).indices).toEqual([2, 6, 10, 14]);
  });

  it('are shown at the times that evaluation reads them at', async () => {
    const clip = { path, id: 'q', frames: 4, sampling: 'random', crop: 'none', start: 1, end: 2 } as const;
    const times = await readClipTimes({ ...clip, perSecond: 2, imageSize: 8, mean: [], std: [] });
    const own = await readFrames(request(4, { start: 1, perSecond: 2 }));
    expect(times).toEqual(own.timestamps);
  });
});
