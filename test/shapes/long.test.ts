/** Long clips: what happens between two of four uniform frames, and that these do not show it. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { askAll } from '../../src/shapes/questions.js';
import { beatOfFrame, renderFrames, sampleFrames } from '../../src/shapes/render.js';
import { type Clip, isLength, type MoveEvent, restStates } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { excursionsOf } from '../../src/shapes/tasks/excursion.js';
import { truthOf } from './oracle.js';

const LENGTHS: [frames: number, beats: number][] = [
  [64, 12],
  [48, 12],
  [81, 20],
  [112, 28],
];
const long = (name: string, frames = 64, beats = 12) => simulateClip(`long-test/${name}`, { frames, beats });
const clips = Array.from({ length: 60 }, (_, i) => long(String(i)));

function without(clip: Clip, moves: readonly MoveEvent[]): Clip {
  return { ...clip, events: clip.events.filter((event) => !moves.includes(event as MoveEvent)) };
}

/** Frames of the beats from `first` to `last`. */
function framesOf({ frames, beats }: Clip, first: number, last: number): number[] {
  const beatOf = (frame: number) => beatOfFrame(frames, frame, beats);
  return Array.from({ length: frames }, (_, frame) => frame).filter(
    (frame) => beatOf(frame) >= first && beatOf(frame) <= last,
  );
}

describe('a long clip', () => {
  it.each<[number, number, boolean]>([
    [8, 4, true],
    [7, 4, false],
    [47, 12, false],
    [48, 12, true],
    [64, 8, false],
    [64, 6, false],
    [64, 16, false],
    [64, 0, false],
    [64, -4, false],
    [64.5, 12, false],
    [640, 12.5, false],
  ])('%d frames with %d beats: %s', (frames, beats, can) => {
    expect(isLength(frames, beats)).toBe(can);
    if (can) expect(simulateClip('length', { frames, beats }).frames).toBe(frames);
    else expect(() => simulateClip('length', { frames, beats })).toThrow(RangeError);
  });

  it('has several events, and at least one excursion in nearly every clip', () => {
    expect(clips.every(({ events }) => events.length >= 2)).toBe(true);
    const excursions = clips.map((clip) => excursionsOf(clip).length);
    expect(excursions.filter((count) => count > 0).length).toBeGreaterThan(57);
    expect(Math.max(...excursions)).toBeGreaterThan(1);
    expect(clips.reduce((sum, { events }) => sum + events.length, 0) / clips.length).toBeGreaterThan(6);
  });

  it.each(LENGTHS)(
    'of %d frames and %d beats hides each excursion from four frames, and shows it in its own',
    (frames, beats) => {
      let checked = 0;
      for (let i = 0; i < 12; i++) {
        const clip = long(`hidden/${i}`, frames, beats);
        for (const { out, back } of excursionsOf(clip)) {
          const quiet = without(clip, [out, back]);
          expect(Buffer.compare(sampleFrames(clip, 4).data, sampleFrames(quiet, 4).data), clip.id).toBe(0);
          const dense = framesOf(clip, out.beat, back.beat);
          expect(dense.length).toBeGreaterThanOrEqual(6);
          const [seen, absent] = [clip, quiet].map((each) => renderFrames(each, dense).data);
          expect(Buffer.compare(seen!, absent!)).not.toBe(0);
          // In the rest after the way out, the object stands a whole cell away.
          const [away, home] = [clip, quiet].map((each) => restStates(each)[out.beat]![out.object]!);
          expect(Math.hypot(away!.x - home!.x, away!.y - home!.y)).toBeGreaterThan(20);
          checked++;
        }
      }
      expect(checked).toBeGreaterThan(10);
    },
  );

  it('is asked the questions of a short one, and the oracle agrees with their answers', () => {
    let asked = 0;
    for (const clip of clips)
      for (const { question, options, right } of askAll(clip, new Rng(clip.id))) {
        const truths = options.filter((option) => truthOf(clip, question, option));
        expect(truths, `${clip.id}: ${question}`).toEqual([right]);
        asked++;
      }
    expect(asked).toBeGreaterThan(500);
  });
});
