/**
 * The small, regular English of the shapes world: names, places and sentences about events. Questions call an object by
 * its colour alone ("the red object"), because its shape would give away the effect of its touch; captions and
 * reasoning name both. An object keeps the name of its first colour after it has been painted.
 */
import {
  type Clip,
  type ClipEvent,
  COLOURS,
  type Colour,
  type Effect,
  LOCATIONS,
  type ObjectState,
  restStates,
  type Shape,
} from './scene.js';

export const EFFECT_PRESENT: Readonly<Record<Effect, string>> = {
  push: 'moves away',
  vanish: 'vanishes',
  shrink: 'shrinks',
  grow: 'grows',
  paint: 'changes colour',
};

export const EFFECT_PAST: Readonly<Record<Effect, string>> = {
  push: 'moved away',
  vanish: 'vanished',
  shrink: 'shrank',
  grow: 'grew',
  paint: 'changed colour',
};

export const EFFECT_BASE: Readonly<Record<Effect, string>> = {
  push: 'move away',
  vanish: 'vanish',
  shrink: 'shrink',
  grow: 'grow',
  paint: 'change colour',
};

const PLURAL: Readonly<Record<Shape, string>> = {
  circle: 'circles',
  square: 'squares',
  triangle: 'triangles',
  star: 'stars',
  cross: 'crosses',
};

/** What a kind of objects does to others: the predicate of a law. */
export const DEED: Readonly<Record<Effect, string>> = {
  push: 'push things away',
  vanish: 'make things vanish',
  shrink: 'make things shrink',
  grow: 'make things grow',
  paint: 'paint things',
};

/** A law as the teacher states it, true or not: "stars make things vanish". */
export function lawOf(shape: Shape, effect: Effect): string {
  return `${PLURAL[shape]} ${DEED[effect]}`;
}

/** Whether an object changes its place: by itself, or pushed. */
export function isMotion({ kind }: ClipEvent): boolean {
  return kind === 'move' || kind === 'push';
}

/** An object by colour and shape, without an article. */
export function nameOf(clip: Clip, object: number): string {
  const { colour, shape } = clip.objects[object]!;
  return `${colour} ${shape}`;
}

export function theObject(colour: Colour): string {
  return `the ${colour} object`;
}

/** "a, b and c". */
export function listOf(items: readonly string[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** One clause in the present tense, without a full stop; a move and the touch it ends in are one clause. */
export function clauseOf(clip: Clip, event: ClipEvent): string {
  const subject = `the ${nameOf(clip, event.object)}`;
  if (event.kind === 'move') {
    const touch = event.target === undefined ? '' : ` and touches the ${nameOf(clip, event.target)}`;
    return `${subject} moves ${event.direction}${touch}`;
  }
  if (event.kind === 'push') return `${subject} is pushed ${event.direction}`;
  if (event.kind === 'paint') return `${subject} turns ${clip.objects[event.cause]!.colour}`;
  return `${subject} ${EFFECT_PRESENT[event.kind]}`;
}

/** A clip, and the states of its objects at the end of each beat. */
export interface ClipFacts {
  clip: Clip;
  states: ObjectState[][];
}

export function factsOf(clip: Clip): ClipFacts {
  return { clip, states: restStates(clip) };
}

/** Where an object is at the end of a beat, or undefined when it has vanished. */
export function placeOf(facts: ClipFacts, beat: number, object: number): string | undefined {
  const state = facts.states[beat]![object]!;
  return state.alpha === 0 ? undefined : LOCATIONS[state.cell];
}

/** The colour an object shows at the end of a beat. */
export function colourOf(facts: ClipFacts, beat: number, object: number): Colour {
  return COLOURS[facts.states[beat]![object]!.colour]!;
}

/** Whether an object still shows the colour it is called by. */
export function showsOwnColour(facts: ClipFacts, beat: number, object: number): boolean {
  return colourOf(facts, beat, object) === facts.clip.objects[object]!.colour;
}

/** "the red star is at the top"; undefined for an object that has vanished or was painted. */
export function standingClause(facts: ClipFacts, beat: number, object: number): string | undefined {
  const place = placeOf(facts, beat, object);
  if (place === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  return `the ${nameOf(facts.clip, object)} is at the ${place}`;
}

/** "there is no red or blue object". */
export function absenceClause(colours: readonly Colour[]): string {
  return `there is no ${listOf(colours).replace(' and ', ' or ')} object`;
}

/** "the red star moves" to "The red star moves." */
export function sentence(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}
