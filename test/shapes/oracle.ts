/**
 * A second reading of a clip that decides whether an option of a question is true, written from the meaning of the words
 * and without the code that makes questions: every object is followed from event to event.
 */
import {
  type Clip,
  type ClipEvent,
  type Colour,
  type Effect,
  LOCATIONS,
  type Shape,
} from '../../src/shapes/scene.js';

/** The words of every effect: "it grew", "to grow", "it grows". */
export const VERBS: readonly (readonly [past: string, base: string, present: string, effect: Effect])[] = [
  ['moved away', 'move away', 'moves away', 'push'],
  ['vanished', 'vanish', 'vanishes', 'vanish'],
  ['shrank', 'shrink', 'shrinks', 'shrink'],
  ['grew', 'grow', 'grows', 'grow'],
  ['changed colour', 'change colour', 'changes colour', 'paint'],
];

/** What a frame shows of an object; `cell` is undefined once it has vanished. */
export interface Seen {
  named: Colour;
  shape: Shape;
  shown: Colour;
  cell: number | undefined;
}

/** `replay(clip)[beat][object]`: the objects at the end of each beat. */
export function replay({ objects, events, beats = 4 }: Clip): Seen[][] {
  return Array.from({ length: beats }, (_, beat) =>
    objects.map(({ colour, shape, cell }, object) => {
      const seen: Seen = { named: colour, shape, shown: colour, cell };
      for (const event of events) {
        if (event.object !== object || event.beat > beat) continue;
        if (isMotion(event)) seen.cell = event.to;
        if (event.kind === 'vanish') seen.cell = undefined;
        if (event.kind === 'paint') seen.shown = objects[event.cause]!.colour;
      }
      return seen;
    }),
  );
}

export function isMotion(event: ClipEvent): boolean {
  return event.kind === 'move' || event.kind === 'push';
}

/** @throws Error for a question of no template, or about nothing that the clip holds. */
export function truthOf(clip: Clip, question: string, option: string): boolean {
  for (const [pattern, holds] of RULES) {
    const match = pattern.exec(question);
    if (match !== null) return holds(clip, option, match.slice(1));
  }
  throw new Error(`the oracle does not understand: ${question}`);
}

const RULES: [RegExp, (clip: Clip, option: string, words: string[]) => boolean][] = [
  [
    /^why did the (\w+) object (.+)$/,
    (clip, option, [who, what]) => {
      const effect = effectOf(what!);
      const events = clip.events.filter((e) => e.kind === effect && e.object === find(clip, who!));
      return events.some((e) => 'cause' in e && option === `${nameOf(clip, e.cause)} touched it`);
    },
  ],
  [
    /^how did the (\w+) object react when the (\w+) object touched it$/,
    (clip, option, [who, by]) => {
      const [object, cause] = [find(clip, who!), find(clip, by!)];
      const effects = clip.events.filter((e) => 'cause' in e && e.object === object && e.cause === cause);
      if (effects.length !== 1) throw new Error(`the ${by} object touched it ${effects.length} times`);
      return didSo(effects[0]!, option.replace(/^it /, ''));
    },
  ],
  [
    /^how did the (\w+) object move$/,
    (clip, option, [who]) => {
      const moves = clip.events.filter((e) => e.object === find(clip, who!) && isMotion(e));
      return option === 'it stayed still' ? moves.length === 0 : moves.some((e) => saysSo(option, e));
    },
  ],
  [
    /^what did the (\w+) object do (after|before) the (\w+) object (.+)$/,
    (clip, option, [who, when, other, what]) => {
      const named = clip.events.filter((e) => e.object === find(clip, other!) && didSo(e, what!));
      if (named.length !== 1) throw new Error(`the ${other} object ${what} at ${named.length} moments`);
      const own = clip.events.filter(
        (e) =>
          e.object === find(clip, who!) &&
          (when === 'after' ? isBefore(named[0]!, e) : isBefore(e, named[0]!)),
      );
      return option === 'it stayed still' ? own.length === 0 : own.some((e) => saysSo(option, e));
    },
  ],
  [
    /^where is the (\w+) object at the (start|end)$/,
    (clip, option, [who, when]) => {
      const shown = frameAt(clip, when!).filter((seen) => seen.cell !== undefined && seen.shown === who);
      if (shown.length !== 1) throw new Error(`${shown.length} objects are ${who} at the ${when}`);
      return placeName(shown[0]!) === option;
    },
  ],
  [
    /^which object is at the (.+) at the (start|end)$/,
    (clip, option, [place, when]) =>
      frameAt(clip, when!).some(
        (seen) => placeName(seen) === place && [seen.shown, seen.named].some((c) => option === theOne(c)),
      ),
  ],
];

/** Whether one event is over when another begins; within a beat an effect follows the touch that caused it. */
function isBefore(first: ClipEvent, second: ClipEvent): boolean {
  const isCause = first.kind === 'move' && 'cause' in second && second.cause === first.object;
  return first.beat < second.beat || (first.beat === second.beat && isCause);
}

/** Whether "moved left" or "shrank" tells an event; what was pushed left has moved left, and moved away. */
function didSo(event: ClipEvent, what: string): boolean {
  const way = /^moved (left|right|up|down)$/.exec(what)?.[1];
  return way === undefined ? event.kind === effectOf(what) : isMotion(event) && event.direction === way;
}

function saysSo(option: string, event: ClipEvent): boolean {
  return didSo(event, option.replace(/^it /, ''));
}

/** @throws Error for words that tell no effect. */
export function effectOf(words: string): Effect {
  const verb = VERBS.find((forms) => (forms as readonly string[]).slice(0, 3).includes(words));
  if (verb === undefined) throw new Error(`the oracle knows no effect: ${words}`);
  return verb[3];
}

function find({ objects }: Clip, colour: string): number {
  const index = objects.findIndex((object) => object.colour === colour);
  if (index < 0) throw new Error(`there is no ${colour} object`);
  return index;
}

const theOne = (colour: string) => `the ${colour} object`;
const nameOf = (clip: Clip, object: number) => theOne(clip.objects[object]!.colour);
const frameAt = (clip: Clip, when: string) => replay(clip).at(when === 'start' ? 0 : -1)!;

/** The name of the place where an object stands. */
export function placeName({ cell }: Seen): (typeof LOCATIONS)[number] | undefined {
  return cell === undefined ? undefined : LOCATIONS[cell];
}
