/** Captions of the shapes world, as captions.jsonl has them. */
import { describe, expect, it } from 'vitest';
import { describeClip, describeFrame } from '../../src/shapes/captions.js';
import { factsOf } from '../../src/shapes/language.js';
import type { Clip } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { placeName, replay } from './oracle.js';
import { clausesOf } from './stepOracle.js';

const clips = Array.from({ length: 200 }, (_, i) => simulateClip(`captions-test/${i}`));

describe('captions', () => {
  const pushed: Clip = {
    id: 'example',
    frames: 16,
    background: 'gray',
    objects: [
      { colour: 'red', shape: 'circle', cell: 3, offset: [0, 0], phase: 0 },
      { colour: 'blue', shape: 'star', cell: 4, offset: [0, 0], phase: 0 },
      { colour: 'green', shape: 'cross', cell: 8, offset: [0, 0], phase: 0 },
    ],
    events: [
      { kind: 'move', beat: 1, object: 0, direction: 'right', from: 3, to: 4, target: 1 },
      { kind: 'push', beat: 1, object: 1, cause: 0, direction: 'right', from: 4, to: 5 },
      { kind: 'move', beat: 2, object: 2, direction: 'up', from: 8, to: 5, target: 1 },
      { kind: 'paint', beat: 2, object: 1, cause: 2 },
    ],
  };

  it('tell the whole clip', () => {
    expect(describeClip(factsOf(pushed))).toBe(
      'a red circle, a blue star and a green cross on a gray background. ' +
        'the red circle moves right and touches the blue star. the blue star is pushed right. ' +
        'the green cross moves up and touches the blue star. the blue star turns green.',
    );
  });

  it('describe a frame, in its colours at that time', () => {
    expect(describeFrame(factsOf(pushed), 0)).toBe(
      'red circle left, blue star centre, green cross bottom right.',
    );
    expect(describeFrame(factsOf(pushed), 3)).toBe('red circle centre, green star right, green cross right.');
  });
});

describe('describeFrame', () => {
  it('names exactly what the frame shows, by an independent reading', () => {
    for (const clip of clips) {
      replay(clip).forEach((seen, beat) => {
        const shown = seen.filter(({ cell }) => cell !== undefined);
        const parts = shown.map((object) => `${object.shown} ${object.shape} ${placeName(object)}`);
        expect(describeFrame(factsOf(clip), beat)).toBe(`${parts.join(', ')}.`);
      });
    }
  });
});

describe('describeClip', () => {
  it('lists the objects, then tells every event in one true sentence, by an independent reading', () => {
    for (const clip of clips) {
      const things = clip.objects.map(({ colour, shape }) => `a ${colour} ${shape}`);
      const listed = `${things.slice(0, -1).join(', ')} and ${things.at(-1)}`;
      const [first, ...told] = describeClip(factsOf(clip))
        .match(/[^.]+\./g)!
        .map((text) => text.trim());
      expect(first).toBe(`${listed} on a ${clip.background} background.`);
      const clauses = clip.events.map(({ beat }, i) =>
        clausesOf(clip, `From frame ${beat} to frame ${beat + 1}, ${told[i]}`, ''),
      );
      expect({ told, holds: clauses.flat().map(({ holds }) => holds) }).toEqual({
        told,
        holds: clip.events.map(() => true),
      });
      expect(told).toHaveLength(clip.events.length);
    }
  });
});
