/** Invented clips follow the rules of the world. */
import { describe, expect, it } from 'vitest';
import { beatOfFrame } from '../../src/shapes/render.js';
import {
  BEATS,
  type Clip,
  cellCentre,
  EFFECT_OF,
  EFFECTS,
  type EffectEvent,
  neighbour,
  restStates,
  STEP,
} from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { sampleFrames } from '../../src/video/sample.js';

const clips = Array.from({ length: 600 }, (_, i) => simulateClip(`simulate-test/${i}`));

function effectsOf(clip: Clip): EffectEvent[] {
  return clip.events.filter((event) => event.kind !== 'move');
}

describe('simulateClip', () => {
  it('gives the same clip for the same id and another one for another id', () => {
    expect(simulateClip('a/1')).toEqual(simulateClip('a/1'));
    expect(new Set(clips.map((clip) => JSON.stringify({ ...clip, id: '' }))).size).toBe(clips.length);
  });

  it('refuses clips too short to show four beats', () => {
    for (const frames of [0, 7, 15.5, Number.NaN])
      expect(() => simulateClip('a', { frames })).toThrow(RangeError);
  });

  it('puts 2 to 4 objects of different colours into different cells', () => {
    for (const { objects } of clips) {
      expect(objects.length).toBeGreaterThanOrEqual(2);
      expect(objects.length).toBeLessThanOrEqual(4);
      expect(new Set(objects.map((object) => object.colour)).size).toBe(objects.length);
      expect(new Set(objects.map((object) => object.cell)).size).toBe(objects.length);
    }
  });

  it('follows the law: each effect is caused by a touch in its beat and fits the shape that touched', () => {
    for (const clip of clips) {
      for (const effect of effectsOf(clip)) {
        expect(effect.kind).toBe(EFFECT_OF[clip.objects[effect.cause]!.shape]);
        const touches = clip.events.filter(
          (e) =>
            e.kind === 'move' &&
            e.beat === effect.beat &&
            e.object === effect.cause &&
            e.target === effect.object,
        );
        expect(touches).toHaveLength(1);
      }
      const touches = clip.events.filter((event) => event.kind === 'move' && event.target !== undefined);
      expect(effectsOf(clip)).toHaveLength(touches.length);
      expect(touches.length).toBeGreaterThanOrEqual(1);
    }
  });

  it('touches an object at most once and gives none that vanished or was painted another part', () => {
    for (const clip of clips) {
      const targets = effectsOf(clip).map((effect) => effect.object);
      expect(new Set(targets).size).toBe(targets.length);
      for (const effect of effectsOf(clip)) {
        if (effect.kind !== 'vanish' && effect.kind !== 'paint') continue;
        const later = clip.events.filter(
          (e) =>
            e.beat > effect.beat &&
            (e.object === effect.object || (e.kind === 'move' && e.target === effect.object)),
        );
        expect(later).toEqual([]);
      }
    }
  });

  it('never puts two objects into one cell, and stops in front of another only to touch it', () => {
    for (const clip of clips) {
      const states = restStates(clip);
      for (let beat = 0; beat < BEATS; beat++) {
        const cells = states[beat]!.flatMap((state) => (state.alpha > 0 ? [state.cell] : []));
        expect(new Set(cells).size).toBe(cells.length);
      }
      for (const event of clip.events) {
        if (event.kind !== 'move' || event.target !== undefined) continue;
        const ahead = neighbour(event.to, event.direction);
        const there = [event.beat - 1, event.beat].flatMap((beat) =>
          states[beat]!.filter((s) => s.alpha > 0 && s.cell === ahead),
        );
        expect(there).toEqual([]);
      }
    }
  });

  it('ends every touch in contact: the outlines meet along the line of motion', () => {
    for (const clip of clips) {
      const states = restStates(clip);
      for (const event of clip.events) {
        if (event.kind !== 'move' || event.target === undefined) continue;
        const mover = states[event.beat]![event.object]!;
        const target = states[event.beat]![event.target]!;
        const before = states[event.beat - 1]![event.target]!;
        const axis = STEP[event.direction][0] !== 0 ? 'x' : 'y';
        const gap =
          Math.abs(mover[axis] - target[axis]) - mover.radius - Math.max(target.radius, before.radius);
        expect(Math.abs(gap)).toBeLessThan(1e-9);
      }
    }
  });

  it('moves everything that moves by at least half a cell, so that it shows', () => {
    for (const clip of clips) {
      const states = restStates(clip);
      for (const event of clip.events) {
        if (event.kind !== 'move' && event.kind !== 'push') continue;
        const from = states[event.beat - 1]![event.object]!;
        const to = states[event.beat]![event.object]!;
        expect(Math.hypot(to.x - from.x, to.y - from.y)).toBeGreaterThan(11);
        expect(cellCentre(event.to!)).not.toEqual(cellCentre(event.from!));
      }
    }
  });

  it('has all five effects equally often, within sampling error', () => {
    const counts = EFFECTS.map(
      (kind) => clips.flatMap(effectsOf).filter((effect) => effect.kind === kind).length,
    );
    const total = counts.reduce((a, b) => a + b, 0);
    for (const count of counts) expect(Math.abs(count / total - 0.2)).toBeLessThan(0.06);
  });
});

describe('frames and beats', () => {
  it('shows one beat in each of four uniformly sampled frames, whatever the length', () => {
    for (const frames of [8, 9, 12, 16, 17, 24, 31, 64]) {
      const indices = sampleFrames({ frameCount: frames, lo: 0, hi: frames }, 4);
      expect(indices.map((index) => beatOfFrame(frames, index))).toEqual([0, 1, 2, 3]);
    }
  });
});
