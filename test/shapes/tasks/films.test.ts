/** Dark and mixed clips: one answer each, found by who watches the right clip and by nobody else. */
import { describe, expect, it } from 'vitest';
import { REACTION } from '../../../src/shapes/questions.js';
import { renderAll, renderFrames } from '../../../src/shapes/render.js';
import {
  BEATS,
  type Clip,
  type ClipEvent,
  COLOURS,
  DIRECTIONS,
  restStates,
} from '../../../src/shapes/scene.js';
import { darkScore, mixScore } from '../../../src/shapes/score.js';
import { possibleEvents, simulateClip } from '../../../src/shapes/simulate.js';
import { darkFrames, darkRows, inferableBeats } from '../../../src/shapes/tasks/dark.js';
import { mixFrames, mixRows } from '../../../src/shapes/tasks/mix.js';
import { replay, truthOf } from '../oracle.js';

const clips = Array.from({ length: 70 }, (_, i) => ({
  video: `clip-${i}`,
  clip: simulateClip(`films-test/${i}`),
}));
const clipOf = new Map(clips.map(({ video, clip }) => [video, clip]));
const split = { clips, seed: 'films-test', questionsPerClip: 4 };
const dark = darkRows(split);
const mix = mixRows(split);

/** An answerer that watches a clip tells the events of a beat in its own words. */
function tell(clip: Clip, beat: number): string {
  const name = (object: number) => `the ${clip.objects[object]!.colour} ${clip.objects[object]!.shape}`;
  const tellOne = (event: ClipEvent) => {
    const who = name(event.object);
    switch (event.kind) {
      case 'move':
        return event.target === undefined
          ? `${who} moved ${event.direction}`
          : `${who} moved ${event.direction} and touched ${name(event.target)}`;
      case 'push':
        return `${who} moved ${event.direction}`;
      case 'paint':
        return `${who} turned ${clip.objects[event.cause]!.colour}`;
      default:
        return `${who} ${{ vanish: 'vanished', shrink: 'shrank', grow: 'grew' }[event.kind]}`;
    }
  };
  return clip.events
    .filter((event) => event.beat === beat)
    .map((event) => `${tellOne(event)}.`)
    .reverse()
    .join(' ');
}

describe('dark clips', () => {
  it('get full score from who saw the hidden beat, and none from one that tells another clip', () => {
    expect(dark.rows.length).toBeGreaterThan(60);
    for (const [i, { sample }] of dark.rows.entries()) {
      const { of, beat } = dark.videos[i]!;
      const clip = clipOf.get(of)!;
      for (const truth of sample.answers!) expect(darkScore(tell(clip, beat), truth)).toBe(2);
      const other = dark.videos[(i + 1) % dark.videos.length]!;
      expect(darkScore(tell(clipOf.get(other.of)!, other.beat), sample.answers![0]!)).toBeLessThan(2);
      // Part of the truth is worth half of it, unless it is all.
      const [part, ...rest] = tell(clip, beat).split('. ');
      if (rest.length > 0) expect(darkScore(part!, sample.answers![0]!)).toBe(1);
    }
  });

  it('are black in one beat after the first and before the last, and the clip elsewhere', () => {
    for (const { of, beat } of dark.videos.slice(0, 10)) {
      const clip = clipOf.get(of)!;
      expect(beat).toBeGreaterThan(0);
      expect(beat).toBeLessThan(BEATS - 1);
      const [seen, whole] = [darkFrames(clip, beat, 32).data, renderAll(clip, 32).data];
      const bytes = 32 * 32 * 3;
      for (let frame = 0; frame < clip.frames; frame++) {
        const [a, b] = [seen, whole].map((data) => data.subarray(frame * bytes, (frame + 1) * bytes));
        if (Math.floor(frame / 4) === beat) expect(Math.max(...a!)).toBeLessThanOrEqual(1);
        else expect(Buffer.compare(a!, b!)).toBe(0);
        const before = seen.subarray((frame - 1) * bytes, frame * bytes);
        if (frame > 0) expect(Buffer.compare(before, a!)).not.toBe(0);
      }
    }
  });

  it('show frames that no other story of the rules shows, whatever it goes on with', () => {
    // Every pair of what may happen in the dark beat and the next is tried; two objects keep them few.
    const few = clips.map(({ clip }) => clip).filter(({ objects }) => objects.length === 2);
    let beats = 0;
    let stories = 0;
    for (const clip of few.slice(0, 6))
      for (const beat of inferableBeats(clip)) {
        const own = JSON.stringify(
          clip.events
            .filter((event) => event.beat === beat)
            .map(byText)
            .sort(),
        );
        const earlier = clip.events.filter((event) => event.beat < beat);
        const rest = restStates(clip)[beat + 1]!;
        const after = Array.from({ length: 4 }, (_, i) => 4 * (beat + 1) + i);
        const seen = Buffer.from(renderFrames(clip, after, 32).data);
        for (const hidden of possibleEvents(clip, beat)) {
          if (JSON.stringify(hidden.map(byText).sort()) === own) continue;
          const upTo = { ...clip, events: [...earlier, ...hidden] };
          for (const next of possibleEvents(upTo, beat + 1)) {
            stories++;
            const story = { ...upTo, events: [...upTo.events, ...next] };
            if (JSON.stringify(restStates(story)[beat + 1]) !== JSON.stringify(rest)) continue;
            expect(seen.equals(renderFrames(story, after, 32).data), `${clip.id} ${beat}`).toBe(false);
          }
        }
        beats++;
      }
    expect(beats).toBeGreaterThan(3);
    expect(stories).toBeGreaterThan(1000);
  });
});

const byText = (event: ClipEvent) => JSON.stringify(event);

/** All that can be said about an object of a clip that is true at some moment. */
function everythingIn(clip: Clip): string[] {
  const told = clip.events.flatMap((event) => {
    const ways = DIRECTIONS.filter((way) => event.direction === way).map((way) => `it moved ${way}`);
    return event.kind === 'move' ? ways : [...ways, REACTION[event.kind], touched(clip, event.cause)];
  });
  return [...told, ...restless(clip)];
}

const touched = (clip: Clip, cause: number) => `the ${clip.objects[cause]!.colour} object touched it`;

/** "it stayed still" where an object of the clip did not move. */
function restless(clip: Clip): string[] {
  const still = clip.objects.some((_, i) => clip.events.every((event) => event.object !== i));
  return still ? ['it stayed still'] : [];
}

describe('mixed clips', () => {
  const asks = mix.rows.map(({ sample }, i) => ({ sample, made: mix.videos[i]! }));

  it('ask about an object that one clip has alone, at any time', () => {
    expect(asks.length).toBeGreaterThan(60);
    for (const { sample, made } of asks) {
      const names = [...sample.question.matchAll(/the (\w+) (\w+)/g)].map(
        ([, colour, shape]) => `${colour} ${shape}`,
      );
      const looks = (video: string) =>
        new Set(
          replay(clipOf.get(video)!)
            .flat()
            .map(({ shown, shape }) => `${shown} ${shape}`),
        );
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) {
        expect(looks(made.of[0])).toContain(name);
        expect(looks(made.of[1]), sample.question).not.toContain(name);
      }
    }
  });

  it('get full score from who watches the right clip, and none from who tells anything of the other', () => {
    const deeds = [
      ...DIRECTIONS.map((way) => `it moved ${way}`),
      'it stayed still',
      ...Object.values(REACTION),
    ];
    const causes = COLOURS.map((colour) => `the ${colour} object touched it`);
    for (const { sample, made } of asks) {
      const [own, other] = made.of.map((video) => clipOf.get(video)!) as [Clip, Clip];
      const question = sample.question.replace(/the (\w+) (?:\w+)(?= |\?)/g, 'the $1 object').slice(0, -1);
      const options = question.startsWith('why') ? causes : deeds;
      const right = options.filter((option) => truthOf(own, question, option));
      expect(right.length, question).toBeGreaterThan(0);
      expect(mixScore(right[0]!, sample.answers!), question).toBe(1);
      for (const text of everythingIn(other))
        expect(mixScore(text, sample.answers!), `${question} ${text}`).toBe(0);
    }
  });

  it('hold every frame of both clips once, in runs of 2 or 3 that take turns', () => {
    for (const { made } of asks.slice(0, 10)) {
      const [own, other] = made.of.map((video) => clipOf.get(video)!) as [Clip, Clip];
      for (const runs of made.pieces) {
        expect(runs.reduce((a, b) => a + b, 0)).toBe(16);
        for (const run of runs) expect([2, 3]).toContain(run);
      }
      const { data, n } = mixFrames([own, other], made, 16);
      expect([n, data.length]).toEqual([32, 32 * 768]);
      const frames = Array.from({ length: 32 }, (_, i) => Buffer.from(data.subarray(i * 768, (i + 1) * 768)));
      const of = [own, other].map((clip) => {
        const all = renderAll(clip, 16).data;
        return Array.from({ length: 16 }, (_, i) => Buffer.from(all.subarray(i * 768, (i + 1) * 768)));
      });
      const sides = frames.map((frame) => (of[0]!.some((each) => each.equals(frame)) ? 0 : 1));
      for (const side of [0, 1]) {
        const kept = frames.filter((_, i) => sides[i] === side);
        expect(Buffer.concat(kept).equals(Buffer.concat(of[side]!))).toBe(true);
      }
      expect(sides[0]).toBe(made.first);
      expect(sides.join('')).not.toMatch(/^0+1+$|^1+0+$/);
    }
  });

  it('are made only where there is another clip', () => {
    expect(mixRows({ ...split, clips: clips.slice(0, 1) })).toEqual({ rows: [], videos: [] });
    expect(mixRows({ ...split, clips: [] })).toEqual({ rows: [], videos: [] });
  });
});
