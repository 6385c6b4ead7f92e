/**
 * Statements about a shapes clip with one slot, of whose values exactly one makes the statement true. Cloze asks for
 * it, the choice lists it among others.
 */
import type { Rng } from '../random.js';
import { MOTION, MOTIONS, REACTION, REACTIONS, STILL } from './candidate.js';
import {
  type ClipFacts,
  EFFECT_PAST,
  type Naming,
  NUMBERS,
  nameOf,
  placeOf,
  showsOwnColour,
  theObject,
} from './language.js';
import { BACKGROUNDS, BEATS, type ClipEvent, COLOURS, type Colour, LOCATIONS, SHAPES } from './scene.js';

export interface Slot {
  write: (value: string) => string;
  values: readonly string[];
  right: string;
}

/**
 * Draws one statement about the clip.
 *
 * @param sceneShare how many are about one frame; the others are about what happens.
 */
export function drawSlot(facts: ClipFacts, rng: Rng, sceneShare: number): Slot {
  for (;;) {
    const beat = rng.int(BEATS);
    const slot =
      rng.float() < sceneShare
        ? rng.pick(SCENE_WRITERS)(facts, rng, beat, momentOf(beat, rng))
        : rng.pick(EVENT_WRITERS)(facts, rng);
    if (slot !== undefined) return slot;
  }
}

/** Draws one statement about a single frame, which is called the first. */
export function drawSceneSlot(facts: ClipFacts, beat: number, rng: Rng): Slot {
  for (;;) {
    const slot = rng.pick(SCENE_WRITERS)(facts, rng, beat, 'in frame 1');
    if (slot !== undefined) return slot;
  }
}

type SceneWriter = (facts: ClipFacts, rng: Rng, beat: number, moment: string) => Slot | undefined;
type EventWriter = (facts: ClipFacts, rng: Rng) => Slot | undefined;

/** "in frame 1"; the first and last also by what they are. */
function momentOf(beat: number, rng: Rng): string {
  const frame = `in frame ${beat + 1}`;
  if (beat === 0) return rng.pick([frame, 'at the start']);
  return beat === BEATS - 1 ? rng.pick([frame, 'at the end']) : frame;
}

const placeSlot: SceneWriter = (facts, rng, beat, moment) => {
  const object = rng.int(facts.clip.objects.length);
  const right = placeOf(facts, beat, object);
  if (right === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  const name = nameOf(facts.clip, object, drawNaming(rng));
  return { write: (place) => `the ${name} is at the ${place} ${moment}`, values: LOCATIONS, right };
};

const whoIsThereSlot: SceneWriter = (facts, rng, beat, moment) => {
  const object = rng.int(facts.clip.objects.length);
  const place = placeOf(facts, beat, object);
  if (place === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  return objectSlot(facts.clip.objects[object]!.colour, (thing) => `${thing} is at the ${place} ${moment}`);
};

const shapeSlot: SceneWriter = (facts, rng, beat) => {
  const object = rng.int(facts.clip.objects.length);
  if (placeOf(facts, beat, object) === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  const { colour, shape } = facts.clip.objects[object]!;
  return { write: (value) => `${theObject(colour)} is a ${value}`, values: SHAPES, right: shape };
};

const backgroundSlot: SceneWriter = ({ clip }, rng) =>
  rng.float() < 0.3
    ? { write: (value) => `the background is ${value}`, values: BACKGROUNDS, right: clip.background }
    : undefined;

const countSlot: SceneWriter = ({ states }, _, beat, moment) => {
  const right = NUMBERS[states[beat]!.filter((state) => state.alpha > 0).length]!;
  return {
    write: (value) => `the number of objects ${moment} is ${value}`,
    values: NUMBERS.slice(1),
    right,
  };
};

/** How an object moved in one beat, at rest included. */
const motionSlot: EventWriter = ({ clip, states }, rng) => {
  const object = rng.int(clip.objects.length);
  const beat = 1 + rng.int(BEATS - 1);
  if (states[beat]![object]!.alpha === 0) return undefined;
  const event = clip.events.find((e) => e.beat === beat && e.object === object && isMotion(e));
  // A still object is the common case; take it as often as one direction.
  if (event === undefined && rng.float() > 0.25) return undefined;
  const name = nameOf(clip, object, drawNaming(rng));
  return {
    write: (value) => `the ${name} from frame ${beat} to frame ${beat + 1}: ${value}`,
    values: MOTIONS,
    right: event === undefined ? STILL : MOTION[event.direction!],
  };
};

function isMotion(event: ClipEvent): boolean {
  return event.kind === 'move' || event.kind === 'push';
}

/** Which object moved in one beat, when only one did. */
const moverSlot: EventWriter = ({ clip }, rng) => {
  const beat = 1 + rng.int(BEATS - 1);
  const moved = clip.events.filter((event) => event.beat === beat && isMotion(event));
  if (moved.length !== 1) return undefined;
  return objectSlot(
    clip.objects[moved[0]!.object]!.colour,
    (thing) => `${thing} moved from frame ${beat} to frame ${beat + 1}`,
  );
};

/** Who touched whom; the shape is left out so that it cannot be read off the words. */
const touchSlot: EventWriter = ({ clip }, rng) => {
  const touches = clip.events.filter((e) => e.kind !== 'move');
  const touch = rng.pick(touches);
  // An object is touched once at most, but may touch several.
  const several = touches.filter((e) => e.cause === touch.cause).length > 1;
  const mover = clip.objects[touch.cause]!.colour;
  const target = clip.objects[touch.object]!.colour;
  return rng.float() < 0.5 || several
    ? objectSlot(mover, (thing) => `${thing} touched ${theObject(target)}`, target)
    : objectSlot(target, (thing) => `${theObject(mover)} touched ${thing}`, mover);
};

/** A slot for an object that has this colour, called by its colour alone; `named` is in the statement already. */
function objectSlot(colour: Colour, write: (thing: string) => string, named?: Colour): Slot {
  return { write, values: COLOURS.filter((c) => c !== named).map(theObject), right: theObject(colour) };
}

/** What became of an object, in one of the five ways. */
const effectSlot: EventWriter = ({ clip }, rng) => {
  const event = rng.pick(clip.events.filter((e) => e.kind !== 'move'));
  const { colour } = clip.objects[event.object]!;
  const roll = rng.float();
  if (event.kind === 'paint' && roll < 0.3) {
    const right = clip.objects[event.cause]!.colour;
    return {
      write: (value) => `${theObject(colour)} turns ${value}`,
      values: COLOURS.filter((c) => c !== colour),
      right,
    };
  }
  if (roll < 0.6) {
    return {
      write: (value) => `${theObject(colour)}: ${value}`,
      values: REACTIONS,
      right: REACTION[event.kind],
    };
  }
  if (clip.events.filter(({ kind }) => kind === event.kind).length > 1) return undefined;
  return objectSlot(colour, (thing) => `${thing} ${EFFECT_PAST[event.kind]}`);
};

const SCENE_WRITERS: readonly SceneWriter[] = [
  placeSlot,
  whoIsThereSlot,
  shapeSlot,
  backgroundSlot,
  countSlot,
];
const EVENT_WRITERS: readonly EventWriter[] = [
  motionSlot,
  motionSlot,
  moverSlot,
  touchSlot,
  touchSlot,
  effectSlot,
  effectSlot,
];

export function drawNaming(rng: Rng): Naming {
  return rng.float() < 0.5 ? 'colour' : 'full';
}
