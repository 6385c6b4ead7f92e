/** Invents clips: the events of each beat, by the rules of the shapes world. */
import { Rng } from '../base/random.js';
import {
  BACKGROUNDS,
  BEATS,
  type Clip,
  type ClipEvent,
  COLOURS,
  DIRECTIONS,
  type Direction,
  EFFECT_OF,
  EFFECTS,
  type Effect,
  type EffectEvent,
  isLength,
  type MoveEvent,
  neighbour,
  SHAPES,
  type ShapeObject,
} from './scene.js';

/** State of an object in the story. */
interface Actor {
  cell: number;
  gone: boolean;
  painted: boolean;
  /** Has given its colour to another object. */
  painter: boolean;
  touched: boolean;
  /** Rests where it touched another object, not at the centre of its cell. */
  leaning: boolean;
}

/** One thing that may happen in a beat: a move, and for a touch its effect. */
interface Act {
  move: MoveEvent;
  effect?: EffectEvent;
}

/**
 * Invents one clip. The same id gives the same clip on every machine.
 *
 * Rules that keep it legible: at most one touch a beat, and at least one in the clip; an object is touched at most
 * once; one that has vanished or changed colour takes no further part; nobody stops right in front of an object
 * without touching it; a mover covers at least one cell. A long clip has excursions besides: an object moves one cell
 * and back at once, between two of four uniform frames, which show nothing of it.
 *
 * @param id seed and name in one, for example `train-0001` behind a data seed.
 * @param options `frames` (default 16) and `beats` (default 4) of the clip; see isLength of scene.ts.
 */
export function simulateClip(
  id: string,
  { frames = 16, beats = BEATS }: { frames?: number | undefined; beats?: number | undefined } = {},
): Clip {
  if (!isLength(frames, beats)) throw new RangeError(`shapes clip ${id}: ${lengthFault(frames, beats)}`);
  const rng = new Rng(`shapes/${id}`);
  const background = rng.pick(BACKGROUNDS);
  // The first effect is fixed before the layout is, so that all five are equally frequent.
  const wanted = rng.pick(EFFECTS);
  for (;;) {
    const objects = placeObjects(rng, wanted);
    const events = tellStory(rng, objects, wanted, beats);
    if (events === undefined) continue;
    return { id, frames, ...(beats === BEATS ? {} : { beats }), background, objects, events };
  }
}

/** What is wrong with the numbers of a clip, and which it can have. */
export function lengthFault(frames: number, beats: number): string {
  if (beats % 8 !== BEATS) return `${beats} beats, expected 4, or 4 times another odd number such as 12`;
  const least = (beats === BEATS ? 2 : 4) * beats;
  return `${frames} frames, expected a whole number of at least ${least} for ${beats} beats`;
}

function placeObjects(rng: Rng, wanted: Effect): ShapeObject[] {
  const roll = rng.float();
  const count = roll < 0.15 ? 2 : roll < 0.6 ? 3 : 4;
  const colours = rng.shuffle([...COLOURS]);
  const cells = rng.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const first = SHAPES.find((shape) => EFFECT_OF[shape] === wanted);
  return Array.from({ length: count }, (_, i) => ({
    colour: colours[i]!,
    shape: i === 0 ? first! : rng.pick(SHAPES),
    cell: cells[i]!,
    offset: [rng.int(9) / 4 - 1, rng.int(9) / 4 - 1] as [number, number],
    phase: rng.int(64) / 10,
  }));
}

/** Events from beat 1 on, or undefined when this layout does not allow the wanted first touch. */
function tellStory(
  rng: Rng,
  objects: readonly ShapeObject[],
  wanted: Effect,
  beats: number,
): ClipEvent[] | undefined {
  const actors = actorsOf(objects);
  const events: ClipEvent[] = [];
  const away = beats === BEATS ? [] : excursionBeats(rng, beats);
  const own = Array.from({ length: beats - 1 }, (_, i) => i + 1).filter(
    (beat) => !away.includes(beat) && !away.includes(beat - 1),
  );
  const touchBeat = own[rng.int(own.length)];
  // A long clip has about as many other events as a short one.
  const pace = (BEATS - 1) / (beats - 1);
  for (let beat = 1; beat < beats; beat++) {
    if (away.includes(beat)) {
      const pairs = possibleExcursions(actors, beat);
      if (pairs.length > 0) for (const act of rng.pick(pairs)) perform(actors, events, act);
      // The way back has taken the next beat.
      beat++;
      continue;
    }
    const acts: Act[] = [];
    const touches = possibleTouches(objects, actors, beat);
    const roll = rng.float();
    if (beat === touchBeat) {
      const fitting = touches.filter((act) => act.effect?.kind === wanted);
      if (fitting.length === 0) return undefined;
      acts.push(rng.pick(fitting));
    } else if (roll < 0.55 * pace && touches.length > 0) {
      acts.push(pickByEffect(rng, touches));
    } else if (roll < 0.9 * pace) {
      const moves = possibleMoves(actors, beat, []);
      if (moves.length > 0) acts.push(rng.pick(moves));
    }
    if (rng.float() < 0.45 && acts.length > 0) {
      const bystanders = possibleMoves(actors, beat, acts);
      if (bystanders.length > 0) acts.push(rng.pick(bystanders));
    }
    for (const act of acts) perform(actors, events, act);
  }
  return events;
}

function actorsOf(objects: readonly ShapeObject[]): Actor[] {
  const untouched = { gone: false, painted: false, painter: false, touched: false, leaning: false };
  return objects.map(({ cell }) => ({ cell, ...untouched }));
}

/**
 * Every set of events that the rules allow in a beat, given those before it; no event at all is one of them. The same set may
 * come twice, in another order.
 */
export function possibleEvents(
  { objects, events }: Pick<Clip, 'objects' | 'events'>,
  beat: number,
): ClipEvent[][] {
  const actors = actorsOf(objects);
  for (const act of actsOf(events.filter((event) => event.beat < beat))) perform(actors, [], act);
  const firsts = [...possibleTouches(objects, actors, beat), ...possibleMoves(actors, beat, [])];
  const sets = [
    [],
    ...firsts.map((act) => [act]),
    ...firsts.flatMap((act) => possibleMoves(actors, beat, [act]).map((bystander) => [act, bystander])),
  ];
  return sets.map((acts) => acts.flatMap(({ move, effect }) => (effect ? [move, effect] : [move])));
}

/** Events as acts again: an effect follows its cause. */
function actsOf(events: readonly ClipEvent[]): Act[] {
  const acts: Act[] = [];
  for (const event of events) {
    if (event.kind === 'move') acts.push({ move: event });
    else acts.at(-1)!.effect = event;
  }
  return acts;
}

/** Share of the stretches between two of four uniform frames that have an excursion. */
const EXCURSIONS = 0.75;

/** The beats of a long clip at which excursions begin: one at most between two of four uniform frames, one at least in all. */
function excursionBeats(rng: Rng, beats: number): number[] {
  const step = beats / 4;
  const shown = (i: number) => Math.floor(step / 2) + i * step;
  // The way back may fall into the beat that the next frame shows: it is over before the beat's middle.
  const starts = [0, 1, 2].map((i) => shown(i) + 1 + rng.int(step - 1));
  const kept = starts.filter(() => rng.chance(EXCURSIONS));
  return kept.length > 0 ? kept : [rng.pick(starts)];
}

/** Ways of one cell and back that touch nobody, of objects that stand in the middle of their cells. */
function possibleExcursions(actors: readonly Actor[], beat: number): [Act, Act][] {
  return possibleMoves(actors, beat, []).flatMap((out): [Act, Act][] => {
    const { object, from, to, direction } = out.move;
    if (neighbour(from, direction) !== to || actors[object]!.leaning) return [];
    const moved = actors.map((actor, i) => (i === object ? { ...actor, cell: to } : actor));
    const back = possibleMoves(moved, beat + 1, []).find(
      ({ move }) => move.object === object && move.to === from,
    );
    return back === undefined ? [] : [[out, back]];
  });
}

/** Uniform over the effects that are possible, then over their acts. */
function pickByEffect(rng: Rng, touches: readonly Act[]): Act {
  const kinds = EFFECTS.filter((kind) => touches.some((act) => act.effect?.kind === kind));
  const kind = rng.pick(kinds);
  return rng.pick(touches.filter((act) => act.effect?.kind === kind));
}

function perform(actors: Actor[], events: ClipEvent[], { move, effect }: Act): void {
  events.push(move);
  const mover = actors[move.object] as Actor;
  mover.cell = move.to;
  mover.leaning = effect !== undefined;
  if (effect === undefined) return;
  events.push(effect);
  const target = actors[effect.object] as Actor;
  target.touched = true;
  if (effect.kind === 'push') Object.assign(target, { cell: effect.to, leaning: false });
  if (effect.kind === 'vanish') target.gone = true;
  if (effect.kind === 'paint') {
    target.painted = true;
    mover.painter = true;
  }
}

function occupant(actors: readonly Actor[], cell: number | undefined): number | undefined {
  if (cell === undefined) return undefined;
  const index = actors.findIndex((actor) => !actor.gone && actor.cell === cell);
  return index < 0 ? undefined : index;
}

function possibleTouches(objects: readonly ShapeObject[], actors: readonly Actor[], beat: number): Act[] {
  const acts: Act[] = [];
  objects.forEach(({ shape }, object) => {
    const { gone, painted } = actors[object]!;
    if (gone || painted) return;
    for (const direction of DIRECTIONS)
      acts.push(...touchIn(actors, beat, object, direction, EFFECT_OF[shape]));
  });
  return acts;
}

/**
 * The touch in a direction, if there is one. A push starts beside its target and moves both by one cell; every other
 * touch starts two cells away, so that the mover is seen to travel.
 */
function touchIn(
  actors: readonly Actor[],
  beat: number,
  object: number,
  direction: Direction,
  kind: Effect,
): Act[] {
  const from = (actors[object] as Actor).cell;
  const next = neighbour(from, direction);
  const far = next === undefined ? undefined : neighbour(next, direction);
  if (next === undefined || far === undefined) return [];
  const target = occupant(actors, kind === 'push' ? next : far);
  const mustBeFree = kind === 'push' ? far : next;
  if (target === undefined || occupant(actors, mustBeFree) !== undefined) return [];
  const hit = actors[target] as Actor;
  if (hit.touched || hit.painted) return [];
  // Else the colour that an object is named by would be shown by another one alone.
  if (kind === 'paint' && hit.painter) return [];
  const move: MoveEvent = { kind: 'move', beat, object, direction, from, to: next, target };
  const effect: EffectEvent = { kind, beat, object: target, cause: object };
  if (kind === 'push') Object.assign(effect, { direction, from: next, to: far });
  return [{ move, effect }];
}

/** Moves of one or two cells that touch nobody and cross no cell that `acts` use in the same beat. */
function possibleMoves(actors: readonly Actor[], beat: number, acts: readonly Act[]): Act[] {
  const taken = new Set<number>();
  const busy = new Set<number>();
  for (const { move, effect } of acts) {
    busy.add(move.object);
    for (const cell of path(move.from, move.to, move.direction)) taken.add(cell);
    // Nobody may arrive in front of a mover either: that would look like a touch.
    const ahead = neighbour(move.to, move.direction);
    if (ahead !== undefined) taken.add(ahead);
    if (effect === undefined) continue;
    busy.add(effect.object);
    if (effect.to !== undefined) taken.add(effect.to);
  }
  const isFree = (cell: number | undefined) =>
    cell === undefined || (occupant(actors, cell) === undefined && !taken.has(cell));
  const moves: Act[] = [];
  actors.forEach((actor, object) => {
    if (actor.gone || actor.painted || busy.has(object)) return;
    for (const direction of DIRECTIONS) {
      let to: number | undefined = actor.cell;
      for (let steps = 1; steps <= 2; steps++) {
        to = neighbour(to, direction);
        if (to === undefined || !isFree(to)) break;
        // The cell ahead must be empty too, else it would look like a touch.
        if (!isFree(neighbour(to, direction))) continue;
        moves.push({ move: { kind: 'move', beat, object, direction, from: actor.cell, to } });
      }
    }
  });
  return moves;
}

function path(from: number, to: number, direction: Direction): number[] {
  const cells = [from];
  while (cells.at(-1) !== to) cells.push(neighbour(cells.at(-1)!, direction)!);
  return cells;
}
