/**
 * A second reading of a clip's events that decides whether an option is true, written from the meaning of the
 * words and without the code that makes questions: an object is followed from event to event by itself.
 */
import { type Clip, type ClipEvent, EFFECT_OF, LOCATIONS } from '../../src/shapes/scene.js';

const PAST = {
  'moved away': 'push',
  vanished: 'vanish',
  shrank: 'shrink',
  grew: 'grow',
  'changed colour': 'paint',
} as const;
const BASE = {
  'move away': 'push',
  vanish: 'vanish',
  shrink: 'shrink',
  grow: 'grow',
  'change colour': 'paint',
} as const;

export function truthOf(clip: Clip, question: string, option: string): boolean {
  for (const [pattern, holds] of RULES) {
    const match = pattern.exec(question);
    if (match !== null) return holds(clip, option, match.slice(1));
  }
  throw new Error(`the oracle does not understand: ${question}`);
}

type Holds = (clip: Clip, option: string, words: string[]) => boolean;

const RULES: [RegExp, Holds][] = [
  [
    /^why did the (\w+) object move (left|right|up|down)$/,
    (clip, option, [who, way]) =>
      clip.events.some(
        (e) =>
          e.kind === 'move' &&
          is(clip, e.object, who) &&
          e.direction === way &&
          e.target !== undefined &&
          option === `to touch the ${clip.objects[e.target]!.colour} object`,
      ),
  ],
  [
    /^why did the (\w+) object (.+)$/,
    (clip, option, [who, what]) =>
      clip.events.some(
        (e) =>
          e.kind !== 'move' &&
          e.kind === BASE[what as keyof typeof BASE] &&
          is(clip, e.object, who) &&
          option === `the ${clip.objects[e.cause]!.colour} object touched it`,
      ),
  ],
  [
    /^how did the (\w+) object move$/,
    (clip, option, [who]) => {
      const moves = clip.events.filter(
        (e) => is(clip, e.object, who) && (e.kind === 'move' || e.kind === 'push'),
      );
      return option === 'it stayed still' ? moves.length === 0 : didThroughout(clip, who!, [1, 2, 3], option);
    },
  ],
  [
    /^how did the (\w+) object react when the (\w+) object touched it$/,
    (clip, option, [who, by]) => {
      const toucher = clip.objects.find((object) => object.colour === by)!;
      const touched = clip.events.some(
        (e) => e.kind !== 'move' && is(clip, e.object, who) && is(clip, e.cause, by),
      );
      return touched && PAST[option.slice(3) as keyof typeof PAST] === EFFECT_OF[toucher.shape];
    },
  ],
  [
    /^what did the (\w+) object do (after|before|while) the (\w+) object (.+)$/,
    (clip, option, [who, when, other, what]) =>
      didThroughout(clip, who!, beatsOf(clip, when!, other!, what!), option),
  ],
  [
    /^which other object moved (after|before|while) the (\w+) object (.+)$/,
    (clip, option, [when, other, what]) => {
      const beats = beatsOf(clip, when!, other!, what!);
      return option !== `the ${other} object` && movers(clip, beats).includes(option);
    },
  ],
  [
    /^where is the (\w+) object at the (start|end)$/,
    (clip, option, [who, when]) =>
      cellOf(
        clip,
        clip.objects.findIndex((object) => object.colour === who),
        when === 'start' ? 0 : 3,
      ) === LOCATIONS.indexOf(option as (typeof LOCATIONS)[number]),
  ],
  [
    /^which object is at the (.+) at the (start|end)$/,
    (clip, option, [place, when]) =>
      clip.objects.some(
        (object, i) =>
          option === `the ${object.colour} object` &&
          cellOf(clip, i, when === 'start' ? 0 : 3) ===
            LOCATIONS.indexOf(place as (typeof LOCATIONS)[number]),
      ),
  ],
  [
    /^what shape is the (\w+) object$/,
    (clip, option, [who]) => clip.objects.some((object) => object.colour === who && object.shape === option),
  ],
  [/^what colour is the background$/, (clip, option) => clip.background === option],
  [
    /^what colour did the (\w+) object become$/,
    (clip, option, [who]) =>
      clip.events.some((e) => e.kind === 'paint' && is(clip, e.object, who) && is(clip, e.cause, option)),
  ],
  [
    /^which object (vanished|shrank|grew|changed colour|moved away)$/,
    (clip, option, [what]) =>
      clip.events.some(
        (e) =>
          e.kind === PAST[what as keyof typeof PAST] &&
          option === `the ${clip.objects[e.object]!.colour} object`,
      ),
  ],
  [
    /^how many objects are there at the (start|end)$/,
    (clip, option, [when]) => {
      const gone = when === 'end' ? clip.events.filter((e) => e.kind === 'vanish').length : 0;
      return COUNTING.indexOf(option) === clip.objects.length - gone;
    },
  ],
  [/^how many objects moved$/, (clip, option) => COUNTING.indexOf(option) === movers(clip, [1, 2, 3]).length],
];

const COUNTING = ['zero', 'one', 'two', 'three', 'four', 'five'];

function is(clip: Clip, object: number, colour: string | undefined): boolean {
  return clip.objects[object]!.colour === colour;
}

function movers(clip: Clip, beats: number[]): string[] {
  const moved = clip.events.filter((e) => (e.kind === 'move' || e.kind === 'push') && beats.includes(e.beat));
  return [...new Set(moved.map((e) => `the ${clip.objects[e.object]!.colour} object`))];
}

/** Beats after, before or in the one in which the object did that. */
function beatsOf(clip: Clip, when: string, who: string, what: string): number[] {
  const event = clip.events.find((e) => is(clip, e.object, who) && didSo(e, what));
  if (event === undefined) throw new Error(`the ${who} object never ${what}`);
  return [1, 2, 3].filter((beat) =>
    when === 'after' ? beat > event.beat : when === 'before' ? beat < event.beat : beat === event.beat,
  );
}

function didSo(event: ClipEvent, what: string): boolean {
  const way = /^moved (left|right|up|down)$/.exec(what)?.[1];
  if (way !== undefined) return event.kind === 'move' && event.direction === way;
  return event.kind === PAST[what as keyof typeof PAST];
}

/** Whether "it moved left", "it shrank" or "it stayed still" tells what an object did in these beats. */
function didThroughout(clip: Clip, who: string, beats: number[], option: string): boolean {
  const own = clip.events.filter((e) => is(clip, e.object, who) && beats.includes(e.beat));
  if (option === 'it stayed still') return own.length === 0;
  const way = /^it moved (left|right|up|down)$/.exec(option)?.[1];
  if (way !== undefined)
    return own.some((e) => (e.kind === 'move' || e.kind === 'push') && e.direction === way);
  return own.some((e) => e.kind === PAST[option.slice(3) as keyof typeof PAST]);
}

/** The cell after following every move and push up to a beat; undefined once the object has vanished. */
function cellOf(clip: Clip, object: number, beat: number): number | undefined {
  let cell: number | undefined = clip.objects[object]!.cell;
  for (const event of clip.events) {
    if (event.object !== object || event.beat > beat) continue;
    if (event.kind === 'vanish') cell = undefined;
    if (event.kind === 'move' || event.kind === 'push') cell = event.to;
  }
  return cell;
}
